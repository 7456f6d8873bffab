package telephone

import (
	"encoding/base64"
	"encoding/hex"
	"testing"
)

func TestACanaryIsFoundInEveryWriting(t *testing.T) {
	const secret = "5550123498765"
	for name, text := range map[string]string{
		"plain":                   "From: <sip:5550123498765@host>",
		"hex":                     "X: " + hex.EncodeToString([]byte(secret)),
		"base64":                  "X: " + base64.StdEncoding.EncodeToString([]byte("a"+secret)),
		"base64 in another place": "X: " + base64.StdEncoding.EncodeToString([]byte("ab"+secret+"c")),
		"base64 at the start":     "X: " + base64.StdEncoding.EncodeToString([]byte(secret+"cd")),
		"backwards":               "tag=5678943210555",
		"dashes":                  "5-5-5-0-1-2-3-4-9-8-7-6-5",
		"packed":                  "\x00\x55\x50\x12\x34\x98\x76\x00",
		"swapped":                 "\x55\x05\x21\x43\x89\x67",
	} {
		p := &Phone{tape: []Wire{{Kind: "SIP", Bytes: []byte(text)}}}
		if len(p.Leaks(secret)) == 0 {
			t.Errorf("%s was not found", name)
		}
	}
	p := &Phone{tape: []Wire{{Bytes: []byte("c=IN IP4 127.9.8.7 5550123498764")}, {Out: true, Bytes: []byte(secret)}, {Bytes: []byte{127, 9, 8, 6}}}}
	report := &Phone{tape: []Wire{{Kind: "RTCP", Bytes: []byte("/\x00\x00\xb4\xdc\x00\x00\x01\xcc")}}}
	if leaks := report.Leaks("9990000001"); len(leaks) != 0 { // 99 90 00 00 01: no UTF-8 either
		t.Errorf("found %v", leaks)
	}
	if leaks := p.Leaks(secret, "127.9.8.6"); len(leaks) != 1 || leaks[0].As != "an address of four octets" {
		t.Errorf("found %v", leaks)
	}
}

func TestAPhonesCanariesAreEverywhere(t *testing.T) {
	const canary = "5550123498765"
	a, b := pair(t, Options{Canary: canary})
	out, in := talk(t, a, b)
	out.Tone(440)
	until(t, "the canary flies in SIP, RTP and RTCP", func() bool {
		seen := map[string]int{}
		for _, l := range b.Leaks(canary) {
			seen[l.Wire.Kind]++
		}
		return seen["SIP"] >= 2 && seen["RTP"] >= 5 && seen["RTCP"] >= 1
	})
	until(t, "it is a call nevertheless", func() bool { return in.Heard().Length() > 0 })
}

// Octets that are no text are not taken for each other.
func TestASearchTellsOctetsThatAreNoText(t *testing.T) {
	search := NewSearch("9990000001")
	if found := search.In(Wire{Bytes: []byte("\x99\x90\x00\x00\x01")}); len(found) != 1 {
		t.Errorf("found %v", found)
	}
	if found := search.In(Wire{Bytes: []byte("\x50\xfc\x8b\x00\x00\x01")}); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}
