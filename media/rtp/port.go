package rtp

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"cabline/media"
)

// Port is the audio of one party over plain RTP; it implements media.Port. It
// is not to be used before Answer or Accept has told it where the party is:
// until then nothing is heard and nothing is said.
//
// Locks: rx, then the tx of another port or one's own. Nobody who holds a tx
// takes an rx. A sink must not call Plug, Close, Answer or Accept of the port
// it is plugged into from within WriteRTP.
type Port struct {
	relay *Relay
	pair  pair
	here  uint16 // the RTP port
	once  sync.Once

	broken   atomic.Bool // something of it has panicked
	rx       rx
	tx       tx
	pressed  media.DigitReceiver
	pressing media.DigitSender

	talk       negotiation
	keys       Keys
	nextReport time.Time // of the relay's goroutine alone
	cname      string
}

var _ media.Port = (*Port)(nil)

func newPort(r *Relay, o Options) *Port {
	p := &Port{
		relay:      r,
		nextReport: time.Now().Add(media.NextReport()),
		cname:      randomName(),
	}
	p.rx.latching, p.rx.near = o.Latching, o.Signalling.Unmap()
	p.keys = o.Keys
	p.pressed.Inband(o.Keys == KeysInBand)
	p.tx.stream = media.NewStream(rand.Uint32(), uint16(rand.Uint32())>>1, rand.Uint32()) // RFC 3711 §3.3.1: far from the turn
	p.pressing.Clock, p.pressing.Say = r.clock, p.tx.say
	p.talk.begin(o)
	return p
}

// Plug sends what the party says to a sink from now on.
func (p *Port) Plug(to media.Sink) {
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	if !p.rx.closed {
		p.rx.sink = to
		media.Rejoin(to)
		p.pressed.Moved()
	}
}

// Play says a speech to the party.
func (p *Port) Play(ctx context.Context, what media.Speech) error {
	return p.relay.clock.Play(ctx, p, what)
}

// Digits are the keys the party presses.
func (p *Port) Digits() <-chan media.Digit { return p.pressed.Digits() }

// SendDigit presses a key towards the party.
func (p *Port) SendDigit(d media.Digit) { p.pressing.Send(d) }

// TellKeys has keys towards the party told by SIP INFO from now on: press is
// called for each, and must not block.
func (p *Port) TellKeys(press func(media.Digit)) { p.pressing.UseInfo(press) }

// KeysInSound says that the party is sent keys as tones; see media.Retell.
func (p *Port) KeysInSound() bool { return p.pressing.InSound() }

// Heard takes a key of the party which arrived by SIP INFO. One that came in
// the audio too counts once.
func (p *Port) Heard(d media.Digit) {
	if !p.pressed.Info(d, time.Now()) {
		return
	}
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	if other, ok := p.rx.sink.(media.Port); ok {
		other.SendDigit(d)
	}
}

// WhenLost has f called when the port is of no more use because of a fault of ours.
// f must not block.
func (p *Port) WhenLost(f func()) {
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	p.rx.lost = f
}

// hurt makes a port deaf and dumb that has panicked: the next packet may do so again.
func (p *Port) hurt() {
	if p.broken.Swap(true) {
		return
	}
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	p.rx.closed, p.rx.sink = true, nil
	if p.rx.lost != nil {
		p.rx.lost()
	}
}

// Stats counts what has passed so far.
func (p *Port) Stats() media.Stats {
	s := p.received()
	p.tx.mu.Lock()
	defer p.tx.mu.Unlock()
	s.Sent = p.tx.packets
	if p.tx.to.IsValid() {
		s.Codec = p.tx.codec.String()
	}
	return s
}

// received is what there is of the way from the party.
func (p *Port) received() media.Stats {
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	s := media.Stats{
		Dropped:      p.rx.dropped,
		PeerExpected: p.rx.peer.expected,
		PeerLost:     p.rx.peer.lost,
		PeerJitter:   p.rx.peer.sender.Jitter(),
		RoundTrip:    p.rx.peer.roundTrip,
	}
	p.rx.reception.Fill(&s)
	return s
}

// LocalAddr is where the party is told to send to.
func (p *Port) LocalAddr() netip.AddrPort {
	return netip.AddrPortFrom(p.talk.here, p.here)
}

// Close gives the port back. When it returns the sink gets nothing more and
// nothing more is sent. It may be called many times.
func (p *Port) Close() error {
	p.once.Do(func() {
		p.pressing.Close()
		p.goodbye()
		p.rx.mu.Lock()
		p.rx.closed, p.rx.sink = true, nil
		p.rx.mu.Unlock()
		p.release()
		p.relay.forget(p)
	})
	return nil
}

// release closes the sockets and gives the pair back.
func (p *Port) release() {
	p.tx.mu.Lock()
	p.tx.closed = true
	p.tx.mu.Unlock() // who sends has the lock: nobody sends now
	p.tx.rtp.Close()
	p.tx.rtcp.Close()
	if p.relay.pairs != nil {
		p.pair.former = p.rx.remember(time.Now())
		p.relay.pairs.give(p.pair)
	}
}
