package sip

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Whoever calls abroad at our expense needs a password; an INVITE is as good for
// guessing it as a REGISTER.

const abroad = "+442079460000"

// invite dials a number with the account's password; it returns the challenge and
// the last answer.
func (a *account) invite(to string) (challenge, last message) {
	a.t.Helper()
	a.target, a.to = "sip:"+to+"@pbx.test", "<sip:"+to+"@pbx.test>"
	a.request("INVITE", sdpOffer)
	challenge = a.want("SIP/2.0 407")
	a.again("ACK", "")
	a.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", a.target, challenge.header("Proxy-Authenticate"))+"\n"+sdpOffer)
	for last = a.want("SIP/2.0 "); last.status() < "200"; last = a.want("SIP/2.0 ") {
	}
	return challenge, last
}

// guessByINVITE tries a wrong password.
func (p *phone) guessByINVITE(login string) {
	p.t.Helper()
	a := p.account(login)
	a.password = "1234"
	if _, m := a.invite(abroad); m.status() != "403" {
		p.t.Fatalf("a wrong password got\n%s", m)
	}
	a.again("ACK", "")
}

var ownValues = regexp.MustCompile(`(branch|tag|rport|nonce)="?[^;,"\r]*"?`)

func TestAnINVITEWithAWrongPasswordGetsTheSameAnswerForAnyLogin(t *testing.T) {
	for _, way := range ways {
		t.Run(way.network, func(t *testing.T) {
			b := start(t, answerAll, func(c *Config) { overTLS(c); c.Trunks = nil })
			answers := func(login string) string {
				a := way.open(b).account(login)
				a.password = "wrong"
				first, last := a.invite(abroad)
				a.again("ACK", "")
				if last.status() != "403" {
					t.Errorf("%s: want 403, got\n%s", login, last)
				}
				blind := strings.NewReplacer(a.self, "ADDR", a.id, "ID", login, "LOGIN")
				return ownValues.ReplaceAllString(blind.Replace(string(first+last)), "$1")
			}
			if known, unknown := answers("anna"), answers("nobody"); known != unknown {
				t.Errorf("the answers differ:\n%s\n%s", known, unknown)
			}
			if n := b.Server.legs.count(); len(b.legs) != 0 || n != 0 {
				t.Errorf("%d calls came in, %d legs are there", len(b.legs), n)
			}
			a := way.open(b).account("anna") // with the right one it is a call
			_, ok := a.invite(abroad)
			if ok.status() != "200" {
				t.Fatalf("the right password got\n%s", ok)
			}
			a.enter(ok)
			a.request("ACK", "")
			wait(t, "leg", b.legs)
			a.bye()
		})
	}
}

func TestWhoGuessesByINVITEIsBannedLikeWhoGuessesByREGISTER(t *testing.T) {
	for name, c := range map[string]struct {
		guesses int
		login   func(i int) string
		guess   func(p *phone, i int, login string)
		banned  string // empty: everybody there
	}{
		"at one login":                   {5, func(int) string { return "anna" }, func(p *phone, _ int, login string) { p.guessByINVITE(login) }, "anna"},
		"at one login that there is not": {5, func(int) string { return "nobody" }, func(p *phone, _ int, login string) { p.guessByINVITE(login) }, "nobody"},
		"at one login, by REGISTER too": {5, func(int) string { return "anna" }, func(p *phone, i int, login string) {
			if i%2 == 0 {
				p.guessByINVITE(login)
			} else {
				p.guess(login, "1234")
			}
		}, "anna"},
		"at many": {20, func(i int) string { return fmt.Sprint("login", i) }, func(p *phone, _ int, login string) { p.guessByINVITE(login) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, func(c *Config) { c.Trunks = nil })
			mallory := b.phone()
			for i := range c.guesses {
				if _, begun := b.cfg.Gate.Bans(); begun != 0 {
					t.Fatalf("banned after %d guesses", i)
				}
				c.guess(mallory, i, c.login(i))
			}
			if bans, begun := b.cfg.Gate.Bans(); begun != 1 || bans[0].Source.String() != "127.0.0.1/32" || bans[0].Login != c.banned {
				t.Fatalf("bans: %+v", bans)
			}
			dropped := b.Dropped()
			a := mallory.account("anna")
			if c.banned != "" {
				a = mallory.account(c.banned)
			}
			a.request("INVITE", sdpOffer)
			a.request("REGISTER", "")
			until(t, "both are counted as dropped", func() bool { return b.Dropped()-dropped == 2 })
			other := mallory.account("boris")
			other.request("INVITE", sdpOffer)
			if c.banned == "" {
				until(t, "another login is dropped too", func() bool { return b.Dropped()-dropped == 3 })
			} else {
				other.want("SIP/2.0 407") // and nothing but this
			}
			mallory.silent(50 * time.Millisecond)
			if len(b.legs) != 0 {
				t.Error("a call came in")
			}
		})
	}
}

// A challenge that was given before the ban is worth nothing after it.
func TestTheRightPasswordInAnINVITEIsNotLookedAtDuringABan(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks = nil })
	mallory := b.phone()
	a := mallory.account("anna")
	a.target, a.to = "sip:"+abroad+"@pbx.test", "<sip:"+abroad+"@pbx.test>"
	a.request("INVITE", sdpOffer)
	challenge := a.want("SIP/2.0 407").header("Proxy-Authenticate")
	a.again("ACK", "")
	for range 5 {
		mallory.guessByINVITE("anna")
	}
	dropped := b.Dropped()
	a.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", a.target, challenge)+"\n"+sdpOffer)
	until(t, "it is dropped", func() bool { return b.Dropped()-dropped == 1 })
	mallory.silent(50 * time.Millisecond)
	if len(b.legs) != 0 {
		t.Error("a call came in")
	}
}
