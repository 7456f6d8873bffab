package webrtc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"cabline/media"
)

// patience is how long a speech waits for the browser's audio, which comes up
// some 100 ms after the answer, over a bad network seconds later.
const patience = 5 * time.Second

// ErrClosed is what a port answers when it is closed or its browser is lost.
var ErrClosed = errors.New("browser's audio is closed")

// Port is the audio of one browser: a media.Port that is negotiated by SDP.
type Port struct {
	browsers *Browsers
	pc       *webrtc.PeerConnection
	secrets  secrets
	ear      ear
	voice    voice

	sources  atomic.Int32
	gathered chan struct{} // told when pion may know all our addresses
	up       chan struct{} // closed when the browser can hear us
	lost     chan struct{} // closed when it is gone for good
	gone     chan struct{} // closed by Close
	once     struct{ up, lost, gone sync.Once }
	closing  error // of Close

	nextReport time.Time // of the browsers' goroutine alone

	way    sync.Mutex  // to the browser; held while it changes
	shaken atomic.Bool // it has said something: for it the handshake is over

	mu     sync.Mutex // one negotiation at a time
	local  local
	remote *remote // nil: nothing agreed yet
	setup  string  // our side of DTLS, once agreed: passive or active
}

var _ media.Port = (*Port)(nil)

func newPort(b *Browsers) *Port {
	p := &Port{
		browsers: b,
		up:       make(chan struct{}),
		lost:     make(chan struct{}),
		gone:     make(chan struct{}),
		gathered: make(chan struct{}, 1),

		nextReport: time.Now().Add(media.NextReport()),
	}
	p.ear.said = p.voice.said
	p.ear.begun = func() { p.shaken.Store(true) }
	p.secrets.known = p.follow
	p.ear.digits.Inband(b.inband)
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
	select {
	case <-p.up: // pion's ICE may not be asked while it starts
		if pair, ok := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePairStats(); ok {
			s.RoundTrip = time.Duration(pair.CurrentRoundTripTime * float64(time.Second))
		}
	default:
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
		p.voice.stop()
		if err := p.pc.GracefulClose(); err != nil {
			p.closing = fmt.Errorf("close a browser's port: %w", err)
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

// report tells the browser how well it is heard and what was said to it (RFC
// 3550 §6.4).
func (p *Port) report(now time.Time) {
	if packets := p.voice.report(p.ear.block(now), now); packets != nil {
		_ = p.pc.WriteRTCP(packets) // the next one may arrive
	}
}

// found is called by pion for each of our addresses, and with nil after the
// last.
func (p *Port) found(c *webrtc.ICECandidate) {
	if c != nil {
		return
	}
	select {
	case p.gathered <- struct{}{}:
	default:
	}
}

// changed follows pion's connection. Pion calls it in a goroutine for each
// change, so they may come in any order.
func (p *Port) changed(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateConnected:
		p.once.up.Do(func() {
			p.voice.start(p.begin(), p.browsers.sieve)
			close(p.up)
		})
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		p.lose()
	}
}

// follow has our own packets go where pion's do, and the browser's come from there,
// from now on.
func (p *Port) follow() {
	ice := p.pc.SCTP().Transport().ICETransport()
	moved := func(*webrtc.ICECandidatePair) {
		p.way.Lock()
		defer p.way.Unlock()
		pair, err := ice.GetSelectedCandidatePair() // by now it may be another
		if err != nil || pair == nil {
			return
		}
		if addr, err := netip.ParseAddr(pair.Remote.Address); err == nil {
			at := netip.AddrPortFrom(addr, pair.Remote.Port)
			p.voice.redirect(at)
			p.browsers.sieve.settle(at, p)
		}
	}
	ice.OnSelectedCandidatePairChange(moved)
	moved(nil)
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
	if p.remote == nil && p.local.ufrag == "" {
		offer, err := p.pc.CreateOffer(nil)
		if err == nil {
			err = p.gather(offer)
		}
		if err != nil {
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

// answer lets pion take a new connection, or an ICE restart of the one it has.
func (p *Port) answer(r *remote) error {
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: r.plain()}); err != nil {
		return err
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return p.gather(answer)
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
	case p.remote == nil:
		err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: r.plain()})
		if err != nil {
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
	if p.remote == nil {
		p.setup = "passive"
		if r.setup == "passive" {
			p.setup = "active"
		}
	}
	p.remote = r
	p.local.agree(r)
	p.ear.agree(p.local.agreement, r.direction == sendrecv)
	p.voice.agree(p.local.agreement, r.direction&recvonly == 0)
}

// gather makes pion's own SDP the agreed one, waits until it knows all our
// addresses, which takes no round trip, and takes from it what ours needs.
func (p *Port) gather(own webrtc.SessionDescription) error {
	if err := p.pc.SetLocalDescription(own); err != nil {
		return err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	// Pion's GatheringCompletePromise misses an end that comes while it is made.
	for p.pc.ICEGatheringState() != webrtc.ICEGatheringStateComplete {
		select {
		case <-p.gathered:
		case <-p.gone:
			return ErrClosed
		case <-late.C:
			return errors.New("our addresses are not known in time")
		}
	}
	complete := p.pc.LocalDescription()
	if complete == nil {
		return ErrClosed
	}
	desc, err := complete.Unmarshal()
	if err != nil {
		return err
	}
	a := attributes{desc, desc.MediaDescriptions[0]}
	p.local.candidates = nil
	for _, c := range a.values("candidate") {
		if !rtcpCandidate(c) {
			p.local.candidates = append(p.local.candidates, c)
		}
	}
	if len(p.local.candidates) == 0 {
		return errors.New("no network address to offer")
	}
	p.local.ufrag, p.local.pwd = a.value("ice-ufrag"), a.value("ice-pwd")
	return nil
}
