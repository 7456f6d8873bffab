package courier

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// maxTold bounds the body of a request that tells us something, in bytes.
const maxTold = 64 << 10

// Told is what a dispatch system says in a request to us: a JSON object or a
// form in the body, and the query. It belongs to who reads it.
type Told struct {
	Raw    []byte // the body as it came, for signatures
	object gjson.Result
	fields map[string]gjson.Result // of the object and of those right inside it, names in small letters
	asked  map[string]bool
}

// ErrTold is returned for a request that says nothing that can be read.
var ErrTold = errors.New("the request cannot be read")

// Read reads a request. The error wraps ErrTooLarge or ErrTold.
func Read(r *http.Request) (*Told, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxTold+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTold, err)
	}
	if len(raw) > maxTold {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxTold)
	}
	kind, text := UTF8(r.Header.Get("Content-Type"), raw)
	text = []byte(strings.TrimSpace(string(text)))
	form := r.URL.Query()
	switch {
	case len(text) > 0 && text[0] == '{':
	case kind == "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(text))
		if err != nil {
			return nil, fmt.Errorf("%w: the form: %w", ErrTold, err)
		}
		maps.Copy(form, values)
		text = nil
	case len(text) > 0:
		return nil, fmt.Errorf("%w: neither a JSON object nor a form: %s", ErrTold, Excerpt(text))
	}
	if len(text) == 0 {
		text = []byte("{}")
	}
	object, err := Object(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTold, err)
	}
	told := &Told{Raw: raw, object: object, fields: map[string]gjson.Result{}, asked: map[string]bool{}}
	told.collect(form)
	return told, nil
}

// Object is JSON that may be looked into with paths. gjson itself reads
// anything as something, and recurses as deep as a stranger wants.
func Object(text []byte) (gjson.Result, error) {
	if !json.Valid(text) {
		return gjson.Result{}, fmt.Errorf("%w: no JSON: %s", ErrGarbage, Excerpt(text))
	}
	return gjson.ParseBytes(text), nil
}

func (t *Told) collect(form url.Values) {
	var inside []gjson.Result
	add := func(name, value gjson.Result) bool {
		if value.IsObject() {
			inside = append(inside, value)
		} else if key := strings.ToLower(name.String()); !t.fields[key].Exists() {
			t.fields[key] = value
		}
		return true
	}
	t.object.ForEach(add)
	for name, values := range form {
		add(gjson.Result{Type: gjson.String, Str: name}, gjson.Result{Type: gjson.String, Str: values[0]})
	}
	for _, object := range inside {
		object.ForEach(func(name, value gjson.Result) bool {
			if value.IsObject() {
				return true
			}
			return add(name, value)
		})
	}
}

// First is the text of the first of some fields that is there and says
// something, letter case aside.
func (t *Told) First(names ...string) string {
	text := ""
	for _, name := range names {
		name = strings.ToLower(name)
		t.asked[name] = true
		if text == "" {
			text = Text(t.fields[name])
		}
	}
	return text
}

// At is the text at a path, https://github.com/tidwall/gjson#path-syntax.
func (t *Told) At(path string) string {
	if path == "" {
		return ""
	}
	t.asked[strings.ToLower(path)] = true
	return Text(t.object.Get(path))
}

// Text is a value as text; nothing, objects and lists are none.
func Text(value gjson.Result) string {
	switch value.Type {
	case gjson.String, gjson.Number, gjson.True, gjson.False:
		return strings.TrimSpace(value.String())
	}
	return ""
}

// Rest is the fields nobody has asked for, for the log, where numbers are masked.
func (t *Told) Rest() string {
	var rest []string
	for _, name := range slices.Sorted(maps.Keys(t.fields)) {
		if value := t.fields[name]; !t.asked[name] && Text(value) != "" {
			rest = append(rest, fmt.Sprintf("%q: %q", name, value.String()))
		}
	}
	text := []rune(Masked(strings.Join(rest, ", ")))
	return string(text[:min(len(text), 4000)])
}
