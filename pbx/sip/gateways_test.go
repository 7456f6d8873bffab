package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"cabline/pbx"
	"cabline/pbx/sip/locate"
	"cabline/pbx/sip/locate/locatetest"
)

// srv is a zone in which carrier.test is at phones, the first one before the next.
func srv(phones ...*phone) string {
	zone := "gw.test. 300 IN A 127.0.0.1\n"
	for i, p := range phones {
		_, port, _ := net.SplitHostPort(p.self)
		zone += fmt.Sprintf("_sip._udp.carrier.test. 300 IN SRV %d 1 %s gw.test.\n", i, port)
	}
	return zone
}

// startGateways runs a server whose trunk has two gateways by SRV.
func startGateways(t *testing.T, change func(*Trunk)) (b *bench, first, second *phone) {
	t.Helper()
	first, second = newPhone(t), newPhone(t)
	names := locatetest.Start(t, srv(first, second))
	b = start(t, answerAll, func(c *Config) {
		registering(c)
		c.DNS = []netip.AddrPort{names.Addr}
		c.Trunks[0].Target, c.Trunks[0].Register = "carrier.test", false
		change(&c.Trunks[0])
	})
	b.peer(first)
	b.peer(second)
	return b, first.once(), second.once()
}

// takes answers a call that a carrier gets, and ends it.
func (b *bench) takes(carrier *phone, done <-chan dialed, skip ...string) {
	b.t.Helper()
	invite := carrier.want("INVITE sip:+79990000001@carrier.test SIP/2.0", skip...)
	carrier.send(invite.reply("486 Busy", "far", ""))
	carrier.want("ACK", skip...)
	if d := wait(b.t, "end of Dial", done); !errors.Is(d.err, pbx.ErrBusy) {
		b.t.Error(d.err)
	}
}

// none fails the test if a phone was sent something that begins so.
func (p *phone) none(what string) {
	p.t.Helper()
	for len(p.got) > 0 {
		if m := <-p.got; strings.HasPrefix(string(m), what) {
			p.t.Errorf("got\n%s", m)
		}
	}
}

func TestADeadFirstTargetMovesREGISTEROPTIONSAndINVITEAlike(t *testing.T) {
	t.Run("INVITE", func(t *testing.T) {
		b, first, second := startGateways(t, func(*Trunk) {})
		done := b.dial(context.Background(), driver)
		first.want("INVITE sip:+79990000001@carrier.test SIP/2.0")
		b.takes(second, done)
		b.takes(second, b.dial(context.Background(), driver)) // from now on at once
		first.none("INVITE sip:+79990000001@carrier.test SIP/2.0\r\n")
	})
	t.Run("INVITE that is refused with 503", func(t *testing.T) {
		b, first, second := startGateways(t, func(*Trunk) {})
		done := b.dial(context.Background(), driver)
		first.send(first.want("INVITE").reply("503 Ill", "a", ""))
		b.takes(second, done)
	})
	t.Run("OPTIONS", func(t *testing.T) {
		b, first, second := startGateways(t, func(t *Trunk) { t.Options = time.Hour })
		first.want("OPTIONS")
		second.send(second.want("OPTIONS").reply("200 OK", "a", ""))
		b.state(0, true)
		b.takes(second, b.dial(context.Background(), driver))
		first.none("INVITE")
	})
	t.Run("REGISTER", func(t *testing.T) {
		b, first, second := startGateways(t, func(t *Trunk) { t.Register = true })
		first.want("REGISTER sip:carrier.test SIP/2.0")
		second.accept(second.want("REGISTER sip:carrier.test SIP/2.0"), "")
		b.registered(true)
		b.takes(second, b.dial(context.Background(), driver))
		first.none("INVITE")
		b.signOff(second)
	})
}

// greeted is a phone that answers OPTIONS while it lives, and shows the test the rest.
func (p *phone) greeted() (q *phone, lives *atomic.Bool) {
	q, lives = &phone{t: p.t, got: make(chan message, 1000), self: p.self, network: p.network, write: p.write, hangUp: p.hangUp}, new(atomic.Bool)
	lives.Store(true)
	over := make(chan struct{})
	p.t.Cleanup(func() { close(over) })
	go func() {
		for {
			select {
			case m := <-p.got:
				if !strings.HasPrefix(string(m), "OPTIONS") {
					q.got <- m
				} else if lives.Load() {
					_ = p.write([]byte(crlf(m.reply("200 OK", "a", ""))))
				}
			case <-over:
				return
			}
		}
	}()
	return q, lives
}

func TestARegistrationFollowsTheCallsToAnotherGatewayAndBack(t *testing.T) {
	b, first, second := startGateways(t, func(t *Trunk) { t.Register, t.Options = true, 300*time.Millisecond })
	first, lives := first.greeted()
	second, _ = second.greeted()
	first.accept(first.want("REGISTER"), "")
	b.registered(true)
	lives.Store(false)
	second.accept(second.want("REGISTER"), "")
	lives.Store(true)
	first.accept(first.want("REGISTER"), "")
	b.takes(first, b.dial(context.Background(), driver))
	second.none("INVITE")
	b.signOff(first)
}

func TestTheDNSIsAskedAgainWhenItsAnswerHasRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := []time.Duration{}
		begun := time.Now()
		s := &Server{cfg: Config{find: func(context.Context, locate.Target) (locate.Found, error) {
			asked = append(asked, time.Since(begun))
			return locate.Found{Hops: hops(len(asked)), TTL: time.Duration(len(asked)) * time.Minute, Whole: true}, nil
		}}.withDefaults()}
		tr := located(t, s)
		time.Sleep(6*time.Minute - time.Second)
		synctest.Wait()
		if want := []time.Duration{0, time.Minute, 3 * time.Minute}; !slices.Equal(asked, want) {
			t.Errorf("asked at %v, want %v", asked, want)
		}
		if got := tr.gateways.first(); got != hops(3)[0] {
			t.Errorf("calls go to %v", got)
		}
	})
}

// hops are one gateway with a number.
func hops(n int) []locate.Hop {
	return []locate.Hop{{Transport: "udp", Addr: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(n))}}
}

// located is a trunk in a synctest bubble that asks where its carrier is.
func located(t *testing.T, s *Server) *trunk {
	tr, err := newTrunk(Trunk{Name: "carrier", Target: "carrier.test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { s.stayLocated(ctx, tr); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	return tr
}

func TestATrunkSurvivesOnTheLastGoodAnswerOfTheDNS(t *testing.T) {
	type answer func(context.Context) (locate.Found, error)
	good := func(n int) answer {
		return func(context.Context) (locate.Found, error) {
			return locate.Found{Hops: hops(n), TTL: time.Minute, Whole: true}, nil
		}
	}
	for name, ill := range map[string]answer{
		"REFUSED": func(context.Context) (locate.Found, error) { return locate.Found{}, errors.New("answers REFUSED") },
		"slow": func(ctx context.Context) (locate.Found, error) {
			<-ctx.Done()
			return locate.Found{}, context.Cause(ctx)
		},
		"SRV failed, addresses did not": func(context.Context) (locate.Found, error) {
			return locate.Found{Hops: hops(9), TTL: time.Minute}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				var now atomic.Value
				now.Store(good(1))
				s := &Server{cfg: Config{find: func(ctx context.Context, _ locate.Target) (locate.Found, error) {
					asked.Add(1)
					return now.Load().(answer)(ctx)
				}}.withDefaults()}
				tr := located(t, s)
				synctest.Wait()
				now.Store(ill)
				for range 24 {
					time.Sleep(time.Hour)
					started := time.Now()
					var got locate.Hop
					if err := tr.reach(t.Context(), 9, func(h locate.Hop, _ int) error { got = h; return nil }); err != nil || got != hops(1)[0] {
						t.Fatalf("%v, error %v", got, err)
					}
					if time.Since(started) > 0 {
						t.Fatal("a call waited for the DNS")
					}
				}
				if perHour := asked.Load() / 24; perHour < 60 {
					t.Errorf("asked %d times an hour, so that it is long until a mended DNS is believed", perHour)
				}
				now.Store(good(2))
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := tr.gateways.first(); got != hops(2)[0] {
					t.Errorf("after its recovery calls go to %v", got)
				}
			})
		})
	}
}

// A DNS that never answers everything is believed in what it answers.
func TestHalfAnAnswerIsBetterThanNone(t *testing.T) {
	g := newGateways(locate.Target{})
	for n := 1; n <= 2; n++ {
		g.learn(locate.Found{Hops: hops(n)}, nil)
		if got := g.first(); got != hops(n)[0] {
			t.Errorf("%v after answer %d", got, n)
		}
	}
}

func TestACallSaysWhyNobodyKnowsWhereTheCarrierIs(t *testing.T) {
	names := locatetest.Start(t, "")
	b := start(t, answerAll, func(c *Config) {
		c.DNS = []netip.AddrPort{names.Addr}
		c.Trunks[0].Target = "carrier.test"
	})
	_, err := b.Dial(context.Background(), driver)
	if !errors.Is(err, pbx.ErrUnreachable) || !strings.Contains(err.Error(), "no such name") {
		t.Error(err)
	}
}

// All of it over the wire: an ill name server under a trunk that has called.
func TestACallGoesOutWhileTheNameServerIsIll(t *testing.T) {
	for name, ill := range map[string]locatetest.Illness{"REFUSED": dns.RcodeRefused, "SERVFAIL": dns.RcodeServerFailure, "silence": locatetest.Silent} {
		t.Run(name, func(t *testing.T) {
			carrier := newPhone(t)
			names := locatetest.Start(t, strings.ReplaceAll(srv(carrier), " 300 ", " 0 ")) // asked again as often as may be
			b := start(t, answerAll, func(c *Config) {
				c.DNS = []netip.AddrPort{names.Addr}
				c.Trunks[0].Target, c.Trunks[0].Domain = "carrier.test", "carrier.test"
			})
			b.peer(carrier)
			carrier = carrier.once()
			b.takes(carrier, b.dial(context.Background(), driver))
			sick := make(chan struct{}, 1000)
			names.Fall(func(dns.Question) locatetest.Illness { sick <- struct{}{}; return ill })
			wait(t, "question to the ill name server", sick)
			b.takes(carrier, b.dial(context.Background(), driver))
		})
	}
}

func TestATrunkWithAPortSkipsSRVAndANumericOneTheDNS(t *testing.T) {
	for name, c := range map[string]struct {
		target func(port string) string
		want   []string // asked
	}{
		"a port":  {func(port string) string { return "carrier.test:" + port }, []string{"A carrier.test.", "AAAA carrier.test."}},
		"numeric": {func(port string) string { return "127.0.0.1:" + port }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			carrier, elsewhere := newPhone(t), newPhone(t)
			names := locatetest.Start(t, srv(elsewhere)+"carrier.test. 300 IN A 127.0.0.1\n")
			b := start(t, answerAll, func(cfg *Config) {
				_, port, _ := net.SplitHostPort(carrier.self)
				cfg.DNS = []netip.AddrPort{names.Addr}
				cfg.Trunks[0].Target, cfg.Trunks[0].Domain = c.target(port), "carrier.test"
			})
			b.peer(carrier)
			b.takes(carrier.once(), b.dial(context.Background(), driver))
			if got := names.Asked(); !slices.Equal(got, c.want) {
				t.Errorf("asked %v, want %v", got, c.want)
			}
		})
	}
}

func TestAContactByNameIsFoundInTheDNS(t *testing.T) {
	node := newPhone(t)
	names := locatetest.Start(t, srv(node))
	b, carrier := startTrunk(t, answerAll, func(c *Config) { c.DNS = []netip.AddrPort{names.Addr} })
	b.peer(node)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@carrier.test>\n"+sdpOffer))
	node.want("ACK sip:gw@carrier.test SIP/2.0")
	_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
	node.send(node.want("BYE sip:gw@carrier.test SIP/2.0", "ACK").reply("200 OK", "", ""))
}

// A carrier whose name server falls ill while a call lasts gets its ACK and its BYE.
func TestNeitherACKNorBYEWaitForADNSThatHasAnsweredOnce(t *testing.T) {
	node := newPhone(t)
	asked, well := make(chan struct{}, 100), make(chan struct{})
	b, carrier := startTrunk(t, answerAll, func(c *Config) {
		c.find = func(_ context.Context, target locate.Target) (locate.Found, error) {
			if target.Host != "node.test" {
				return (&locate.Resolver{}).Find(context.Background(), target)
			}
			if asked <- struct{}{}; len(asked) > 1 {
				<-well
				return locate.Found{}, errors.New("ill")
			}
			// It holds for no time, so that it is asked for again each time.
			return locate.Found{Hops: []locate.Hop{{Transport: "udp", Addr: netip.MustParseAddrPort(node.self)}}, Whole: true}, nil
		}
	})
	defer close(well)
	b.peer(node)
	done := b.dial(context.Background(), driver)
	carrier.send(carrier.want("INVITE").reply("200 OK", "far", "Contact: <sip:gw@Node.test>\n"+sdpOffer))
	node.want("ACK sip:gw@Node.test SIP/2.0")
	_ = wait(t, "leg", done).leg.HangUp(context.Background(), nil)
	node.send(node.want("BYE sip:gw@Node.test SIP/2.0", "ACK").reply("200 OK", "", ""))
}

func TestALegDoesNotStandStillWhileTheDNSIsAskedWhereItsPeerIs(t *testing.T) {
	node := newPhone(t)
	well := make(chan struct{})
	b, carrier := startTrunk(t, answerAll, func(c *Config) {
		c.find = func(_ context.Context, target locate.Target) (locate.Found, error) {
			if target.Host != "node.test" {
				return (&locate.Resolver{}).Find(context.Background(), target)
			}
			<-well
			return locate.Found{Hops: []locate.Hop{{Transport: "udp", Addr: netip.MustParseAddrPort(node.self)}}, TTL: time.Hour, Whole: true}, nil
		}
	})
	b.peer(node)
	done := b.dial(context.Background(), driver)
	carrier.send(carrier.want("INVITE").reply("200 OK", "far", "Contact: <sip:gw@node.test>\n"+sdpOffer))
	leg := wait(t, "leg", done).leg
	leg.Record()
	close(well)
	node.want("ACK sip:gw@node.test SIP/2.0")
	_ = leg.HangUp(context.Background(), nil)
	node.send(node.want("BYE sip:gw@node.test SIP/2.0", "ACK").reply("200 OK", "", ""))
}

func TestNamesOfPeersAreBoundedAndTheOneUsedLastIsKept(t *testing.T) {
	n := namedPeers{each: map[locate.Target]*named{}}
	first := locate.Target{Host: "first.test"}
	for i := range 2 * maxNames {
		n.of(first)
		n.of(locate.Target{Host: fmt.Sprint(i, ".test")})
	}
	if len(n.each) != maxNames || n.each[first] == nil {
		t.Errorf("%d names, the one in use: %v", len(n.each), n.each[first])
	}
}
