package sip

import (
	"bytes"
	"context"
	"fmt"
	"net"
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
	for _, login := range []string{"anna", "zoya"} {
		req := attempt(login)
		if v := s.digest.judge(req, s.digest.credentials(req, "authorization")); v != wrong {
			t.Fatalf("%s: verdict %d", login, v)
		}
	}
	if len(work) != 2 || work[0] != work[1] {
		t.Errorf("the digests: %v", work)
	}
}

// BenchmarkGuesses says how long a guesser waits over UDP for the 403 of a user
// there is and of one there is not, by turns, so that both meet the same machine:
// go test -run '^$' -bench Guesses -benchtime 20000x ./pbx/sip
func BenchmarkGuesses(b *testing.B) {
	accounts := map[string]string{}
	for i := range 1000 {
		login := fmt.Sprintf("anna%03d", i)
		accounts[login] = sum(login + ":cabline:right")
	}
	s, err := New(Config{Exchange: &exchange{}, Listen: []Listen{{"udp", netip.MustParseAddrPort("127.0.0.1:0")}},
		Accounts: func(login string) (string, bool) { ha1, ok := accounts[login]; return ha1, ok }})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	defer func() {
		stop()
		<-served
	}()
	var took [2][]time.Duration // of those there are, and of the others
	var g *guesser
	for i := range b.N {
		if i%5 == 0 { // before the source is banned
			if g != nil {
				g.conn.Close()
			}
			g = newGuesser(b, i/5, s.Addrs()[0].Addr)
		}
		for turn := range 2 {
			kind := (turn + i) % 2
			took[kind] = append(took[kind], g.guess(fmt.Sprintf("%s%03d", []string{"anna", "zoya"}[kind], i%1000)))
		}
	}
	g.conn.Close()
	for kind, name := range []string{"known", "unknown"} {
		slices.Sort(took[kind])
		for _, percent := range []int{50, 90} {
			b.ReportMetric(float64(took[kind][len(took[kind])*percent/100].Nanoseconds()), fmt.Sprintf("ns-%s-p%d", name, percent))
		}
	}
	b.ReportMetric(float64(took[0][b.N/2])/float64(took[1][b.N/2]), "known/unknown")
}

// guesser guesses from an address of its own.
type guesser struct {
	b    *testing.B
	conn *net.UDPConn
}

func newGuesser(b *testing.B, n int, server netip.AddrPort) *guesser {
	conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 1+byte(n>>16), byte(n>>8), byte(n))}, net.UDPAddrFromAddrPort(server))
	if err != nil {
		b.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(forAMoment))
	return &guesser{b, conn}
}

// guess is how long the answer to a wrong password took.
func (g *guesser) guess(login string) time.Duration {
	k := (&phone{network: "UDP", self: g.conn.LocalAddr().String()}).newTalk(login, login)
	_, nonce, _ := strings.Cut(g.ask(k, "401", ""), `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	proof := fmt.Sprintf("Authorization: Digest username=%q, realm=\"cabline\", nonce=%q, uri=%q, response=%q, algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\n",
		login, nonce, k.target, sum("1234"))
	began := time.Now()
	g.ask(k, "403", proof)
	return time.Since(began)
}

func (g *guesser) ask(k *talk, code, more string) string {
	k.seq, k.branch = k.seq+1, fmt.Sprintf("z9hG4bKguess%d", serial.Add(1))
	text := []byte(crlf(k.text("REGISTER", more)))
	buf := make([]byte, 4096)
	_, _ = g.conn.Write(text)
	n, err := g.conn.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 "+code) {
		g.b.Fatalf("want %s, got %v %s", code, err, buf[:n])
	}
	return string(buf[:n])
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
