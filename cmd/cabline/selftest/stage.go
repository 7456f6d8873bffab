// Package selftest proves that neither party of a masked call learns anything
// of the other, and operators who see no numbers none of either: it plays the
// carrier, both parties and operators' browsers to an exchange, fills
// everything they send with canaries, lets the calls go all ways calls go, and
// looks for the others' canaries, numbers and addresses in every byte that
// comes back, in every writing somebody could think of.
//
// It knows the exchange by its sockets and by [Exchange], and nothing of its
// code. It does not log.
package selftest

import (
	"context"
	"errors"
	"net/netip"

	"cabline/cmd/internal/telephone"
)

// Exchange is what is asked of the exchange that is looked at.
type Exchange interface {
	// Order writes down an order that came by a line.
	Order(ctx context.Context, client, driver, line, status string) (id string, err error)
	// Become gives an order another status.
	Become(ctx context.Context, id, status string) error
	// Connect asks for client and driver to be joined.
	Connect(ctx context.Context, id string) error
	// Idle waits until no call goes on.
	Idle(ctx context.Context) error
	// Logged is what the exchange has written into its log since it was asked last.
	Logged() []byte
}

// Place is where the exchange and the carrier played to it are.
type Place struct {
	SIP     netip.AddrPort // the exchange's, UDP
	Client  netip.Addr     // from where the client calls
	Carrier netip.AddrPort // where the exchange calls everybody
	Line    string         // dialled by the parties, with a menu
	Forward string         // a line that goes straight to a number; empty: there is none
	Target  string         // that number

	Web      netip.AddrPort // the exchange's pages, HTTP
	Desk     netip.Addr     // where the operators' browsers are
	Password string         // of the operators Anna and Boris
	Told     bool           // operators see numbers: there is nothing to be hidden from them
	Dials    bool           // what operators dial leaves by this trunk
}

// The parties, who do not exist: numbers of no use in Russia, and canaries that
// are nobody's number.
const (
	ClientNumber = "+79160000417"
	DriverNumber = "+79260000932"
	secondNumber = "+79160000528" // the client of the driver's next order
	clientCanary = "5550123498765"
	driverCanary = "5559876501234"
	secondCanary = "5553409817265"
	targetCanary = "5556780912345"
	deskCanary   = "5551092837465"
)

// The operators who must be in the config of the exchange, for every branch.
const (
	Anna  = "anna" + deskCanary
	Boris = "boris" + deskCanary
)

// canaries are what the parties say of themselves, by their numbers.
func (at Place) canaries() map[string]string {
	all := map[string]string{ClientNumber: clientCanary, DriverNumber: driverCanary, secondNumber: secondCanary}
	if at.Target != "" {
		all[at.Target] = targetCanary
	}
	return all
}

// stage is one place with the parties on it.
type stage struct {
	Place
	Exchange
	client *telephone.Phone // the client's own
	people *telephone.Phone // the carrier: everybody who is called, and the driver who calls
	anna   *desk            // nil until they log in
	boris  *desk
	order  string

	watches []*watch
}

func setUp(ctx context.Context, at Place, x Exchange) (s *stage, err error) {
	s = &stage{Place: at, Exchange: x}
	s.client, err = telephone.NewPhone(telephone.Options{Listen: netip.AddrPortFrom(at.Client, 0), Server: at.SIP,
		Number: ClientNumber, Canary: clientCanary, Canaries: at.canaries()})
	if err != nil {
		return s, err
	}
	s.people, err = telephone.NewPhone(telephone.Options{Listen: at.Carrier, Server: at.SIP,
		Number: DriverNumber, Canary: driverCanary, Canaries: at.canaries()})
	if err != nil {
		return s, err
	}
	for phone, other := range map[*telephone.Phone]string{s.client: at.Carrier.Addr().String(), s.people: at.Client.String()} {
		s.watches = append(s.watches, &watch{tape: phone.Tape, party: phone.Party, secrets: []string{other, at.Desk.String()}})
	}
	s.order, err = x.Order(ctx, ClientNumber, DriverNumber, at.Line, "accepted")
	return s, err
}

// watch has all be looked at that reaches an operator's browser.
func (s *stage) watch(d *desk) {
	who := func(string) string { return d.login }
	others := []string{s.Client.String(), s.Carrier.Addr().String()}
	for _, tape := range []func() []telephone.Wire{d.phone.Tape, d.pages} {
		s.watches = append(s.watches, &watch{tape: tape, party: who, secrets: others})
	}
}

func (s *stage) close() (err error) {
	for _, d := range []*desk{s.anna, s.boris} {
		if d != nil {
			err = errors.Join(err, d.close())
		}
	}
	for _, p := range []*telephone.Phone{s.client, s.people} {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	return err
}
