package sip

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cabline/pbx"
	"cabline/pbx/sip/locate"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

var testAuthority = sync.OnceValue(func() *authority {
	a := &authority{pool: x509.NewCertPool()}
	var shown tls.Certificate
	shown, a.key = a.issue(func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = "An authority", true, true, x509.KeyUsageCertSign, nil
	})
	a.cert = shown.Leaf
	a.pool.AddCert(a.cert)
	return a
})

// issue makes a certificate; one of an authority that is not there yet signs itself.
func (a *authority) issue(change func(*x509.Certificate)) (tls.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: "A carrier"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(c)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, key
}

// loopback is a certificate for 127.0.0.1 and pbx.test.
func loopback(c *x509.Certificate) {
	c.DNSNames, c.IPAddresses = []string{"pbx.test"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
}

// overTLS lets a server listen on TLS besides, with a certificate of the test
// authority, whom its trunk has to be signed by.
func overTLS(c *Config) {
	cert, _ := testAuthority().issue(loopback)
	c.Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil }
	c.Listen = append(c.Listen, Listen{"tls", netip.MustParseAddrPort("127.0.0.1:0")})
	c.Trunks[0].Roots = testAuthority().pool
}

// tlsPhone opens a phone on TLS, which checks our certificate.
func (b *bench) tlsPhone() *phone {
	b.t.Helper()
	conn, err := tls.Dial("tcp", b.addrOf("tls"), &tls.Config{RootCAs: testAuthority().pool, ServerName: "pbx.test"})
	if err != nil {
		b.t.Fatal(err)
	}
	p := stream(b.t, conn)
	p.network = "TLS"
	return p
}

// addrOf is where the server listens.
func (b *bench) addrOf(network string) string {
	b.t.Helper()
	for _, l := range b.Addrs() {
		if l.Network == network {
			return l.Addr.String()
		}
	}
	b.t.Fatal("nothing listens on", network)
	return ""
}

// carrierTLS is a carrier's listener with a certificate of its own.
func carrierTLS(t *testing.T, change func(*x509.Certificate)) *tlsDoor {
	t.Helper()
	cert, _ := testAuthority().issue(change)
	return listenTLS(t, cert)
}

// tlsDoor is a listener over TLS.
type tlsDoor struct {
	net.Listener
	tcp *net.TCPListener
}

// next waits so long for a connection. From the opening on no time may count: a
// test waits for its turn.
func (g *tlsDoor) next(d time.Duration) (net.Conn, error) {
	_ = g.tcp.SetDeadline(time.Now().Add(d))
	return g.Accept()
}

func listenTLS(t *testing.T, cert tls.Certificate) *tlsDoor {
	t.Helper()
	plain, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	return &tlsDoor{tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{cert}}), plain.(*net.TCPListener)}
}

// accept is the next connection to a carrier.
func accept(t *testing.T, l *tlsDoor) *phone {
	t.Helper()
	conn, err := l.next(forAMoment)
	if err != nil {
		t.Fatal(err)
	}
	p := stream(t, conn)
	p.network, p.self = "TLS", l.Addr().String() // as it calls itself
	return p
}

// to makes the trunk one over TLS to a carrier.
func to(carrier *tlsDoor) func(*Config) {
	return func(c *Config) {
		overTLS(c)
		c.Trunks[0].Target, c.Trunks[0].Transport = carrier.Addr().String(), "tls"
	}
}

func TestAPhoneOverTLSRegistersCallsAndIsCalled(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { overTLS(c); c.Trunks = nil })
	p := b.tlsPhone()
	a := p.account("anna")
	a.params = ";transport=tls"
	if got := a.register("Expires: 600\n"); got.status() != "200" {
		t.Fatalf("not registered:\n%s", got)
	}
	if r := b.Registrations(); len(r) != 1 || r[0].Transport != "TLS" {
		t.Errorf("registrations %+v", r)
	}
	k := p.newTalk("anna", "89161234567")
	k.request("INVITE", sdpOffer)
	challenge := k.want("SIP/2.0 407")
	k.again("ACK", "")
	k.request("INVITE", "Proxy-Authorization: "+a.credentials("INVITE", k.target, challenge.header("Proxy-Authenticate"))+"\n"+sdpOffer)
	ok := k.want("SIP/2.0 200", "SIP/2.0 1")
	if got, want := ok.uri("Contact"), "sip:cabline@"+b.addrOf("tls")+";transport=tls"; got != want {
		t.Errorf("Contact %q, want %q", got, want)
	}
	k.enter(ok)
	k.request("ACK", "")
	k.bye()
	done := b.dial(context.Background(), pbx.Endpoint{Operator: "anna"})
	invite := p.want("INVITE")
	if via := invite.header("Via"); !strings.HasPrefix(via, "SIP/2.0/TLS "+b.addrOf("tls")+";") {
		t.Errorf("Via %q", via)
	}
	p.pickUp(invite, "tls")
	_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
	p.send(p.want("BYE").reply("200 OK", "", ""))
}

func TestATrunkOverTLSCallsAndIsCalledOverOneConnection(t *testing.T) {
	gate := carrierTLS(t, loopback)
	b := start(t, answerAll, to(gate))
	done := b.dial(context.Background(), driver)
	carrier := accept(t, gate)
	invite := carrier.want("INVITE sip:+79990000001@" + carrier.self + " SIP/2.0")
	if via := invite.header("Via"); !strings.HasPrefix(via, "SIP/2.0/TLS "+b.addrOf("tls")+";") || !strings.HasSuffix(via, ";alias") {
		t.Errorf("Via %q", via)
	}
	if got, want := invite.uri("Contact"), "sip:cabline@"+b.addrOf("tls")+";transport=tls"; got != want {
		t.Errorf("Contact %q, want %q", got, want)
	}
	carrier.pickUp(invite, "far")
	k := carrier.newTalk("79161234567", "74950000000")
	k.call()
	k.bye()
	_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
	done = b.dial(context.Background(), driver)
	carrier.send(carrier.want("INVITE").reply("486 Busy", "b", ""))
	carrier.want("ACK")
	wait(t, "end of Dial", done)
	if conn, err := gate.next(100 * time.Millisecond); err == nil {
		t.Error("a second connection from", conn.RemoteAddr())
	}
}

func TestWithoutATLSListenerATrunkIsReachedByTheConnectionWeOpened(t *testing.T) {
	gate := carrierTLS(t, loopback)
	b := start(t, answerAll, func(c *Config) {
		to(gate)(c)
		c.Listen, c.Certificate = c.Listen[:2], nil
	})
	done := b.dial(context.Background(), driver)
	conn, err := gate.next(forAMoment)
	if err != nil {
		t.Fatal(err)
	}
	carrier, ours := stream(t, conn), conn.RemoteAddr().String()
	carrier.network, carrier.self = "TLS", gate.Addr().String()
	invite := carrier.want("INVITE")
	if got, want := invite.uri("Contact"), "sip:cabline@"+ours+";transport=tls"; got != want || !strings.HasPrefix(invite.header("Via"), "SIP/2.0/TLS "+ours+";") {
		t.Errorf("Contact %q, want %q, Via %q", got, want, invite.header("Via"))
	}
	carrier.pickUp(invite, "far")
	_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestACarriersCertificateIsChecked(t *testing.T) {
	other := &authority{}
	sip := func(text string) []*url.URL { u, _ := url.Parse(text); return []*url.URL{u} }
	for name, c := range map[string]struct {
		by     *authority
		domain string
		change func(*x509.Certificate)
		says   string // empty: it is good
	}{
		"the address is in it":    {testAuthority(), "", loopback, ""},
		"the domain is in it":     {testAuthority(), "carrier.test", func(c *x509.Certificate) { c.DNSNames = []string{"x.test", "Carrier.Test"} }, ""},
		"the SIP domain is in it": {testAuthority(), "carrier.test", func(c *x509.Certificate) { c.URIs = sip("sip:carrier.test") }, ""},
		"an asterisk is in it":    {testAuthority(), "ru.carrier.test", func(c *x509.Certificate) { c.DNSNames = []string{"*.carrier.test"} }, ""},
		"a name that is another's": {testAuthority(), "carrier.test", func(c *x509.Certificate) { c.DNSNames = []string{"edge.other.test"} },
			"the certificate is for edge.other.test, not for carrier.test or 127.0.0.1"},
		"a user of the domain": {testAuthority(), "carrier.test", func(c *x509.Certificate) { c.URIs = sip("sip:bob@carrier.test") },
			"the certificate is for nobody"},
		"a domain below": {testAuthority(), "carrier.test", func(c *x509.Certificate) { c.DNSNames = []string{"sip.carrier.test"} }, "not for carrier.test"},
		"it has ended": {testAuthority(), "", func(c *x509.Certificate) { loopback(c); c.NotAfter = time.Now().Add(-time.Hour) },
			"the certificate ended on " + time.Now().Add(-time.Hour).UTC().Format(time.DateOnly)},
		"it signed itself":          {other, "", loopback, "the certificate is signed by itself and not among those trusted"},
		"it is not for a server":    {testAuthority(), "", func(c *x509.Certificate) { loopback(c); c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "the certificate cannot be trusted"},
		"an authority we know not":  {stranger(), "", loopback, "the certificate cannot be trusted"},
		"it names no host, only CN": {testAuthority(), "carrier.test", func(c *x509.Certificate) { c.Subject.CommonName = "carrier.test" }, `its subject is "CN=carrier.test"`},
	} {
		t.Run(name, func(t *testing.T) {
			cert, _ := c.by.issue(c.change)
			gate := listenTLS(t, cert)
			b := start(t, answerAll, func(cfg *Config) {
				to(gate)(cfg)
				cfg.Trunks[0].Domain = c.domain
				cfg.Trunks[0].Options = time.Hour
			})
			carrier := accept(t, gate)
			if c.says == "" {
				m := carrier.want("OPTIONS")
				carrier.send(m.reply("200 OK", "a", ""))
			}
			for deadline := time.Now().Add(forAMoment); b.Trunks()[0].Since.IsZero() && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			}
			if s := b.Trunks()[0]; s.Up != (c.says == "") || !strings.Contains(s.LastError, c.says) {
				t.Errorf("state %+v, want %q", s, c.says)
			}
		})
	}
}

// stranger is an authority nobody trusts.
func stranger() *authority {
	a := &authority{}
	cert, key := a.issue(func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid, c.KeyUsage = "Another", true, true, x509.KeyUsageCertSign
	})
	a.cert, a.key = cert.Leaf, key
	return a
}

func TestAConnectionToOneCarrierIsNoneToAnotherAtItsAddress(t *testing.T) {
	gate := carrierTLS(t, func(c *x509.Certificate) { c.DNSNames = []string{"carrier.test"} })
	b := start(t, answerAll, func(c *Config) {
		to(gate)(c)
		c.Trunks[0].Domain, c.Trunks[0].Order = "carrier.test", -1 // neither stands in for the other
		second := c.Trunks[0]
		second.Name, second.Domain = "second", "second.test"
		c.Trunks = append(c.Trunks, second)
	})
	done := b.dial(context.Background(), pbx.Endpoint{Number: "+79990000001", Trunk: "carrier"})
	carrier := accept(t, gate)
	carrier.send(carrier.want("INVITE").reply("486 Busy", "b", ""))
	carrier.want("ACK")
	wait(t, "end of Dial", done)
	err := wait(t, "end of Dial", b.dial(context.Background(), pbx.Endpoint{Number: "+79990000001", Trunk: "second"})).err
	if err == nil || !strings.Contains(err.Error(), "the certificate is for carrier.test, not for second.test") {
		t.Error(err)
	}
}

// RFC 5922 §4: what DNS says of a domain may be another's word.
func TestACarriersCertificateIsForItsDomainAndNotForTheHostDNSLeadsTo(t *testing.T) {
	for name, says := range map[string]string{"carrier.test": "", "edge7.test": "the certificate is for edge7.test, not for carrier.test"} {
		t.Run(name, func(t *testing.T) {
			gate := carrierTLS(t, func(c *x509.Certificate) { c.DNSNames = []string{name} })
			b := start(t, answerAll, func(c *Config) {
				to(gate)(c)
				c.Trunks[0].Target = "carrier.test" // by SRV at edge7.test
				c.find = func(context.Context, locate.Target) (locate.Found, error) {
					return locate.Found{Hops: []locate.Hop{{Transport: "tls", Addr: netip.MustParseAddrPort(gate.Addr().String())}}, TTL: time.Hour, Whole: true}, nil
				}
			})
			done := b.dial(context.Background(), driver)
			carrier := accept(t, gate)
			if says == "" {
				carrier.send(carrier.want("INVITE sip:+79990000001@carrier.test").reply("486 Busy", "b", ""))
				carrier.want("ACK")
			}
			if err := wait(t, "end of Dial", done).err; err == nil || !strings.Contains(err.Error(), says) {
				t.Error(err)
			}
		})
	}
}

func TestACallOverTLSGoesOnOverANewConnectionWhenItsOwnBroke(t *testing.T) {
	gate := carrierTLS(t, loopback)
	b := start(t, answerAll, to(gate))
	done := b.dial(context.Background(), driver)
	first := accept(t, gate)
	first.pickUp(first.want("INVITE"), "far")
	leg := wait(t, "leg", done).leg
	first.hangUp()
	until(t, "the exchange has noticed", func() bool { return b.transport.Pool("tls").Size() == 0 })
	_ = leg.HangUp(context.Background(), nil)
	second := accept(t, gate)
	second.send(second.want("BYE sip:gw@"+second.self).reply("200 OK", "", ""))
}

func TestATrunkOverTLSRegistersAnewWhenItsConnectionBroke(t *testing.T) {
	gate := carrierTLS(t, func(c *x509.Certificate) { c.DNSNames = []string{"carrier.test"} })
	b := start(t, answerAll, func(c *Config) {
		registering(c)
		to(gate)(c)
	})
	for round := range 2 {
		carrier := accept(t, gate)
		m := carrier.want("REGISTER sip:carrier.test SIP/2.0")
		if got, want := m.uri("Contact"), "sip:883140001@"+b.addrOf("tls")+";transport=tls"; got != want {
			t.Errorf("Contact %q, want %q", got, want)
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

func TestACallToASIPSAddressGetsASIPSContact(t *testing.T) {
	b := start(t, answerAll, overTLS)
	k := b.tlsPhone().newTalk("79161234567", "74950000000")
	k.target = "sips:74950000000@pbx.test"
	ok := k.call()
	if got, want := ok.uri("Contact"), "sips:cabline@"+b.addrOf("tls"); got != want {
		t.Errorf("Contact %q, want %q", got, want)
	}
	k.bye()
}

func TestAHandshakeThatDoesNotComeHoldsUpNobody(t *testing.T) {
	b := start(t, answerAll, overTLS)
	for range 3 {
		silent, err := net.Dial("tcp4", b.addrOf("tls"))
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	k := b.tlsPhone().newTalk("79161234567", "74950000000")
	k.call()
	k.bye()
}

func TestARenewedCertificateIsShownToTheNextWhoCome(t *testing.T) {
	certs := make(chan *tls.Certificate, 2)
	var want [][]byte
	b := start(t, answerAll, func(c *Config) {
		overTLS(c)
		for range 2 {
			cert, _ := testAuthority().issue(loopback)
			want = append(want, cert.Certificate[0])
			certs <- &cert
		}
		c.Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return <-certs, nil }
	})
	for i := range 2 {
		conn, err := tls.Dial("tcp4", b.addrOf("tls"), &tls.Config{RootCAs: testAuthority().pool, ServerName: "pbx.test"})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].Raw; string(got) != string(want[i]) {
			t.Errorf("connection %d got another certificate", i)
		}
		conn.Close()
	}
}

func TestNoOldTLSIsSpoken(t *testing.T) {
	b := start(t, answerAll, overTLS)
	conn, err := tls.Dial("tcp4", b.addrOf("tls"), &tls.Config{RootCAs: testAuthority().pool, ServerName: "pbx.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		conn.Close()
		t.Error("TLS 1.1 was good enough")
	}
}
