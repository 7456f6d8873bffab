package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
	"cabline/pbx/sip/locate"
)

// startTwo runs a server with a trunk "first" and a trunk "second" that stands
// in for it.
func startTwo(t *testing.T, change func(*Config)) (b *bench, first, second *phone) {
	t.Helper()
	first, second = newPhone(t), newPhone(t)
	b = start(t, answerAll, func(c *Config) {
		c.Trunks = []Trunk{
			{Name: "first", Target: first.self, CallerID: "+74950000001"},
			{Name: "second", Target: second.self, CallerID: "+74950000002"},
		}
		if change != nil {
			change(c)
		}
	})
	b.peer(first)
	b.peer(second)
	return b, first.once(), second.once()
}

var overFirst = pbx.Endpoint{Number: "+79990000001", Trunk: "first", From: "+74950000009"}

// talks brings a call up over a trunk and ends it.
func (b *bench) talks(carrier *phone, done <-chan dialed, from, trunk string) {
	b.t.Helper()
	invite := carrier.want("INVITE", "OPTIONS")
	if got := invite.uri("From"); !strings.HasPrefix(got, "sip:"+from+"@") {
		b.t.Errorf("From %q, want %s", got, from)
	}
	carrier.send(invite.reply("200 OK", "far", "Contact: <sip:gw@"+carrier.self+">\n"+sdpOffer))
	carrier.want("ACK", "OPTIONS")
	d := wait(b.t, "leg", done)
	if d.err != nil {
		b.t.Fatal(d.err)
	}
	if got := d.leg.Record().Trunk; got != trunk {
		b.t.Errorf("over trunk %q", got)
	}
	_ = d.leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE", "OPTIONS").reply("200 OK", "", ""))
}

func TestACallGoesOverTheNextTrunkWhenTheFirstRefusesIt(t *testing.T) {
	for _, status := range []string{"408 Timeout", "503 Full"} {
		t.Run(status, func(t *testing.T) {
			b, first, second := startTwo(t, nil)
			done := b.dial(context.Background(), overFirst)
			invite := first.want("INVITE")
			if !strings.HasPrefix(invite.uri("From"), "sip:+74950000009@") {
				t.Errorf("From %q", invite.uri("From"))
			}
			first.send(invite.reply(status, "a", ""))
			first.want("ACK")
			b.talks(second, done, "+74950000002", "second")
		})
	}
}

func TestACallGoesOverTheNextTrunkWhenTheFirstIsSilent(t *testing.T) {
	b, first, second := startTwo(t, nil)
	done := b.dial(context.Background(), overFirst)
	first.want("INVITE")
	b.talks(second, done, "+74950000002", "second")
}

func TestACallFindsTheCarrierThatLivesWithinFiveSeconds(t *testing.T) {
	for silent := range 10 {
		for _, kept := range []int{0, 1, 2} { // waiting by each, for its turn and for the DNS
			synctest.Test(t, func(t *testing.T) {
				began, h := time.Now(), newHaste()
				for n := silent; n >= 0 && !h.over(); n-- {
					for range kept {
						time.Sleep(h.pause(n))
					}
					share := h.share(n)
					if share < 2*wire.T1 && kept == 0 {
						t.Errorf("%d that are silent: one has only %v", silent, share)
					}
					time.Sleep(share)
					h.forgive(errDead)
				}
				if took := time.Since(began); took > 10*wire.T1 { // 5 s
					t.Errorf("%d that are silent, and the last one too: %v", silent, took)
				}
			})
		}
	}
}

// Nobody is sent anything while the machine stands still.
func TestACallIsNotLostWhereTheMachineStoodStill(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		over bool
	}{
		"while a carrier was silent":                  {fmt.Errorf("no 100: %w", errDead), false},
		"no: a carrier was at work and then declined": {Rejection{Code: 503}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHaste()
				time.Sleep(h.share(1) + time.Minute)
				h.forgive(c.err)
				if h.over() != c.over {
					t.Errorf("over: %v", h.over())
				}
				if share := h.share(0); !c.over && share != patience()/2 {
					t.Errorf("the next one has %v", share)
				}
			})
		})
	}
}

func TestNeitherTheDNSNorTheTurnsOfTrunksTakeLongerThanFiveSecondsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		for _, name := range []string{"a", "b", "c"} {
			tr, err := newTrunk(Trunk{Name: name, Target: name + ".test", CallsPerSecond: 1})
			if err != nil || tr.turn(t.Context(), 0) != nil {
				t.Fatal(err)
			}
			s.trunks = append(s.trunks, tr)
		}
		began := time.Now()
		if _, err := s.dialTrunk(t.Context(), pbx.Endpoint{Number: "+79990000001"}); !elsewhere(err) {
			t.Error(err)
		}
		if took := time.Since(began); took > search() {
			t.Error(took)
		}
	})
}

// On the wire: all that a carrier may be dead by, and the next one has the call
// long before RFC 3261's timer B, 64*T1, would give the first one up.
func TestTheNextTrunkHasTheCallWithinFiveSecondsHoweverTheFirstIsDead(t *testing.T) {
	for name, dead := range map[string]func(*testing.T, *Config){
		"it answers nothing": func(*testing.T, *Config) {},
		"the DNS does not say where": func(_ *testing.T, c *Config) {
			c.Trunks[0].Target = "carrier.test"
			c.find = func(ctx context.Context, target locate.Target) (locate.Found, error) {
				if target.Host == "carrier.test" {
					<-ctx.Done()
					return locate.Found{}, context.Cause(ctx)
				}
				return (&locate.Resolver{}).Find(ctx, target)
			}
		},
		"it takes connections, and nothing else":         deaf("tcp"),
		"it takes connections, and does not shake hands": deaf("tls"),
	} {
		t.Run(name, func(t *testing.T) {
			b, _, second := startTwo(t, func(c *Config) { dead(t, c) })
			began := time.Now()
			done := b.dial(context.Background(), overFirst)
			invite := second.want("INVITE")
			if took, most := time.Since(began), 3*search(); took > most { // three times: the machine may be busy
				t.Errorf("the call is there after %v, more than %v", took, most)
			}
			second.send(invite.reply("486 Busy", "far", ""))
			second.want("ACK")
			wait(t, "end of Dial", done)
		})
	}
}

// deaf puts a carrier where connections are taken and nothing is read.
func deaf(transport string) func(*testing.T, *Config) {
	return func(t *testing.T, c *Config) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		c.Trunks[0].Transport, c.Trunks[0].Target = transport, l.Addr().String()
	}
}

func TestACallGoesOverTheThirdTrunkWhenTwoAreSilent(t *testing.T) {
	third := newPhone(t)
	b, first, second := startTwo(t, func(c *Config) {
		c.Trunks[1].Order = 1
		last := c.Trunks[1]
		last.Name, last.Target, last.Order, last.CallerID = "third", third.self, 2, "+74950000003"
		c.Trunks = append(c.Trunks, last)
	})
	b.peer(third)
	done := b.dial(context.Background(), overFirst)
	first.want("INVITE")
	second.want("INVITE")
	b.talks(third.once(), done, "+74950000003", "third")
}

func TestACallGoesOverTheNextTrunkWhenTheFirstTakesNoConnection(t *testing.T) {
	b, _, second := startTwo(t, func(c *Config) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.Trunks[0].Transport, c.Trunks[0].Target = "tcp", l.Addr().String()
		_ = l.Close()
	})
	b.talks(second, b.dial(context.Background(), overFirst), "+74950000002", "second")
}

func TestACallGoesOverTheNextTrunkWhenTheFirstHasNoChannelFree(t *testing.T) {
	b, first, second := startTwo(t, func(c *Config) { c.Trunks[0].Channels = 1 })
	busy := b.dial(context.Background(), overFirst)
	invite := first.want("INVITE")
	b.talks(second, b.dial(context.Background(), overFirst), "+74950000002", "second")
	first.send(invite.reply("486 Busy", "a", ""))
	first.want("ACK")
	wait(t, "end of Dial", busy)
}

func TestACallStaysWithTheTrunkWhereTheFaultIsNotTheCarriers(t *testing.T) {
	for _, status := range []string{"486 Busy", "404 Nobody", "603 No"} {
		t.Run(status, func(t *testing.T) {
			b, first, second := startTwo(t, nil)
			done := b.dial(context.Background(), overFirst)
			invite := first.want("INVITE")
			first.send(invite.reply(status, "a", ""))
			first.want("ACK")
			if d := wait(t, "end of Dial", done); d.err == nil {
				t.Error("a leg")
			}
			if len(second.got) > 0 {
				t.Errorf("the second trunk got\n%s", <-second.got)
			}
		})
	}
}

func TestWhichFailuresLeadToTheNextTrunk(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"408 before it rang": {Rejection{Code: 408}, true},
		"408 after it rang":  {Rejection{Code: 408, Rang: true}, false},
		"503":                {&pbx.DialError{Err: Rejection{Code: 503}}, true},
		"480":                {Rejection{Code: 480}, false},
		"a password refused": {fmt.Errorf("%w: wrong", Rejection{Code: 401}), false},
		"no sign of life":    {&pbx.DialError{Err: fmt.Errorf("x: %w: %w", errDead, pbx.ErrUnreachable)}, true},
		"no channel free":    {pbx.ErrNoChannel, true},
		"the caller gave up": {pbx.ErrHungUp, false},
		"audio that failed":  {errors.New("open audio"), false},
	} {
		if got := elsewhere(c.err); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestACallerWhoGivesUpIsNotCalledForOverTheNextTrunk(t *testing.T) {
	b, first, second := startTwo(t, nil)
	ctx, giveUp := context.WithCancelCause(context.Background())
	done := b.dial(ctx, overFirst)
	invite := first.want("INVITE")
	first.send(invite.reply("100 Trying", "", ""))
	giveUp(pbx.ErrHungUp)
	if d := wait(t, "end of Dial", done); !errors.Is(d.err, pbx.ErrHungUp) {
		t.Error(d.err)
	}
	if len(second.got) > 0 {
		t.Errorf("the second trunk got\n%s", <-second.got)
	}
	first.send(first.want("CANCEL").reply("200 OK", "a", ""))
	first.send(invite.reply("487 Gone", "a", ""))
	first.want("ACK")
}

// state waits until a trunk is up, or is not.
func (b *bench) state(i int, up bool) TrunkState {
	b.t.Helper()
	for deadline := time.Now().Add(forAMoment); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if s := b.Trunks()[i]; s.Up == up && !s.Since.IsZero() {
			return s
		}
	}
	b.t.Fatalf("state %+v", b.Trunks()[i])
	return TrunkState{}
}

func TestATrunkThatIsDownIsPassedOverUntilItAnswersOPTIONSAgain(t *testing.T) {
	for name, lifeless := range map[string]string{"silence": "", "408": "408 Timeout", "503": "503 Down"} {
		t.Run(name, func(t *testing.T) {
			b, first, second := startTwo(t, func(c *Config) { c.Trunks[0].Options = 100 * time.Millisecond })
			options := first.want("OPTIONS sip:" + first.self + " SIP/2.0")
			if got := options.uri("From"); !strings.HasPrefix(got, "sip:+74950000001@127.0.0.1") {
				t.Errorf("From %q", got)
			}
			// Life and death are answered by a goroutine, so that the test can dial.
			answers := make(chan string, 1)
			answers <- lifeless
			calls := make(chan message, 10)
			go func() {
				now := lifeless
				for {
					var m message
					select {
					case m = <-first.got:
					case <-t.Context().Done():
						return
					}
					select {
					case now = <-answers:
					default:
					}
					switch {
					case !strings.HasPrefix(string(m), "OPTIONS"):
						calls <- m
					case now != "":
						_ = first.write([]byte(crlf(m.reply(now, "a", ""))))
					}
				}
			}()
			if s := b.state(0, false); s.LastError == "" {
				t.Errorf("%+v", s)
			}
			b.talks(second, b.dial(context.Background(), overFirst), "+74950000002", "second")
			answers <- "404 Nobody here"
			if s := b.state(0, true); s.LastError != "" {
				t.Errorf("%+v", s)
			}
			done := b.dial(context.Background(), overFirst)
			invite := wait(t, "call over the first again", calls)
			_ = first.write([]byte(crlf(invite.reply("486 Busy", "b", ""))))
			wait(t, "ACK", calls)
			if d := wait(t, "end of Dial", done); !errors.Is(d.err, pbx.ErrBusy) {
				t.Error(d.err)
			}
		})
	}
}

func TestWhichTrunksACallMayGoOver(t *testing.T) {
	trunks := func(up ...bool) (s *Server) {
		s = &Server{}
		for i, cfg := range []Trunk{
			{Name: "a", Target: "192.0.2.1", Order: 2},
			{Name: "b", Target: "192.0.2.1", Order: 1},
			{Name: "c", Target: "192.0.2.1", Order: 3},
			{Name: "shy", Target: "192.0.2.1", Order: -1},
			{Name: "in"},
		} {
			tr, err := newTrunk(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if i < len(up) {
				tr.state.Up = up[i]
			}
			s.trunks = append(s.trunks, tr)
		}
		return s
	}
	for name, c := range map[string]struct {
		up    []bool
		trunk string
		want  []string
	}{
		"the one named, then the others in their order": {nil, "c", []string{"c", "b", "a"}},
		"last the one that is down, though it is named": {[]bool{false, true, true}, "a", []string{"b", "c", "a"}},
		"in their order when all are down":              {[]bool{false, false, false}, "a", []string{"a", "b", "c"}},
		"one that stands in for none has its own calls": {nil, "shy", []string{"shy", "b", "a", "c"}},
		"all in their order where none is named":        {nil, "", []string{"b", "a", "c"}},
		"those that are up first where none is named":   {[]bool{true, false, true}, "", []string{"a", "c", "b"}},
		"others for one that calls only come in over":   {nil, "in", []string{"b", "a", "c"}},
		"none for one that is not there":                {nil, "d", nil},
	} {
		var got []string
		for _, tr := range trunks(c.up...).trunksFor(c.trunk) {
			got = append(got, tr.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %s, want %s", name, fmt.Sprint(got), fmt.Sprint(c.want))
		}
	}
}

func TestTrunksOfOneOrderShareCallsByTheirWeight(t *testing.T) {
	s := &Server{}
	for name, weight := range map[string]int{"a": 6, "b": 3, "c": 1} {
		tr, err := newTrunk(Trunk{Name: name, Target: "192.0.2.1", Weight: weight})
		if err != nil {
			t.Fatal(err)
		}
		s.trunks = append(s.trunks, tr)
	}
	first := map[string]int{}
	const calls = 20_000
	for range calls {
		first[s.trunksFor("")[0].Name]++
	}
	for name, percent := range map[string]float64{"a": 60, "b": 30, "c": 10} {
		if got := 100 * float64(first[name]) / calls; got < percent-3 || got > percent+3 { // 9 standard deviations
			t.Errorf("%s carries %.1f %% of the calls, want %v", name, got, percent)
		}
	}
}

func TestACallGoesOverTheNextTrunkWhenTheFirstClosesTheConnection(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	b, _, second := startTwo(t, func(c *Config) { c.Trunks[0].Transport, c.Trunks[0].Target = "tcp", listener.Addr().String() })
	done := b.dial(context.Background(), overFirst)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	first := stream(t, conn)
	first.want("INVITE")
	first.hangUp()
	b.talks(second, done, "+74950000002", "second")
}

// The phone may ring on, and two calls of one number would disturb each other.
func TestACallThatRangIsMadeOverNoOtherTrunkWhenItsConnectionIsLost(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	b, _, second := startTwo(t, func(c *Config) { c.Trunks[0].Transport, c.Trunks[0].Target = "tcp", listener.Addr().String() })
	over, rings := overFirst, make(chan struct{})
	over.Ringing = func() { close(rings) }
	done := b.dial(context.Background(), over)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	first := stream(t, conn)
	invite := first.want("INVITE")
	first.send(invite.reply("180 Ringing", "far", "Contact: <sip:gw@"+listener.Addr().String()+";transport=tcp>\n"))
	wait(t, "ringing", rings)
	first.hangUp()
	if d := wait(t, "end of Dial", done); !errors.Is(d.err, pbx.ErrUnreachable) || errors.Is(d.err, errDead) {
		t.Error(d.err)
	}
	second.none("INVITE")
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if conn, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	first = stream(t, conn)
	cancel := first.want("CANCEL")
	if cancel.header("Via") != invite.header("Via") {
		t.Errorf("another branch:\n%s", cancel)
	}
	first.send(cancel.reply("200 OK", "far", ""))
}
