package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"cabline/cmd/internal/siptext"
)

// menuFaults are what the toy's menu does wrong.
type menuFaults struct {
	mute func(n int) bool // says nothing to caller n
	deaf bool             // does not react to keys
	slow int              // frames until it reacts
	late uint32           // every tenth packet comes so many frames late
}

// announce answers a call and speaks to it, beginning anew at each key 9.
func (x *toy) announce(m *siptext.Message, from netip.AddrPort) {
	theirs, _ := siptext.ParseSDP(m.Body)
	c := &toyCall{invite: m, from: from, in: x.open(), answered: true}
	n := len(x.calls)
	x.byID[m.Value("Call-ID")] = c
	x.calls = append(x.calls, c)
	pressed := make(chan struct{}, 1)
	x.work.Go(func() { keysOf(c.in, pressed) })
	ok := siptext.Response(m, 200, "OK", "toy").Add("Contact", "<sip:"+x.addr.String()+">").WithBody("application/sdp", describe(c.in))
	x.send(ok, from)
	if x.menu.mute == nil || !x.menu.mute(n) {
		x.work.Go(func() { x.menu.say(c.in, theirs.Addr, pressed) })
	}
}

// keysOf hears complete presses of 9: a marked beginning, and three ends.
func keysOf(conn *net.UDPConn, pressed chan<- struct{}) {
	buf := make([]byte, 2048)
	ends := 0
	for begun := false; ; {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if n != headerSize+4 || buf[1]&0x7f != 101 || buf[12] != 9 {
			continue
		}
		if begun = begun || buf[1] == 0x80|101; begun && buf[13]&0x80 != 0 {
			ends++
		}
		if ends == 3 && binary.BigEndian.Uint16(buf[14:]) == 800 {
			pressed <- struct{}{}
			begun, ends = false, 0
		}
	}
}

// say speaks until the socket is closed. A late packet is one that should have
// been said before.
func (f menuFaults) say(conn *net.UDPConn, to netip.AddrPort, pressed <-chan struct{}) {
	packet := make([]byte, headerSize+frame)
	packet[0] = 2 << 6
	tick := time.NewTicker(phases * time.Millisecond)
	defer tick.Stop()
	anew := -1 // frames until it begins anew, if that is to happen
	for n := uint32(0); ; n++ {
		packet[1] = 8
		if n == 0 {
			packet[1] |= 0x80
		}
		said := n
		if n%10 == 9 {
			said -= f.late
		}
		binary.BigEndian.PutUint32(packet[4:], said*frame)
		if _, err := conn.WriteToUDPAddrPort(packet, to); err != nil {
			return
		}
		<-tick.C
		select {
		case <-pressed:
			if !f.deaf {
				anew = f.slow
			}
		default:
		}
		if anew == 0 {
			n = ^uint32(0)
		}
		anew--
	}
}

func TestTheAnnouncementRunSees(t *testing.T) {
	for name, c := range map[string]struct {
		faults menuFaults
		want   func(announced) bool
	}{
		"nothing wrong where nothing is": {menuFaults{}, func(a announced) bool {
			return a.verdict() == nil && a.Mute+a.Unheard == 0 && a.KeyP50 > 0 && a.KeyP99 >= a.KeyP50 && a.FirstP99 >= a.FirstP50 && a.LateMax >= a.LateP99
		}},
		"callers to whom nothing is said": {menuFaults{mute: func(n int) bool { return n%4 == 0 }}, func(a announced) bool {
			return a.Mute == 2 && a.Unheard == 0 && a.Missing >= 20
		}},
		"keys that do nothing": {menuFaults{deaf: true}, func(a announced) bool { return a.Unheard == 8 && a.Mute == 0 && a.verdict() != nil }},
		"a menu that takes its time": {menuFaults{slow: 20}, func(a announced) bool {
			return a.KeyP50 >= 300 && a.Unheard == 0 && a.verdict() != nil
		}},
		"packets that come late": {menuFaults{late: 5}, func(a announced) bool { return a.LateP99 >= 20 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			undisturbed(t, func() error {
				b := newToy(t, faults{menu: c.faults})
				b.Number = "menu"
				got, err := b.announce(t.Context(), 8, 100, short)
				if err != nil || got.Calls != 8 || got.Packets < 20 || !c.want(got) {
					return fmt.Errorf("%v, got %+v", err, got)
				}
				return nil
			})
		})
	}
}

// webSide is an exchange's web side which holds what held says, by the number
// of times it was asked.
func webSide(t *testing.T, held func(asked int) holdings) web {
	asked := 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/orders", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		h := held(asked)
		asked++
		fmt.Fprintf(w, "# HELP x\ngo_goroutines %d\nother{a=\"b\"} 7\nprocess_open_fds %d\nprocess_resident_memory_bytes %e\ncabline_rtp_ports_taken %d\ncabline_rtp_ports_free %d\n",
			h.Goroutines, h.FDs, float64(h.RSS)*1024, h.Ports, h.Free)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return web{URL: s.URL, Token: "secret"}
}

func TestTheSoakSees(t *testing.T) {
	idle := holdings{RSS: 40 << 10, Goroutines: 20, FDs: 30}
	for name, c := range map[string]struct {
		faults faults
		held   func(asked int) holdings
		want   string // the error; empty: none
	}{
		"that all is given back": {held: func(asked int) holdings {
			if asked == 0 || asked > 6 { // some time after the last call
				return idle
			}
			return holdings{RSS: 90 << 10, Goroutines: 200, FDs: 300}
		}},
		"goroutines that stay": {held: func(asked int) holdings {
			return holdings{RSS: idle.RSS, Goroutines: 20 + 11*min(asked, 1), FDs: 30}
		}, want: "the exchange did not return to where it began; 31 goroutines, 20 before"},
		"descriptors and memory that stay": {held: func(asked int) holdings {
			return holdings{RSS: 40<<10 + 40<<10*min(asked, 1), Goroutines: 20, FDs: 30 + 50*min(asked, 1)}
		}, want: "the exchange did not return to where it began; 80 descriptors, 30 before; 81920 KB of RSS, 40960 before"},
		"ports that stay open, and ports that nobody can use any more": {held: func(asked int) holdings {
			return holdings{RSS: idle.RSS, Goroutines: 20, FDs: 30, Ports: min(asked, 1), Free: -2 * min(asked, 1)}
		}, want: "the exchange did not return to where it began; 1 ports in use, 0 before; 2 ports missing, 0 before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			undisturbed(t, func() error { return soaks(t, c.faults, c.held, c.want) })
		})
	}
}

// soaks is a short soak and what is not as it should be.
func soaks(t *testing.T, f faults, held func(asked int) holdings, want string) error {
	s := soak{Web: webSide(t, held), Menu: "menu", Driver: "100", Rate: 100, For: 2500 * time.Millisecond,
		Talk: time.Second, Ring: 300 * time.Millisecond, Every: 500 * time.Millisecond, Settle: 2 * time.Second}
	shown := 0
	got, err := s.run(t.Context(), newToy(t, f), func(point) { shown++ })
	if said := fmt.Sprint(err); said != want && (err != nil || want != "") {
		return fmt.Errorf("got %w, want %q", err, want)
	}
	if shown != len(got.Curve) || shown < 2 || got.Before != held(0) || got.Packets == 0 || got.Strayed != 0 {
		return fmt.Errorf("shown %d, got %+v", shown, got)
	}
	for _, n := range []int{got.Answered, got.Ended, got.Left, got.Cancelled, got.Refused, got.Drivers} {
		if n == 0 {
			return fmt.Errorf("not all ways to end were tried: %+v", got)
		}
	}
	if sum := got.Ended + got.Left + got.Cancelled + got.Refused + got.Failed; sum != got.Started {
		return fmt.Errorf("%d calls began, %d ended: %+v", got.Started, sum, got)
	}
	return nil
}

func TestASoakFailsWhenCallsDo(t *testing.T) {
	b := newToy(t, faults{fault: func(n int) bool { return n%3 == 0 }})
	s := soak{Web: webSide(t, func(int) holdings { return holdings{RSS: 1, Goroutines: 1, FDs: 1} }), Menu: "menu", Driver: "100",
		Rate: 20, For: time.Second, Talk: short, Ring: 50 * time.Millisecond, Every: time.Second, Settle: time.Second}
	got, err := s.run(t.Context(), b, func(point) {})
	if err == nil || got.Causes["500 Server Internal Error"] == 0 || got.Causes["500 Server Internal Error"] != got.Failed ||
		len(got.Lost) != min(got.Failed, maxRecords) || !strings.HasSuffix(got.Lost[0].CallID, "@cabload") || got.Stood == 0 {
		t.Errorf("%v, got %+v", err, got)
	}
}

func TestKeysHaveTheirEventCodes(t *testing.T) {
	var got []byte
	for _, key := range []byte("0159*#") {
		got = append(got, eventOf(key))
	}
	if want := []byte{0, 1, 5, 9, 10, 11}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
