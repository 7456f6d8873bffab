// Package selftest proves that neither party of a masked call learns anything
// of the other: it plays the carrier and both parties to an exchange, fills
// everything they send with canaries, lets the calls go all ways calls go, and
// looks for the other party's canary, number and address in every byte that
// comes back, in every writing somebody could think of.
//
// It knows the exchange by its sockets and by [Exchange], and nothing of its
// code. It does not log.
package selftest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"cabline/cmd/internal/telephone"
)

// Exchange is what is asked of the exchange that is looked at.
type Exchange interface {
	// Order writes down an order that came by a line, with the client and driver
	// of the stage.
	Order(ctx context.Context, client, driver, line, status string) (id string, err error)
	// Become gives an order another status.
	Become(ctx context.Context, id, status string) error
	// Connect asks for client and driver to be joined.
	Connect(ctx context.Context, id string) error
	// Idle waits until no call goes on.
	Idle(ctx context.Context) error
}

// Place is where the exchange and the carrier played to it are.
type Place struct {
	SIP     netip.AddrPort // the exchange's, UDP
	Client  netip.Addr     // from where the client calls
	Carrier netip.AddrPort // where the exchange calls everybody
	Line    string         // dialled by the parties, with a menu
	Forward string         // a line that goes straight to a number; empty: there is none
	Target  string         // that number
}

// The parties, who do not exist: numbers of no use in Russia, and canaries that
// are nobody's number.
const (
	ClientNumber = "+79160000417"
	DriverNumber = "+79260000932"
	clientCanary = "5550123498765"
	driverCanary = "5559876501234"
	targetCanary = "5556780912345"
)

// stage is one place with the parties on it.
type stage struct {
	Place
	Exchange
	client *telephone.Phone // the client's own
	people *telephone.Phone // the carrier: everybody who is called, and the driver who calls
	order  string
}

func setUp(ctx context.Context, at Place, x Exchange) (s *stage, err error) {
	s = &stage{Place: at, Exchange: x}
	canaries := map[string]string{ClientNumber: clientCanary, DriverNumber: driverCanary, at.Target: targetCanary}
	delete(canaries, "")
	s.client, err = telephone.NewPhone(telephone.Options{Listen: netip.AddrPortFrom(at.Client, 0), Server: at.SIP,
		Number: ClientNumber, Canary: clientCanary, Canaries: canaries})
	if err != nil {
		return s, err
	}
	s.people, err = telephone.NewPhone(telephone.Options{Listen: at.Carrier, Server: at.SIP,
		Number: DriverNumber, Canary: driverCanary, Canaries: canaries})
	if err != nil {
		return s, err
	}
	s.order, err = x.Order(ctx, ClientNumber, DriverNumber, at.Line, "accepted")
	return s, err
}

func (s *stage) close() (err error) {
	for _, p := range []*telephone.Phone{s.client, s.people} {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	return err
}

// rings has the client call, ask for the driver, and the driver's phone be
// called.
func (s *stage) rings(ctx context.Context) (client, driver *telephone.Call, err error) {
	if client, err = s.client.Call(s.Line); err != nil {
		return nil, nil, err
	}
	if err = client.WaitTalk(ctx); err != nil {
		return nil, nil, err
	}
	client.Press("1")
	driver, err = s.called(ctx, DriverNumber)
	return client, driver, err
}

// called is the next call to a number.
func (s *stage) called(ctx context.Context, number string) (*telephone.Call, error) {
	call, err := s.people.Coming(ctx)
	if err == nil && !telephone.SameNumber(call.Dialled, number) {
		err = fmt.Errorf("%s was called instead of %s", call.Dialled, number)
	}
	return call, err
}

// answers takes a call and lets both parties talk.
func answers(ctx context.Context, call *telephone.Call) error {
	if err := errors.Join(call.Ring(), call.Answer()); err != nil {
		return err
	}
	return call.WaitTalk(ctx)
}

// talk is rings and answers, until both have heard each other.
func (s *stage) talk(ctx context.Context) (client, driver *telephone.Call, err error) {
	if client, driver, err = s.rings(ctx); err != nil {
		return nil, nil, err
	}
	if err = answers(ctx, driver); err != nil {
		return nil, nil, err
	}
	return client, driver, hear(ctx, client, driver)
}

// hear waits until the parties hear each other: only then all that a call
// carries has had its chance to leak.
func hear(ctx context.Context, a, b *telephone.Call) error {
	a.Tone(440)
	b.Tone(1000)
	if err := b.Hears(ctx, 440); err != nil {
		return err
	}
	return a.Hears(ctx, 1000)
}

// part hangs up one and waits for the end of the other.
func part(ctx context.Context, first, other *telephone.Call) error {
	if err := first.HangUp(); err != nil {
		return err
	}
	_, _, err := other.WaitOver(ctx)
	return err
}

// calm is how long nobody must be called.
const calm = 3 * time.Second

// nobodyRings waits, and fails if somebody is called meanwhile.
func (s *stage) nobodyRings(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, calm)
	defer stop()
	if call, err := s.people.Coming(ctx); err == nil {
		return fmt.Errorf("%s was called", call.Dialled)
	}
	return nil
}
