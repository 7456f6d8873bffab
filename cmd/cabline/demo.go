package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"cabline/cmd/cabline/carrier"
	"cabline/cmd/cabline/config"
	"cabline/media/rtp"
	"cabline/media/webrtc"
	"cabline/pbx"
	"cabline/pbx/sip"
)

// The world of the demo. The two ends of the trunk have loopback addresses of
// their own, as two companies would.
const (
	demoLine   pbx.Phone = "+74950000000"
	demoClient pbx.Phone = "+79161234567"
	demoDriver pbx.Phone = "+79267654321"
	demoLogin            = "anna"
)

var (
	demoExchange = netip.MustParseAddr("127.0.0.11")
	demoCarrier  = netip.MustParseAddr("127.0.0.3")
)

// demo runs the exchange with a carrier of its own until ctx ends.
func demo(ctx context.Context, opts demoOptions, log zerolog.Logger) (err error) {
	data, err := os.MkdirTemp("", "cabline-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	trunk, err := freePorts(demoExchange, demoCarrier)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	password := rand.Text()
	cfg := demoConfig(data, opts.Listen, trunk[0], trunk[1], password)
	dispatch, err := demoSystem(opts.Dispatch, cfg)
	if err != nil {
		return err
	}
	x, err := build(cfg)
	defer func() { err = errors.Join(err, x.close()) }()
	if err != nil {
		return err
	}
	network, closeNetwork, err := x.demoNetwork(trunk[1], trunk[0])
	defer closeNetwork()
	if err != nil {
		return err
	}
	pages, err := net.Listen("tcp", opts.Listen.String())
	if err != nil {
		return fmt.Errorf("the page's address is taken; choose another with --listen: %w", err)
	}
	console, err := x.console(true, map[string]http.Handler{
		"/demo/ws":           network.WebSocket(),
		"GET /demo/api/info": demoInfo(cfg, network, password),
	})
	if err != nil {
		return errors.Join(err, pages.Close())
	}
	page := "http://" + pages.Addr().String() + "/demo"
	fmt.Fprintf(os.Stdout, "\n  Cabline's demo: open %s\n\n", page)
	if opts.Open {
		openPage(page, log)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return network.Serve(ctx) })
	g.Go(func() error { return dispatch.serve(ctx, x.orders, "http://"+pages.Addr().String()) })
	g.Go(func() error { return x.serve(ctx, pages, console.Server(ctx)) })
	return g.Wait()
}

// demoConfig is what a firm would write.
func demoConfig(data string, page, exchange, network netip.AddrPort, password string) *config.Config {
	cfg := config.Default()
	cfg.Data = data
	cfg.Firm.Name = "Такси Ромашка"
	cfg.SIP.Listen = []config.SIPListen{{Transport: "udp", Addr: exchange}}
	cfg.RTP.Ports = config.PortRange{}
	cfg.Web.Listen = config.WebListen{Addr: page}
	cfg.Trunks = []config.Trunk{{Name: "carrier", Host: network.String(), Transport: "udp",
		From: []netip.Prefix{netip.PrefixFrom(network.Addr(), 32)}, CallerID: demoLine}}
	cfg.Lines = []config.Line{{Number: demoLine, Trunk: "carrier", Branch: "Центр", Tariff: "Стандарт", Language: "ru"}}
	cfg.Operators = []config.Operator{{Login: demoLogin, Name: "Анна", Branches: []string{"Центр"}, HA1: config.HA1(demoLogin, password)}}
	cfg.Dispatch.Token = config.Secret(rand.Text())
	cfg.Timeouts.Shutdown = 0 // who presses Ctrl-C wants the terminal back
	cfg.Outgoing.Allow = []config.Prefix{"+7"}
	return cfg
}

// demoNetwork is the carrier, with audio of its own: what the exchange and the
// network tell each other crosses sockets.
func (x *exchange) demoNetwork(listen, exchange netip.AddrPort) (network *carrier.Carrier, closeAll func(), err error) {
	closeAll = func() {}
	relay, err := rtp.Listen(rtp.Config{Clock: x.clock})
	if err != nil {
		return nil, closeAll, fmt.Errorf("demo carrier: %w", err)
	}
	closeAll = relay.Close
	phones, err := webrtc.Listen(webrtc.Config{Addr: netip.AddrPortFrom(x.cfg.Web.Listen.Addr.Addr(), 0), Clock: x.clock})
	if err != nil {
		return nil, closeAll, fmt.Errorf("demo carrier: %w", err)
	}
	closeAll = func() { _ = phones.Close(); relay.Close() }
	relay.Report(x.faults)
	phones.Report(x.faults)
	network, err = carrier.New(carrier.Config{
		Listen: listen, Exchange: exchange,
		Subscribers: []carrier.Subscriber{carrier.NewSubscriber("client", demoClient), carrier.NewSubscriber("driver", demoDriver)},
		RTP: func(o sip.RTPOptions) (sip.Audio, error) {
			return relay.Open(rtp.Options{Bind: o.Bind, Advertise: o.Advertise})
		},
		Browser: func() (sip.Audio, error) { return phones.Open() },
	})
	return network, closeAll, err
}

// demoInfo tells the page whom it plays.
func demoInfo(cfg *config.Config, network *carrier.Carrier, password string) http.HandlerFunc {
	type phone struct {
		Number   string `json:"number"`
		URI      string `json:"uri"`
		Login    string `json:"login"`
		Password string `json:"password"`
		WS       string `json:"ws"`
	}
	info := struct {
		Line     string            `json:"line"`
		Firm     string            `json:"firm"`
		Client   phone             `json:"client"`
		Driver   phone             `json:"driver"`
		Operator map[string]string `json:"operator"`
		Token    string            `json:"token"`
	}{Line: demoLine.Dialable(), Firm: cfg.Firm.Name, Token: cfg.Dispatch.Token.Reveal(),
		Operator: map[string]string{"login": demoLogin, "password": password}}
	for _, s := range network.Subscribers() {
		p := phone{s.Number.Dialable(), "sip:" + s.Login + "@" + carrier.Realm, s.Login, s.Password, "/demo/ws"}
		if s.Number == demoClient {
			info.Client = p
		} else {
			info.Driver = p
		}
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(info)
	}
}

// freePorts finds a free UDP port at each address. Another program may take
// one before we do; then the demo says so and is started again.
func freePorts(at ...netip.Addr) ([]netip.AddrPort, error) {
	var free []netip.AddrPort
	for _, addr := range at {
		socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		if err != nil {
			return nil, err
		}
		free = append(free, socket.LocalAddr().(*net.UDPAddr).AddrPort())
		if err := socket.Close(); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// openPage opens the page where there is a desktop to open it on.
func openPage(page string, log zerolog.Logger) {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return
	}
	if err := exec.Command("xdg-open", page).Start(); err != nil {
		log.Debug().Err(err).Msg("no browser to open the page with")
	}
}
