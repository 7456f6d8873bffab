package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"cabline/cmd/internal/telephone"
)

// bridged is what a number of calls between an operator's browser and a party on
// the trunk gives: SIP on a WebSocket with ICE, DTLS and SRTP on one side, plain
// on the other.
type bridged struct {
	Calls       int     `json:"calls"`
	Seconds     float64 `json:"seconds"`
	ToBrowsers  uint64  `json:"packets_to_browsers"`   // sent by the parties on the trunk
	FromBrowser uint64  `json:"packets_from_browsers"` // that came out on the trunk
	Unheard     int     `json:"browsers_unheard"`      // who heard less than nine tenths of the time
	CPUPacket   float64 `json:"cpu_us_per_packet"`     // of both ways
	Times       float64 `json:"times_bare"`
	KBOperator  float64 `json:"kb_per_operator"` // who has logged in, and waits
	KBCall      float64 `json:"kb_per_call"`     // on top
	CPU         usage   `json:"cpu"`
	RSS         int     `json:"rss_kb"`
}

// desks are the operators at their browsers: their logins begin so, and end with
// their number, from 1.
type desks struct {
	Server   netip.AddrPort // of their WebSocket
	Login    string
	Password string
	Number   string // that they dial; the exchange must reach the callee by it
}

// operatorsHost is where their browsers are: no address of the trunk's.
var operatorsHost = netip.AddrFrom4([4]byte{127, 0, 0, 4})

// bridge has n operators call out and measures their talks.
func (b bench) bridge(ctx context.Context, d desks, n int, length time.Duration) (r bridged, err error) {
	out, in, e, err := b.connect()
	if err != nil {
		return r, err
	}
	defer func() { out.close(); in.close(); e.close() }()
	idle, err := b.PID.own()
	if err != nil {
		return r, err
	}
	var phones []*telephone.Phone
	for i := range n {
		phone, err := telephone.NewPhone(telephone.Options{Network: "ws", Listen: netip.AddrPortFrom(operatorsHost, 0), Server: d.Server,
			Number: fmt.Sprint(d.Login, i+1), Password: d.Password})
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, phone.Close()) }()
		if err := register(ctx, phone); err != nil {
			return r, fmt.Errorf("operator %d: %w", i+1, err)
		}
		phones = append(phones, phone)
	}
	if err := pause(ctx, settling); err != nil {
		return r, err
	}
	waiting, err := b.PID.own()
	if err != nil {
		return r, err
	}
	var calls []*telephone.Call
	for i, phone := range phones {
		call, err := d.call(ctx, phone)
		if err != nil {
			return r, fmt.Errorf("operator %d: %w", i+1, err)
		}
		defer func() { _ = call.HangUp() }() // the exchange may have
		calls = append(calls, call)
	}
	if err := pause(ctx, settling); err != nil {
		return r, err
	}
	b.quiet(ctx)
	heard := heardBy(calls)
	if r, err = b.listenToBrowsers(ctx, e, n, length); err != nil {
		return r, err
	}
	for i, now := range heardBy(calls) {
		if now-heard[i] < length*9/10 {
			r.Unheard++
		}
	}
	talking, err := b.PID.own()
	r.KBOperator, r.KBCall = float64(waiting-idle)/float64(n), float64(talking-waiting)/float64(n)
	return r, err
}

// register logs an operator in.
func register(ctx context.Context, phone *telephone.Phone) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("no answer in time"))
	defer cancel()
	return phone.Register(ctx)
}

// call is an operator's to the callee.
func (d desks) call(ctx context.Context, phone *telephone.Phone) (*telephone.Call, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("no answer in time"))
	defer cancel()
	call, err := phone.Call(d.Number)
	if err != nil {
		return nil, err
	}
	call.Tone(440)
	return call, call.WaitTalk(ctx)
}

// heardBy is how much each party has heard so far.
func heardBy(calls []*telephone.Call) (all []time.Duration) {
	for _, call := range calls {
		all = append(all, time.Duration(len(call.Heard().ALaw))*sampleTime)
	}
	return all
}

// listenToBrowsers takes one window. A browser's packets bear no stamp.
func (b bench) listenToBrowsers(ctx context.Context, e *engine, n int, length time.Duration) (bridged, error) {
	r := bridged{Calls: n, Seconds: length.Seconds()}
	stop, err := watch(b.PID)
	if err != nil {
		return r, err
	}
	e.do(func() { e.open(length) })
	if err := pause(ctx, length); err != nil {
		return r, err
	}
	if r.CPU, err = stop(); err != nil {
		return r, err
	}
	e.do(func() {
		r.ToBrowsers, r.FromBrowser = e.window.sent, e.window.unstamped
		e.window = window{}
	})
	if both := r.ToBrowsers + r.FromBrowser; both > 0 {
		r.CPUPacket = r.CPU.PBX * 1e6 / float64(both)
	}
	r.RSS, err = b.PID.memory()
	return r, err
}
