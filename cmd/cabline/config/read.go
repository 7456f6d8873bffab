package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"cabline/pbx"
)

// The YAML library parses; the reader below fills the struct, because a decoder
// stops at the first mistake and forgets where values stood.

// maxNesting is how deep lists and mappings may nest; the file needs 4. The
// parser recurses, so a megabyte of brackets would cost a gigabyte of stack.
const maxNesting = 16

// reader fills a Config from the tree of a YAML file.
type reader struct {
	file     string
	problems Problems
	warnings Problems
	// at is where a value stands in the file, by the pointer to its field.
	at map[any]*token.Position
}

func (r *reader) problem(at *token.Position, format string, args ...any) {
	r.problems.add(r.file, at, format, args...)
}

// parse is the document's root, nil when there is none.
func (r *reader) parse(text []byte) ast.Node {
	// Windows' editors: a mark at the beginning, and line ends which the library
	// counts twice.
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	if !utf8.Valid(text) {
		r.problem(nil, "not a text in UTF-8")
		return nil
	}
	tokens := joinColons(lexer.Tokenize(string(text)))
	if !r.plain(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var at *token.Position
		text := err.Error()
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			text = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil {
				at = t.Position
			}
		}
		r.problem(at, "not YAML: %s", text)
		return nil
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			r.problem(place(doc.Body), "a second document; the file is one")
			return nil
		}
		root = doc.Body
	}
	return root
}

// plain refuses what a config has no use for and what could blow it up.
func (r *reader) plain(tokens token.Tokens) bool {
	brackets, line, onLine := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		case token.SequenceEntryType:
			onLine++
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.MappingKeyType:
			r.problem(t.Position, "YAML anchors, aliases, tags and ? are not used here; write the value out")
			return false
		case token.InvalidType:
			r.problem(t.Position, "not YAML: %s", t.Error)
			return false
		}
		if brackets > maxNesting || onLine > maxNesting || t.Position.IndentNum > 8*maxNesting {
			r.problem(t.Position, "lists and keys nested too deeply")
			return false
		}
	}
	return true
}

// fill reads a node into a field, which is a value, a struct or a list of them.
func (r *reader) fill(name string, n ast.Node, v reflect.Value) {
	r.at[v.Addr().Interface()] = place(n)
	if n.Type() == ast.NullType {
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *string:
		value(r, name, n, p, func(s string) (string, error) { return s, nil })
	case *Secret:
		value(r, name, n, p, func(s string) (Secret, error) { return Secret(s), nil })
	case *pbx.Phone: // made a number of in rules.go, when the country is known
		value(r, name, n, p, func(s string) (pbx.Phone, error) { return pbx.Phone(s), nil })
	case *bool:
		value(r, name, n, p, parseBool)
	case *int:
		value(r, name, n, p, parseInt)
	case *time.Duration:
		value(r, name, n, p, parseDuration)
	case **time.Location:
		value(r, name, n, p, parseZone)
	case *netip.Addr:
		value(r, name, n, p, parseAddr)
	case *netip.Prefix:
		value(r, name, n, p, parsePrefix)
	case *Prefix:
		value(r, name, n, p, parseDialPrefix)
	case *Origin:
		value(r, name, n, p, parseOrigin)
	case *DNSServer:
		value(r, name, n, p, parseDNSServer)
	case *OutboundProxy:
		value(r, name, n, p, parseOutboundProxy)
	case *Hours:
		value(r, name, n, p, parseHours)
	case *PortRange:
		value(r, name, n, p, parsePorts)
	case *SIPListen:
		value(r, name, n, p, ParseSIPListen)
	case *netip.AddrPort:
		value(r, name, n, p, parseAddrPort)
	case *WebListen:
		value(r, name, n, p, ParseWebListen)
	default:
		if v.Kind() == reflect.Slice {
			r.list(name, n, v)
		} else {
			r.section(name, n, v)
		}
	}
}

// value reads a scalar. Quotes are a matter of taste: a number, a date and a
// "no" are the text they are written with. An empty text leaves the default.
func value[T any](r *reader, name string, n ast.Node, to *T, parse func(string) (T, error)) {
	text, ok := scalar(n)
	if !ok {
		r.problem(place(n), "%s: want one value, not %s", name, kind(n))
		return
	}
	if text == "" {
		return
	}
	v, err := parse(text)
	if err != nil {
		r.problem(place(n), "%s: %v", name, err)
		return
	}
	*to = v
}

func (r *reader) list(name string, n ast.Node, v reflect.Value) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.problem(place(n), "%s: want a list, not %s", name, kind(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		if item.Type() == ast.NullType {
			r.problem(place(item), "%s: an empty entry", name)
			continue
		}
		r.fill(name, item, v.Index(i))
	}
}

// section reads keys with their values; ok is false when n is something else.
func (r *reader) section(name string, n ast.Node, v reflect.Value) (ok bool) {
	var entries []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode: // a mapping of one key
		entries = []*ast.MappingValueNode{n}
	default:
		r.problem(place(n), "%s: want keys with values, not %s", cmp.Or(name, "the file"), kind(n))
		delete(r.at, v.Addr().Interface())
		return false
	}
	fields, keys := keysOf(v)
	seen := map[string]bool{}
	for _, e := range entries {
		key, _ := scalar(e.Key)
		field, known := fields[key]
		switch {
		case !known:
			r.problem(place(e.Key), "unknown key %q; %s", key, suggest(key, keys))
		case seen[key]:
			r.problem(place(e.Key), "the key %q is here a second time", key)
		default:
			r.fill(strings.TrimPrefix(name+"."+key, "."), e.Value, field)
		}
		seen[key] = true
	}
	return true
}

// keysOf is the fields of a struct by their keys, and the keys in their order.
func keysOf(v reflect.Value) (fields map[string]reflect.Value, keys []string) {
	fields = map[string]reflect.Value{}
	for i := range v.NumField() {
		if v.Type().Field(i).Anonymous {
			inner, names := keysOf(v.Field(i))
			maps.Copy(fields, inner)
			keys = append(keys, names...)
			continue
		}
		key := v.Type().Field(i).Tag.Get("yaml")
		if key == "-" {
			continue
		}
		fields[key] = v.Field(i)
		keys = append(keys, key)
	}
	return fields, keys
}

// scalar is the text of a value as written, quotes aside.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode, *ast.NullNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func kind(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	}
	if text, ok := scalar(n); ok {
		return fmt.Sprintf("%.40q", text)
	}
	return "this"
}

// place is where a node begins. Of a mapping that is its first key: its own
// token is a colon.
func place(n ast.Node) *token.Position {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return place(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return place(m.Key)
	}
	if t := n.GetToken(); t != nil {
		return t.Position
	}
	return nil
}
