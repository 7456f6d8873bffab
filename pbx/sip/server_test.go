package sip

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"

	"cabline/media"
	"cabline/pbx"
)

func TestMain(m *testing.M) {
	// Half of RFC 3261's, for this process: 64*T1 is 16 s here.
	wire.SetTimers(250*time.Millisecond, 2*time.Second, 2500*time.Millisecond)
	_, _ = noDNS.LookupIPAddr(context.Background(), "nobody.invalid") // what Go's resolver makes once must belong to no bubble
	flag.Parse()
	_ = flag.Set("test.parallel", "24") // tests mostly wait
	os.Exit(m.Run())
}

// port is audio that only writes down what it is told.
type port struct {
	mu       sync.Mutex
	offers   []string
	accepted chan string
	heard    []media.Digit
	press    func(media.Digit) // by INFO
	closed   chan struct{}
	lost     chan struct{}
	refuse   error
	held     bool
	bug      bool // Heard, Accept and Stats panic
	whenLost func()
	name     string
}

func newPort(name string) *port {
	return &port{name: name, accepted: make(chan string, 10), closed: make(chan struct{}), lost: make(chan struct{})}
}

func (p *port) WriteRTP(*media.Packet)                            {}
func (p *port) Plug(media.Sink)                                   {}
func (p *port) Play(ctx context.Context, what media.Speech) error { return nil }
func (p *port) Digits() <-chan media.Digit                        { return nil }
func (p *port) SendDigit(media.Digit)                             {}
func (p *port) WhenLost(f func())                                 { p.whenLost = f }
func (p *port) TellKeys(press func(media.Digit))                  { p.press = press }
func (p *port) Lost() <-chan struct{}                             { return p.lost }
func (p *port) Offer() ([]byte, error)                            { return []byte("v=0\r\ns=" + p.name + " offer\r\n"), nil }
func (p *port) OfferPlain() ([]byte, error)                       { return []byte("v=0\r\ns=" + p.name + " plain\r\n"), nil }
func (p *port) Held() bool                                        { p.mu.Lock(); defer p.mu.Unlock(); return p.held }
func (p *port) Close() error                                      { close(p.closed); return nil }
func (p *port) Stats() media.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine()
	return media.Stats{Received: 7}
}
func (p *port) Answer(offer []byte) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offers = append(p.offers, string(offer))
	p.held = strings.Contains(string(offer), "sendonly")
	return []byte("v=0\r\ns=" + p.name + " answer\r\n"), p.refuse
}
func (p *port) Accept(answer []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine()
	p.accepted <- string(answer)
	return p.refuse
}

// mine panics where that is wanted.
func (p *port) mine() {
	if p.bug {
		panic("a bug")
	}
}

// broken has the port panic from now on.
func (p *port) broken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bug = true
}

// told returns what the audio was told so far.
func (p *port) told() (offers []string, keys string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.heard {
		keys += string(rune(d))
	}
	return slices.Clone(p.offers), keys
}
func (p *port) fail(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = why
}
func (p *port) Heard(d media.Digit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine()
	p.heard = append(p.heard, d)
}

// exchange hands arriving legs to the test.
type exchange struct {
	story  func(ctx context.Context, leg pbx.Leg, a pbx.Arrival)
	online chan string
}

func (e *exchange) Incoming(ctx context.Context, leg pbx.Leg, a pbx.Arrival) { e.story(ctx, leg, a) }
func (e *exchange) SetOnline(login string, online bool)                      { e.online <- fmt.Sprint(login, " ", online) }

// bench is a server under test with what it was given.
type bench struct {
	*Server
	t       *testing.T
	addr    string // of its UDP socket
	tcpAddr string
	ports   chan *port
	legs    chan pbx.Leg
	arrived chan pbx.Arrival
	online  chan string
	stop    func()
	http    *httptest.Server
}

// answerAll is the story of most tests: answer and stay until the end.
func answerAll(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) {
	if leg.Answer(ctx) == nil {
		select {
		case <-leg.Context().Done():
		case <-ctx.Done():
		}
	}
}

// start runs a server on free ports until the test ends, beside other tests.
func start(t *testing.T, story func(context.Context, pbx.Leg, pbx.Arrival), change func(*Config)) *bench {
	t.Helper()
	t.Parallel() // tests mostly wait
	return startAlone(t, story, change, nil)
}

// startAlone is start for a test that runs by itself. The server is shown
// before it serves.
func startAlone(t *testing.T, story func(context.Context, pbx.Leg, pbx.Arrival), change func(*Config), show func(*Server)) *bench {
	t.Helper()
	b := &bench{t: t, ports: make(chan *port, 100), legs: make(chan pbx.Leg, 100), arrived: make(chan pbx.Arrival, 100), online: make(chan string, 100)}
	local := netip.MustParseAddrPort("127.0.0.1:0")
	cfg := Config{
		Listen: []Listen{{"udp", local}, {"tcp", local}},
		Trunks: []Trunk{{Name: "carrier", From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, CallerID: "+74950000000"}},
		RTP: func(RTPOptions) (Audio, error) {
			p := newPort("rtp")
			b.ports <- p
			return p, nil
		},
		Browser: func() (Audio, error) {
			p := newPort("browser")
			b.ports <- p
			return p, nil
		},
		Accounts: func(login string) (string, bool) {
			sum := md5.Sum([]byte(login + ":cabline:secret of " + login))
			return hex.EncodeToString(sum[:]), login == "anna" || login == "boris"
		},
		minExpires: time.Second,
		Exchange: &exchange{online: b.online, story: func(ctx context.Context, leg pbx.Leg, a pbx.Arrival) {
			b.legs <- leg
			b.arrived <- a
			story(ctx, leg, a)
		}},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if show != nil {
		show(s)
	}
	b.Server = s
	for _, l := range s.Addrs() {
		switch l.Network {
		case "udp":
			b.addr = l.Addr.String()
		case "tcp":
			b.tcpAddr = l.Addr.String()
		}
	}
	ctx, cancel := context.WithCancel(zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel).WithContext(context.Background()))
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error("serve:", err)
		}
		if n := s.legs.count(); n != 0 {
			t.Error("legs left:", n)
		}
	})
	t.Cleanup(b.stop)
	return b
}

// web is the address of the server's WebSocket.
func (b *bench) web() string {
	b.t.Helper()
	if b.http == nil {
		b.http = httptest.NewServer(b.WebSocket())
		b.t.Cleanup(b.http.Close)
	}
	return b.http.URL
}

// peer makes the server the one a phone on UDP talks to.
func (b *bench) peer(p *phone) {
	b.t.Helper()
	addr, err := net.ResolveUDPAddr("udp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	p.peer.Store(addr)
}

// startTrunk runs a server whose trunk "carrier" leads to the phone returned.
func startTrunk(t *testing.T, story func(context.Context, pbx.Leg, pbx.Arrival), change func(*Config)) (*bench, *phone) {
	t.Helper()
	carrier := newPhone(t)
	b := start(t, story, func(c *Config) {
		c.Trunks[0].Target = carrier.self
		if change != nil {
			change(c)
		}
	})
	b.peer(carrier)
	return b, carrier
}

func wait[T any](t *testing.T, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(forAMoment):
		t.Fatal("no", what)
	}
	return v
}

// until polls, for what has no event to wait for.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(forAMoment); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, forAMoment)
		}
	}
}

// ended waits for a leg's end and returns its cause.
func ended(t *testing.T, leg pbx.Leg) error {
	t.Helper()
	wait(t, "end of the leg", leg.Context().Done())
	return context.Cause(leg.Context())
}
