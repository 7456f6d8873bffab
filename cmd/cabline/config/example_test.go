package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

func TestTheExampleIsTheDefaults(t *testing.T) {
	got, warnings, err := Parse("/etc/cabline.yaml", []byte(Example), environment())
	if err != nil || len(warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, warnings)
	}
	want := Default()
	want.Data = "/etc/data"
	want.Firm.Name = got.Firm.Name
	want.Dispatch.Token = got.Dispatch.Token
	want.Trunks, want.Lines, want.Operators = got.Trunks, got.Lines, got.Operators
	got.Outgoing.Allow, got.Web.Origins, got.SIP.DNS, got.Dispatch.Events.Kinds = nil, nil, nil, nil // an empty list and none are the same
	g := &got.Dispatch.Gootax
	g.NotifyPaths, g.ConnectPaths, g.Statuses, g.Employees = nil, nil, nil, nil
	got.Dispatch.Taximaster.States, got.Dispatch.Taximaster.Answers, got.Dispatch.Taximaster.Oktell.Scripts = nil, nil, nil
	want.Dispatch.HTTPJSON = got.Dispatch.HTTPJSON // a whole one, to show how it is done
	if d := diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTheExampleHasEveryKeyAndNoOther(t *testing.T) {
	file, err := parser.ParseBytes([]byte(Example), 0)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	keysIn("", file.Docs[0].Body, there)
	wanted := map[string]bool{}
	keysOfType("", reflect.TypeFor[Config](), wanted, map[reflect.Type]bool{})
	for key := range wanted {
		if !there[key] {
			t.Errorf("%s is not in the example", key)
		}
	}
	if len(wanted) < 40 {
		t.Errorf("only %d keys were looked for", len(wanted))
	}
}

// A key is explained by the comment above it, or by the one above its neighbour.
func TestTheExampleExplainsEveryKey(t *testing.T) {
	lines := strings.Split(Example, "\n")
	explained := map[string]bool{} // keys are explained where they come first
	for i, line := range lines {
		key, _, isKey := strings.Cut(strings.TrimLeft(line, " -"), ":")
		if !isKey || strings.HasPrefix(key, "#") {
			continue
		}
		above := strings.TrimLeft(lines[max(i-1, 0)], " -")
		switch {
		case strings.HasPrefix(above, "#"), explained[key]:
			explained[key] = true
		case key == "tariff" || key == "weight" || key == "key" || key == "password_env": // explained with their neighbours
		default:
			t.Errorf("line %d: %q has no comment", i+1, key)
		}
	}
}

func keysIn(name string, n ast.Node, to map[string]bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, e := range n.Values {
			key, _ := scalar(e.Key)
			to[name+key] = true
			keysIn(name+key+".", e.Value, to)
		}
	case *ast.MappingValueNode:
		key, _ := scalar(n.Key)
		to[name+key] = true
		keysIn(name+key+".", n.Value, to)
	case *ast.SequenceNode:
		for _, item := range n.Values {
			keysIn(name, item, to)
		}
	}
}

// keysOfType is the keys of a section; those of a section that has a like
// stand where its first is.
func keysOfType(name string, typ reflect.Type, to map[string]bool, seen map[reflect.Type]bool) {
	if seen[typ] {
		return
	}
	seen[typ] = true
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Anonymous {
			keysOfType(name, field.Type, to, seen)
			continue
		}
		key := field.Tag.Get("yaml")
		if key == "-" || key == "" {
			continue
		}
		to[name+key] = true
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keysOfType(name+key+".", inner, to, seen)
		}
	}
}
