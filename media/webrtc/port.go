package webrtc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"

	"cabline/media"
	own "cabline/media/srtp"
)

// patience is how long a speech waits for the browser's audio, which comes up
// some 100 ms after the answer, over a bad network seconds later.
const patience = 5 * time.Second

// ErrClosed is what a port answers when it is closed or its browser is lost.
var ErrClosed = errors.New("browser's audio is closed")

// Port is the audio of one browser: a media.Port that is negotiated by SDP.
type Port struct {
	browsers   *Browsers
	handshakes handshakes
	ear        ear
	voice      voice

	way       atomic.Pointer[netip.AddrPort] // where the browser is; nil: not known yet
	addresses int                            // where it may be besides; of the sieve's lock

	up      chan struct{} // closed when the browser can hear us
	broken  atomic.Bool   // something of it has panicked
	lost    chan struct{} // closed when it is gone for good
	gone    chan struct{} // closed by Close
	once    struct{ up, lost, gone sync.Once }
	closing error // of Close

	nextReport time.Time // of the browsers' goroutine alone

	path atomic.Pointer[path] // nil: none looked for yet

	mu     sync.Mutex // one negotiation at a time
	local  local
	remote *remote // nil: nothing agreed yet
	setup  string  // our side of DTLS, once agreed: passive or active
}

var _ media.Port = (*Port)(nil)

func newPort(b *Browsers) *Port {
	ssrc := rand.Uint32()
	p := &Port{
		browsers: b,
		local:    newLocal(ssrc, b.fingerprint, b.ours),
		up:       make(chan struct{}),
		lost:     make(chan struct{}),
		gone:     make(chan struct{}),

		nextReport: time.Now().Add(media.NextReport()),
	}
	p.handshakes.prepare(p)
	p.ear.ssrc, p.ear.said = ssrc, p.voice.said
	p.ear.digits.Inband(b.inband)
	p.voice.stream = media.NewStream(ssrc, uint16(rand.Uint32()), rand.Uint32())
	p.voice.out = p.write
	p.voice.keys.Clock, p.voice.keys.Say = b.clock, p.voice.write
	return p
}

// WriteRTP says one packet to the browser. Until its audio is up, on hold and
// after its loss, the packet is dropped.
func (p *Port) WriteRTP(packet *media.Packet) { p.voice.say(packet) }

// Plug sends what the browser says to a sink; see media.Port.
func (p *Port) Plug(to media.Sink) { p.ear.plug(to) }

// LeaveOut is told of a packet that the browser is not to hear; see
// media.LeaveOut.
func (p *Port) LeaveOut(packet *media.Packet) { p.voice.leaveOut(packet) }

// Rejoin is told that the browser hears another party from now on; see
// media.Rejoin.
func (p *Port) Rejoin() { p.voice.rejoin() }

// Play says a speech, which begins when the browser can hear it, or after five
// seconds in any case; see media.Port.
func (p *Port) Play(ctx context.Context, what media.Speech) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-p.up:
	case <-late.C:
	case <-p.lost:
		return ErrClosed
	case <-p.gone:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return p.browsers.clock.Play(ctx, p, what)
}

// Digits are the keys the operator presses; see media.Port.
func (p *Port) Digits() <-chan media.Digit { return p.ear.digits.Digits() }

// KeysInSound says that no telephone-event is agreed on; see media.Retell.
func (p *Port) KeysInSound() bool { return p.voice.keys.InSound() }

// Heard takes a key of the browser which arrived by SIP INFO. It goes where a
// key in the audio goes, to Digits and to the port plugged in; one that comes
// both ways counts once.
func (p *Port) Heard(d media.Digit) { p.ear.heard(d) }

// SendDigit presses a key towards the browser; see media.Port.
func (p *Port) SendDigit(d media.Digit) { p.voice.keys.Send(d) }

// Stats counts what has passed so far. The round trip is that of ICE's checks.
func (p *Port) Stats() media.Stats {
	s := p.ear.stats()
	s.Sent = p.voice.said()
	if way := p.path.Load(); way != nil {
		s.RoundTrip = way.roundTrip()
	}
	return s
}

// Lost is closed when the browser's audio is gone for good: ICE or DTLS failed,
// or the browser closed it. Close does not close it.
func (p *Port) Lost() <-chan struct{} { return p.lost }

// Close ends the audio and waits for its goroutines. When it returns, nobody
// hears anything from this port any more.
func (p *Port) Close() error {
	p.once.gone.Do(func() {
		close(p.gone)
		p.Plug(nil)
		p.voice.keys.Close()
		p.handshakes.close() // says goodbye, while there is a way
		p.voice.stop()
		p.mu.Lock() // whoever looks for another way has ended
		defer p.mu.Unlock()
		if way := p.path.Load(); way != nil {
			if err := way.leave(); err != nil {
				p.closing = fmt.Errorf("close a browser's port: %w", err)
			}
		}
		p.browsers.forget(p)
	})
	return p.closing
}

// reportWhenDue sends a report every few seconds.
func (p *Port) reportWhenDue(now time.Time) {
	if !now.Before(p.nextReport) {
		p.nextReport = now.Add(media.NextReport())
		p.report(now)
	}
}

// write sends a datagram to where the browser is.
func (p *Port) write(b []byte) bool {
	to := p.way.Load()
	if to == nil {
		return false
	}
	_, err := p.browsers.sieve.WriteToAddrPort(b, *to)
	return err == nil
}

// report tells the browser how well it is heard and what was said to it (RFC
// 3550 §6.4).
func (p *Port) report(now time.Time) {
	if !p.broken.Load() {
		p.voice.report(p.ear.block(now), now)
	}
}

// secure takes the keys that a handshake has agreed on (RFC 5764 §4.2). From then on the
// browser can hear us.
func (p *Port) secure(c *dtls.Conn, client bool) error {
	state, known := c.ConnectionState()
	profile, agreed := c.SelectedSRTPProtectionProfile()
	if !known || !agreed {
		return errors.New("the browser agrees on no way to encrypt audio")
	}
	keys := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := keys.ExtractSessionKeysFromDTLS(&state, client); err != nil {
		return err
	}
	opener, err := own.NewOpener(keys.Profile, keys.Keys.RemoteMasterKey, keys.Keys.RemoteMasterSalt, nil)
	if err != nil {
		return err
	}
	sealer, err := own.NewSealer(keys.Profile, keys.Keys.LocalMasterKey, keys.Keys.LocalMasterSalt)
	if err != nil {
		return err
	}
	p.once.up.Do(func() {
		p.ear.open(opener)
		p.voice.start(sealer)
		close(p.up)
	})
	return nil
}

// alone does what concerns the port alone, on a goroutine of its own.
func (p *Port) alone(do func()) {
	p.browsers.line.Each(1, func(int) { do() }, func(int) { p.hurt() })
}

// hurt ends a port that has panicked: the next packet may do so again.
func (p *Port) hurt() {
	p.broken.Store(true)
	p.browsers.sieve.forget(p)
	p.lose()
}

func (p *Port) lose() {
	select {
	case <-p.gone: // it is we who closed
	default:
		p.once.lost.Do(func() { close(p.lost) })
	}
}

// Offer is the SDP of an INVITE to the browser. Once agreed, it offers the same
// again.
func (p *Port) Offer() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path.Load() == nil {
		if err := p.look(); err != nil {
			return nil, fmt.Errorf("offer audio to a browser: %w", err)
		}
	}
	return p.local.write(sendrecv, "actpass"), nil
}

// Answer takes the browser's offer, the first one or one that changes the call
// (hold, back from hold, another network), and returns our answer. On an error
// all stays as it was.
func (p *Port) Answer(offer []byte) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, err := p.local.read(offer)
	if err != nil {
		return nil, err
	}
	if p.remote != nil && r.fingerprint != p.remote.fingerprint {
		return nil, errors.New("the browser's certificate cannot change within a call")
	}
	if p.remote == nil || r.ufrag != p.remote.ufrag || r.pwd != p.remote.pwd {
		if err := p.answer(r); err != nil {
			return nil, fmt.Errorf("answer a browser: %w", err)
		}
	}
	p.agree(r)
	return p.local.write(r.direction.seen(), p.setup), nil
}

// answer takes a new way to the browser.
func (p *Port) answer(r *remote) error {
	former := p.path.Load()
	if err := p.look(); err != nil {
		return err
	}
	if former != nil { // pion's mux would give it what the browser sends to the new one
		_ = former.leave()
		p.browsers.sieve.forget(p)
		if way := p.way.Load(); way != nil {
			p.browsers.sieve.settle(*way, p, true)
		}
	}
	return p.begin(r, false)
}

// look makes ready for a way to the browser.
func (p *Port) look() error {
	select {
	case <-p.gone:
		return ErrClosed
	default:
	}
	way, err := newPath(p)
	if err != nil {
		return err
	}
	credentials, candidates, err := way.offers()
	if err != nil {
		return errors.Join(err, way.leave())
	}
	p.path.Store(way)
	p.local.ufrag, p.local.pwd, p.local.candidates = credentials.UsernameFragment, credentials.Password, candidates
	return nil
}

// begin looks for the way to the browser, and for its keys if there are none yet.
func (p *Port) begin(r *remote, lead bool) error {
	if p.remote == nil {
		p.setup = "passive"
		if r.setup == "passive" {
			p.setup = "active"
		}
		p.handshakes.begin(p.setup == "active", r.fingerprint)
	}
	return p.path.Load().begin(r, lead)
}

// Accept takes the browser's answer to our Offer.
func (p *Port) Accept(answer []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, err := p.local.read(answer)
	if err != nil {
		return err
	}
	switch {
	case len(r.sections) != len(p.local.sections):
		return fmt.Errorf("answer has %d media, not %d as offered", len(r.sections), len(p.local.sections))
	case p.path.Load() == nil:
		return errors.New("answer to no offer")
	case p.remote == nil:
		if err := p.begin(r, true); err != nil {
			return fmt.Errorf("accept a browser's answer: %w", err)
		}
	case r.fingerprint != p.remote.fingerprint || r.ufrag != p.remote.ufrag || r.pwd != p.remote.pwd:
		return errors.New("answer is another browser's than the one that was agreed with")
	}
	p.agree(r)
	return nil
}

// agree makes r what is agreed; p.mu is held.
func (p *Port) agree(r *remote) {
	p.remote = r
	p.local.agree(r)
	p.ear.agree(p.local.agreement, r.direction == sendrecv)
	p.voice.agree(p.local.agreement, r.direction&recvonly == 0)
}
