package sip

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"cabline/media/faults"
	"cabline/pbx"
	"cabline/pbx/sip/locate"
)

// Server is the SIP side of the exchange.
type Server struct {
	cfg    Config
	trunks []*trunk
	udp    []*socket
	doors  []*door            // TCP and TLS
	opened map[string]*opened // connections of ours, by network as sipgo names it

	opening singleflight.Group // of connections
	names   namedPeers         // of peers, in the DNS

	transport    *wire.TransportLayer
	transactions *wire.TransactionLayer

	ws      *innerListener
	places  *places // of connections
	surplus surplus

	digest    *digester
	register  *registrar
	unkept    unkept
	cancels   cancels // that came before their INVITE
	strangers strangers
	dropped   atomic.Uint64
	pending   pending // of those we know
	strange   pending // of strangers
	partings  partings
	faults    *faults.Desk
	log       *libraryLog // of sipgo

	legs      legTable
	tagSeed   maphash.Seed
	work      work
	declining atomic.Bool // no calls come in any more
	stopping  atomic.Bool
}

// farewell is how long calls get to end by themselves when the exchange stops,
// and then again until those that did not are cut off.
const farewell = 3 * time.Second

// New opens the sockets. Nothing is read from them before Serve.
func New(cfg Config) (*Server, error) {
	prepareSipgo()
	s := &Server{cfg: cfg.withDefaults(), tagSeed: maphash.MakeSeed(), names: namedPeers{each: map[locate.Target]*named{}}, ws: newInnerListener(),
		opened: map[string]*opened{"TCP": newOpened(), "TLS": newOpened()}}
	s.digest = newDigester(s.cfg.Realm, s.cfg.Accounts)
	s.register, s.unkept = newRegistrar(s.cfg.Exchange.SetOnline), newUnkept()
	s.legs.init()
	s.work.fault = func(fault any) { panic(fault) } // nothing is served yet
	s.places = newPlaces(s.carrierAt, s.cfg.Gate.Inhabited, s.cfg.unproven)
	for _, t := range s.cfg.Trunks {
		trunk, err := newTrunk(t)
		if err != nil {
			return nil, err
		}
		s.trunks = append(s.trunks, trunk)
	}
	for _, l := range s.cfg.Listen {
		if err := s.listen(l); err != nil {
			s.closeSockets()
			return nil, err
		}
	}
	s.log = &libraryLog{logger: new(atomic.Pointer[zerolog.Logger])}
	s.faults = faults.NewDesk(func(fault any, stack []byte) {
		s.log.logger.Load().Error().Interface("panic", fault).Bytes("stack", stack).Msg("a fault of ours")
	})
	log := slog.New(s.log)
	s.transport = wire.NewTransportLayer(noDNS, s.cfg.parser, nil,
		wire.WithTransportLayerLogger(log), wire.WithTransportLayerTransports(transports()))
	s.transport.OnMessage(s.tagRequest) // before the transaction layer, which is added next
	s.transactions = wire.NewTransactionLayer(s.transport,
		wire.WithTransactionLayerLogger(log),
		wire.WithTransactionLayerTerminateOnConnClose(),
		wire.WithTransactionLayerUnhandledResponseHandler(s.strayResponse))
	return s, nil
}

func (s *Server) listen(l Listen) error {
	switch l.Network {
	case "udp":
		socket, err := openSocket(l.Addr, s.guard)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		s.udp = append(s.udp, socket)
	case "tcp", "tls":
		if l.Network == "tls" && s.cfg.Certificate == nil {
			return fmt.Errorf("listen on %s: TLS without a certificate", l.Addr)
		}
		listener, err := net.Listen(family("tcp", l.Addr), l.Addr.String())
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		s.doors = append(s.doors, &door{Listener: listener, network: l.Network, server: s})
	default:
		return fmt.Errorf("listen on %q: only udp, tcp and tls", l.Network)
	}
	return nil
}

// Addrs is what was bound: the UDP sockets, then those of streams.
func (s *Server) Addrs() []Listen {
	var bound []Listen
	for _, socket := range s.udp {
		bound = append(bound, Listen{"udp", socket.addr})
	}
	for _, d := range s.doors {
		bound = append(bound, Listen{d.network, d.addr()})
	}
	return bound
}

// Serve receives until ctx ends. Then new calls are refused, stories learn of
// it by their context, legs that are still there are hung up, and Serve returns
// when all is closed. It may be called once.
func (s *Server) Serve(ctx context.Context) error {
	calls, endCalls := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endCalls(nil)
	s.log.logger.Store(zerolog.Ctx(ctx))
	s.work.fault = s.faults.Take
	s.transactions.OnRequest(func(req *wire.Request, tx *wire.ServerTx) {
		s.work.begin()
		defer s.work.done()
		s.receive(calls, req, tx)
	})
	var back map[string]bool
	if s.cfg.Devices != nil {
		back = s.restore(calls) // before anything newer is read
		s.work.Keep(calls, func() { s.keep(calls) })
	}
	ended, readers := s.read(calls)
	s.work.Go(func() { s.welcomeBack(calls, back) })
	s.work.Keep(calls, func() { s.expire(calls) })
	for _, t := range s.trunks {
		if t.Target != "" {
			s.work.Keep(calls, func() { s.stayLocated(calls, t) })
		}
		if t.Register {
			s.work.Keep(calls, func() { s.stayRegistered(calls, t) })
		}
		if t.Options > 0 && t.Target != "" {
			s.work.Keep(calls, func() { s.watchHealth(calls, t) })
		}
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		err = fmt.Errorf("sip socket: %w", err)
	}
	s.Decline()
	s.stopping.Store(true)
	endCalls(pbx.ErrShutdown)
	s.sayGoodbye(calls)
	s.closeSockets()
	s.transactions.Close()
	err = errors.Join(err, s.transport.Close())
	readers.Wait()
	s.idle() // what the closing of connections has set off
	return err
}

// Decline has every call that wants to come in from now on refused with 503, and
// trunks that ask by OPTIONS told so, which may have others. Calls in progress go
// on, calls out and registrations too: operators are needed until the end, and a
// trunk that is registered gets its 503 in place of silence.
func (s *Server) Decline() { s.declining.Store(true) }

// read lets sipgo read all sockets; the channel gets the first error.
func (s *Server) read(ctx context.Context) (<-chan error, *sync.WaitGroup) {
	first, readers := make(chan error, 1), new(sync.WaitGroup)
	read := func(serve func() error) {
		readers.Go(func() {
			err := serve()
			select {
			case first <- err:
			default:
			}
		})
	}
	for _, socket := range s.udp {
		read(func() error { return s.serveUDP(socket) })
	}
	serve := map[string]func(net.Listener) error{"TCP": s.transport.ServeTCP, "TLS": s.transport.ServeTLS}
	for _, d := range s.doors {
		d.ctx = ctx
		read(func() error { return serve[strings.ToUpper(d.network)](d) })
	}
	for network, o := range s.opened {
		read(func() error { return serve[network](o) })
	}
	read(func() error { return s.transport.ServeWS(s.ws) })
	return first, readers
}

// sayGoodbye waits for stories and open requests, and hangs up what is left.
func (s *Server) sayGoodbye(ctx context.Context) {
	if s.idle() {
		return
	}
	for _, leg := range s.legs.all() {
		if err := leg.HangUp(ctx, pbx.ErrShutdown); err != nil {
			zerolog.Ctx(ctx).Debug().Err(err).Msg("hang up at shutdown")
		}
	}
	if !s.idle() && s.legs.count() > 0 {
		zerolog.Ctx(ctx).Warn().Int("legs", s.legs.count()).Msg("stopped with calls still open")
	}
}

// idle waits a while for all work to end.
func (s *Server) idle() bool {
	patience := time.NewTimer(farewell)
	defer patience.Stop()
	select {
	case <-s.work.wait():
		return true
	case <-patience.C:
		return false
	}
}

func (s *Server) closeSockets() {
	for _, socket := range s.udp {
		_ = socket.Close()
	}
	for _, d := range s.doors {
		_ = d.Close()
	}
	for _, o := range s.opened {
		_ = o.Close()
	}
	_ = s.ws.Close()
}

// prepareSipgo sets what sipgo keeps in variables of its package.
var prepareSipgo = sync.OnceFunc(func() {
	// Its own logging would print whatever a scanner sends.
	wire.SetDefaultLogger(slog.New(slog.DiscardHandler))
	// RFC 3261 §18.1.1 wants requests over 1300 bytes to go over TCP. Carriers and
	// phones that speak UDP seldom take TCP, so they leave in fragments, as those of
	// most exchanges do; ours are that long only with SRTP and many codecs.
	wire.UDPMTUSize = 65000
	// RFC 6026 §7.1 and §7.2 keep transactions for 64*T1 after a 2xx. Our dialogs
	// absorb late repetitions themselves, for a tenth of the memory.
	wire.Timer_L, wire.Timer_M = wire.T1, wire.T1
})
