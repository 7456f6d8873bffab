package main

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cabline/cmd/internal/siptext"
)

func TestTheFloodSees(t *testing.T) {
	good := func() flooded {
		return flooded{Before: holdings{RSS: 40 << 10}, Peak: holdings{RSS: 90 << 10}, Sent: 200, Registrations: 1000, Registered: 990, Talks: talks{Sent: 1000, Received: 1000}}
	}
	f := flood{Rate: 100, For: 2 * time.Second}
	for name, c := range map[string]struct {
		spoil func(*flooded, *caller)
		ended bool
		want  string // empty: all is well
	}{
		"nothing wrong where nothing is": {func(*flooded, *caller) {}, true, ""},
		"a packet lost":                  {func(r *flooded, _ *caller) { r.Talks.Lost = 1 }, true, "1 of 1000 packets"},
		"a packet heard elsewhere":       {func(r *flooded, _ *caller) { r.Talks.Strayed = 1 }, true, "1 heard elsewhere"},
		"registrations that fail":        {func(r *flooded, _ *caller) { r.Registered = 989; r.Failures = map[string]int{"refused: 403": 11} }, true, "989 of 1000 registrations worked: refused: 403 ×11"},
		"that nobody registered":         {func(r *flooded, _ *caller) { r.Registered, r.Registrations = 0, 0 }, true, "0 of 0"},
		"a stranger who was helped":      {func(r *flooded, _ *caller) { r.Helped = map[string]int{"200 INVITE": 1} }, true, "200 INVITE ×1"},
		"memory that grows":              {func(r *flooded, _ *caller) { r.Peak.RSS = 200 << 10 }, true, "memory grew"},
		"that it did not flood":          {func(r *flooded, _ *caller) { r.Sent = 100 }, true, "only 100 of 200"},
		"a call that was lost":           {func(_ *flooded, c *caller) { c.score.fail("the PBX hung up") }, true, "the PBX hung up ×1"},
		"a call that does not end":       {func(*flooded, *caller) {}, false, "all ended: false"},
	} {
		t.Run(name, func(t *testing.T) {
			r, out := good(), &caller{score: newScore()}
			c.spoil(&r, out)
			switch err := f.judge(&r, out, &callee{score: newScore()}, c.ended); {
			case err == nil && c.want != "", err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A mob comes from as many addresses as it says, keeps its pace, and counts what
// it is told: an exchange that lets everybody in is found out.
func TestTheMobComesFromManyAddresses(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	m, err := openMob(conn.LocalAddr().(*net.UDPAddr).AddrPort(), netip.MustParseAddr("127.210.0.250"), 40, 2, "anna")
	if err != nil {
		t.Fatal(err)
	}
	sources, methods := map[netip.Addr]int{}, map[string]int{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, siptext.MaxSize)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			sources[from.Addr()]++
			request, err := siptext.Parse(buf[:n])
			if err != nil || !request.IsRequest() {
				methods["nonsense"]++
				continue
			}
			methods[request.Method()]++
			if via := request.Value("Via"); strings.Contains(via, from.Addr().String()+":") {
				_, _ = conn.WriteToUDPAddrPort(siptext.Response(request, 200, "OK", "x").Bytes(), from)
			}
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	go func() {
		defer cancel()
		await(t.Context(), time.Minute, func() bool { return m.sent.Load() >= 350 })
	}()
	m.rage(ctx, 1000)
	if sent, took := m.sent.Load(), time.Since(began); sent < 350 || float64(sent) > 1000*took.Seconds()+50 {
		t.Errorf("%d messages in %s", sent, took)
	}
	if !await(t.Context(), time.Minute, func() bool { _, helped := m.counted(); return helped["200 INVITE"] > 0 && helped["200 REGISTER"] > 0 }) {
		_, helped := m.counted()
		t.Errorf("a door that stands open was not seen: %v", helped)
	}
	conn.Close()
	<-read
	m.close()
	near := sources[netip.MustParseAddr("127.210.0.250")] + sources[netip.MustParseAddr("127.210.0.251")]
	if len(sources) < 35 || len(sources) > 40 || near < 25 { // of some 400, 58 from the first two
		t.Errorf("%d sources: %v", len(sources), sources)
	}
	for _, what := range []string{"REGISTER", "INVITE", "INFO", "UPDATE", "PRACK", "nonsense"} {
		if methods[what] == 0 {
			t.Errorf("no %s in %v", what, methods)
		}
	}
}
