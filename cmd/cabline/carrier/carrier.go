// Package carrier is the telephone network of the demo: its subscribers are
// phones in a browser, its only customer is the exchange, and between the two
// runs a real SIP trunk with real RTP. It knows of the exchange no more than a
// carrier does: an address. It logs to the context's logger.
package carrier

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"cabline/media"
	"cabline/pbx"
	"cabline/pbx/sip"
)

// Realm is the digest realm of the subscribers' accounts.
const Realm = "carrier"

// ringTime is how long a subscriber's phone rings before the network gives up.
const ringTime = time.Minute

// Subscriber is a mobile phone of the network.
type Subscriber struct {
	Login    string
	Number   pbx.Phone
	Password string
}

// NewSubscriber makes up a password.
func NewSubscriber(login string, number pbx.Phone) Subscriber {
	return Subscriber{Login: login, Number: number, Password: rand.Text()}
}

// Config is the network.
type Config struct {
	Listen      netip.AddrPort // the carrier's side of the trunk, UDP
	Exchange    netip.AddrPort // the customer's side
	Subscribers []Subscriber
	RTP         func(sip.RTPOptions) (sip.Audio, error)
	Browser     func() (sip.Audio, error)
}

// Carrier is a running network.
type Carrier struct {
	subscribers []Subscriber
	server      *sip.Server
}

// New opens the carrier's side of the trunk.
func New(cfg Config) (*Carrier, error) {
	c := &Carrier{subscribers: cfg.Subscribers}
	exchange := netip.PrefixFrom(cfg.Exchange.Addr(), cfg.Exchange.Addr().BitLen())
	server, err := sip.New(sip.Config{
		Listen:    []sip.Listen{{Network: "udp", Addr: cfg.Listen}},
		Realm:     Realm,
		UserAgent: "Demo carrier",
		Trunks:    []sip.Trunk{{Name: "exchange", Target: cfg.Exchange.String(), From: []netip.Prefix{exchange}}},
		Accounts:  c.account,
		Exchange:  c,
		RTP:       cfg.RTP,
		Browser:   cfg.Browser,
	})
	if err != nil {
		return nil, fmt.Errorf("demo carrier: %w", err)
	}
	c.server = server
	return c, nil
}

// Serve runs the network until ctx ends.
func (c *Carrier) Serve(ctx context.Context) error { return c.server.Serve(ctx) }

// WebSocket is where the subscribers' phones log in.
func (c *Carrier) WebSocket() http.Handler { return c.server.WebSocket() }

// Incoming puts a call through: from a subscriber to the exchange, or from the
// exchange to a subscriber.
func (c *Carrier) Incoming(ctx context.Context, caller pbx.Leg, a pbx.Arrival) {
	to, ok := c.route(a)
	if !ok {
		c.hangUp(ctx, caller, pbx.ErrUnreachable)
		return
	}
	why := c.connect(ctx, caller, to)
	c.hangUp(ctx, caller, why)
}

func (c *Carrier) connect(ctx context.Context, caller pbx.Leg, to pbx.Endpoint) error {
	ring, cancel := context.WithTimeoutCause(ctx, ringTime, pbx.ErrNoAnswer)
	defer cancel()
	defer context.AfterFunc(caller.Context(), cancel)()
	callee, err := c.server.Dial(ring, to)
	if err != nil {
		return err
	}
	defer c.hangUp(ctx, callee, nil)
	if err := caller.Answer(ctx); err != nil {
		return err
	}
	defer media.Cross(caller.Audio(), callee.Audio())()
	select {
	case <-caller.Context().Done():
	case <-callee.Context().Done():
	case <-ctx.Done():
	}
	return nil
}

// route is where a call goes: a mobile network reads only numbers.
func (c *Carrier) route(a pbx.Arrival) (pbx.Endpoint, bool) {
	if a.Operator != "" {
		i := slices.IndexFunc(c.subscribers, func(s Subscriber) bool { return s.Login == a.Operator })
		return pbx.Endpoint{Number: a.To, Trunk: "exchange", From: c.subscribers[i].Number}, true
	}
	i := slices.IndexFunc(c.subscribers, func(s Subscriber) bool { return s.Number == a.To })
	if i < 0 {
		return pbx.Endpoint{}, false
	}
	return pbx.Endpoint{Operator: c.subscribers[i].Login, From: a.From}, true
}

func (c *Carrier) hangUp(ctx context.Context, leg pbx.Leg, why error) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := leg.HangUp(last, why); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("demo carrier: hang up")
	}
}

// SetOnline implements sip.Exchange: a network does not care.
func (c *Carrier) SetOnline(string, bool) {}

// account is a subscriber's HA1 (RFC 7616 §3.4.2).
func (c *Carrier) account(login string) (ha1 string, ok bool) {
	for _, s := range c.subscribers {
		if s.Login == login {
			sum := md5.Sum([]byte(s.Login + ":" + Realm + ":" + s.Password))
			return hex.EncodeToString(sum[:]), true
		}
	}
	return "", false
}

// Subscribers are the network's phones.
func (c *Carrier) Subscribers() []Subscriber { return c.subscribers }
