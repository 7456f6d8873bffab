package sip

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// However a stream is cut, the messages come through as they are, and each pair
// of line ends between them counts.
func TestTheLullBetweenMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream, messages strings.Builder
		pings := 0
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			blank := rapid.IntRange(0, 5).Draw(t, "blank lines")
			stream.WriteString(strings.Repeat("\r\n", blank))
			pings += blank / 2
			body := rapid.SampledFrom([]string{"", "\r\n\r\n", "v=0\r\n", "\r\n\r\n\r\nx\r\n\r\n"}).Draw(t, "body")
			name := rapid.SampledFrom([]string{"Content-Length", "l", "CONTENT-LENGTH "}).Draw(t, "name")
			m := fmt.Sprintf("OPTIONS sip:x SIP/2.0\r\nX: y\r\n%s: %d\r\n\r\n%s", name, len(body), body)
			stream.WriteString(m)
			messages.WriteString(m)
		}
		var l lull
		got, asked := "", 0
		for rest := stream.String(); rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			m, p := l.pass([]byte(rest[:n]))
			got, asked, rest = got+string(m), asked+p, rest[n:]
		}
		if got != messages.String() || asked != pings {
			t.Fatalf("%d pings, want %d; got\n%q, want\n%q", asked, pings, got, messages.String())
		}
	})
}

func TestTheLullKeepsNoMoreThanAMessage(t *testing.T) {
	var l lull
	for range 100 {
		if m, _ := l.pass([]byte(strings.Repeat("x", 10000))); len(m) > 0 {
			t.Fatal("not the head of a message:", len(m))
		}
	}
	if !l.spoilt || cap(l.head) > 4*maxHead {
		t.Error("kept", cap(l.head))
	}
}
