package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"cabline/cmd/cabline/config"
	"cabline/dispatchapi/orderbook"
	"cabline/media"
	"cabline/media/faults"
	"cabline/media/rtp"
	"cabline/media/webrtc"
	"cabline/media/wire"
	"cabline/pbx"
	"cabline/pbx/console"
	"cabline/pbx/console/web"
	"cabline/pbx/gate"
	"cabline/pbx/recordings"
	"cabline/pbx/sip"
	"cabline/pbx/store"
	"cabline/prompts"
)

// exchange is the rooms of the house, put together from the bottom up.
type exchange struct {
	cfg      *config.Config
	store    *store.Store
	orders   *orderbook.Book
	dispatch *dispatchSystem
	clock    *media.Clock
	wire     wire.Wire
	relay    *rtp.Relay
	browsers *webrtc.Browsers
	board    *pbx.Switchboard
	sip      *sip.Server
	metrics  *console.Metrics
	gate     *gate.Gate // of SIP and the console
	recorded *recordings.Recordings
	faults   *faults.Desk                   // of audio
	log      atomic.Pointer[zerolog.Logger] // of serve; nil: not yet

	certificates certificates
}

// build opens files and sockets. What it returns must be closed, also after an
// error.
func build(cfg *config.Config) (x *exchange, err error) {
	x = &exchange{cfg: cfg, clock: media.NewClock(), metrics: console.NewMetrics(), gate: gate.New()}
	x.faults = faults.NewDesk(x.tellFault)
	x.clock.Report(x.faults)
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return x, fmt.Errorf("data folder: %w", err)
	}
	if x.store, err = store.Open(filepath.Join(cfg.Data, "cabline.db")); err != nil {
		return x, err
	}
	x.orders = orderbook.New(x.store, cfg.Firm.Country)
	if x.dispatch, err = x.connectDispatch(); err != nil {
		return x, err
	}
	x.recorded = x.keepRecordings()
	x.recorded.Report(x.faults)
	if x.wire, err = wire.New(0); err != nil {
		return x, fmt.Errorf("audio: %w", err)
	}
	x.wire.Report(x.faults)
	if x.relay, err = rtp.Listen(rtp.Config{Ports: cfg.RTP.Ports, Wire: x.wire, Clock: x.clock}); err != nil {
		return x, fmt.Errorf("rtp: %w", err)
	}
	x.relay.Report(x.faults)
	// Browsers' audio shares address and number with the web port: one hole in a firewall.
	if x.browsers, err = webrtc.Listen(webrtc.Config{Addr: cfg.Web.Listen.Addr, Public: cfg.SIP.Public, Wire: x.wire, Clock: x.clock, Codecs: codecs(cfg.RTP.Codecs)}); err != nil {
		return x, fmt.Errorf("browsers' audio: %w", err)
	}
	x.browsers.Report(x.faults)
	if x.board, err = x.switchboard(); err != nil {
		return x, err
	}
	if x.certificates, err = loadCertificates(cfg, time.Now()); err != nil {
		return x, err
	}
	sipConfig, err := x.sipConfig()
	if err != nil {
		return x, err
	}
	if x.sip, err = sip.New(sipConfig); err != nil {
		return x, err
	}
	x.board.Dialer = x.sip
	if cfg.Notices.OrderBook {
		x.orders.Changed = x.orderChanged
	}
	return x, nil
}

// tellFault logs a panic in what moves audio, once for each place in our source.
func (x *exchange) tellFault(fault any, stack []byte) {
	if log := x.log.Load(); log != nil {
		log.Error().Interface("panic", fault).Bytes("stack", stack).Msg("a fault of ours in the audio")
	}
}

// serve runs calls and pages until ctx ends and the last call is over.
func (x *exchange) serve(ctx context.Context, pages net.Listener, server *http.Server) error {
	x.log.Store(zerolog.Ctx(ctx))
	if x.cfg.Notices.OrderBook {
		x.tellOfRecentOrders(ctx)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { x.board.Serve(ctx); return nil })
	g.Go(func() error { return x.sip.Serve(ctx) })
	g.Go(func() error { x.certificates.watch(ctx); return nil })
	g.Go(func() error { return x.dispatch.serve(ctx) })
	g.Go(func() error { x.forget(ctx); return nil })
	g.Go(func() error { x.recorded.Serve(ctx); return nil })
	g.Go(func() error {
		if err := server.Serve(pages); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("web: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(last)
	})
	return g.Wait()
}

func (x *exchange) close() error {
	var errs []error
	if x.browsers != nil {
		errs = append(errs, x.browsers.Close())
	}
	if x.relay != nil {
		x.relay.Close()
	}
	if x.wire != nil {
		x.wire.Close()
	}
	x.clock.Close()
	if x.recorded != nil {
		x.recorded.Close()
	}
	if x.store != nil {
		errs = append(errs, x.store.Close())
	}
	return errors.Join(errs...)
}

func (x *exchange) switchboard() (*pbx.Switchboard, error) {
	cfg := x.cfg
	voices, err := voices(cfg)
	if err != nil {
		return nil, err
	}
	board := &pbx.Switchboard{
		Dispatch: x.dispatch.Dispatch,
		Windows:  x.store,
		Masking:  maskingOf(cfg.Masking),
		Store:    x.metrics.Store(x.store),
		Voices:   voices,
		Language: cfg.Firm.Language,
		Limits: pbx.Limits{
			OrderLookup:  cfg.Timeouts.OrderLookup,
			KeyWait:      cfg.Timeouts.KeyWait,
			DriverRing:   cfg.Timeouts.DriverRing,
			ClientRing:   cfg.Timeouts.ClientRing,
			OperatorRing: cfg.Timeouts.OperatorRing,
			QueueMax:     cfg.Timeouts.QueueMax,
		},
		LookedUp: x.metrics.LookedUp,
	}
	for _, p := range cfg.Outgoing.Allow {
		board.MayDial = append(board.MayDial, string(p))
	}
	for _, l := range cfg.Lines {
		board.Lines = append(board.Lines, pbx.Line(l))
	}
	var operators []pbx.Operator
	for _, o := range cfg.Operators {
		operators = append(operators, pbx.Operator{Login: o.Login, Name: o.Name, Branches: o.Branches})
	}
	board.SetOperators(operators)
	board.Notices = x.autodial(board)
	x.dispatch.tellOf(board, x.metrics.Store)
	if cfg.Recording.On {
		board.Recorder = x.recorded
	}
	return board, nil
}

// voices loads the languages in use, with the firm's own sounds over ours.
func voices(cfg *config.Config) (map[string]pbx.Voice, error) {
	var own fs.FS
	if cfg.Prompts != "" {
		own = os.DirFS(cfg.Prompts)
	}
	voices := map[string]pbx.Voice{}
	languages := []string{cfg.Firm.Language}
	for _, l := range cfg.Lines {
		languages = append(languages, l.Language)
	}
	for _, language := range languages {
		if language == "" || voices[language] != nil {
			continue
		}
		voice, err := prompts.Load(language, own)
		if err != nil {
			return nil, fmt.Errorf("prompts: %w", err)
		}
		voices[language] = voice
	}
	return voices, nil
}

func (x *exchange) sipConfig() (sip.Config, error) {
	cfg := sip.Config{
		Public:   x.cfg.SIP.Public,
		Realm:    config.Realm,
		Country:  x.cfg.Firm.Country,
		DNS:      nameServers(x.cfg),
		Accounts: x.account,
		Devices:  x.store,
		Gate:     x.gate,
		Exchange: x.board,
		Alarm:    x.metrics.MaskingAlarm,
		Alias:    x.alias,
		RTP:      x.openRTP,
		Browser:  func() (sip.Audio, error) { return x.browsers.Open() },
	}
	if x.certificates.sip != nil {
		cfg.Certificate = x.certificates.sip.show
	}
	for _, o := range x.cfg.Web.Origins {
		cfg.Origins = append(cfg.Origins, string(o))
	}
	for _, l := range x.cfg.SIP.Listen {
		cfg.Listen = append(cfg.Listen, sip.Listen{Network: l.Transport, Addr: l.Addr})
	}
	for _, t := range x.cfg.Trunks {
		trunk, err := trunkOf(x.cfg, t)
		if err != nil {
			return cfg, err
		}
		cfg.Trunks = append(cfg.Trunks, trunk)
	}
	return cfg, nil
}

// console is the pages and the REST, with others' handlers mounted.
func (x *exchange) console(demo bool, mount map[string]http.Handler) (*console.Console, error) {
	if mount == nil {
		mount = map[string]http.Handler{}
	}
	mount["/ws"] = x.sip.WebSocket()
	maps.Copy(mount, x.dispatch.mount)
	return console.New(console.Config{
		Firm:     x.cfg.Firm.Name,
		Country:  x.cfg.Firm.Country,
		Language: x.cfg.Firm.Language,
		Version:  version,
		Accounts: func(login string) (console.Account, bool) {
			for _, o := range x.cfg.Operators {
				if o.Login == login {
					return console.Account{Name: o.Name, Branches: o.Branches, HA1: o.HA1.Reveal()}, true
				}
			}
			return console.Account{}, false
		},
		Realm:         config.Realm,
		Domain:        x.cfg.Web.Domain,
		Token:         x.cfg.Dispatch.Token.Reveal(),
		Calls:         x.board,
		Desk:          x.board,
		CDRs:          x.store,
		Orders:        x.orders,
		Notices:       x.store,
		Noticeboard:   x.board.Notices,
		Aliases:       x.aliases(),
		LostItems:     x.board,
		Recordings:    x.recorded,
		Listen:        x.cfg.Recording.OperatorsListen,
		Pages:         web.Files(),
		Demo:          demo,
		Mount:         mount,
		Metrics:       x.metrics,
		Gate:          x.gate,
		Dropped:       x.sip.Dropped,
		Overflowed:    x.wire.Overflowed,
		Faults:        func() uint64 { return x.faults.Count() + x.sip.Faults() },
		CardLink:      x.dispatch.link,
		Backlogs:      x.dispatch.backlogs(),
		Ports:         func() (taken, free int) { return x.relay.Taken(), x.relay.Free() },
		Registrations: func() int { return len(x.sip.Registrations()) },
		Trunks: func() map[string]bool {
			up := map[string]bool{}
			for _, t := range x.sip.Trunks() {
				up[t.Name] = t.Up
			}
			return up
		},
	})
}

func (x *exchange) account(login string) (ha1 string, ok bool) {
	for _, o := range x.cfg.Operators {
		if o.Login == login {
			return o.HA1.Reveal(), true
		}
	}
	return "", false
}
