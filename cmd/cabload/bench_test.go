package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func TestSignallingWithoutAnExchangeIsClean(t *testing.T) {
	nowhere := netip.MustParseAddrPort("127.0.0.1:0")
	b := bench{PBX: nowhere, Callee: nowhere, Caller: nowhere, Number: "100", CallerCodec: 8, CalleeCodec: 8}
	got, err := b.signal(t.Context(), 100, short, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got.Failed != 0 || got.Started != 40 || got.Ended != 40 || got.P50 <= 0 {
		t.Errorf("got %+v", got)
	}
}

func TestTheSignallingRunSees(t *testing.T) {
	for name, c := range map[string]struct {
		faults faults
		want   func(setups) bool
	}{
		"nothing wrong where nothing is": {faults{}, func(s setups) bool { return s.Ended == s.Started && s.Failed == 0 }},
		"that calls are refused": {faults{refuse: func(n int) bool { return n%4 == 0 }}, func(s setups) bool {
			return s.Causes["486 Busy Here"] == s.Started/4 && s.Unclean == "486 Busy Here ×10"
		}},
		"that an INVITE was lost": {faults{deaf: true}, func(s setups) bool {
			return s.OurRepeats >= s.Started && s.Failed == 0 && strings.Contains(s.Unclean, "repeated by us")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newToy(t, c.faults).signal(t.Context(), 100, short, 0)
			if err != nil || !c.want(got) || got.Started != 40 {
				t.Errorf("%v, got %+v", err, got)
			}
		})
	}
}

// undisturbed measures until the machine has not stood still meanwhile, which the
// tool sees too: each time it sees what it should, unless that is in the way.
func undisturbed(t *testing.T, measure func() error) {
	t.Helper()
	var errs []error
	for range 5 {
		err := measure()
		if err == nil {
			return
		}
		errs = append(errs, err)
	}
	t.Error(errors.Join(errs...))
}

func TestTheAudioRunSees(t *testing.T) {
	for name, c := range map[string]struct {
		faults faults
		want   func(talks) bool
	}{
		"nothing wrong where nothing is": {faults{}, func(r talks) bool {
			return r.Lost == 0 && r.Received == r.Sent && r.Duplicated+r.Strayed == 0 && r.Crossed == 0 && r.P50 > 0 && r.P99 >= r.P50
		}},
		"every fourth packet lost": {faults{pass: func(n int) int { return min(n%4, 1) }}, func(r talks) bool {
			quarter := float64(r.Lost) / float64(r.Sent)
			return quarter > 0.2 && quarter < 0.3
		}},
		"every packet doubled": {faults{pass: func(int) int { return 2 }}, func(r talks) bool {
			return r.Duplicated == r.Received && r.Lost == 0
		}},
		"calls which hear the neighbour": {faults{swapped: true}, func(r talks) bool { return r.Crossed == 4 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			undisturbed(t, func() error {
				var got []talks
				err := newToy(t, c.faults).talk(t.Context(), []int{4}, 50, short, 0, func(r talks) { got = append(got, r) })
				if err != nil || len(got) != 1 || got[0].Sent < 100 || !c.want(got[0]) {
					return fmt.Errorf("%v, got %+v", err, got)
				}
				return nil
			})
		})
	}
}

func TestOwnCostsAreSeen(t *testing.T) {
	self := process(os.Getpid())
	if kb, err := self.memory(); err != nil || kb < 1000 {
		t.Errorf("%d KB, %v", kb, err)
	}
	stop, err := watch(self)
	if err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); ; {
		if u, err := stop(); err != nil || u.PBX >= 0.02 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("no processor time of our own was seen")
		}
	}
	if _, err := process(1 << 30).cpu(); err == nil {
		t.Error("a process that does not exist has no error")
	}
}

func TestOnlyLoopbackAndBoundedRunsAreAccepted(t *testing.T) {
	good := func() *options {
		o := &options{PBX: netip.MustParseAddrPort("127.0.0.11:5060"), Caller: netip.MustParseAddrPort("127.0.0.2:5062"),
			Callee: netip.MustParseAddrPort("127.0.0.3:5070")}
		o.CPS.Rate, o.Find.Rate, o.Media.Rate, o.All.Rate, o.Announce.Rate, o.Soak.Rate = 1, 1, 1, 1, 1, 1
		o.CPS.For, o.Find.For, o.Media.For, o.All.For = 1, 1, 1, 1
		o.Media.Calls, o.All.Calls, o.Announce.Callers = []int{1}, []int{1, 2}, []int{1}
		o.Bridge.Calls, o.Bridge.For = []int{1}, 1
		o.Announce.For, o.Soak.For, o.Soak.Talk, o.Soak.Ring, o.Soak.Every, o.Soak.Settle = 1, 2*time.Hour, time.Second, time.Second, time.Second, time.Second
		o.Web = "http://127.0.0.11:8480"
		o.Flood.Rate, o.Flood.Sources, o.Flood.First, o.Flood.For, o.Flood.Calls, o.Flood.Every = 2000, 10000, netip.MustParseAddr("127.200.0.1"), time.Minute, 1, time.Second
		return o
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*options){
		"a public exchange":                     func(o *options) { o.PBX = netip.MustParseAddrPort("192.0.2.1:5060") },
		"a public caller":                       func(o *options) { o.Caller = netip.MustParseAddrPort("0.0.0.0:5060") },
		"too many calls":                        func(o *options) { o.Media.Calls = []int{100000} },
		"steps down":                            func(o *options) { o.All.Calls = []int{2, 1} },
		"an endless run":                        func(o *options) { o.Media.For = time.Hour },
		"calls that never end":                  func(o *options) { o.CPS.Hold = time.Hour },
		"too high a rate":                       func(o *options) { o.Find.Rate = 1e6 },
		"a soak for a day":                      func(o *options) { o.Soak.For = 24 * time.Hour },
		"a soak like a flood":                   func(o *options) { o.Soak.Rate = 201 },
		"strangers of the Internet":             func(o *options) { o.Flood.First = netip.MustParseAddr("192.0.2.1") },
		"more strangers than there is loopback": func(o *options) { o.Flood.Sources = 1 << 24 },
		"a flood without calls":                 func(o *options) { o.Flood.Calls = 0 },
		"a flood for a day":                     func(o *options) { o.Flood.For = 24 * time.Hour },
		"a public web side":                     func(o *options) { o.Web = "http://192.0.2.1:8480" },
		"too many browsers":                     func(o *options) { o.Bridge.Calls = []int{100000} },
		"too many callers":                      func(o *options) { o.Announce.Callers = []int{100000} },
	} {
		o := good()
		spoil(o)
		if o.Validate() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestPercentiles(t *testing.T) {
	var hundred []int
	for i := range 100 {
		hundred = append(hundred, i)
	}
	if quantile(hundred, 0.5) != 50 || quantile(hundred, 0.99) != 99 || quantile(hundred, 1) != 99 || quantile([]int{}, 0.5) != 0 {
		t.Error("wrong percentile")
	}
}
