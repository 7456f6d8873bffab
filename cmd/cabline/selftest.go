package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"cabline/cmd/cabline/config"
	"cabline/cmd/cabline/selftest"
	"cabline/pbx"
)

type selftestCommand struct {
	Masking maskingCommand `cmd:"" help:"Prove on loopback that neither party of a masked call learns the other's number."`
}

type maskingCommand struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"The config file."`
}

// Run plays all flows to an exchange with the firm's config, on loopback, with a
// carrier of its own, and prints the certificate. Nobody is called.
func (c maskingCommand) Run(ctx context.Context, to terminal) (err error) {
	cfg, _, err := config.Load(c.Config, to.env)
	if err != nil {
		return err
	}
	data, err := os.MkdirTemp("", "cabline-selftest-")
	if err != nil {
		return fmt.Errorf("selftest: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	places, err := rehearsal(cfg, data)
	if err != nil {
		return fmt.Errorf("selftest: %w", err)
	}
	notes := &notes{errors: newLogger(to.err, config.Log{Level: "error", Format: cfg.Log.Format}, cfg.Secrets())}
	x, err := build(cfg)
	defer func() { err = errors.Join(err, x.close()) }()
	if err != nil {
		return err
	}
	pages, err := x.listen()
	if err != nil {
		return err
	}
	console, err := x.console(false, nil)
	if err != nil {
		return errors.Join(err, pages.Close())
	}
	for i := range places {
		places[i].Web = netip.MustParseAddrPort(pages.Addr().String())
	}
	ctx, stop := context.WithCancel(zerolog.New(notes).WithContext(ctx))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return x.serve(ctx, pages, console.Server(ctx)) })
	proved := playAll(ctx, rehearsed{x, notes}, places, to)
	stop()
	return errors.Join(proved, g.Wait())
}

// playAll prints one certificate for each trunk; an error: not all is proven.
func playAll(ctx context.Context, x rehearsed, places []trunkPlace, to terminal) error {
	tongue := selftest.Tongue(x.cfg.Firm.Language)
	fmt.Fprintf(to.out, "%s\n\n", tongue.Say("%s: what the parties of masked calls, and operators, learn of each other", strings.TrimSpace("Cabline "+version)))
	failed := 0
	for _, at := range places {
		certificate, err := selftest.Play(ctx, at.trunk, at.Place, x)
		if err != nil {
			return fmt.Errorf("selftest: trunk %q: %w", at.trunk, err)
		}
		certificate.Write(to.out, tongue)
		fmt.Fprintln(to.out)
		if !certificate.OK() {
			failed++
		}
	}
	if mended, refused := x.metrics.MaskingAlarms(); mended+refused > 0 {
		return errors.New(tongue.Say("the guard had to keep %d messages from telling: a fault of Cabline", mended+refused))
	}
	if failed > 0 {
		return errors.New(tongue.Say("masking is not proven for %d of %d trunks", failed, len(places)))
	}
	fmt.Fprintln(to.out, tongue.Say("masking is proven for every trunk: 0 leaks, 0 alarms of the guard"))
	return nil
}

// trunkPlace is a trunk and where it is played.
type trunkPlace struct {
	trunk string
	selftest.Place
}

// notes is the log of a rehearsal: all of it is searched, and errors are shown.
type notes struct {
	errors zerolog.Logger

	mu   sync.Mutex
	text bytes.Buffer
}

// maxNotes bounds what one flow writes into the log, in bytes.
const maxNotes = 16 << 20

// Write implements io.Writer, for lines without a level.
func (n *notes) Write(line []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.text.Len() < maxNotes {
		n.text.Write(line)
	}
	return len(line), nil
}

// WriteLevel implements zerolog.LevelWriter.
func (n *notes) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	if level >= zerolog.ErrorLevel {
		n.errors.WithLevel(level).RawJSON("of", bytes.TrimSpace(line)).Send()
	}
	return n.Write(line)
}

// Logged implements selftest.Exchange.
func (n *notes) Logged() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := bytes.Clone(n.text.Bytes())
	n.text.Reset()
	return text
}

// How the rehearsal differs from the firm's day: nobody waits long.
const rehearsedRing = 3 * time.Second

// rehearsal turns a firm's config into one for loopback: its lines, callers' IDs
// and ways of writing numbers stay, its carriers' and dispatch system's addresses
// go. Nothing that it leads to leaves this machine.
func rehearsal(cfg *config.Config, data string) ([]trunkPlace, error) {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	at := func(host byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 64 + b[0]&63, b[1], host}) }
	cfg.Data, cfg.Recording.Folder = data, ""
	cfg.SIP.Public = netip.Addr{}
	cfg.RTP.Ports = config.PortRange{}
	cfg.Web.Listen = config.WebListen{Addr: netip.AddrPortFrom(at(1), 0)}
	cfg.Web.Cert, cfg.Web.Key = "", ""
	cfg.Notices.Enabled, cfg.Recording.On = false, false
	password := rand.Text()
	cfg.Operators = nil
	for _, login := range []string{selftest.Anna, selftest.Boris} {
		cfg.Operators = append(cfg.Operators, config.Operator{Login: login, Name: login, HA1: config.HA1(login, password)})
	}
	cfg.Dispatch = config.Dispatch{Kind: "orderbook", Token: cfg.Dispatch.Token}
	cfg.Timeouts.DriverRing, cfg.Timeouts.ClientRing = rehearsedRing, rehearsedRing
	cfg.Masking.Windows = append(cfg.Masking.Windows, config.Window{Status: selftest.NoWindow})
	listen, err := freePorts(at(1))
	if err != nil {
		return nil, err
	}
	cfg.SIP.Listen = []config.SIPListen{{Transport: "udp", Addr: listen[0]}}
	var places []trunkPlace
	for i := range cfg.Trunks {
		t := &cfg.Trunks[i]
		free, err := freePorts(at(byte(3 + 3*i)))
		if err != nil {
			return nil, err
		}
		place := selftest.Place{SIP: listen[0], Client: at(byte(2 + 3*i)), Carrier: free[0], Desk: at(byte(4 + 3*i)),
			Password: password, Told: cfg.Masking.OperatorsSeeNumbers}
		ofTrunk(cfg, t, &place)
		if place.Line != "" {
			places = append(places, trunkPlace{t.Name, place})
		}
	}
	if len(places) == 0 {
		return nil, errors.New("no line of this config has a menu: there is nothing to be masked")
	}
	return places, nil
}

// ofTrunk moves a trunk to loopback. What it sends of numbers stays as it is.
func ofTrunk(cfg *config.Config, t *config.Trunk, place *selftest.Place) {
	t.Host, t.Transport, t.OutboundProxy = place.Carrier.String(), "udp", ""
	t.From = []netip.Prefix{netip.PrefixFrom(place.Client, 32), netip.PrefixFrom(place.Carrier.Addr(), 32)}
	t.Register, t.AuthUser, t.Password, t.CA, t.NumbersIn = false, "", "", "", nil
	t.Options, t.Order, t.Channels, t.CallsPerSecond = 0, 0, 0, 0
	t.SRTP, t.DTMF, t.Codecs = "off", "auto", nil
	place.Dials = len(cfg.Lines) > 0 && cfg.Lines[0].Trunk == t.Name
	for _, l := range cfg.Lines {
		switch {
		case l.Trunk != t.Name:
		case l.Forward != "" && place.Forward == "":
			place.Forward, place.Target = l.Number.Dialable(), l.Forward.Dialable()
		case l.Forward == "" && place.Line == "":
			place.Line = l.Number.Dialable()
		}
	}
}

// rehearsed is the exchange as the flows see it.
type rehearsed struct {
	*exchange
	*notes
}

// Order implements selftest.Exchange.
func (r rehearsed) Order(ctx context.Context, client, driver, line, status string) (string, error) {
	order, err := r.orders.Create(ctx, pbx.Order{Phone: pbx.Phone(client), Driver: pbx.Phone(driver), Line: pbx.Phone(line), Status: pbx.Status(status)})
	if err != nil {
		return "", err
	}
	return order.ID, nil
}

// Become implements selftest.Exchange.
func (r rehearsed) Become(ctx context.Context, id, status string) error {
	_, err := r.orders.Update(ctx, id, func(o *pbx.Order) error { o.Status = pbx.Status(status); return nil })
	return err
}

// Connect implements selftest.Exchange.
func (r rehearsed) Connect(ctx context.Context, id string) error {
	_, err := r.board.Connect(ctx, pbx.ConnectRequest{OrderID: id})
	return err
}

// Idle implements selftest.Exchange.
func (r rehearsed) Idle(ctx context.Context) error {
	for {
		changed := r.board.Changed()
		if len(r.board.Live()) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("a call does not end: %w", context.Cause(ctx))
		}
	}
}
