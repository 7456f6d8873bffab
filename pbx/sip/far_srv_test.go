package sip

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/sip/locate"
)

// A carrier has two servers by SRV, over TCP, and the first one is dead. Whatever
// is asked is asked of the second one within five seconds (RFC 3263 §4.3).

// asks are the kinds of requests that begin by themselves: how a trunk is to be
// set, and what is sent then.
var asks = map[string]func(*Trunk){
	"INVITE":   func(*Trunk) {},
	"OPTIONS":  func(t *Trunk) { t.Options = time.Hour },
	"REGISTER": func(t *Trunk) { t.Register, t.AuthUser, t.Password = true, "883140001", "pass word" },
}

// follow answers what a trunk has asked of the gateway that lives, and proves that
// a call goes there at once from now on.
func (b *bench) follow(second *phone, method string, first message, done <-chan dialed) {
	b.t.Helper()
	switch method {
	case "INVITE":
		second.send(first.reply("486 Busy", "far", ""))
		second.want("ACK")
		if d := wait(b.t, "end of Dial", done); !errors.Is(d.err, pbx.ErrBusy) {
			b.t.Error(d.err)
		}
	case "OPTIONS":
		second.send(first.reply("200 OK", "far", ""))
		b.state(0, true)
	case "REGISTER":
		second.accept(first, "")
		b.registered(true)
		b.signOff(second)
	}
	b.takes(second, b.dial(context.Background(), driver))
}

func TestToTheMomentADeadFirstTargetOverTCPIsLeftForTheSecond(t *testing.T) {
	for illness, ill := range map[string]func(*farNet) (mend func()){
		"it refuses connections": func(n *farNet) func() { n.end(farFirst).shut = syscall.ECONNREFUSED; return func() {} },
		"it swallows the SYN":    func(n *farNet) func() { return n.leave(farFirst) },
		"it is silent":           func(*farNet) func() { return func() {} },
	} {
		for method, set := range asks {
			t.Run(method+", "+illness, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newFarNet(t)
					defer ill(n)()
					began := time.Now()
					b := startAlone(t, answerAll, func(c *Config) {
						c.Listen, c.dial = nil, n.dial
						c.Trunks[0].Target, c.Trunks[0].Transport, c.Trunks[0].From = "carrier.test", "tcp", nil
						c.find = func(context.Context, locate.Target) (locate.Found, error) {
							found := locate.Found{TTL: time.Hour, Whole: true}
							for _, at := range []string{farFirst, farSecond} {
								found.Hops = append(found.Hops, locate.Hop{Transport: "tcp", Addr: netip.MustParseAddrPort(at)})
							}
							return found, nil
						}
						set(&c.Trunks[0])
					}, nil)
					var done <-chan dialed
					if method == "INVITE" {
						done = b.dial(t.Context(), driver)
					}
					second := n.carrier(farSecond)
					came := second.want(method)
					if took := time.Since(began); took > search() {
						t.Errorf("%s is there after %v, more than %v", method, took, search())
					}
					b.follow(second, method, came, done)
				})
			})
		}
	}
}
