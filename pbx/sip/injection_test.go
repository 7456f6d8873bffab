package sip

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"

	"cabline/pbx"
)

// hostile draws text that would write headers for us if it were let: line breaks
// of all kinds, NUL, what ends a name or an address, and the escapes of these.
func hostile() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"\r\n", "\n", "\r", "\x00", "\r\n\r\n", "\r\nX-Evil: 1", "\nX-Evil: 1\n", "\r\n X-Evil: folded", "X-Evil: 1", "%0d%0aX-Evil:%201", `\` + "\r\n", "\\\x00",
		"<", ">", `"`, ";", ",", "?", "&", "@", ":", "=", " ", "\t", "\x0b", "\x7f", "\x85", "\u2028", "\xff", "Ж", "+7916", "sip:", "SIP/2.0 200 OK", ";tag=", "lr",
	})
	return rapid.Map(rapid.SliceOfN(piece, 0, 8), func(p []string) string { return strings.Join(p, "") })
}

// sound fails if a message has a header whose name is not of those given, more
// of one than is given, or a character that ends a line anywhere else.
func sound(t *rapid.T, m message, names ...string) {
	t.Helper()
	head, _, found := strings.Cut(string(m), "\r\n\r\n")
	if !found {
		t.Fatalf("no end of the headers in %q", m)
	}
	lines := strings.Split(head, "\r\n")
	for i, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			t.Errorf("line %q in\n%q", line, m)
		}
		if i == 0 {
			continue
		}
		name, _, _ := strings.Cut(line, ":")
		at := slices.Index(names, name)
		if at < 0 {
			t.Errorf("%q is one header too many in\n%q", line, m)
			continue
		}
		names = slices.Delete(slices.Clone(names), at, at+1)
	}
}

// Whatever stands in an order, in a name from the dispatch system, in a number:
// the headers of our INVITE, and what we send when it is answered with more of
// the same, are the ones we chose.
func TestNoValueFromOutsideChangesTheHeadersWeSend(t *testing.T) {
	carrier := newPhone(t)
	b := start(t, answerAll, func(c *Config) {
		c.RTP = func(RTPOptions) (Audio, error) { return newPort("rtp"), nil } // of which nobody asks
		c.Trunks = nil
		for _, id := range []Identity{InFrom, InPAI, InPPI, InRPID} {
			c.Trunks = append(c.Trunks, Trunk{Name: string(id), Target: carrier.self, Identity: id, CallerID: "+74950000000", FromUser: "account",
				NumberFormat: pbx.Formats[len(c.Trunks)%3], Order: -1}) // none stands in for a slow one
		}
	})
	b.peer(carrier)
	soft := b.phone()
	soft.account("anna").register("Expires: 600\n")
	every := []string{"Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "User-Agent", "Contact"}
	invite := append(slices.Clone(every), "Allow", "Supported", "Content-Type", "Session-Expires", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID",
		"X-Cabline-Call", "Call-Info", "Min-SE")
	text, seen := hostile(), map[string]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		to := pbx.Endpoint{From: pbx.Phone(text.Draw(rt, "from")), Name: text.Draw(rt, "name"), CallID: text.Draw(rt, "call"), Link: text.Draw(rt, "link")}
		p := carrier
		if rapid.Bool().Draw(rt, "to an operator") {
			to.Operator, p = "anna", soft
		} else {
			to.Number = pbx.Phone("+7999" + text.Draw(rt, "number"))
			to.Trunk = string(rapid.SampledFrom([]Identity{InFrom, InPAI, InPPI, InRPID}).Draw(rt, "trunk"))
		}
		done := b.dial(context.Background(), to)
		asked := p.want("INVITE", "ACK")    // the call before was answered twice
		for seen[asked.header("Call-ID")] { // repeated before it was answered
			asked = p.want("INVITE", "ACK")
		}
		seen[asked.header("Call-ID")] = true
		sound(rt, asked, invite...)
		evil := strings.NewReplacer("\r\n\r\n", "", "\n", "\n ").Replace(text.Draw(rt, "answer")) // within one header
		p.send(asked.reply("486 Busy"+strings.Map(unbroken, evil), "far", "Reason: SIP;text=\""+evil+"\"\nContact: <sip:"+strings.Map(unbroken, evil)+"@x>\n"))
		p.send(asked.reply("486 Busy Here", "far", "")) // if that was no answer at all
		sound(rt, p.want("ACK", "INVITE"), every...)
		<-done
	})
}

// unbroken takes out what would end a line.
func unbroken(r rune) rune {
	if r == '\r' || r == '\n' {
		return -1
	}
	return r
}

// The same for what a peer sends: answers repeat much of a request.
func TestNoRequestFromOutsideChangesTheHeadersWeAnswerWith(t *testing.T) {
	online := &exchange{online: make(chan string, 1), story: func(context.Context, pbx.Leg, pbx.Arrival) {}}
	trusting, err := New(Config{Exchange: online, Trunks: []Trunk{{Name: "carrier", From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}})
	if err != nil {
		t.Fatal(err)
	}
	wary, err := New(Config{Exchange: online})
	if err != nil {
		t.Fatal(err)
	}
	text := hostile()
	looked := 0
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(where string) string {
			if rapid.IntRange(0, 11).Draw(rt, where+" is hostile") < 11 { // two or three of all, or few can be read
				return ""
			}
			return text.Draw(rt, where)
		}
		method := rapid.SampledFrom([]string{"INVITE", "REGISTER", "OPTIONS", "BYE", "CANCEL", "REFER", "MESSAGE", "HELLO"}).Draw(rt, "method")
		raw := fmt.Sprintf("%s sip:7495%s@h%s SIP/2.0\r\nVia: SIP/2.0/UDP h%s;branch=z9hG4bK%s;x=%s\r\nMax-Forwards: 70\r\nFrom: \"%s\" <sip:u%s@h%s;p=%s>;tag=t%s\r\n"+
			"To: \"%s\" <sip:u%s@h>;x=%s\r\nCall-ID: i%s\r\nCSeq: 1 %s%s\r\nContact: \"%s\" <sip:c%s@127.0.0.1>;expires=%s\r\nRecord-Route: <sip:r%s@h;lr>\r\n"+
			"Timestamp: 1%s\r\nRequire: %s\r\nSupported: %s\r\nAuthorization: Digest username=\"%s\", realm=\"cabline\", nonce=\"%s\"\r\nExpires: 60%s\r\nX%s: 1\r\n\r\n",
			method, draw("number"), draw("host"), draw("via"), draw("branch"), draw("via's parameter"), draw("name"), draw("user"), draw("from's host"), draw("uri's parameter"), draw("tag"),
			draw("to's name"), draw("to's user"), draw("to's parameter"), draw("id"), method, draw("method again"), draw("contact's name"), draw("contact's user"), draw("expires"), draw("route"),
			draw("time"), draw("require"), draw("supported"), draw("login"), draw("nonce"), draw("header expires"), draw("header's name"))
		for _, s := range []*Server{trusting, wary} {
			msg, err := wire.ParseMessage([]byte(raw))
			if err != nil {
				return
			}
			req, ok := msg.(*wire.Request)
			if !ok {
				return
			}
			s.work.fault = func(fault any) { t.Errorf("panic: %v", fault) }
			s.strangers = strangers{}
			req.SetTransport("UDP")
			req.SetSource("127.0.0.1:5070")
			harmless(t, dealtWith(s, req))
			looked++
		}
	})
	if looked < 20 {
		t.Errorf("only %d requests could be read at all", looked)
	}
}
