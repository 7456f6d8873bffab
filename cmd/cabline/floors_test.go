package main

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors is the house, ground floor first. A package imports only from floors
// below its own, never from beside it. A new package is put on a floor here; a
// star stands for every folder directly inside.
var floors = [][]string{
	{"internal/lacking"},   // how a test says what it lacks
	{"internal/otherhost"}, // a host for tests
	{"media/faults"},       // what a panic may end
	{"media/g711", "media/g722", "media/opus", "media/dtmf", "media/wav", "media/wire", "media/srtp"}, // bytes, samples, datagrams
	{"media"}, // packets, ports, the clock
	{"media/rtp", "media/webrtc", "media/recorder", "prompts/phrase"}, // audio over the wire and on the disk; the grammar of phrases
	{"prompts"}, // the sounds to say
	{"ivr"},     // menus
	{"pbx"},     // the words and the stories
	{"pbx/sip/locate", "pbx/gate", "pbx/store", "pbx/console/web", "dispatchapi/courier"}, // where SIP servers are; who is kept out; what survives; the pages as files; HTTP to systems of others
	{"dispatchapi/outbox", "dispatchapi/known", "pbx/recordings"},                         // what dispatch systems are still to be told; what they told; the talks that are kept
	{"pbx/sip", "pbx/sip/locate/*", "pbx/console", "pbx/pbxtest", "dispatchapi/*"},        // the world outside
	{"cmd/internal/siptext"}, // SIP as those outside see it
	{"cmd/cabline/config", "cmd/cabline/carrier", "cmd/cabline/dispatcher", "cmd/internal/*"}, // what commands are made of
	{"cmd/cabline/selftest"},                       // proofs
	{"cmd/*", "cmd/cabline/e2e", "prompts/render"}, // the programs, and the tests of them whole
}

// floor is where a package lives, -1 for one that lives nowhere.
func floor(pkg string) int {
	return slices.IndexFunc(floors, func(rooms []string) bool {
		return slices.ContainsFunc(rooms, func(room string) bool {
			match, err := path.Match(room, pkg)
			return err == nil && match
		})
	})
}

func TestImportsGoDownOnly(t *testing.T) {
	for _, s := range house(t) {
		own := floor(s.pkg())
		if own < 0 {
			t.Errorf("%s is on no floor; put it on one in floors_test.go", s.pkg())
		}
		if s.isTest() {
			continue // a test may look wherever it must
		}
		for _, imp := range s.file.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			other, ours := strings.CutPrefix(name, "cabline/")
			if ours && floor(other) >= own {
				t.Errorf("%s: %s may not import %s, which is on no floor below", s.at(imp), s.pkg(), other)
			}
		}
	}
}

func TestTheFloorsTellUpFromDown(t *testing.T) {
	for _, c := range []struct {
		name, pkg, imports string
		may                bool
	}{
		{"a story uses menus", "pbx", "ivr", true},
		{"SIP knows the words", "pbx/sip", "pbx", true},
		{"the words do not know SIP", "pbx", "pbx/sip", false},
		{"neighbours do not know each other", "pbx/sip", "pbx/console", false},
		{"a store is below its users", "dispatchapi/orderbook", "pbx/store", true},
		{"audio does not know calls", "media/rtp", "pbx", false},
		{"the binary knows all", "cmd/cabline", "dispatchapi/gootax", true},
		{"no program knows another", "cmd/cabload", "cmd/cabline", false},
	} {
		if got := floor(c.imports) < floor(c.pkg); got != c.may {
			t.Errorf("%s: %s on floor %d, %s on floor %d", c.name, c.pkg, floor(c.pkg), c.imports, floor(c.imports))
		}
	}
	for _, nowhere := range []string{"pbx/new", "util", "cmd", "dispatchapi/gootax/deep"} {
		if floor(nowhere) >= 0 {
			t.Errorf("%s is on floor %d without having been put there", nowhere, floor(nowhere))
		}
	}
}
