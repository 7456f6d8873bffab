package httpjson

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"cabline/dispatchapi/courier"
)

// Placeholders are the names that may stand in braces.
var Placeholders = []string{"phone", "line", "order_id", "call_id", "kind", "answer"}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// values are what placeholders stand for; one without a value is empty.
type values map[string]string

// in puts the values into a template, each as escape writes it there: whatever
// a value holds, it stays a value.
func (v values) in(template string, escape func(string) string) []byte {
	return placeholder.ReplaceAllFunc([]byte(template), func(name []byte) []byte {
		key := string(name[1 : len(name)-1])
		if !slices.Contains(Placeholders, key) {
			return name
		}
		return []byte(escape(v[key]))
	})
}

// body is how values are written into the request's body.
func (r Request) body() func(string) string {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return url.QueryEscape
	}
	return inJSON
}

// inURL is a text in a path or a query: a space is %20 in both, + only in one.
func inURL(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// inJSON is a text inside the quotes of JSON.
func inJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return ""
	}
	return string(quoted[1 : len(quoted)-1])
}

// oneLine is a text that ends no header.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}

// Auth is how requests prove to come from us.
type Auth struct {
	Kind   string // bearer, header, basic, hmac, md5; empty: not at all
	Name   string // of the header (header, hmac, md5), or of the parameter where InQuery is set
	Login  string // basic
	Secret string
	// InQuery puts the md5 as the last parameter of the URL, over those before it,
	// or of the form in the body.
	InQuery bool
}

// sign adds what the kind asks for. What is signed is the body, or where there
// is none the query as it is sent.
func (a Auth) sign(r *courier.Request) error {
	at, err := url.Parse(r.URL)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	signed := string(r.Body)
	if len(r.Body) == 0 {
		signed = at.RawQuery
	}
	switch a.Kind {
	case "bearer":
		r.Header.Set("Authorization", "Bearer "+a.Secret)
	case "header":
		r.Header.Set(a.Name, a.Secret)
	case "basic":
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.Login+":"+a.Secret)))
	case "hmac":
		mac := hmac.New(sha256.New, []byte(a.Secret))
		mac.Write([]byte(signed))
		r.Header.Set(a.Name, hex.EncodeToString(mac.Sum(nil)))
	case "md5":
		sum := md5.Sum([]byte(signed + a.Secret))
		signature := hex.EncodeToString(sum[:])
		switch {
		case !a.InQuery:
			r.Header.Set(a.Name, signature)
		case len(r.Body) > 0:
			r.Body = []byte(signed + "&" + a.Name + "=" + signature)
		default:
			at.RawQuery = strings.TrimPrefix(signed+"&"+a.Name+"="+signature, "&")
			r.URL = at.String()
		}
	}
	return nil
}
