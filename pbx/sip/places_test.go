package sip

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// strangersEverywhere is a server with a carrier at 127.0.0.2; on what comes from
// elsewhere somebody has to show in time who they are.
func strangersEverywhere(t *testing.T, unproven time.Duration) *bench {
	return start(t, answerAll, func(c *Config) {
		overTLS(c)
		c.Trunks[0].From = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
		c.unproven = unproven
	})
}

// streams are the transports that have connections.
var streams = ways[1:]

func TestAConnectionOnWhichNobodyShowsWhoTheyAreIsClosed(t *testing.T) {
	for _, way := range streams {
		for name, say := range map[string]func(p *phone) error{
			"without a word": func(*phone) error { return nil },
			"whatever it asks": func(p *phone) error {
				k := p.newTalk("100", "100")
				k.seq, k.branch = 1, "z9hG4bK"+k.id[5:]
				return p.write([]byte(crlf(k.text("OPTIONS", ""))))
			},
			"for a REGISTER without a password": func(p *phone) error {
				k := p.newTalk("anna", "anna")
				k.seq, k.branch = 1, "z9hG4bK"+k.id[5:]
				return p.write([]byte(crlf(k.text("REGISTER", "Expires: 600\n"))))
			},
			"though it asks for signs of life": func(p *phone) error {
				if p.network == "WS" {
					return nil
				}
				return p.write([]byte("\r\n\r\n"))
			},
		} {
			t.Run(way.network+" "+name, func(t *testing.T) {
				b := strangersEverywhere(t, 3*time.Second) // in which it shakes hands
				p := way.open(b)
				for began, gone := time.Now(), false; !gone; {
					_ = say(p) // until it is closed
					select {
					case <-p.gone:
						gone = true
					case <-time.After(50 * time.Millisecond):
					}
					if time.Since(began) > forAMoment {
						t.Fatal("it stays")
					}
				}
			})
		}
	}
}

func TestAConnectionOverWhichNoHandsAreShakenIsClosed(t *testing.T) {
	b := strangersEverywhere(t, 100*time.Millisecond)
	conn, err := net.Dial("tcp", b.addrOf("tls"))
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "end of the connection", stream(t, conn).gone)
}

func TestAConnectionOfACarrierADeviceOrACallStays(t *testing.T) {
	b := strangersEverywhere(t, 8*time.Second)
	carrier := b.tcpPhoneAt("127.0.0.2")
	live := carrier.newTalk("79161234567", "74950000000")
	live.call()
	var devices []*phone
	for _, way := range streams {
		p := way.open(b)
		a := p.account("anna")
		a.params = ";transport=" + strings.ToLower(way.network)
		if m := a.register("Expires: 600\n"); m.status() != "200" {
			t.Fatal(m)
		}
		devices = append(devices, p)
	}
	caller := b.tcpPhone().account("boris") // who does not register
	caller.target, caller.to = "sip:89161234567@pbx.test", "<sip:89161234567@pbx.test>"
	caller.request("INVITE", sdpOffer)
	asked := caller.want("SIP/2.0 407")
	caller.again("ACK", "")
	caller.request("INVITE", "Proxy-Authorization: "+caller.credentials("INVITE", caller.target, asked.header("Proxy-Authenticate"))+"\n"+sdpOffer)
	caller.enter(caller.want("SIP/2.0 200", "SIP/2.0 1"))
	caller.request("ACK", "")
	back := *caller.talk // comes back by another connection, with the tags that nobody can guess
	back.phone = b.tcpPhone()
	back.request("OPTIONS", "")
	back.want("SIP/2.0 200")

	wait(t, "end of a stranger's connection", b.tcpPhone().gone) // which began after them
	live.bye()
	back.bye()
	for _, p := range devices {
		k := p.newTalk("anna", "anna")
		k.request("OPTIONS", "")
		k.want("SIP/2.0 200")
	}
}

func TestStrangersDoNotTakeThePlacesOfCarriersAndOfThoseWhoAreAtHome(t *testing.T) {
	b := strangersEverywhere(t, time.Hour)
	b.places.mu.Lock()
	b.places.all, b.places.strange, b.places.household = 12, 8, 3
	b.places.mu.Unlock()
	home := newPhoneAt(t, "127.0.0.3:0")
	b.peer(home)
	if m := home.account("anna").register("Expires: 600\n"); m.status() != "200" {
		t.Fatal(m)
	}
	for i := range 6 { // of them each takes what it gets
		addr := fmt.Sprint("127.0.0.", 10+i)
		for range 4 {
			p := b.tcpPhoneAt(addr)
			k := p.newTalk("100", "100")
			k.request("OPTIONS", "")
			if m := k.want("SIP/2.0"); m.status() != "200" && m.status() != "503" {
				t.Fatalf("got\n%s", m)
			}
			if p, _ := b.pageAt(addr); p != nil {
				k := p.newTalk("100", "100")
				k.request("OPTIONS", "")
				k.want("SIP/2.0 200")
			}
		}
	}
	if _, res := b.pageAt("127.0.0.20"); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("one stranger more: %s", res.Status)
	}
	if m := b.tcpPhoneAt("127.0.0.2").mayCall(); m.status() != "200" {
		t.Errorf("a carrier's call:\n%s", m)
	}
	page, res := b.pageAt("127.0.0.3")
	if page == nil {
		t.Fatalf("an operator where she is at home: %s", res.Status)
	}
	if m := page.account("anna").register("Expires: 600\n"); m.status() != "200" {
		t.Errorf("an operator where she is at home:\n%s", m)
	}
}

func TestWhoHasShownThemselvesMakesRoomAmongStrangers(t *testing.T) {
	b := strangersEverywhere(t, time.Hour)
	b.places.mu.Lock()
	b.places.strange = 1
	b.places.mu.Unlock()
	page, _ := b.pageAt("127.0.0.10")
	if page == nil || page.account("anna").register("Expires: 600\n").status() != "200" {
		t.Fatal("she cannot log in")
	}
	next, res := b.pageAt("127.0.0.11")
	if next == nil {
		t.Fatal(res.Status)
	}
	next.hangUp()
	until(t, "her page alone has a place", func() bool {
		b.places.mu.Lock()
		defer b.places.mu.Unlock()
		return b.places.strangers == 0 && b.places.taken == 1 && len(b.places.per) == 1 && len(b.places.unsure) == 0
	})
}

func TestAConnectionOfACarrierThatTheDNSNamedLateStays(t *testing.T) {
	for name, named := range map[string]bool{"named": true, "not named": false} {
		synctest.Test(t, func(t *testing.T) {
			var carrier, ended atomic.Bool
			p := newPlaces(func(netip.Addr) bool { return carrier.Load() }, func(netip.Addr) bool { return false }, time.Minute)
			p.take("TCP", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:5060"))).limit(func() { ended.Store(true) })
			carrier.Store(named)
			time.Sleep(time.Hour)
			if synctest.Wait(); ended.Load() == named {
				t.Errorf("%s: ended %v", name, ended.Load())
			}
		})
	}
}

func TestAHouseholdOfIPv6HasThePlacesOfOneAddress(t *testing.T) {
	never := func(netip.Addr) bool { return false }
	p := newPlaces(never, never, time.Hour)
	took := 0
	for i := range 2 * maxHousehold {
		if p.take("TCP", net.TCPAddrFromAddrPort(netip.MustParseAddrPort(fmt.Sprintf("[2001:db8::%x]:5060", i+1)))) != nil {
			took++
		}
	}
	if took != maxHousehold {
		t.Errorf("%d places", took)
	}
	if p.take("TCP", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8:0:1::1]:5060"))) == nil {
		t.Error("no place for their neighbours")
	}
}
