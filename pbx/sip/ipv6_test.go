package sip

import (
	"bytes"
	"context"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"cabline/internal/lacking"
	"cabline/pbx"
)

// overIPv6 lets a server listen on ::1 alone, with a trunk there.
func overIPv6(c *Config) {
	for i := range c.Listen {
		c.Listen[i].Addr = netip.AddrPortFrom(netip.IPv6Loopback(), 0)
	}
	c.Trunks[0].From = []netip.Prefix{netip.MustParsePrefix("::1/128")}
}

// tortures6 are the messages of RFC 5118, and what becomes of each; see tortures.
var tortures6 = []struct {
	file, section   string
	trunk, stranger int
	called          int
	why             string
}{
	{"ipv6-good", "4.1", 401, 401, 0, "valid"},
	{"ipv6-bad", "4.2", 400, 400, 0, "no brackets around the address in the request URI"},
	{"port-ambiguous", "4.3", 401, 401, 0, "valid; what was meant for a port is part of the address"},
	{"port-unambiguous", "4.4", 401, 401, 0, "valid"},
	{"via-received-param-with-delim", "4.5", 481, 481, 0, "brackets that should not be, to be taken"},
	{"via-received-param-no-delim", "4.5", 200, 200, 0, "valid"},
	{"ipv6-in-sdp", "4.6", 404, 407, 200, "valid"},
	{"mult-ip-in-header", "4.7", 481, 481, 0, "valid"},
	{"mult-ip-in-sdp", "4.8", 404, 407, 200, "valid"},
	{"ipv4-mapped-ipv6", "4.9", 404, 407, 200, "valid"},
	{"ipv6-bug-abnf-3-colons", "4.10", 200, 200, 0, "what the grammar of RFC 3261 allows by mistake, to be taken"},
	{"ipv6-correct-abnf-2-colons", "4.10", 200, 200, 0, "valid"},
}

func TestEveryMessageOfRFC5118HasItsOutcome(t *testing.T) {
	lacking.NeedIPv6(t)
	for _, c := range tortures6 {
		raw := tortureOf(t, "torture6", c.file)
		for _, network := range []string{"UDP", "TCP"} {
			name := c.section + " " + c.file + " over " + network
			run := func(from string, strangers bool, raw []byte, want int) {
				t.Run(name+from, func(t *testing.T) {
					t.Parallel()
					b, p := tortureBench(t, netip.IPv6Loopback(), network, strangers)
					torment(t, b, p, raw, want)
				})
			}
			run(" from a trunk", false, raw, c.trunk)
			run(" from a stranger", true, raw, c.stranger)
			if c.called != 0 {
				t.Run(name+" to a number of ours", func(t *testing.T) {
					t.Parallel()
					calledAt(t, netip.IPv6Loopback(), raw, network, c.called)
				})
			}
		}
	}
}

func TestTheMessagesOfRFC5118AreWhole(t *testing.T) {
	for _, c := range tortures6 {
		head, body, ended := bytes.Cut(tortureOf(t, "torture6", c.file), []byte("\r\n\r\n"))
		if !ended || !bytes.Contains(head, []byte("\r\nContent-Length: "+strconv.Itoa(len(body)))) || bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) {
			t.Errorf("%s: its end is not where it says", c.file)
		}
	}
}

func TestACallOverIPv6(t *testing.T) {
	lacking.NeedIPv6(t)
	for network, open := range map[string]func(*bench) *phone{"UDP": (*bench).phone, "TCP": (*bench).tcpPhone, "TLS": (*bench).tlsPhone} {
		t.Run(network, func(t *testing.T) {
			bound := make(chan RTPOptions, 10)
			b := start(t, answerAll, func(c *Config) {
				overTLS(c)
				overIPv6(c)
				rtp := c.RTP
				c.RTP = func(o RTPOptions) (Audio, error) { bound <- o; return rtp(o) }
			})
			k := open(b).newTalk("79161234567", "74950000000")
			ok := k.call()
			if got, want := ok.uri("Contact"), "sip:cabline@"+b.addrOf(strings.ToLower(network)); !strings.HasPrefix(got, want) {
				t.Errorf("Contact %q, want %q", got, want)
			}
			if got := ok.header("Via"); !strings.Contains(got, ";received=::1") {
				t.Errorf("Via %q", got)
			}
			if o := wait(t, "audio", bound); o.Bind != netip.IPv6Loopback() || o.Advertise != netip.IPv6Loopback() {
				t.Errorf("audio at %+v", o)
			}
			leg := wait(t, "leg", b.legs)
			_ = leg.HangUp(context.Background(), nil)
			bye := k.want("BYE sip:phone@" + k.self)
			if got := bye.header("Via"); !strings.HasPrefix(got, "SIP/2.0/"+network+" "+b.addrOf(strings.ToLower(network))+";") {
				t.Errorf("Via %q", got)
			}
			k.send(bye.reply("200 OK", "", ""))
		})
	}
}

func TestATrunkAndAPhoneAtIPv6AreCalled(t *testing.T) {
	lacking.NeedIPv6(t)
	carrier := newPhoneAt(t, "[::1]:0")
	b := start(t, answerAll, func(c *Config) {
		overIPv6(c)
		c.Trunks[0].Target = carrier.self
	})
	b.peer(carrier)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE sip:+79990000001@" + carrier.self + " SIP/2.0")
	for _, header := range []string{"From", "Contact"} {
		if got := invite.uri(header); !strings.Contains(got, "@[::1]") {
			t.Errorf("%s %q", header, got)
		}
	}
	carrier.pickUp(invite, "far")
	_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))

	soft := b.phone()
	soft.account("anna").register("Expires: 600\n")
	done = b.dial(context.Background(), pbx.Endpoint{Operator: "anna", From: "+79161234567"})
	invite = soft.want("INVITE sip:phone@" + soft.self)
	if got := invite.uri("From"); got != "sip:+79161234567@[::1]" {
		t.Errorf("From %q", got)
	}
	soft.pickUp(invite, "soft")
	_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
	soft.send(soft.want("BYE").reply("200 OK", "", ""))
}

func TestAllAddressesOfBothFamiliesAreListenedOnAtOnePort(t *testing.T) {
	lacking.NeedIPv6(t)
	for range 20 { // another program may have the port
		six, err := openSocket(netip.AddrPortFrom(netip.IPv6Unspecified(), 0), nil)
		if err != nil {
			t.Fatal(err)
		}
		four, err := openSocket(netip.AddrPortFrom(netip.IPv4Unspecified(), six.addr.Port()), nil)
		_ = six.Close()
		if err == nil {
			_ = four.Close()
			return
		}
	}
	t.Error("[::] leaves 0.0.0.0 no port")
}

func TestThePublicAddressIsToldToThoseOfItsFamily(t *testing.T) {
	s := &Server{cfg: Config{Public: netip.MustParseAddr("203.0.113.7")}}
	own4, own6 := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("2001:db8::5")
	for peer, local := range map[string]netip.Addr{"198.51.100.1": own4, "2001:db8::1": own6} {
		want := own6
		if local == own4 {
			want = s.cfg.Public
		}
		if got := s.advertised(local, netip.MustParseAddr(peer), true); got != want {
			t.Errorf("%s is told %s, want %s", peer, got, want)
		}
	}
}
