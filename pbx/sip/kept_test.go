package sip

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cabline/pbx"
	"cabline/pbx/gate"
)

// notebook keeps devices as a store does.
type notebook struct {
	mu      sync.Mutex
	devices map[string][]pbx.Device
}

func (n *notebook) KeepDevices(_ context.Context, login string, _ time.Time, devices []pbx.Device) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices == nil {
		n.devices = map[string][]pbx.Device{}
	}
	n.devices[login] = devices
	return nil
}

func (n *notebook) KeptDevices(context.Context) (all []pbx.Device, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, login := range slices.Sorted(maps.Keys(n.devices)) {
		all = append(all, n.devices[login]...)
	}
	return all, nil
}

// has waits until so many devices are kept, and returns them as they stand then,
// which is all that a kill -9 leaves.
func (n *notebook) has(t *testing.T, many int) *notebook {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		n.mu.Lock()
		left := &notebook{devices: maps.Clone(n.devices)}
		n.mu.Unlock()
		if all, _ := left.KeptDevices(t.Context()); len(all) == many {
			return left
		}
		if time.Now().After(end) {
			t.Fatal("not kept")
		}
	}
}

// killed runs a server, lets phones log in, and returns the server after it, at
// the same address.
func killed(t *testing.T, before func(b *bench) (kept int), change func(*notebook)) *bench {
	t.Helper()
	book := new(notebook)
	keeps := func(book *notebook) func(*Config) {
		return func(c *Config) { overTLS(c); c.Trunks, c.Devices, c.Gate = nil, book, gate.New() }
	}
	first := start(t, answerAll, keeps(book))
	left := book.has(t, before(first))
	first.stop()
	if change != nil {
		change(left)
	}
	return startAlone(t, answerAll, func(c *Config) {
		keeps(left)(c)
		c.Listen[0].Addr = netip.MustParseAddrPort(first.addr)
	}, nil)
}

func TestAPhoneIsRungAfterARestartBeforeItRegistersAgain(t *testing.T) {
	var p *phone
	b := killed(t, func(b *bench) int {
		p = b.phone()
		if m := p.account("anna").register("Expires: 600\nUser-Agent: desk\n"); m.status() != "200" {
			t.Fatal(m)
		}
		return 1
	}, nil)
	if got := wait(t, "news", b.online); got != "anna true" {
		t.Error(got)
	}
	if r := b.Registrations(); len(r) != 1 || r[0].Source != p.self || r[0].UserAgent != "desk" || time.Until(r[0].Expires) > 10*time.Minute {
		t.Errorf("registrations: %+v", r)
	}
	done := b.dial(context.Background(), pbx.Endpoint{Operator: "anna", From: "+79161234567"})
	invite := p.want("INVITE")
	if !strings.HasPrefix(string(invite), "INVITE sip:phone@"+p.self) {
		t.Errorf("got\n%s", invite)
	}
	p.pickUp(invite, "desk")
	_ = wait(t, "end of Dial", done).leg.HangUp(context.Background(), nil)
	p.send(p.want("BYE").reply("200 OK", "", ""))

	again := p.account("anna") // as if for the first time; the older binding gives way
	if m := again.register("Expires: 600\n"); m.status() != "200" || len(b.Registrations()) != 1 {
		t.Errorf("%d registrations after\n%s", len(b.Registrations()), m)
	}
}

func TestWhoIsGoneIsNotRungAfterARestartButStillAtHome(t *testing.T) {
	for name, c := range map[string]struct {
		open   func(*bench) *phone
		change func(*notebook)
	}{
		"a registration that has expired": {(*bench).phone, func(n *notebook) { n.devices["anna"][0].Expires = time.Now().Add(-time.Second) }},
		"a phone on TCP":                  {(*bench).tcpPhone, nil},
		"a phone on TLS":                  {(*bench).tlsPhone, nil},
		"a page":                          {(*bench).page, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := killed(t, func(b *bench) int {
				if m := c.open(b).account("anna").register("Expires: 600\n"); m.status() != "200" {
					t.Fatal(m)
				}
				return 1
			}, c.change)
			if r := b.Registrations(); len(r) > 0 {
				t.Errorf("registrations: %+v", r)
			}
			office := netip.MustParseAddr("127.0.0.1")
			for range 25 { // a neighbour who guesses
				b.cfg.Gate.Failed(gate.Visitor{Source: office, Login: "100"})
			}
			if !b.cfg.Gate.Closed(gate.Visitor{Source: office, Login: "boris"}) {
				t.Fatal("nobody is banned")
			}
			if m := b.phone().account("anna").register("Expires: 600\n"); m.status() != "200" {
				t.Errorf("anna is locked out:\n%s", m)
			}
		})
	}
}

func TestDevicesOfOperatorsWhoHaveLeftAreForgotten(t *testing.T) {
	b := killed(t, func(b *bench) int {
		b.phone().account("anna").register("Expires: 600\n")
		return 1
	}, func(n *notebook) {
		n.devices["clara"], n.devices["anna"] = n.devices["anna"], nil
		n.devices["clara"][0].Login = "clara"
	})
	if r := b.Registrations(); len(r) > 0 {
		t.Errorf("registrations: %+v", r)
	}
}

func TestWhoLogsOutIsTakenOutOfTheNotebook(t *testing.T) {
	book := new(notebook)
	b := start(t, answerAll, func(c *Config) { c.Devices = book })
	a := b.phone().account("anna")
	a.register("Expires: 600\n")
	book.has(t, 1)
	a.register("Expires: 0\n")
	book.has(t, 0)
}
