package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/icholy/digest"
	"github.com/rs/zerolog"

	"cabline/cmd/cabline/config"
	"cabline/cmd/internal/siptext"
	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/g711"
	"cabline/media/rtp"
	"cabline/pbx"
	"cabline/pbx/sip"
	"cabline/pbx/sip/locate/locatetest"
)

// fakeCarrier is a carrier's side of a trunk that does what a test says.
type fakeCarrier struct {
	t    *testing.T
	self netip.AddrPort
	via  string // UDP or TLS
	got  chan *siptext.Message
	send func(to netip.AddrPort, m *siptext.Message)
}

// udpCarrier is a carrier at an address, on any port.
func udpCarrier(t *testing.T, at string) *fakeCarrier {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(at)})
	if err != nil {
		t.Fatal(err)
	}
	return carrierAt(t, conn)
}

// carrierFor is one where the DNS can lead a preset: on the port that stands in
// it, at a loopback address that nobody else uses, or on any port.
func carrierFor(t *testing.T, at string) *fakeCarrier {
	t.Helper()
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		return udpCarrier(t, "127.0.0.1")
	}
	for {
		alone := fmt.Sprintf("127.%d.%d.1:%s", 1+rand.N(250), rand.N(256), port)
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(alone)))
		if err == nil {
			return carrierAt(t, conn)
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

func carrierAt(t *testing.T, conn *net.UDPConn) *fakeCarrier {
	t.Cleanup(func() { conn.Close() })
	f := &fakeCarrier{t: t, via: "UDP", self: conn.LocalAddr().(*net.UDPAddr).AddrPort(), got: make(chan *siptext.Message, 100)}
	f.send = func(to netip.AddrPort, m *siptext.Message) { _, _ = conn.WriteToUDPAddrPort(m.Bytes(), to) }
	go func() {
		buf, seen := make([]byte, 65536), map[string]bool{}
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m, err := siptext.Parse(buf[:n])
			if err == nil && !seen[string(buf[:n])] { // on a busy machine requests come again
				seen[string(buf[:n])] = true
				f.got <- m
			}
		}
	}()
	return f
}

// tlsCarrier is one whose certificate is for a name.
func tlsCarrier(t *testing.T, name string) (f *fakeCarrier, certificate string) {
	t.Helper()
	certificate = filepath.Join(t.TempDir(), "carrier.pem")
	if err := selfSigned(certificate, []string{name}, time.Now()); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certificate, certificate)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	f = &fakeCarrier{t: t, via: "TLS", self: listener.Addr().(*net.TCPAddr).AddrPort(), got: make(chan *siptext.Message, 100)}
	var open sync.Mutex // held until there is a connection
	var conn net.Conn
	open.Lock()
	f.send = func(_ netip.AddrPort, m *siptext.Message) {
		open.Lock()
		defer open.Unlock()
		_, _ = conn.Write(m.Bytes())
	}
	go func() {
		if conn, err = listener.Accept(); err != nil {
			return
		}
		t.Cleanup(func() { conn.Close() })
		open.Unlock()
		for in := bufio.NewReader(conn); ; {
			m, _, err := siptext.Read(in)
			if err != nil {
				return
			}
			f.got <- m
		}
	}()
	return f, certificate
}

// want is the next request or response of a method, ACKs passed over.
func (f *fakeCarrier) want(method string) *siptext.Message {
	f.t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case m := <-f.got:
			switch {
			case m.Method() == method && m.Status() != 100 && m.Status() != 180:
				return m
			case m.Method() == "ACK", m.Method() == "OPTIONS", m.Status() == 100, m.Status() == 180:
			default:
				f.t.Fatalf("want %s, got\n%s", method, m.Bytes())
			}
		case <-deadline:
			f.t.Fatalf("want %s, got nothing", method)
		}
	}
}

// wants fails the test where a part of a message is not as it should be.
func (f *fakeCarrier) wants(m *siptext.Message, what, got, want string) {
	f.t.Helper()
	if got != want {
		f.t.Errorf("%s is %q, want %q, in\n%s", what, got, want, m.Bytes())
	}
}

// carrierCase is what is peculiar to a carrier.
type carrierCase struct {
	trunk string // the keys an owner writes
	at    string // where the config goes by the preset: the proxy, or the host

	// Registration; uri empty: there is none.
	uri, login, from string

	calls []carrierCall
	from2 string // where its calls come from, where that is not the registrar

	dials, shows string // an outgoing call's request line and From
	route        string // of every request of ours; empty: none
	inBand       bool   // keys are tones: no telephone-event is offered
}

// carrierCall is a call it sends and what we make of it.
type carrierCall struct {
	user, to, from string // of the request line, To and From
	line           pbx.Phone
	caller         pbx.Phone
}

const (
	firmNumber  = "+74950000000"
	otherNumber = "+74950000001"
	clientPhone = pbx.Phone("+79161234567")
)

var carrierCases = map[string]carrierCase{
	"МегаФон: by a proxy, numbers without a plus, the own number in From": {
		trunk: `preset: megafon, auth_user: "74950000000"`, at: "sbc.megafon.ru:5060",
		uri: "sip:multifon.ru", login: "74950000000", from: "sip:74950000000@multifon.ru",
		calls: []carrierCall{{"74950000000", "74950000000", "79161234567", firmNumber, clientPhone}},
		dials: "sip:79161234567@multifon.ru", shows: "sip:74950000000@multifon.ru",
		route: "<sip:sbc.megafon.ru;lr>", inBand: true,
	},
	"Билайн: a login with a domain, by a proxy that the DNS knows": {
		trunk: `preset: beeline, auth_user: SIP01@ip.beeline.ru`, at: "ip.beeline.ru",
		uri: "sip:ip.beeline.ru", login: "SIP01@ip.beeline.ru", from: "sip:SIP01@ip.beeline.ru",
		calls: []carrierCall{{"SIP01", "84950000000", "9161234567", firmNumber, clientPhone}},
		dials: "sip:+79161234567@ip.beeline.ru", shows: "sip:SIP01@ip.beeline.ru",
		route: "<sip:ip.beeline.ru;lr>",
	},
	"Ростелеком: a domain of the firm's own": {
		trunk: `preset: rostelecom, host: firm.rt.example, auth_user: "74950000000"`, at: "firm.rt.example",
		uri: "sip:firm.rt.example", login: "74950000000", from: "sip:74950000000@firm.rt.example",
		calls: []carrierCall{{"74950000000", "74950000000", "89161234567", firmNumber, clientPhone}},
		dials: "sip:+79161234567@firm.rt.example", shows: "sip:74950000000@firm.rt.example",
	},
	"Ростелеком by address: no password, every line has its calls": {
		trunk: `preset: rostelecom, host: 127.0.0.1, register: false`, at: "127.0.0.1",
		calls: []carrierCall{
			{"84950000000", "84950000000", "89161234567", firmNumber, clientPhone},
			{"4950000001", "4950000001", "89161234567", otherNumber, clientPhone},
		},
		dials: "sip:+79161234567@127.0.0.1", shows: "sip:" + firmNumber + "@127.0.0.1",
	},
	"Novofon: calls come from another address than the registrar's, for the number": {
		trunk: `preset: novofon, auth_user: "123456", from: [127.0.0.2]`, at: "sip.novofon.ru", from2: "127.0.0.2",
		uri: "sip:sip.novofon.ru", login: "123456", from: "sip:123456@sip.novofon.ru",
		calls: []carrierCall{{"74950000001", "74950000001", "+79161234567", otherNumber, clientPhone}},
		dials: "sip:+79161234567@sip.novofon.ru", shows: "sip:" + firmNumber + "@sip.novofon.ru",
	},
	"Zadarma: by address": {
		trunk: `preset: zadarma, from: [127.0.0.2]`, at: "sip.zadarma.com", from2: "127.0.0.2",
		calls: []carrierCall{{"74950000001", "74950000001", "79161234567", otherNumber, clientPhone}},
		dials: "sip:+79161234567@sip.zadarma.com", shows: "sip:" + firmNumber + "@127.0.0.1",
	},
	"Mango: the host is the login's domain": {
		trunk: `preset: mango, auth_user: user1@vpbx400000000.mangosip.ru`, at: "vpbx400000000.mangosip.ru",
		uri: "sip:vpbx400000000.mangosip.ru", login: "user1@vpbx400000000.mangosip.ru", from: "sip:user1@vpbx400000000.mangosip.ru",
		calls: []carrierCall{{"user1", "user1", "79161234567", firmNumber, clientPhone}},
		dials: "sip:+79161234567@vpbx400000000.mangosip.ru", shows: "sip:user1@vpbx400000000.mangosip.ru",
	},
	"МТС Exolve: the login is no number of the firm, the number is in To": {
		trunk: `preset: exolve, auth_user: "883140776000000"`, at: "sip.exolve.ru",
		uri: "sip:sip.exolve.ru", login: "883140776000000", from: "sip:883140776000000@sip.exolve.ru",
		calls: []carrierCall{{"883140776000000", "74950000001", "79161234567", otherNumber, clientPhone}},
		dials: "sip:+79161234567@sip.exolve.ru", shows: "sip:" + firmNumber + "@sip.exolve.ru",
	},
	"МТТ by login: the number called is lost, calls are for the first line": {
		trunk: `preset: mtt, auth_user: "883140000000000"`, at: "login.mtt.ru",
		uri: "sip:login.mtt.ru", login: "883140000000000", from: "sip:883140000000000@login.mtt.ru",
		calls: []carrierCall{{"883140000000000", "883140000000000", "79161234567", firmNumber, clientPhone}},
		dials: "sip:+79161234567@login.mtt.ru", shows: "sip:" + firmNumber + "@login.mtt.ru",
	},
	"МТТ by address: the number called is kept": {
		trunk: `preset: mtt, register: false, from: [127.0.0.1]`, at: "sip.mtt.ru",
		calls: []carrierCall{
			{"74950000000", "74950000000", "79161234567", firmNumber, clientPhone},
			{"74950000001", "74950000001", "79161234567", otherNumber, clientPhone},
		},
		dials: "sip:+79161234567@sip.mtt.ru", shows: "sip:" + firmNumber + "@127.0.0.1",
	},
	"Телфин: a port and a domain of its own": {
		trunk: `preset: telphin, auth_user: 00000x101`, at: "voice.telphin.com:5068",
		uri: "sip:sip.telphin.com", login: "00000x101", from: "sip:00000x101@sip.telphin.com",
		calls: []carrierCall{{"00000x101", "00000x101", "79161234567", firmNumber, clientPhone}},
		dials: "sip:+79161234567@sip.telphin.com", shows: "sip:" + firmNumber + "@sip.telphin.com",
	},
	"UIS: a port of its own": {
		trunk: `preset: uis, auth_user: "0123456"`, at: "voip.uiscom.ru:9050",
		uri: "sip:voip.uiscom.ru:9050", login: "0123456", from: "sip:0123456@voip.uiscom.ru",
		calls: []carrierCall{{"0123456", "0123456", "79161234567", firmNumber, clientPhone}},
		dials: "sip:+79161234567@voip.uiscom.ru:9050", shows: "sip:" + firmNumber + "@voip.uiscom.ru",
	},
}

// heardCall is a call that reached us.
type heardCall struct {
	pbx.Arrival
	leg pbx.Leg
}

// customer is the exchange as a carrier sees it.
type customer struct {
	*sip.Server
	addr  netip.AddrPort
	calls chan heardCall
}

func (c *customer) SetOnline(string, bool) {}

func (c *customer) Incoming(ctx context.Context, leg pbx.Leg, a pbx.Arrival) {
	if leg.Answer(ctx) != nil {
		return
	}
	c.calls <- heardCall{a, leg}
	select {
	case <-leg.Context().Done():
	case <-ctx.Done():
	}
}

// startCustomer runs the SIP and the audio of a config until the test ends. What
// the preset leads to is found where the fake carrier is.
func startCustomer(t *testing.T, cfg *config.Config, at string, carrier *fakeCarrier) *customer {
	t.Helper()
	c := &customer{calls: make(chan heardCall, 10)}
	trunk, err := trunkOf(cfg, leadTo(t, &cfg.Trunks[0], at, carrier))
	if err != nil {
		t.Fatal(err)
	}
	host, _, err := net.SplitHostPort(at)
	zone := fmt.Sprintf("gw.test. 300 IN A 127.0.0.1\n_sip._udp.%[1]s. 300 IN SRV 1 1 %[2]d gw.test.\n_sips._tcp.%[1]s. 300 IN SRV 1 1 %[2]d gw.test.\n", at, carrier.self.Port())
	if err == nil {
		zone = fmt.Sprintf("%s. 300 IN A %s\n", host, carrier.self.Addr())
	}
	clock := media.NewClock()
	relay, err := rtp.Listen(rtp.Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{cfg: cfg, relay: relay}
	c.Server, err = sip.New(sip.Config{
		Listen: []sip.Listen{{Network: "udp", Addr: netip.MustParseAddrPort("127.0.0.1:0")}},
		DNS:    []netip.AddrPort{locatetest.Start(t, zone).Addr},
		Trunks: []sip.Trunk{trunk}, Exchange: c, RTP: x.openRTP,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.addr = c.Addrs()[0].Addr
	ctx, stop := context.WithCancel(zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel).WithContext(context.Background()))
	served := make(chan error, 1)
	go func() { served <- c.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		relay.Close()
		clock.Close()
	})
	return c
}

// leadTo is a trunk whose host, where it is an address and so cannot be led by the
// DNS, is the fake carrier's; all else is as the preset has it.
func leadTo(t *testing.T, trunk *config.Trunk, at string, carrier *fakeCarrier) config.Trunk {
	t.Helper()
	led := *trunk
	if first := cmp.Or(string(trunk.OutboundProxy), trunk.Host); first != at {
		t.Errorf("the preset leads to %q, want %q", first, at)
	}
	if net.ParseIP(at) != nil {
		led.Host, led.Domain = carrier.self.String(), cmp.Or(trunk.Domain, at)
	}
	return led
}

func TestEveryCarrierIsSpokenWithAsItWants(t *testing.T) {
	for name, c := range carrierCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			carrier := carrierFor(t, c.at)
			customer := startCustomer(t, parseFirm(t, c.trunk), c.at, carrier)
			if c.uri != "" {
				carrier.registers(c)
			}
			source := carrier
			if c.from2 != "" {
				source = udpCarrier(t, c.from2)
			}
			for _, call := range c.calls {
				source.calls(customer, call)
			}
			carrier.isCalled(customer, c)
			if c.uri != "" { // signing off
				go func() { carrier.accept(carrier.want("REGISTER")) }()
			}
		})
	}
}

// parseFirm is a firm with one trunk and two lines over it.
func parseFirm(t *testing.T, trunk string) *config.Config {
	t.Helper()
	password := ""
	if strings.Contains(trunk, "auth_user") {
		password = ", password: secret word"
	}
	cfg, _, err := config.Parse("f", fmt.Appendf(nil, "firm: {name: A}\ndispatch: {token: t}\ntrunks:\n  - {name: carrier, %s%s, options: 0s}\n"+
		"lines: [{number: %q, trunk: carrier}, {number: %q, trunk: carrier}]\n", trunk, password, firmNumber, otherNumber),
		func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// registers lets us register, after a challenge.
func (f *fakeCarrier) registers(c carrierCase) {
	f.t.Helper()
	first := f.want("REGISTER")
	f.wants(first, "the request line", first.RequestURI(), c.uri)
	f.wants(first, "Route", first.Value("Route"), c.route)
	f.wants(first, "From", siptext.URI(first.Value("From")), c.from)
	f.wants(first, "To", siptext.URI(first.Value("To")), c.from)
	f.send(f.sender(first), siptext.Response(first, 401, "Who", "a").Add("WWW-Authenticate", `Digest realm="carrier", nonce="n", qop="auth"`))
	second := f.want("REGISTER")
	cred, err := digest.ParseCredentials(second.Value("Authorization"))
	if err != nil {
		f.t.Fatalf("%v in\n%s", err, second.Bytes())
	}
	f.wants(second, "the login", cred.Username, c.login)
	ha1, ha2 := md5hex(c.login+":carrier:secret word"), md5hex("REGISTER:"+cred.URI)
	f.wants(second, "the password's hash", cred.Response, md5hex(fmt.Sprintf("%s:n:%08x:%s:auth:%s", ha1, cred.Nc, cred.Cnonce, ha2)))
	f.accept(second)
}

func md5hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (f *fakeCarrier) accept(m *siptext.Message) {
	f.send(f.sender(m), siptext.Response(m, 200, "OK", "a").Add("Contact", m.Value("Contact")+";expires=3600"))
}

// sender is where a request came from, by its Via.
func (f *fakeCarrier) sender(m *siptext.Message) netip.AddrPort {
	_, rest, _ := strings.Cut(m.Value("Via"), " ")
	at, _, _ := strings.Cut(rest, ";")
	addr, _ := netip.ParseAddrPort(at)
	return addr
}

// calls sends a call, and hangs up when it has arrived as it should.
func (f *fakeCarrier) calls(c *customer, call carrierCall) {
	f.t.Helper()
	id, sdp := md5hex(f.t.Name()+call.user), siptext.Audio{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Types: []uint8{8}}.SDP(1)
	request := func(method, to string, seq int) *siptext.Message {
		return siptext.Request(method, fmt.Sprintf("sip:%s@%s", call.user, c.addr),
			siptext.Header{Name: "Via", Value: fmt.Sprintf("SIP/2.0/UDP %s;branch=z9hG4bK%s%d", f.self, id, seq)},
			siptext.Header{Name: "Max-Forwards", Value: "70"},
			siptext.Header{Name: "From", Value: fmt.Sprintf("<sip:%s@carrier>;tag=f", call.from)},
			siptext.Header{Name: "To", Value: to},
			siptext.Header{Name: "Call-ID", Value: id},
			siptext.Header{Name: "CSeq", Value: fmt.Sprintf("%d %s", seq, method)},
			siptext.Header{Name: "Contact", Value: fmt.Sprintf("<sip:gw@%s>", f.self)})
	}
	to := fmt.Sprintf("<sip:%s@%s>", call.to, c.addr)
	f.send(c.addr, request("INVITE", to, 1).WithBody("application/sdp", sdp))
	ok := f.want("INVITE")
	if ok.Status() != 200 {
		f.t.Fatalf("a call for %s gets\n%s", call.user, ok.Bytes())
	}
	f.send(c.addr, request("ACK", ok.Value("To"), 1))
	heard := <-c.calls
	if heard.To != call.line || heard.From != call.caller || heard.Trunk != "carrier" {
		f.t.Errorf("a call for %s, in To %s, from %s: for %s from %s over %s", call.user, call.to, call.from, heard.To.Dialable(), heard.From.Dialable(), heard.Trunk)
	}
	f.send(c.addr, request("BYE", ok.Value("To"), 2))
	f.want("BYE")
}

// isCalled takes a call from us.
func (f *fakeCarrier) isCalled(c *customer, is carrierCase) {
	f.t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := c.Dial(f.t.Context(), pbx.Endpoint{Number: clientPhone, Trunk: "carrier", From: firmNumber})
		done <- err
	}()
	invite := f.want("INVITE")
	f.wants(invite, "the request line", invite.RequestURI(), is.dials)
	f.wants(invite, "Route", invite.Value("Route"), is.route)
	if sdp, err := siptext.ParseSDP(invite.Body); err != nil || (sdp.Event == 0) != is.inBand {
		f.t.Errorf("telephone-event %d, error %v, in\n%s", sdp.Event, err, invite.Bytes())
	}
	f.wants(invite, "From", siptext.URI(invite.Value("From")), is.shows)
	f.send(f.sender(invite), siptext.Response(invite, 486, "Busy", "b"))
	if err := <-done; err == nil {
		f.t.Error("a leg")
	}
}

// Keys of MegaFon come as tones, also where the carrier says otherwise.
func TestKeysFromMegaFonAreHeardInTheSound(t *testing.T) {
	hearsKey(t, carrierCases["МегаФон: by a proxy, numbers without a plus, the own number in From"], '7', func(send func(kind byte, payload []byte)) {
		playKey('7', send)
	})
}

// Keys of Novofon come as events, and what sounds like one is speech.
func TestKeysFromNovofonAreHeardAsEvents(t *testing.T) {
	hearsKey(t, carrierCases["Novofon: calls come from another address than the registrar's, for the number"], '7', func(send func(kind byte, payload []byte)) {
		playKey('3', send)
		for _, end := range []byte{0, 0, 0x80, 0x80, 0x80} { // RFC 4733 §2.5.1.4
			send(101, []byte{7, end | 10, 800 >> 8, 800 & 0xff})
		}
	})
}

// playKey is 200 ms of a key's tones, then silence.
func playKey(key byte, send func(kind byte, payload []byte)) {
	for frame := range 40 {
		payload := make([]byte, 160)
		for i := range payload {
			payload[i] = g711.EncodeALaw(0)
			if frame < 10 {
				payload[i] = g711.EncodeALaw(dtmf.Tones(key, frame*160+i))
			}
		}
		send(8, payload)
	}
}

// hearsKey lets a carrier send sound and events, of which a key has to be heard first.
func hearsKey(t *testing.T, is carrierCase, want media.Digit, play func(send func(kind byte, payload []byte))) {
	t.Helper()
	carrier := carrierFor(t, is.at)
	customer := startCustomer(t, parseFirm(t, is.trunk), is.at, carrier)
	carrier.registers(is)
	sound, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer sound.Close()
	done := make(chan pbx.Leg, 1)
	go func() {
		leg, err := customer.Dial(t.Context(), pbx.Endpoint{Number: clientPhone})
		if err != nil {
			t.Error(err)
		}
		done <- leg
	}()
	invite := carrier.want("INVITE")
	ours, err := siptext.ParseSDP(invite.Body)
	if err != nil {
		t.Fatal(err)
	}
	theirs := siptext.Audio{Addr: sound.LocalAddr().(*net.UDPAddr).AddrPort(), Types: []uint8{8}, Event: 101}
	carrier.send(carrier.sender(invite), siptext.Response(invite, 200, "OK", "b").
		Add("Contact", fmt.Sprintf("<sip:gw@%s>", carrier.self)).WithBody("application/sdp", theirs.SDP(1)))
	leg := <-done
	if leg == nil {
		t.FailNow()
	}
	var sequence byte
	play(func(kind byte, payload []byte) {
		at := uint16(sequence) * 160
		if kind != 8 {
			at = 60000 // an event has the time of its beginning
		}
		header := []byte{0x80, kind, 0, sequence, 0, 0, byte(at >> 8), byte(at), 1, 2, 3, 4}
		sequence++
		if _, err := sound.WriteToUDPAddrPort(append(header, payload...), ours.Addr); err != nil {
			t.Error(err)
		}
	})
	select {
	case key := <-leg.Audio().Digits():
		if key != want {
			t.Errorf("heard %c", key)
		}
	case <-time.After(time.Minute):
		t.Error("no key heard")
	}
	go func() { _ = leg.HangUp(context.Background(), nil) }()
	bye := carrier.want("BYE")
	carrier.send(carrier.sender(bye), siptext.Response(bye, 200, "OK", ""))
	go func() { carrier.accept(carrier.want("REGISTER")) }()
}

func TestZadarmaMayBeSpokenWithOverTLSAndSRTP(t *testing.T) {
	carrier, certificate := tlsCarrier(t, "sip.zadarma.com")
	cfg := parseFirm(t, "preset: zadarma, from: [127.0.0.1], transport: tls, srtp: required, ca: "+certificate)
	customer := startCustomer(t, cfg, "sip.zadarma.com", carrier)
	done := make(chan error, 1)
	go func() {
		_, err := customer.Dial(t.Context(), pbx.Endpoint{Number: clientPhone, Trunk: "carrier"})
		done <- err
	}()
	invite := carrier.want("INVITE")
	sdp := string(invite.Body)
	if !strings.HasPrefix(invite.Value("Via"), "SIP/2.0/TLS ") || !strings.Contains(sdp, " RTP/SAVP ") || !strings.Contains(sdp, "a=crypto:1 ") {
		t.Errorf("not encrypted:\n%s", invite.Bytes())
	}
	carrier.send(netip.AddrPort{}, siptext.Response(invite, 486, "Busy", "b"))
	if err := <-done; err == nil {
		t.Error("a leg")
	}

	plain := string(siptext.Audio{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Types: []uint8{8}}.SDP(1))
	secured := strings.Replace(plain, " RTP/AVP ", " RTP/SAVP ", 1) +
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.StdEncoding.EncodeToString(make([]byte, 30)) + "\r\n"
	for offer, status := range map[string]int{plain: 488, secured: 200} {
		id := fmt.Sprint("in-", status)
		request := func(method, to string, seq int) *siptext.Message {
			return siptext.Request(method, fmt.Sprintf("sip:74950000001@%s", customer.addr),
				siptext.Header{Name: "Via", Value: fmt.Sprintf("SIP/2.0/TLS %s;branch=z9hG4bK%s%d", carrier.self, id, seq)},
				siptext.Header{Name: "Max-Forwards", Value: "70"},
				siptext.Header{Name: "From", Value: "<sip:79161234567@carrier>;tag=f"},
				siptext.Header{Name: "To", Value: to},
				siptext.Header{Name: "Call-ID", Value: id},
				siptext.Header{Name: "CSeq", Value: fmt.Sprintf("%d %s", seq, method)},
				siptext.Header{Name: "Contact", Value: fmt.Sprintf("<sip:gw@%s;transport=tls>", carrier.self)})
		}
		carrier.send(netip.AddrPort{}, request("INVITE", "<sip:74950000001@pbx>", 1).WithBody("application/sdp", []byte(offer)))
		answer := carrier.want("INVITE")
		if answer.Status() != status {
			t.Fatalf("want %d, got\n%s", status, answer.Bytes())
		}
		carrier.send(netip.AddrPort{}, request("ACK", answer.Value("To"), 1))
		if status != 200 {
			continue
		}
		if sdp := string(answer.Body); !strings.Contains(sdp, " RTP/SAVP ") || !strings.Contains(sdp, "a=crypto:1 ") {
			t.Errorf("not encrypted:\n%s", answer.Bytes())
		}
		<-customer.calls
		carrier.send(netip.AddrPort{}, request("BYE", answer.Value("To"), 2))
		carrier.want("BYE")
	}
}
