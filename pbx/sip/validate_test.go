package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestARequestThatBreaksTheRulesIsRefused(t *testing.T) {
	b := start(t, answerAll, nil)
	good := func(k *talk) string {
		k.seq, k.branch = 1, fmt.Sprintf("z9hG4bKv%d", serial.Add(1))
		return k.text("INVITE", sdpOffer)
	}
	for name, c := range map[string]struct {
		old, new string
		code     string
	}{
		"another version":                   {"SIP/2.0\n", "SIP/7.0\n", "505"},
		"a CSeq of another method":          {"1 INVITE", "1 OPTIONS", "400"},
		"no From":                           {"From:", "X-From:", "400"},
		"no To":                             {"To:", "X-To:", "400"},
		"no Call-ID":                        {"Call-ID:", "X-Call-ID:", "400"},
		"no tag in From":                    {";tag=t", ";x=t", "400"},
		"no Contact":                        {"Contact:", "X-Contact:", "400"},
		"a Contact that is no SIP address":  {"Contact: <sip:phone@", "Contact: <mailto:phone@", "400"},
		"a scheme that is not ours":         {"INVITE sip:", "INVITE http:", "416"},
		"headers in the request URI":        {"@pbx.test SIP", "@pbx.test?X=y SIP", "400"},
		"two From":                          {"From:", "From: <sip:a@b>;tag=1\nFrom:", "400"},
		"two CSeq":                          {"CSeq:", "CSeq: 1 INVITE\nCSeq:", "400"},
		"two Call-IDs":                      {"Call-ID:", "Call-ID: x\nCall-ID:", "400"},
		"Max-Forwards beyond 255":           {"Max-Forwards: 70", "Max-Forwards: 300", "400"},
		"an unknown extension required":     {"CSeq:", "Require: precondition, timer\nCSeq:", "420"},
		"a NUL in a header":                 {"CSeq:", "X-A: a\x00b\nCSeq:", "400"},
		"a method in small letters in CSeq": {"1 INVITE", "1 invite", "400"},
		"no SDP accepted":                   {"CSeq:", "Accept: text/plain, image/png\nCSeq:", "406"},
	} {
		t.Run(name, func(t *testing.T) {
			k := b.phone().newTalk("79161234567", "74950000000")
			text := good(k)
			if !strings.Contains(text, c.old) {
				t.Fatalf("%q is not in\n%s", c.old, text)
			}
			k.send(strings.Replace(text, c.old, c.new, 1))
			if m := k.want("SIP/2.0 "+c.code, "SIP/2.0 1"); c.code == "420" && m.header("Unsupported") != "precondition" {
				t.Errorf("got\n%s", m)
			}
		})
	}
	if len(b.legs) != 0 {
		t.Error("a call came in")
	}
}

// An answer would have to repeat what breaks it.
func TestWhatMustNotBeRepeatedIsNotAnswered(t *testing.T) {
	b := start(t, answerAll, nil)
	for name, c := range map[string]struct{ old, new string }{
		"a control character in the caller":     {"From: <", "From: \"a\x07b\" <"},
		"a line feed in the caller":             {"From: <", "From: \"a\vb\" <"},
		"an escaped line feed in the caller":    {"From: <", "From: \"a\\\vb\" <"},
		"a line feed in the tag":                {";tag=t", ";tag=a\vb"},
		"a NUL in the Via":                      {";branch=", ";x=a\x00b;branch="},
		"a line feed in the Call-ID":            {"Call-ID: ", "Call-ID: a\vX-Evil: b"},
		"a line feed in the Record-Route":       {"CSeq:", "Record-Route: <sip:a\vb@c>\nCSeq:"},
		"a line feed in the Timestamp":          {"CSeq:", "Timestamp: 1\vX-Evil: 2\nCSeq:"},
		"a line feed in the version":            {"SIP/2.0\n", "SIP/2.0\vX-Evil:1\n"},
		"a line feed in the method of the CSeq": {"1 INVITE", "1 INV\vITE"},
		"no Via":                                {"Via:", "X-Via:"},
	} {
		t.Run(name, func(t *testing.T) {
			k := b.phone().newTalk("79161234567", "74950000000")
			k.seq, k.branch = 1, fmt.Sprintf("z9hG4bKs%d", serial.Add(1))
			text := k.text("INVITE", sdpOffer)
			if !strings.Contains(text, c.old) {
				t.Fatalf("%q is not in\n%s", c.old, text)
			}
			raw := strings.ReplaceAll(crlf(strings.Replace(text, c.old, c.new, 1)), "\v", "\n")
			if err := k.write([]byte(raw)); err != nil {
				t.Fatal(err)
			}
			k.silent(50 * time.Millisecond)
		})
	}
	if len(b.legs) != 0 {
		t.Error("a call came in")
	}
}

func TestCompactFormsAreUnderstood(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "74950000000")
	k.seq, k.branch = 1, "z9hG4bKcompact"
	text := k.text("INVITE", "k: timer\nx: 90\n"+sdpOffer)
	for long, short := range map[string]string{"Via:": "v:", "From:": "f:", "\nTo:": "\nt:", "Call-ID:": "i:", "Contact:": "m:", "Content-Type:": "c:"} {
		text = strings.Replace(text, long, short, 1)
	}
	k.send(text)
	ok := k.want("SIP/2.0 200", "SIP/2.0 1")
	if got := ok.header("Session-Expires"); got != "90;refresher=uas" {
		t.Errorf("Session-Expires %q", got)
	}
	k.enter(ok)
	k.request("ACK", "")
	k.bye()
}
