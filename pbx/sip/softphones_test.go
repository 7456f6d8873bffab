package sip

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"cabline/pbx"
)

// ways are the transports a device may come by.
var ways = []struct {
	network string
	open    func(*bench) *phone
}{
	{"UDP", (*bench).phone}, {"TCP", (*bench).tcpPhone}, {"TLS", (*bench).tlsPhone}, {"WS", (*bench).page},
}

// devices lets an operator log in over every transport, on a server whose
// addresses belong to no carrier.
func devices(t *testing.T) (*bench, []*phone) {
	t.Helper()
	b := start(t, answerAll, func(c *Config) { overTLS(c); c.Trunks = nil })
	var all []*phone
	for _, way := range ways {
		p := way.open(b)
		a := p.account("anna")
		if way.network != "UDP" {
			a.params = ";transport=" + strings.ToLower(way.network)
		}
		if got := a.register("Expires: 600\n"); got.status() != "200" {
			t.Fatalf("%s is not registered:\n%s", way.network, got)
		}
		all = append(all, p.once())
	}
	return b, all
}

func TestSoftphonesAndBrowsersLogInWithOneAccountOverEveryTransport(t *testing.T) {
	b, _ := devices(t)
	got := map[string]bool{}
	for _, r := range b.Registrations() {
		got[r.Login+" "+r.Transport] = true
	}
	for _, way := range ways {
		if !got["anna "+way.network] {
			t.Errorf("%s is missing among %v", way.network, got)
		}
	}
}

func TestAllDevicesRingOnePicksUpAndTheRestAreCancelled(t *testing.T) {
	for picks, way := range ways {
		t.Run(way.network+" picks up", func(t *testing.T) {
			b, all := devices(t)
			done := b.dial(context.Background(), pbx.Endpoint{Operator: "anna", From: "+79161234567"})
			var rings []message
			for i, p := range all {
				m := p.want("INVITE")
				if got := m.header("Via"); !strings.HasPrefix(got, "SIP/2.0/"+ways[i].network+" ") {
					t.Errorf("Via %q", got)
				}
				p.send(m.reply("180 Ringing", fmt.Sprint("d", i), ""))
				rings = append(rings, m)
			}
			all[picks].pickUp(rings[picks], fmt.Sprint("d", picks))
			for i, p := range all {
				if i == picks {
					continue
				}
				cancel := p.want("CANCEL")
				if got := cancel.header("Reason"); !strings.HasPrefix(got, "SIP;cause=200") {
					t.Errorf("%s is cancelled for %q", ways[i].network, got)
				}
				p.send(cancel.reply("200 OK", fmt.Sprint("d", i), ""))
				p.send(rings[i].reply("487 Request Terminated", fmt.Sprint("d", i), ""))
				p.want("ACK")
			}
			_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
			all[picks].send(all[picks].want("BYE").reply("200 OK", "", ""))
		})
	}
}

func TestARegisteredPhoneIsToldWhatWeCanAndAStrangerIsNot(t *testing.T) {
	for _, way := range ways {
		t.Run(way.network, func(t *testing.T) {
			b := start(t, answerAll, func(c *Config) { overTLS(c); c.Trunks = nil })
			p := way.open(b)
			ask := func() message {
				k := p.newTalk("anna", "anna")
				k.request("OPTIONS", "")
				return k.want("SIP/2.0 200")
			}
			stranger := ask()
			for _, header := range []string{"Allow", "Accept", "Supported", "User-Agent", "Server", "Contact"} {
				if got := stranger.header(header); got != "" {
					t.Errorf("a stranger learns %s: %s", header, got)
				}
			}
			p.account("anna").register("Expires: 600\n")
			if got := ask(); got.header("Allow") != allowed || got.header("Accept") == "" {
				t.Errorf("a phone of ours learns\n%s", got)
			}
		})
	}
}

// long is an SDP of a kilobyte and a half.
func long(sdp string) string {
	return sdp + strings.Repeat("a=x-filler:0123456789012345678901234567890123456789\n", 30)
}

func TestAnINVITEOfMoreThan1300BytesIsTakenOverEveryTransport(t *testing.T) {
	for _, way := range ways {
		for name, brief := range map[string]func(string) string{"long forms": func(s string) string { return s }, "compact forms": compact} {
			t.Run(way.network+" in "+name, func(t *testing.T) {
				b := start(t, answerAll, func(c *Config) {
					overTLS(c)
					if way.network == "WS" {
						c.Trunks = nil
					}
				})
				p := way.open(b)
				k := p.newTalk("anna", "89161234567")
				credentials := ""
				if way.network == "WS" { // a browser is no trunk: it logs in first
					a := p.account("anna")
					a.register("Expires: 600\n")
					k.request("INVITE", sdpOffer)
					challenge := k.want("SIP/2.0 407")
					k.again("ACK", "")
					credentials = "Proxy-Authorization: " + a.credentials("INVITE", k.target, challenge.header("Proxy-Authenticate")) + "\n"
				}
				k.seq, k.branch = k.seq+1, fmt.Sprintf("z9hG4bKlong%d", serial.Add(1))
				text := brief(crlf(k.text("INVITE", credentials+long(sdpOffer))))
				if len(text) <= 1300 {
					t.Fatal(len(text), "bytes")
				}
				if err := p.write([]byte(text)); err != nil {
					t.Fatal(err)
				}
				ok := k.want("SIP/2.0 200", "SIP/2.0 1")
				_, offer, _ := strings.Cut(text, "\r\n\r\n")
				if offers, _ := wait(t, "port", b.ports).told(); len(offers) != 1 || offers[0] != offer {
					t.Errorf("the offer came as %q", offers)
				}
				k.enter(ok)
				k.request("ACK", "")
				k.bye()
			})
		}
	}
}

// compact writes a message's headers in their short forms (RFC 3261 §7.3.3).
func compact(message string) string {
	return strings.NewReplacer("\r\nVia:", "\r\nv:", "\r\nFrom:", "\r\nf:", "\r\nTo:", "\r\nt:", "\r\nCall-ID:", "\r\ni:",
		"\r\nContact:", "\r\nm:", "\r\nContent-Type:", "\r\nc:", "\r\nContent-Length:", "\r\nl:").Replace(message)
}

// RFC 3261 §18.1.1 would have such a request go over TCP; see prepareSipgo.
func TestAnINVITEOfMoreThan1300BytesLeavesByItsTrunksTransport(t *testing.T) {
	big := strings.Repeat("x", 3000)
	many := func(c *Config) {
		c.RTP = func(RTPOptions) (Audio, error) { return newPort(big), nil }
	}
	answer := func(t *testing.T, b *bench, carrier *phone, done <-chan dialed) {
		t.Helper()
		invite := carrier.want("INVITE")
		if want := "v=0\r\ns=" + big + " offer\r\n"; invite.body() != want || !strings.HasPrefix(invite.header("Via"), "SIP/2.0/"+carrier.network+" ") {
			t.Errorf("via %s, %d bytes of %d:\n%.300s", invite.header("Via"), len(invite.body()), len(want), invite)
		}
		carrier.pickUp(invite, "far")
		_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
		carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
	}
	t.Run("UDP", func(t *testing.T) {
		b, carrier := startTrunk(t, answerAll, many)
		answer(t, b, carrier.once(), b.dial(context.Background(), driver))
	})
	t.Run("TCP", func(t *testing.T) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		b := start(t, answerAll, func(c *Config) {
			c.Trunks[0].Target, c.Trunks[0].Transport = l.Addr().String(), "tcp"
			many(c)
		})
		done := b.dial(context.Background(), driver)
		_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(forAMoment))
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		answer(t, b, stream(t, conn), done)
	})
	t.Run("TLS", func(t *testing.T) {
		gate := carrierTLS(t, loopback)
		b := start(t, answerAll, func(c *Config) { to(gate)(c); many(c) })
		done := b.dial(context.Background(), driver)
		answer(t, b, accept(t, gate), done)
	})
}
