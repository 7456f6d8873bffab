package sip

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"cabline/pbx"
)

// registrations are the REGISTERs of RFC 4475 that a challenge ends in tortures:
// here with the password of an operator, in whose name the To is put where there
// is something to see behind it. contacts are what the 200, and whoever asks
// later, gets byte by byte; rung are the request lines of calls to them.
var registrations = []struct {
	file, section string
	who           string // what the operator's name stands in place of; "": nothing
	status        string
	contacts      []string
	rung          []string
	udpOnly       bool
	why           string
}{
	{file: "escnull", section: "3.1.1.4", who: "null-%00-null", status: "200", why: "two contacts, which differ",
		contacts: []string{"<sip:%00@host5.example.com>;expires=600", "<sip:%00%00@host5.example.com>;expires=600"},
		rung:     []string{"INVITE sip:%00%00@host5.example.com SIP/2.0", "INVITE sip:%00@host5.example.com SIP/2.0"}},
	{file: "escnull", section: "3.1.1.4", status: "403", why: "null-%00-null is not who has logged in"},
	{file: "dblreq", section: "3.1.1.8", who: "j.user", status: "200", udpOnly: true, why: "the INVITE after the end is ignored",
		contacts: []string{"<sip:j.user@host.example.com>;expires=600"}, rung: []string{"INVITE sip:j.user@host.example.com SIP/2.0"}},
	{file: "regbadct", section: "3.1.2.13", who: "user", status: "200", why: "the RFC lets the brackets be inferred",
		contacts: []string{"<sip:user@example.com?Route=%3Csip:sip.example.com%3E>;expires=600"}, rung: []string{"INVITE sip:user@example.com SIP/2.0"}},
	{file: "unksm2", section: "3.3.4", who: "isbn:2983792873", status: "400", why: "nobody can be rung at a name:"},
	{file: "unksm2", section: "3.3.4", status: "403", why: "isbn:2983792873 is not who has logged in"},
	{file: "regaut01", section: "3.3.7", who: "j.user", status: "200", why: "the credentials we know count, beside others; it asks what there is"},
	{file: "cparam01", section: "3.3.12", who: "watson", status: "200", why: "the parameter is the header's, and not the URI's",
		contacts: []string{"<sip:+19725552222@gw1.example.net>;expires=600"}, rung: []string{"INVITE sip:+19725552222@gw1.example.net SIP/2.0"}},
	{file: "cparam02", section: "3.3.13", who: "watson", status: "200", why: "the parameter is the URI's",
		contacts: []string{"<sip:+19725552222@gw1.example.net;unknownparam>;expires=600"}, rung: []string{"INVITE sip:+19725552222@gw1.example.net;unknownparam SIP/2.0"}},
	{file: "regescrt", section: "3.3.14", who: "user", status: "200", why: "the header stays in the contact, and is in no request line (RFC 3261 §19.1.1)",
		contacts: []string{"<sip:user@example.com?Route=%3Csip:sip.example.com%3E>;expires=600"}, rung: []string{"INVITE sip:user@example.com SIP/2.0"}},
}

// loggedIn is a message with an operator's name and credentials in it.
func loggedIn(raw []byte, who, credentials string) []byte {
	raw = bytes.Clone(raw)
	if strings.Contains(who, ":") { // a URI as a whole
		raw = bytes.Replace(raw, []byte(who), []byte("sip:anna@example.com"), 1)
	} else if who != "" {
		raw = bytes.Replace(raw, []byte("sip:"+who+"@"), []byte("sip:anna@"), 2) // To and From, which come first
	}
	if credentials == "" {
		return raw
	}
	raw = bytes.Replace(raw, []byte("branch=z9hG4bK"), []byte("branch=z9hG4bKagain"), 1) // another transaction
	head, rest, _ := bytes.Cut(raw, blankLine)
	return slices.Concat(head, []byte("\r\nAuthorization: "+credentials), blankLine, rest)
}

// contactsIn are the Contacts of a message.
func contactsIn(m message) (all []string) {
	for line := range strings.SplitSeq(string(m), "\r\n") {
		if value, is := strings.CutPrefix(line, "Contact: "); is {
			all = append(all, value)
		}
	}
	return all
}

// sameBut compares but for what follows a mark, the time left for one.
func sameBut(mark string) func(a, b string) bool {
	return func(a, b string) bool {
		a, _, _ = strings.Cut(a, mark)
		b, _, _ = strings.Cut(b, mark)
		return a == b
	}
}

func TestRegistrationsOfRFC4475HaveTheirOutcome(t *testing.T) {
	for _, c := range registrations {
		for _, network := range []string{"UDP", "TCP"} {
			if network == "TCP" && c.udpOnly {
				continue
			}
			t.Run(c.section+" "+c.file+" over "+network+" is answered with "+c.status, func(t *testing.T) {
				t.Parallel()
				b, p := tortureBench(t, alleyHouse, network, false)
				raw, anna := torture(t, c.file), p.account("anna")
				if err := p.write(loggedIn(raw, c.who, "")); err != nil {
					t.Fatal(err)
				}
				asked := p.want("SIP/2.0 401")
				if err := p.write(loggedIn(raw, c.who, anna.credentials("REGISTER", "sip:example.com", asked.header("WWW-Authenticate")))); err != nil {
					t.Fatal(err)
				}
				answer := p.want("SIP/2.0")
				if answer.status() != c.status || !slices.Equal(contactsIn(answer), c.contacts) {
					t.Errorf("want %s and contacts %q, got\n%s", c.status, c.contacts, answer)
				}
				anna.noContact = true
				if later := anna.register(""); later.status() != "200" || !slices.EqualFunc(contactsIn(later), c.contacts, sameBut("expires=")) {
					t.Errorf("want contacts %q later, got\n%s", c.contacts, later)
				}
				rung(t, b, p, c.rung)
			})
		}
	}
}

// rung calls the operator, whose devices all refuse, and looks at the request
// lines, in their order.
func rung(t *testing.T, b *bench, p *phone, want []string) {
	t.Helper()
	if len(want) == 0 {
		return
	}
	var lines []string
	done := b.dial(context.Background(), pbx.Endpoint{Operator: "anna"})
	for range want {
		invite := p.want("INVITE", "ACK")
		line, _, _ := strings.Cut(string(invite), "\r\n")
		if lines = append(lines, line); invite.header("Route") != "" {
			t.Errorf("a Route from the contact in\n%s", invite)
		}
		p.send(invite.reply("486 Busy Here", "far", ""))
	}
	slices.Sort(lines)
	if !slices.Equal(lines, want) {
		t.Errorf("rang %q, want %q", lines, want)
	}
	if err := wait(t, "end of Dial", done).err; !errors.Is(err, pbx.ErrBusy) {
		t.Error(err)
	}
}

// The RFC's status lines, in answer to a call of ours: what stands after the code
// is for people, and may be anything or nothing.
func TestAnUnusualReasonOrNoneIsNoReasonToLoseACall(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	line := func(file string) string {
		first, _, _ := strings.Cut(string(torture(t, file)), "\r\n")
		return strings.TrimPrefix(first, "SIP/2.0 ")
	}
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply(line("noreason"), "", ""))
	carrier.silent(patience()) // in which we would give up, had the 100 told us nothing
	carrier.send(invite.reply(line("unreason"), "a", "Contact: <sip:gw@"+carrier.self+">\n"+sdpOffer))
	carrier.want("ACK")
	r := wait(t, "leg", done)
	if r.err != nil {
		t.Fatal(r.err)
	}
	_ = r.leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}
