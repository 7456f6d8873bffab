package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"cabline/pbx/sip/locate/locatetest"
)

// resolver asks a name server with a zone.
func resolver(t *testing.T, zone string) (*Resolver, *locatetest.Server) {
	t.Helper()
	server := locatetest.Start(t, zone)
	return &Resolver{Servers: []netip.AddrPort{server.Addr}, tryFor: 5 * time.Second}, server
}

func show(f Found) string {
	var all []string
	for _, h := range f.Hops {
		all = append(all, h.Transport+" "+h.Addr.String())
	}
	return strings.Join(all, ", ")
}

const addresses = `
a.test. 300 IN A 192.0.2.1
b.test. 300 IN A 192.0.2.2
b.test. 300 IN AAAA 2001:db8::2
c.test. 300 IN A 192.0.2.3
`

func TestWhereATargetIs(t *testing.T) {
	const srv = addresses + `
carrier.test. 300 IN A 192.0.2.9
_sip._udp.carrier.test. 300 IN SRV 20 0 5070 a.test.
_sip._udp.carrier.test. 300 IN SRV 10 0 5080 b.test.
_sip._tcp.carrier.test. 300 IN SRV 10 0 5090 c.test.
_sips._tcp.carrier.test. 300 IN SRV 10 0 5091 c.test.
`
	const naptr = srv + `
carrier.test. 300 IN NAPTR 90 50 "s" "SIP+D2T" "" _tcp.there.test.
carrier.test. 300 IN NAPTR 50 60 "S" "SIP+D2U" "" _udp.there.test.
carrier.test. 300 IN NAPTR 50 50 "s" "sips+d2t" "" _tls.there.test.
carrier.test. 300 IN NAPTR 10 50 "u" "E2U+sip" "!^.*$!sip:x@y!" .
carrier.test. 300 IN NAPTR 10 50 "s" "SIP+D2S" "" _sctp.there.test.
_tcp.there.test. 300 IN SRV 1 0 6060 a.test.
_udp.there.test. 300 IN SRV 1 0 6061 a.test.
_tls.there.test. 300 IN SRV 1 0 6062 c.test.
`
	for name, c := range map[string]struct {
		zone   string
		target Target
		want   string
	}{
		"a numeric address skips all":                         {srv, Target{Host: "192.0.2.7"}, "udp 192.0.2.7:5060"},
		"with its port":                                       {srv, Target{Host: "192.0.2.7", Port: 5070, Transport: "tcp"}, "tcp 192.0.2.7:5070"},
		"of IPv6 too":                                         {srv, Target{Host: "2001:db8::7", Transport: "tls"}, "tls [2001:db8::7]:5061"},
		"a port skips NAPTR and SRV":                          {naptr, Target{Host: "carrier.test", Port: 5065}, "udp 192.0.2.9:5065"},
		"also where the transport is given":                   {naptr, Target{Host: "carrier.test", Port: 5065, Transport: "tls"}, "tls 192.0.2.9:5065"},
		"SRV by priority, IPv4 before IPv6":                   {srv, Target{Host: "carrier.test"}, "udp 192.0.2.2:5080, udp [2001:db8::2]:5080, udp 192.0.2.1:5070"},
		"SRV of the transport given":                          {srv, Target{Host: "carrier.test", Transport: "tcp"}, "tcp 192.0.2.3:5090"},
		"of TLS under its own name":                           {srv, Target{Host: "carrier.test", Transport: "tls"}, "tls 192.0.2.3:5091"},
		"NAPTR by order and preference, each with its SRV":    {naptr, Target{Host: "carrier.test"}, "tls 192.0.2.3:6062, udp 192.0.2.1:6061, tcp 192.0.2.1:6060"},
		"a transport given skips NAPTR":                       {naptr, Target{Host: "carrier.test", Transport: "tcp"}, "tcp 192.0.2.3:5090"},
		"no SRV: the host itself, port 5060":                  {addresses, Target{Host: "b.test"}, "udp 192.0.2.2:5060, udp [2001:db8::2]:5060"},
		"no SRV for TLS: port 5061":                           {addresses, Target{Host: "c.test", Transport: "tls"}, "tls 192.0.2.3:5061"},
		"an alias":                                            {addresses + "d.test. 300 IN CNAME a.test.", Target{Host: "d.test", Port: 5060}, "udp 192.0.2.1:5060"},
		"SRV only over TCP: TCP":                              {addresses + "d.test. 300 IN A 192.0.2.8\n_sip._tcp.d.test. 300 IN SRV 1 1 5099 a.test.", Target{Host: "d.test"}, "tcp 192.0.2.1:5099"},
		"an SRV host that is not there is passed over":        {addresses + "_sip._udp.d.test. 300 IN SRV 1 1 5060 no.test.\n_sip._udp.d.test. 300 IN SRV 2 1 5061 a.test.", Target{Host: "d.test"}, "udp 192.0.2.1:5061"},
		"a service that is not offered leaves the others":     {addresses + "_sip._udp.d.test. 300 IN SRV 0 0 0 .\n_sip._tcp.d.test. 300 IN SRV 1 1 5099 a.test.", Target{Host: "d.test"}, "tcp 192.0.2.1:5099"},
		"also where NAPTR names both":                         {addresses + "d.test. 300 IN NAPTR 1 1 \"s\" \"SIP+D2T\" \"\" _t.d.test.\nd.test. 300 IN NAPTR 2 1 \"s\" \"SIP+D2U\" \"\" _u.d.test.\n_t.d.test. 300 IN SRV 1 1 5098 c.test.\n_u.d.test. 300 IN SRV 0 0 0 .", Target{Host: "d.test"}, "tcp 192.0.2.3:5098"},
		"addresses nobody has are passed over":                {"d.test. 300 IN A 0.0.0.0\nd.test. 300 IN A 224.0.0.1\nd.test. 300 IN A 192.0.2.1", Target{Host: "d.test", Port: 1}, "udp 192.0.2.1:1"},
		"letter case does not matter":                         {srv, Target{Host: "CARRIER.test", Transport: "tcp"}, "tcp 192.0.2.3:5090"},
		"NAPTR that leads nowhere: SRV under the usual names": {srv + `carrier.test. 300 IN NAPTR 1 1 "s" "SIP+D2T" "" _gone.test.`, Target{Host: "carrier.test", Transport: ""}, "udp 192.0.2.2:5080, udp [2001:db8::2]:5080, udp 192.0.2.1:5070"},
		"this machine's own file of hosts":                    {"", Target{Host: "localhost", Port: 5060, Transport: "tcp"}, "tcp 127.0.0.1:5060"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := resolver(t, c.zone)
			got, err := r.Find(t.Context(), c.target)
			if err != nil {
				t.Fatal(err)
			}
			if s := show(got); !strings.HasPrefix(s, c.want) || s != c.want && c.target.Host != "localhost" {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
			if !got.Whole {
				t.Error("an answer was missing")
			}
		})
	}
}

func TestANumericAddressAsksNobody(t *testing.T) {
	r, server := resolver(t, "")
	for _, target := range []Target{{Host: "192.0.2.7"}, {Host: "2001:db8::7", Port: 5060}} {
		if _, err := r.Find(t.Context(), target); err != nil {
			t.Error(err)
		}
	}
	if asked := server.Asked(); len(asked) > 0 {
		t.Error(asked)
	}
}

func TestAPortAsksForAddressesOnly(t *testing.T) {
	r, server := resolver(t, addresses)
	if _, err := r.Find(t.Context(), Target{Host: "a.test", Port: 5060}); err != nil {
		t.Error(err)
	}
	if got := server.Asked(); !slices.Equal(got, []string{"A a.test.", "AAAA a.test."}) {
		t.Error(got)
	}
}

func TestServersOfOnePriorityAreFirstAsOftenAsTheirWeightSays(t *testing.T) {
	records := []*dns.SRV{{Target: "a.test.", Weight: 60}, {Target: "b.test.", Weight: 30}, {Target: "c.test.", Weight: 10}, {Target: "d.test.", Weight: 0}}
	first := map[string]int{}
	const draws = 20_000
	for seed := range uint64(draws) {
		r := &Resolver{}
		r.seed.Store(seed + 1)
		first[slices.MinFunc(records, func(a, b *dns.SRV) int {
			if r.draw(a) < r.draw(b) {
				return -1
			}
			return 1
		}).Target]++
	}
	for name, percent := range map[string]int{"a.test.": 60, "b.test.": 30, "c.test.": 10, "d.test.": 0} {
		if got := 100 * float64(first[name]) / draws; got < float64(percent)-2 || got > float64(percent)+2 {
			t.Errorf("%s first in %.1f %% of %d, want %d", name, got, draws, percent)
		}
	}
}

func TestTheChoiceByWeightIsKept(t *testing.T) {
	zone := addresses
	for i := range 10 {
		zone += fmt.Sprintf("_sip._udp.carrier.test. 300 IN SRV 1 1 %d a.test.\n", 5060+i)
	}
	r, _ := resolver(t, zone)
	before := ""
	for range 5 {
		got, err := r.Find(t.Context(), Target{Host: "carrier.test"})
		if err != nil {
			t.Fatal(err)
		}
		if before != "" && show(got) != before {
			t.Errorf("first %s\nthen  %s", before, show(got))
		}
		before = show(got)
	}
}

func TestAnAnswerHoldsAsLongAsTheShortestOfItsRecords(t *testing.T) {
	for name, c := range map[string]struct {
		zone string
		want time.Duration
	}{
		"the SRV's":    {"_sip._udp.d.test. 30 IN SRV 1 1 5060 a.test.\na.test. 300 IN A 192.0.2.1", 30 * time.Second},
		"the host's":   {"_sip._udp.d.test. 300 IN SRV 1 1 5060 a.test.\na.test. 40 IN A 192.0.2.1", 40 * time.Second},
		"the NAPTR's":  {"d.test. 20 IN NAPTR 1 1 \"s\" \"SIP+D2U\" \"\" x.test.\nx.test. 300 IN SRV 1 1 5060 a.test.\na.test. 40 IN A 192.0.2.1", 20 * time.Second},
		"an alias's":   {"d.test. 10 IN CNAME a.test.\na.test. 300 IN A 192.0.2.1", 10 * time.Second},
		"at least":     {"d.test. 0 IN A 192.0.2.1", minTTL},
		"and at most ": {"d.test. 99999 IN A 192.0.2.1", maxTTL},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := resolver(t, c.zone)
			got, err := r.Find(t.Context(), Target{Host: "d.test"})
			if err != nil || got.TTL != c.want {
				t.Errorf("%v, want %v; error %v", got.TTL, c.want, err)
			}
		})
	}
}

func TestAnAnswerTooLongForUDPIsFetchedOverTCP(t *testing.T) {
	r, server := resolver(t, addresses)
	server.Fall(locatetest.Always(locatetest.Truncated))
	got, err := r.Find(t.Context(), Target{Host: "a.test", Port: 5060})
	if err != nil || show(got) != "udp 192.0.2.1:5060" {
		t.Errorf("%s, error %v", show(got), err)
	}
}

func TestAnIllNameServerIsPassedOver(t *testing.T) {
	for name, ill := range map[string]locatetest.Illness{
		"REFUSED": dns.RcodeRefused, "SERVFAIL": dns.RcodeServerFailure, "NOTIMP": dns.RcodeNotImplemented,
		"silence": locatetest.Silent, "another question's answer": locatetest.Mistaken,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sick, well := locatetest.Start(t, addresses), locatetest.Start(t, addresses)
			sick.Fall(locatetest.Always(ill))
			r := &Resolver{Servers: []netip.AddrPort{sick.Addr, well.Addr}}
			if ill == locatetest.Silent {
				r.tryFor = 300 * time.Millisecond
			}
			got, err := r.Find(t.Context(), Target{Host: "a.test", Port: 5060})
			if err != nil || show(got) != "udp 192.0.2.1:5060" || !got.Whole {
				t.Errorf("%s, error %v", show(got), err)
			}
			if n := len(sick.Asked()); n != 1 {
				t.Errorf("the ill one was asked %d times", n)
			}
		})
	}
}

func TestWithoutAnyAnswerTheErrorSaysWhoDidNotGiveIt(t *testing.T) {
	closed, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, c := range map[string]struct {
		ill  locatetest.Illness
		want string
	}{
		"REFUSED":  {dns.RcodeRefused, "answers REFUSED"},
		"SERVFAIL": {dns.RcodeServerFailure, "answers SERVFAIL"},
		"silence":  {locatetest.Silent, "no answer within"},
	} {
		t.Run(name, func(t *testing.T) {
			r, server := resolver(t, addresses)
			server.Fall(locatetest.Always(c.ill))
			r.tryFor = 100 * time.Millisecond
			_, err := r.Find(t.Context(), Target{Host: "a.test"})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), server.Addr.String()) {
				t.Error(err)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		r := &Resolver{Servers: []netip.AddrPort{closed.LocalAddr().(*net.UDPAddr).AddrPort()}}
		if _, err := r.Find(t.Context(), Target{Host: "a.test"}); err == nil {
			t.Error("found")
		}
	})
	t.Run("a name that is not there", func(t *testing.T) {
		r, _ := resolver(t, addresses)
		if _, err := r.Find(t.Context(), Target{Host: "no.test"}); !errors.Is(err, errNoName) {
			t.Error(err)
		}
	})
	t.Run("a domain that says it has no SIP", func(t *testing.T) {
		r, _ := resolver(t, "d.test. 60 IN A 192.0.2.1\n_sip._udp.d.test. 60 IN SRV 0 0 0 .")
		for _, transport := range []string{"udp", ""} {
			if _, err := r.Find(t.Context(), Target{Host: "d.test", Transport: transport}); err == nil || !strings.Contains(err.Error(), "offers no SIP") {
				t.Errorf("%q: %v", transport, err)
			}
		}
	})
	t.Run("aliases that go round in a circle", func(t *testing.T) {
		r, _ := resolver(t, "d.test. 60 IN CNAME e.test.\ne.test. 60 IN CNAME d.test.")
		if _, err := r.Find(t.Context(), Target{Host: "d.test", Port: 1}); err == nil {
			t.Error("found")
		}
	})
}

// Routers of small offices refuse what they do not know.
func TestANameServerThatKnowsAddressesOnlyWillDo(t *testing.T) {
	r, server := resolver(t, addresses+"_sip._udp.a.test. 300 IN SRV 1 1 5070 b.test.")
	server.Fall(func(q dns.Question) locatetest.Illness {
		if q.Qtype == dns.TypeA {
			return locatetest.Well
		}
		return dns.RcodeRefused
	})
	got, err := r.Find(t.Context(), Target{Host: "a.test"})
	if err != nil || show(got) != "udp 192.0.2.1:5060" || got.Whole {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestWhoeverNoLongerWaitsGetsTheirOwnReason(t *testing.T) {
	r, server := resolver(t, addresses)
	asked := make(chan struct{}, 100)
	server.Fall(func(dns.Question) locatetest.Illness { asked <- struct{}{}; return locatetest.Silent })
	ctx, giveUp := context.WithCancelCause(t.Context())
	why := errors.New("hung up")
	done := make(chan error, 1)
	go func() { _, err := r.Find(ctx, Target{Host: "a.test"}); done <- err }()
	<-asked
	giveUp(why)
	if err := <-done; !errors.Is(err, why) {
		t.Error(err)
	}
}
