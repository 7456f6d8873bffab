package taximaster

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"

	"cabline/dispatchapi/courier"
)

// Refusal is an answer that says no.
type Refusal struct {
	Request string
	Code    int
	Descr   string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s: Такси-Мастер answered code %d: %.200s", r.Request, r.Code, r.Descr)
}

// noSuchOrder is the code of both protocols for an order that is not there.
const noSuchOrder = 100

// sign is the signature of both protocols: MD5 of the exact parameters as they
// are sent, followed by the key, in hex.
func sign(encoded, key string) string {
	sum := md5.Sum([]byte(encoded + key))
	return hex.EncodeToString(sum[:])
}

// fields are the values of a tm_tapi answer by their upper-case names. Types
// differ between versions, so all are text.
type fields map[string]string

// UnmarshalXML reads <data> with one element for each field.
func (f *fields) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	*f = fields{}
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			var value struct {
				Text string `xml:",chardata"`
			}
			if err := d.DecodeElement(&value, &t); err != nil {
				return err
			}
			(*f)[strings.ToUpper(t.Name.Local)] = strings.TrimSpace(value.Text)
		}
	}
}

// tapi asks tm_tapi/1.0. The signature is the last parameter, of a GET in the
// address, of a POST in the body.
func (s *System) tapi(ctx context.Context, method, name string, p params) (fields, error) {
	encoded := p.encode()
	encoded += "&signature=" + sign(encoded, s.cfg.TAPIKey)
	want := courier.Request{Method: method, URL: s.cfg.URL + "/tm_tapi/1.0/" + name}
	if method == http.MethodGet {
		want.URL += "?" + encoded
	} else {
		want.Body = []byte(encoded)
		want.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	}
	answer, err := s.cfg.Courier.Do(ctx, want)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var response struct {
		XMLName xml.Name `xml:"response"`
		Code    *int     `xml:"code"`
		Descr   string   `xml:"descr"`
		Data    fields   `xml:"data"`
	}
	decoder := xml.NewDecoder(bytes.NewReader(answer.Body))
	decoder.CharsetReader = func(_ string, text io.Reader) (io.Reader, error) { return text, nil } // it is UTF-8 by now
	switch err := decoder.Decode(&response); {
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %w: %s", name, courier.ErrGarbage, err, courier.Excerpt(answer.Body))
	case response.Code == nil:
		return nil, fmt.Errorf("%s: %w: it has no code: %s", name, courier.ErrGarbage, courier.Excerpt(answer.Body))
	case *response.Code != 0:
		return nil, &Refusal{name, *response.Code, response.Descr}
	}
	return response.Data, nil
}

// common asks common_api/1.0 and reads the data of its answer.
func (s *System) common(ctx context.Context, name string, p params, data any) error {
	want := courier.Request{Method: http.MethodGet, URL: s.cfg.URL + "/common_api/1.0/" + name,
		Header: http.Header{"Signature": {sign(p.encode(), s.cfg.CommonKey)}}}
	if len(p) > 0 {
		want.URL += "?" + p.encode()
	}
	answer, err := s.cfg.Courier.Do(ctx, want)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var response struct {
		Code  *int            `json:"code"`
		Descr string          `json:"descr"`
		Data  json.RawMessage `json:"data"`
	}
	switch err := json.Unmarshal(answer.Body, &response); {
	case err != nil:
		return fmt.Errorf("%s: %w: %w: %s", name, courier.ErrGarbage, err, courier.Excerpt(answer.Body))
	case response.Code == nil:
		return fmt.Errorf("%s: %w: it has no code: %s", name, courier.ErrGarbage, courier.Excerpt(answer.Body))
	case *response.Code != 0:
		return &Refusal{name, *response.Code, response.Descr}
	}
	if err := json.Unmarshal(response.Data, data); err != nil {
		return fmt.Errorf("%s: %w: data: %w", name, courier.ErrGarbage, err)
	}
	return nil
}
