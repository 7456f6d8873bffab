package webrtc

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
)

// path is a way to the browser that ICE finds (RFC 8445), which pion does. A browser
// that changes its network asks for another one (an ICE restart, §9); audio goes on
// over the former until that is there.
type path struct {
	port      *Port
	gatherer  *webrtc.ICEGatherer
	transport *webrtc.ICETransport
	gathered  chan struct{}  // closed when all our addresses are known
	checks    sync.WaitGroup // pion's, until there is a way

	found atomic.Bool // there is a way
	left  atomic.Bool // another path is taken, or none
}

// newPath gathers our addresses, which takes no round trip.
func newPath(p *Port) (*path, error) {
	settings := p.browsers.settings
	settings.SetICEBindingRequestHandler(func(_ *stun.Message, _, browser ice.Candidate, _ *ice.CandidatePair) bool {
		p.at(browser.Address(), browser.Port(), true) // it knows our password
		return false                                  // which way is taken stays ICE's to say
	})
	// Of pion's API we use the transport alone.
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(nil), webrtc.WithInterceptorRegistry(nil))
	gatherer, err := api.NewICEGatherer(webrtc.ICEGatherOptions{})
	if err != nil {
		return nil, err
	}
	w := &path{port: p, gatherer: gatherer, transport: api.NewICETransport(gatherer), gathered: make(chan struct{})}
	gatherer.OnLocalCandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			close(w.gathered)
		}
	})
	w.transport.OnConnectionStateChange(w.changed)
	w.transport.OnSelectedCandidatePairChange(w.selected)
	if err := w.gather(); err != nil {
		err = errors.Join(err, w.leave())
		return nil, err
	}
	return w, nil
}

func (w *path) gather() error {
	if err := w.gatherer.Gather(); err != nil {
		return err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-w.gathered:
		return nil
	case <-w.port.gone:
		return ErrClosed
	case <-late.C:
		return errors.New("our addresses are not known in time")
	}
}

// offers is what our SDP says of it: how the browser proves itself, and where we are.
func (w *path) offers() (credentials webrtc.ICEParameters, candidates []string, err error) {
	if credentials, err = w.gatherer.GetLocalParameters(); err != nil {
		return credentials, nil, err
	}
	list, err := w.gatherer.GetLocalCandidates()
	if err != nil {
		return credentials, nil, err
	}
	for _, c := range list {
		candidates = append(candidates, strings.TrimPrefix(c.ToJSON().Candidate, "candidate:"))
	}
	if len(candidates) == 0 {
		return credentials, nil, errors.New("no network address to offer")
	}
	return credentials, candidates, nil
}

// begin looks for the browser; lead: it is we who choose among the ways (RFC 8445
// §6.1.1).
func (w *path) begin(r *remote, lead bool) error {
	for i := range r.candidates {
		c := &r.candidates[i]
		if err := w.transport.AddRemoteCandidate(c); err != nil {
			return fmt.Errorf("candidate %s: %w", c.Address, err)
		}
		w.port.at(c.Address, int(c.Port), false) // its ClientHello may be here before pion tells of the check
	}
	role := webrtc.ICERoleControlled
	if lead || r.iceLite {
		role = webrtc.ICERoleControlling
	}
	theirs := webrtc.ICEParameters{UsernameFragment: r.ufrag, Password: r.pwd, ICELite: r.iceLite}
	w.checks.Go(func() {
		w.port.alone(func() { _ = w.transport.Start(nil, theirs, &role) }) // what becomes of it is told to changed
	})
	return nil
}

// changed is told by pion what becomes of the checks.
func (w *path) changed(state webrtc.ICETransportState) {
	switch state {
	case webrtc.ICETransportStateConnected:
		w.found.Store(true)
		w.port.handshakes.hurry()
	case webrtc.ICETransportStateFailed:
		if !w.left.Load() {
			w.port.lose()
		}
	}
}

// selected is told by pion which way is taken from now on.
func (w *path) selected(pair *webrtc.ICECandidatePair) {
	if at, ok := w.port.at(pair.Remote.Address, int(pair.Remote.Port), true); ok && !w.left.Load() {
		w.port.way.Store(&at)
		w.port.handshakes.reach()
	}
}

// roundTrip is what ICE's checks have measured; 0: nothing yet.
func (w *path) roundTrip() time.Duration {
	if !w.found.Load() { // pion may not be asked while it starts
		return 0
	}
	pair, _ := w.transport.GetSelectedCandidatePairStats()
	return time.Duration(pair.CurrentRoundTripTime * float64(time.Second))
}

// leave ends it and waits for its goroutines.
func (w *path) leave() error {
	w.left.Store(true)
	err := w.transport.GracefulStop()
	w.checks.Wait()
	return err
}

// at takes note of an address of the port's browser; see sieve.settle.
func (p *Port) at(host string, port int, proven bool) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	at := canonical(netip.AddrPortFrom(addr, uint16(port)))
	return at, p.browsers.sieve.settle(at, p, proven)
}
