package sip

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"cabline/pbx"
)

// registering makes the bench's trunk one that registers.
func registering(c *Config) {
	t := &c.Trunks[0]
	t.From, t.Register, t.AuthUser, t.Password, t.Domain = nil, true, "883140001@carrier.test", "pass word", "carrier.test"
	t.Lines = []pbx.Phone{"+74950000000"}
	c.backOff = time.Millisecond
}

// startCarrier is startTrunk with a carrier that overlooks repetitions: on a busy
// machine requests are sent again before a test has answered them.
func startCarrier(t *testing.T, change func(*Config)) (*bench, *phone) {
	t.Helper()
	b, carrier := startTrunk(t, answerAll, change)
	return b, carrier.once()
}

// once is a phone without messages that came before.
func (p *phone) once() *phone {
	q := &phone{t: p.t, got: make(chan message, 1000), self: p.self, network: p.network, write: p.write, hangUp: p.hangUp}
	over := make(chan struct{}) // the test's context ends before its cleanup does
	p.t.Cleanup(func() { close(over) })
	go func() {
		seen := map[message]bool{}
		for {
			select {
			case m := <-p.got:
				if !seen[m] {
					seen[m] = true
					q.got <- m
				}
			case <-over:
				return
			}
		}
	}()
	return q
}

// accept lets a REGISTER in; more are headers of the 200.
func (p *phone) accept(m message, more string) {
	p.t.Helper()
	p.send(m.reply("200 OK", "reg", "Contact: "+m.header("Contact")+more+"\n"))
}

// signOff accepts the end of a registration in the background of a test's end.
func (b *bench) signOff(p *phone) {
	b.registered(true)
	b.t.Cleanup(func() {
		go b.stop()
		p.accept(p.want("REGISTER", "SIP/2.0", "REGISTER"), "")
	})
}

// registered waits until the first trunk is registered, or is not.
func (b *bench) registered(want bool) TrunkState {
	b.t.Helper()
	for deadline := time.Now().Add(forAMoment); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if s := b.Trunks()[0]; s.Registered == want && !s.Since.IsZero() {
			return s
		}
	}
	b.t.Fatalf("state %+v", b.Trunks()[0])
	return TrunkState{}
}

func TestATrunkRegistersWithItsPasswordAndSignsOffAtTheEnd(t *testing.T) {
	for _, algorithm := range []string{"MD5", "SHA-256"} {
		t.Run(algorithm, func(t *testing.T) {
			b, carrier := startCarrier(t, registering)
			first := carrier.want("REGISTER sip:carrier.test SIP/2.0")
			for header, want := range map[string]string{"From": "sip:883140001@carrier.test", "To": "sip:883140001@carrier.test", "Contact": "sip:883140001@" + b.addr} {
				if got := first.uri(header); got != want {
					t.Errorf("%s %q, want %q", header, got, want)
				}
			}
			if first.header("Expires") != "600" || first.header("Authorization") != "" {
				t.Errorf("first:\n%s", first)
			}
			ask := func(nonce, stale string) string {
				return fmt.Sprintf("WWW-Authenticate: Digest realm=\"asterisk\", nonce=%q, algorithm=%s, qop=\"auth\"%s\n", nonce, algorithm, stale)
			}
			carrier.send(first.reply("401 Who", "a", ask("1", "")))
			second := carrier.want("REGISTER")
			knowsPassword(t, second, "Authorization", "883140001@carrier.test", "asterisk", "pass word")
			carrier.send(second.reply("401 Who", "a", ask("2", ", stale=true")))
			third := carrier.want("REGISTER")
			if cred, _ := digest.ParseCredentials(third.header("Authorization")); cred == nil || cred.Nonce != "2" {
				t.Errorf("after a stale nonce:\n%s", third)
			}
			if first.header("Call-ID") != third.header("Call-ID") || third.header("CSeq") != "3 REGISTER" {
				t.Errorf("not of one row:\n%s", third)
			}
			carrier.accept(third, "")
			if s := b.registered(true); s.Name != "carrier" || s.LastError != "" || time.Since(s.Since) > time.Minute {
				t.Errorf("%+v", s)
			}
			go b.stop()
			last := carrier.want("REGISTER")
			if last.header("Expires") != "0" || last.uri("Contact") != first.uri("Contact") {
				t.Errorf("signing off:\n%s", last)
			}
			carrier.accept(last, "")
		})
	}
}

func TestTheRegistrarsExpiryCountsAndIsRefreshedBeforeItEnds(t *testing.T) {
	b, carrier := startCarrier(t, registering)
	first := carrier.want("REGISTER")
	sent := time.Now()
	carrier.accept(first, ";expires=2\nExpires: 3600")
	b.registered(true)
	second := carrier.want("REGISTER")
	if since := time.Since(sent); since < time.Second {
		t.Errorf("again after %v", since)
	}
	carrier.accept(second, ";expires=3600")
	b.signOff(carrier)
}

func TestARegistrarsMinimumIsTaken(t *testing.T) {
	b, carrier := startCarrier(t, registering)
	carrier.send(carrier.want("REGISTER").reply("423 Brief", "a", "Min-Expires: 1800\n"))
	second := carrier.want("REGISTER")
	if second.header("Expires") != "1800" {
		t.Errorf("asked again for %s s", second.header("Expires"))
	}
	carrier.accept(second, "")
	b.registered(true)
	b.signOff(carrier)
}

func TestARegistrationThatFailsIsTriedAgain(t *testing.T) {
	b, carrier := startCarrier(t, registering)
	carrier.send(carrier.want("REGISTER").reply("500 Ill", "a", ""))
	second := carrier.want("REGISTER")
	if s := b.registered(false); !strings.Contains(s.LastError, `500 "Ill"`) {
		t.Errorf("%+v", s)
	}
	carrier.accept(second, "")
	b.registered(true)
	b.signOff(carrier)
}

func TestTheWaitAfterAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		failures  int
		err       error
		low, high time.Duration
	}{
		"the first":                           {1, errDead, time.Second, 2 * time.Second},
		"the fourth":                          {4, errDead, 8 * time.Second, 16 * time.Second},
		"the thousandth":                      {1000, errDead, maxBackOff / 2, maxBackOff},
		"as long as the carrier says":         {1, refusedError{code: 503, retryAfter: 90 * time.Second}, 90 * time.Second, 90 * time.Second},
		"a password that is wrong":            {1, refusedError{code: 403}, refusedWait, refusedWait},
		"wrapped, as with a second challenge": {1, fmt.Errorf("%w: wrong", refusedError{code: 401}), refusedWait, refusedWait},
	} {
		t.Run(name, func(t *testing.T) {
			r := &registration{server: &Server{cfg: Config{}.withDefaults()}, failures: c.failures - 1}
			for range 100 {
				before := r.failures
				if got := r.pause(0, c.err); got < c.low || got > c.high {
					t.Errorf("%v, want %v to %v", got, c.low, c.high)
				}
				r.failures = before
			}
		})
	}
}

func TestARefusalsRetryAfterIsRead(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "17": 17 * time.Second, "120 (meeting);duration=5": 2 * time.Minute, "999999": maxRetryAfter, "soon": 0, "-5": 0} {
		res := wire.NewResponse(503, "No")
		res.AppendHeader(wire.NewHeader("Retry-After", text))
		if got := refusalOf(res).retryAfter; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestATrunkRegistersAnewWhenItsConnectionBroke(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	b := start(t, answerAll, func(c *Config) {
		registering(c)
		c.Trunks[0].Target, c.Trunks[0].Transport = listener.Addr().String(), "tcp"
	})
	for round := range 2 {
		_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(forAMoment))
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		carrier := stream(t, conn)
		m := carrier.want("REGISTER")
		if !strings.HasSuffix(m.uri("Contact"), ";transport=tcp") {
			t.Errorf("Contact %q", m.header("Contact"))
		}
		carrier.accept(m, "")
		b.registered(true)
		if round == 0 {
			carrier.hangUp()
		} else {
			b.signOff(carrier)
		}
	}
}

func TestAnOutboundProxyIsSentTo(t *testing.T) {
	b, carrier := startCarrier(t, func(c *Config) {
		registering(c)
		c.Trunks[0].Proxy, c.Trunks[0].Target = c.Trunks[0].Target, "nowhere.invalid"
	})
	route := "<sip:" + carrier.self + ";lr>"
	m := carrier.want("REGISTER sip:carrier.test SIP/2.0")
	if m.header("Route") != route {
		t.Errorf("Route %q", m.header("Route"))
	}
	carrier.accept(m, "")
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE sip:+79990000001@carrier.test SIP/2.0")
	if invite.header("Route") != route || invite.uri("From") != "sip:+74950000000@carrier.test" || invite.uri("To") != "sip:+79990000001@carrier.test" {
		t.Errorf("from, to and by:\n%s", invite)
	}
	ack := carrier.pickUp(invite, "far")
	if !strings.HasPrefix(string(ack), "ACK sip:gw@"+carrier.self) || ack.header("Route") != "" {
		t.Errorf("the dialog goes elsewhere:\n%s", ack)
	}
	_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
	b.signOff(carrier)
}

func TestTheRegistrarsRealmMayAskForThePasswordOfACall(t *testing.T) {
	b, carrier := startCarrier(t, registering)
	m := carrier.want("REGISTER")
	carrier.send(m.reply("401 Who", "a", `WWW-Authenticate: Digest realm="asterisk", nonce="1", qop="auth"`+"\n"))
	carrier.accept(carrier.want("REGISTER"), "")
	b.registered(true)
	done := b.dial(context.Background(), driver)
	carrier.send(carrier.want("INVITE").reply("401 Who", "a", `WWW-Authenticate: Digest realm="callee", nonce="1", qop="auth"`+"\n"))
	carrier.want("ACK")
	if err := wait(t, "end of Dial", done).err; err == nil || !strings.Contains(err.Error(), "callee") {
		t.Error(err)
	}
	done = b.dial(context.Background(), driver)
	carrier.send(carrier.want("INVITE", "ACK").reply("401 Who", "a", `WWW-Authenticate: Digest realm="asterisk", nonce="3", qop="auth"`+"\n"))
	carrier.want("ACK")
	second := carrier.want("INVITE", "ACK")
	knowsPassword(t, second, "Authorization", "883140001@carrier.test", "asterisk", "pass word")
	carrier.send(second.reply("486 Busy", "b", ""))
	carrier.want("ACK")
	wait(t, "end of Dial", done)
	b.signOff(carrier)
}

func TestACallToTheAccountComesFromTheRegistrarsAddress(t *testing.T) {
	for name, c := range map[string]struct {
		called, to string
		want       pbx.Phone
		code       string
	}{
		"the account":                     {"883140001", "883140001", "+74950000000", "200"},
		"the account, the number in To":   {"883140001", "84951111111", "+74951111111", "200"},
		"somebody else at the same place": {"883140002", "883140002", "", "407"},
	} {
		t.Run(name, func(t *testing.T) {
			b, carrier := startCarrier(t, registering)
			carrier.accept(carrier.want("REGISTER"), "")
			b.registered(true)
			k := carrier.newTalk("79161234567", c.to)
			k.target = "sip:" + c.called + "@" + b.addr
			k.request("INVITE", sdpOffer)
			m := k.want("SIP/2.0 "+c.code, "SIP/2.0 1")
			k.to = m.header("To")
			if c.want == "" {
				k.again("ACK", "")
			} else {
				k.enter(m)
				k.request("ACK", "")
				if a := wait(t, "arrival", b.arrived); a.To != c.want || a.Trunk != "carrier" || a.From != "+79161234567" {
					t.Errorf("%#v", a)
				}
				k.request("BYE", "")
				k.want("SIP/2.0 200")
			}
			b.signOff(carrier)
		})
	}
}

func TestSeveralAccountsAtOneAddressAreToldApart(t *testing.T) {
	b, carrier := startCarrier(t, func(c *Config) {
		registering(c)
		second := c.Trunks[0]
		second.Name, second.AuthUser, second.Lines = "second", "883140002", []pbx.Phone{"+74950000002"}
		c.Trunks = append(c.Trunks, second)
	})
	for range 2 {
		carrier.accept(carrier.want("REGISTER"), "")
	}
	b.registered(true)
	for user, want := range map[string]pbx.Arrival{
		"883140001": {From: "+79161234567", To: "+74950000000", Trunk: "carrier"},
		"883140002": {From: "+79161234567", To: "+74950000002", Trunk: "second"},
		// Carriers that call the number and not the login:
		"74950000000":  {From: "+79161234567", To: "+74950000000", Trunk: "carrier"},
		"+74950000002": {From: "+79161234567", To: "+74950000002", Trunk: "second"},
	} {
		k := carrier.newTalk("79161234567", user)
		k.target = "sip:" + user + "@" + b.addr
		k.call()
		if a := wait(t, "arrival", b.arrived); a != want {
			t.Errorf("%#v", a)
		}
		k.request("BYE", "")
		k.want("SIP/2.0 200")
	}
	go b.stop()
	for range 2 {
		carrier.accept(carrier.want("REGISTER"), "")
	}
}

func TestARegistrationIsRefreshedWithJitter(t *testing.T) {
	r := &registration{server: &Server{cfg: Config{}.withDefaults()}}
	const granted = 10 * time.Minute
	low, high := granted, time.Duration(0)
	for range 1000 {
		wait := r.pause(granted, nil)
		low, high = min(low, wait), max(high, wait)
	}
	if low < granted*3/4 || high > granted*9/10 {
		t.Errorf("between %v and %v, want it in the last quarter, with time for a second try", low, high)
	}
	if high-low < time.Minute {
		t.Errorf("between %v and %v: all trunks of all firms at once", low, high)
	}
}

func TestARegistrarWithSeveralChallengesGetsAnAnswerToEach(t *testing.T) {
	const user, password = "883140001@carrier.test", "pass word"
	b, carrier := startCarrier(t, registering)
	// A proxy before the registrar; of its two ways we know the second.
	carrier.send(carrier.want("REGISTER").reply("407 Who", "a", `Proxy-Authenticate: Digest realm="edge", nonce="p", algorithm=AKAv1-MD5, qop="auth"`+"\n"+
		`Proxy-Authenticate: Digest realm="edge", nonce="p", algorithm=MD5, qop="auth"`+"\n"))
	second := carrier.want("REGISTER")
	knowsPassword(t, second, "Proxy-Authorization", user, "edge", password)
	// The registrar has a realm of its own; of its two ways we know both, and the first is the better (RFC 8760 §2.4).
	carrier.send(second.reply("401 Who", "a", `WWW-Authenticate: Digest realm="core", nonce="s", algorithm=SHA-256, qop="auth"`+"\n"+
		`WWW-Authenticate: Digest realm="core", nonce="m", algorithm=MD5, qop="auth"`+"\n"))
	third := carrier.want("REGISTER")
	knowsPassword(t, third, "Proxy-Authorization", user, "edge", password)
	knowsPassword(t, third, "Authorization", user, "core", password)
	if cred, _ := digest.ParseCredentials(third.header("Authorization")); cred == nil || cred.Algorithm != "SHA-256" || strings.Count(string(third), "\r\nAuthorization:") != 1 {
		t.Errorf("not the first way we know, once:\n%s", third)
	}
	carrier.accept(third, "")
	b.registered(true)

	// Both may ask for the password of a call now.
	done := b.dial(context.Background(), driver)
	carrier.send(carrier.want("INVITE").reply("407 Who", "a", `Proxy-Authenticate: Digest realm="edge", nonce="q", qop="auth"`+"\n"))
	carrier.want("ACK")
	again := carrier.want("INVITE", "ACK")
	knowsPassword(t, again, "Proxy-Authorization", user, "edge", password)
	carrier.send(again.reply("486 Busy", "b", ""))
	carrier.want("ACK")
	wait(t, "end of Dial", done)
	b.signOff(carrier)
}

func TestTheAuthUserAndTheDomainAreApartFromTheFromUser(t *testing.T) {
	b, carrier := startCarrier(t, func(c *Config) {
		registering(c)
		t := &c.Trunks[0]
		t.AuthUser, t.FromUser, t.Domain, t.Realm = "SIP01@login.carrier.test", "74951234567", "voice.carrier.test", "voice"
	})
	const ask = `WWW-Authenticate: Digest realm="voice", nonce="1", qop="auth"` + "\n"
	first := carrier.want("REGISTER sip:voice.carrier.test SIP/2.0")
	for _, header := range []string{"From", "To"} {
		if got := first.uri(header); got != "sip:74951234567@voice.carrier.test" {
			t.Errorf("%s %q", header, got)
		}
	}
	if got := first.uri("Contact"); got != "sip:74951234567@"+b.addr {
		t.Errorf("Contact %q", got)
	}
	carrier.send(first.reply("401 Who", "a", ask))
	second := carrier.want("REGISTER")
	knowsPassword(t, second, "Authorization", "SIP01@login.carrier.test", "voice", "pass word")
	carrier.accept(second, "")
	b.registered(true)

	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE sip:+79990000001@voice.carrier.test SIP/2.0")
	if got := invite.uri("From"); got != "sip:74951234567@voice.carrier.test" {
		t.Errorf("From %q", got)
	}
	carrier.send(invite.reply("401 Who", "a", ask))
	carrier.want("ACK")
	again := carrier.want("INVITE", "ACK")
	knowsPassword(t, again, "Authorization", "SIP01@login.carrier.test", "voice", "pass word")
	carrier.send(again.reply("486 Busy", "b", ""))
	carrier.want("ACK")
	wait(t, "end of Dial", done)
	b.signOff(carrier)
}

func TestARegistrarThatSaysWhenToComeAgainIsNotAskedBefore(t *testing.T) {
	b, carrier := startCarrier(t, registering)
	refused := time.Now()
	carrier.send(carrier.want("REGISTER").reply("503 Full", "a", "Retry-After: 2\n"))
	second := carrier.want("REGISTER")
	if early := time.Since(refused); early < 2*time.Second {
		t.Errorf("asked again after %v", early)
	}
	carrier.accept(second, "")
	b.registered(true)
	b.signOff(carrier)
}
