package taximaster

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// maxBody is as much of an answer as is read. Theirs are a few kilobytes; the
// list of a big firm's current orders would be the longest.
const maxBody = 1 << 20

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
	address, body := s.cfg.URL+"/tm_tapi/1.0/"+name, ""
	if method == http.MethodGet {
		address += "?" + encoded
	} else {
		body = encoded
	}
	answer, err := s.send(ctx, method, address, body, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer answer.Close()
	var response struct {
		XMLName xml.Name `xml:"response"`
		Code    *int     `xml:"code"`
		Descr   string   `xml:"descr"`
		Data    fields   `xml:"data"`
	}
	decoder := xml.NewDecoder(answer)
	decoder.CharsetReader = charset.NewReaderLabel // theirs is windows-1251 at times
	switch err := decoder.Decode(&response); {
	case err != nil:
		return nil, fmt.Errorf("%s: answer: %w", name, err)
	case response.Code == nil:
		return nil, fmt.Errorf("%s: answer without a code", name)
	case *response.Code != 0:
		return nil, &Refusal{name, *response.Code, response.Descr}
	}
	return response.Data, nil
}

// common asks common_api/1.0 and reads the data of its answer.
func (s *System) common(ctx context.Context, name string, p params, data any) error {
	address, encoded := s.cfg.URL+"/common_api/1.0/"+name, p.encode()
	if encoded != "" {
		address += "?" + encoded
	}
	answer, err := s.send(ctx, http.MethodGet, address, "", http.Header{"Signature": {sign(encoded, s.cfg.CommonKey)}})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer answer.Close()
	var response struct {
		Code  *int            `json:"code"`
		Descr string          `json:"descr"`
		Data  json.RawMessage `json:"data"`
	}
	body, err := io.ReadAll(answer)
	if err != nil {
		return fmt.Errorf("%s: answer: %w", name, err)
	}
	switch err := json.Unmarshal(inUTF8(body), &response); {
	case err != nil:
		return fmt.Errorf("%s: answer: %w", name, err)
	case response.Code == nil:
		return fmt.Errorf("%s: answer without a code", name)
	case *response.Code != 0:
		return &Refusal{name, *response.Code, response.Descr}
	}
	if err := json.Unmarshal(response.Data, data); err != nil {
		return fmt.Errorf("%s: data: %w", name, err)
	}
	return nil
}

// errTooLong is an answer that does not end.
var errTooLong = errors.New("answer is too long")

// send returns the body of a 200, which ends with errTooLong after maxBody.
func (s *System) send(ctx context.Context, method, address, body string, header http.Header) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := s.cfg.HTTP.Do(req)
	if err != nil {
		return nil, withoutAddress(err)
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("HTTP status %d", res.StatusCode)
	}
	return &bounded{res.Body, maxBody}, nil
}

// withoutAddress takes the address out of an error: it holds the client's
// number and the signature.
func withoutAddress(err error) error {
	var inner interface{ Unwrap() error }
	if errors.As(err, &inner) && inner.Unwrap() != nil {
		return inner.Unwrap()
	}
	return err
}

// bounded is a body of at most some bytes.
type bounded struct {
	io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// inUTF8 reads text in windows-1251 that should have been UTF-8.
func inUTF8(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	encoding, _ := charset.Lookup("windows-1251")
	out, err := encoding.NewDecoder().Bytes(text)
	if err != nil {
		return text
	}
	return out
}
