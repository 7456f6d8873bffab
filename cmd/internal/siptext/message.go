// Package siptext reads and writes SIP as text (RFC 3261 §7), and as much SDP
// as one audio stream needs.
//
// It is for the programs that stand outside of Cabline and look at it from
// there: the load generator and the test phone. It shares no code with the
// exchange, so that a mistake there is not repeated here; it has no
// transactions and no sockets. It does not log.
package siptext

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MaxSize bounds a message, in bytes.
const MaxSize = 65535

// ErrMalformed is returned for bytes that are no SIP message.
var ErrMalformed = errors.New("malformed SIP message")

// Header is one header line. Compact names are kept as they came.
type Header struct{ Name, Value string }

// Message is a request or a response.
type Message struct {
	Start   string // the first line, without its end
	Headers []Header
	Body    []byte
}

var compact = map[string]string{
	"via": "v", "from": "f", "to": "t", "call-id": "i", "contact": "m",
	"content-length": "l", "content-type": "c", "supported": "k",
}

// Parse reads one message from a datagram.
func Parse(datagram []byte) (*Message, error) {
	head, body, found := strings.Cut(string(datagram), "\r\n\r\n")
	if !found {
		return nil, fmt.Errorf("no empty line: %w", ErrMalformed)
	}
	start, rest, _ := strings.Cut(head, "\r\n")
	m := &Message{Start: start, Headers: make([]Header, 0, 16)}
	for rest != "" {
		var line string
		line, rest, _ = strings.Cut(rest, "\r\n")
		if line[:min(1, len(line))] == " " || line[:min(1, len(line))] == "\t" { // folded, RFC 3261 §7.3.1
			if len(m.Headers) == 0 {
				return nil, fmt.Errorf("folded first header: %w", ErrMalformed)
			}
			m.Headers[len(m.Headers)-1].Value += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("header %.40q: %w", line, ErrMalformed)
		}
		m.Headers = append(m.Headers, Header{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	if !m.IsRequest() && m.Status() == 0 {
		return nil, fmt.Errorf("first line %.40q: %w", start, ErrMalformed)
	}
	m.Body = []byte(body)
	if n, err := strconv.Atoi(m.Value("Content-Length")); err == nil && n >= 0 && n < len(m.Body) {
		m.Body = m.Body[:n]
	}
	return m, nil
}

// Read reads one message from a stream (RFC 3261 §18.3) and returns its bytes
// too. Empty lines between messages are skipped.
func Read(r *bufio.Reader) (m *Message, raw []byte, err error) {
	var buf bytes.Buffer
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, nil, fmt.Errorf("read header: %w", err)
		}
		if buf.Len() == 0 && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		buf.Write(line)
		if buf.Len() > MaxSize {
			return nil, nil, fmt.Errorf("header over %d bytes: %w", MaxSize, ErrMalformed)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	if m, err = Parse(buf.Bytes()); err != nil {
		return nil, nil, err
	}
	n, err := strconv.Atoi(m.Value("Content-Length"))
	if err != nil || n < 0 || n > MaxSize {
		return nil, nil, fmt.Errorf("content length on a stream: %w", ErrMalformed)
	}
	m.Body = make([]byte, n)
	if _, err := io.ReadFull(r, m.Body); err != nil {
		return nil, nil, fmt.Errorf("read body: %w", err)
	}
	return m, append(buf.Bytes(), m.Body...), nil
}

// Request begins a request; Content-Length is added by Bytes.
func Request(method, uri string, headers ...Header) *Message {
	return &Message{Start: method + " " + uri + " SIP/2.0", Headers: headers}
}

// Response answers a request. The tag goes into To when the request has none
// there; an empty tag adds none.
func Response(req *Message, code int, reason, tag string) *Message {
	r := &Message{Start: "SIP/2.0 " + strconv.Itoa(code) + " " + reason}
	for _, name := range []string{"Via", "Record-Route", "From", "To", "Call-ID", "CSeq"} {
		for _, v := range req.Values(name) {
			if name == "To" && tag != "" && Tag(v) == "" {
				v += ";tag=" + tag
			}
			r.Headers = append(r.Headers, Header{name, v})
		}
	}
	return r
}

// Add appends a header and returns the message, to be chained.
func (m *Message) Add(name, value string) *Message {
	m.Headers = append(m.Headers, Header{name, value})
	return m
}

// WithBody sets the body and its type and returns the message.
func (m *Message) WithBody(contentType string, body []byte) *Message {
	m.Body = body
	return m.Add("Content-Type", contentType)
}

// Bytes is the message as it goes on the wire.
func (m *Message) Bytes() []byte {
	b := make([]byte, 0, 512+len(m.Body))
	b = append(b, m.Start...)
	b = append(b, "\r\n"...)
	for _, h := range m.Headers {
		b = append(b, h.Name...)
		b = append(b, ": "...)
		b = append(b, h.Value...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(m.Body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, m.Body...)
}

// Value is the first header of that name, in either form, or "".
func (m *Message) Value(name string) string {
	for _, h := range m.Headers {
		if h.is(name) {
			return h.Value
		}
	}
	return ""
}

// Values is all headers of that name, in order.
func (m *Message) Values(name string) (all []string) {
	for _, h := range m.Headers {
		if h.is(name) {
			all = append(all, h.Value)
		}
	}
	return all
}

func (h Header) is(name string) bool {
	if len(h.Name) == 1 {
		return strings.EqualFold(h.Name, compact[strings.ToLower(name)])
	}
	return strings.EqualFold(h.Name, name)
}

// IsRequest tells a request from a response.
func (m *Message) IsRequest() bool {
	return strings.HasSuffix(m.Start, " SIP/2.0") && strings.Count(m.Start, " ") == 2
}

// Method is the request's method, or the one in a response's CSeq.
func (m *Message) Method() string {
	if m.IsRequest() {
		method, _, _ := strings.Cut(m.Start, " ")
		return method
	}
	_, method, _ := strings.Cut(m.Value("CSeq"), " ")
	return strings.TrimSpace(method)
}

// RequestURI is the request's target; empty for a response.
func (m *Message) RequestURI() string {
	if parts := strings.Split(m.Start, " "); m.IsRequest() {
		return parts[1]
	}
	return ""
}

// Status is the code of a response, 0 for a request.
func (m *Message) Status() int {
	if !strings.HasPrefix(m.Start, "SIP/2.0 ") || len(m.Start) < 11 {
		return 0
	}
	code, err := strconv.Atoi(m.Start[8:11])
	if err != nil || code < 100 || code > 699 {
		return 0
	}
	return code
}

// CSeq is the sequence number.
func (m *Message) CSeq() int {
	number, _, _ := strings.Cut(m.Value("CSeq"), " ")
	n, _ := strconv.Atoi(number)
	return n
}

// Branch is the transaction's: the branch of the topmost Via.
func (m *Message) Branch() string { return Param(m.Value("Via"), "branch") }

// Tag is the tag of a From or To value, or "".
func Tag(value string) string {
	if _, after, ok := strings.Cut(value, ">"); ok { // parameters before are the URI's
		value = after
	}
	return Param(value, "tag")
}

// Param is a parameter of a header value, or "".
func Param(value, name string) string {
	for rest := value; ; {
		_, after, ok := strings.Cut(rest, ";")
		if !ok {
			return ""
		}
		rest = after
		key, val, _ := strings.Cut(after, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			val, _, _ = strings.Cut(val, ";")
			return strings.TrimSpace(val)
		}
	}
}

// URI is the address in a From, To or Contact value, without brackets.
func URI(value string) string {
	if _, after, ok := strings.Cut(value, "<"); ok {
		inner, _, _ := strings.Cut(after, ">")
		return inner
	}
	uri, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(uri)
}

// User is the user part of a URI.
func User(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	user, _, ok := strings.Cut(rest, "@")
	if !ok {
		return ""
	}
	return user
}
