package sip

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
	"github.com/rs/zerolog"

	"cabline/pbx/gate"
)

// guess tries a password with a good nonce; the answer may be silence.
func (p *phone) guess(login, password string) {
	p.t.Helper()
	a := p.account(login)
	a.password = password
	a.register("Expires: 600\n")
}

func TestUnknownAndKnownUsersTakeTheSameWork(t *testing.T) {
	s, err := New(Config{Realm: "cabline", Exchange: &exchange{}, Accounts: func(login string) (string, bool) {
		return sum(login + ":cabline:right"), login == "anna"
	}})
	if err != nil {
		t.Fatal(err)
	}
	var work []string // of each digest: the octets that go into it
	s.digest.respond = func(cred *digest.Credentials, ha1, method string) string {
		work = append(work, fmt.Sprint(len(ha1), len(cred.Nonce), len(cred.URI), method))
		return response(cred, ha1, method)
	}
	attempt := func(login string) *wire.Request {
		nonce := s.digest.nonce("192.0.2.1:5060", time.Now())
		cred := digest.Credentials{Username: login, Realm: "cabline", Nonce: nonce, URI: "sip:pbx.test", Response: sum("wrong"),
			Algorithm: "MD5", QOP: "auth", Cnonce: "c", Nc: 1}
		req := wire.NewRequest(wire.REGISTER, wire.Uri{Scheme: "sip", Host: "pbx.test"})
		req.SetSource("192.0.2.1:5060")
		req.AppendHeader(wire.NewHeader("Authorization", cred.String()))
		return req
	}
	judge := func(login string) (took time.Duration) {
		req := attempt(login)
		began := time.Now()
		if v := s.digest.judge(req, s.digest.credentials(req, "authorization")); v != wrong {
			t.Fatalf("%s: verdict %d", login, v)
		}
		return time.Since(began)
	}
	var known, unknown []time.Duration
	for range 2000 { // by turns, so that both meet the same machine
		known, unknown = append(known, judge("anna")), append(unknown, judge("zoya"))
	}
	if len(work) != 4000 || len(slices.Compact(slices.Sorted(slices.Values(work)))) != 1 {
		t.Errorf("%d digests of %v", len(work), slices.Compact(slices.Sorted(slices.Values(work))))
	}
	slices.Sort(known)
	slices.Sort(unknown)
	t.Logf("a wrong password of a user there is: median %v, of one there is not: %v", known[1000], unknown[1000])
}

func TestANonceThatIsNotOursTellsNothingOfThePassword(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks = nil })
	p := b.phone()
	for _, password := range []string{"secret of anna", "wrong"} {
		a := p.account("anna")
		a.password = password
		invented := `Digest realm="cabline", nonce="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", algorithm=MD5, qop="auth"`
		a.request("REGISTER", "Authorization: "+a.credentials("REGISTER", a.target, invented)+"\n")
		if m := a.want("SIP/2.0 401"); !strings.Contains(m.header("WWW-Authenticate"), "stale=true") {
			t.Errorf("%q: %s", password, m)
		}
	}
	for range 100 { // and bans nobody: the address they come from may be forged
		a := p.account("anna")
		a.request("REGISTER", "Authorization: "+a.credentials("REGISTER", a.target, `Digest realm="cabline", nonce="x", algorithm=MD5, qop="auth"`)+"\n")
		a.want("SIP/2.0 401")
	}
	if bans, _ := b.cfg.Gate.Bans(); len(bans) != 0 {
		t.Errorf("bans: %v", bans)
	}
}

func TestWhoGuessesIsBannedWithoutTheOperatorsBehindTheSameAddress(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks = nil })
	anna := b.phone().account("anna")
	if m := anna.register("Expires: 600\n"); m.status() != "200" {
		t.Fatal(m)
	}
	mallory := b.phone()
	for i := range 20 {
		mallory.guess(fmt.Sprint("login", i), "1234")
	}
	if bans, begun := b.cfg.Gate.Bans(); begun != 1 || bans[0].Source.String() != "127.0.0.1/32" || bans[0].Login != "" {
		t.Fatalf("bans: %+v", bans)
	}
	dropped := b.Dropped()
	for _, k := range []*talk{mallory.newTalk("100", "100"), mallory.newTalk("boris", "boris")} {
		for _, method := range []string{"REGISTER", "INVITE", "OPTIONS"} {
			k.request(method, "")
		}
		k.silent(50 * time.Millisecond)
	}
	until(t, "all six are counted as dropped", func() bool { return b.Dropped()-dropped == 6 })
	if m := anna.register("Expires: 600\n"); m.status() != "200" {
		t.Errorf("a registered phone:\n%s", m)
	}
	again := b.phone().account("anna") // after a restart of the phone, from another port
	if m := again.register("Expires: 600\n"); m.status() != "200" {
		t.Errorf("a login that is at home there:\n%s", m)
	}
	for range 5 {
		mallory.guess("anna", "1234") // he may, for her login is at home here
	}
	if !b.cfg.Gate.Closed(gate.Visitor{Source: netip.MustParseAddr("127.0.0.1"), Login: "anna"}) {
		t.Fatal("her password may be guessed for ever")
	}
	third := b.phone().account("anna") // the same phone as far as anybody can tell, from a third port
	third.id, third.seq = again.id, again.seq
	if m := third.register("Expires: 600\n"); m.status() != "200" {
		t.Errorf("a phone that is at home there, while its password is guessed:\n%s", m)
	}
	again.request("INVITE", sdpOffer)
	again.want("SIP/2.0 4") // it is answered, whatever it dials
	again.again("ACK", "")
}

func TestARegisteredPhoneMayNotGuessAtOthers(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks = nil })
	p := b.phone()
	p.account("anna").register("Expires: 600\n")
	for range 5 {
		p.guess("boris", "1234")
	}
	k := p.account("boris")
	k.request("REGISTER", "")
	first := k.want("SIP/2.0 401") // the phone is known, so it is spoken to
	k.request("REGISTER", "Authorization: "+k.credentials("REGISTER", k.target, first.header("WWW-Authenticate"))+"\n")
	k.silent(50 * time.Millisecond)
	if m := p.account("anna").register("Expires: 600\n"); m.status() != "200" {
		t.Errorf("its own login:\n%s", m)
	}
}

func TestABanIsOneLineInTheLog(t *testing.T) {
	s, err := New(Config{Exchange: &exchange{}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	ctx := zerolog.New(&log).WithContext(context.Background())
	req := wire.NewRequest(wire.REGISTER, wire.Uri{Scheme: "sip", Host: "pbx.test"})
	req.SetSource("[2001:db8::7]:5060")
	for i := range 30 {
		s.guessed(ctx, req, fmt.Sprint("login\r\n", i))
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"source":"2001:db8::/64"`) || !strings.Contains(got, `"until":`) {
		t.Errorf("log: %s", got)
	}
}

func TestMoreTransactionsThanAllowedGet503(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.maxPending = 3 })
	k := make([]*talk, 4)
	for i := range k {
		k[i] = b.phone().newTalk("79161234567", "nobody") // refused, and kept until the ACK
		k[i].request("INVITE", sdpOffer)
		if i < 3 {
			k[i].want("SIP/2.0 404", "SIP/2.0 1")
		} else if m := k[i].want("SIP/2.0 503"); m.header("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	for i := range 3 {
		k[i].again("ACK", "")
	}
	for end := time.Now().Add(forAMoment); b.pending.n.Load() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d still open", b.pending.n.Load())
		}
	}
	other := b.phone().newTalk("79161234567", "74950000000")
	other.call()
	other.bye()
}
