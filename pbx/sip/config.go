package sip

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/media"
	"cabline/pbx"
	"cabline/pbx/gate"
	"cabline/pbx/sip/locate"
)

// Config is what a Server needs. Zero fields take the defaults named.
type Config struct {
	Listen []Listen
	// Certificate is shown to those who come over TLS; needed where Listen has
	// tls. It is asked at each handshake, so that renewed ones count at once.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	Public    netip.Addr // put into Contact and SDP when behind NAT; zero: the address listened on
	Realm     string     // of digest; "cabline"
	UserAgent string     // "Cabline"
	Country   string     // in which numbers are written; "RU"
	Trunks    []Trunk
	DNS       []netip.AddrPort // name servers; none: those of the system
	MaxCalls  int              // legs at once; 10000
	Origins   []string         // hosts besides our own whose pages may open a WebSocket

	// Accounts returns an operator's HA1: MD5(login:realm:password) in hex.
	Accounts func(login string) (ha1 string, ok bool)
	Devices  pbx.Devices // remembers registrations beyond a restart; nil: they are forgotten
	Gate     *gate.Gate  // keeps out who guesses passwords; nil: one of its own
	Exchange Exchange

	// Alias reads what operators dial who see no numbers; nil: numbers only.
	Alias func(text string) (number pbx.Phone, ok bool)
	// Alarm is told that a message was about to show a party a number that is
	// hidden from it; sent: it left without the field. May be nil.
	Alarm func(sent bool)

	// RTP opens the audio of a leg over RTP or SRTP.
	RTP func(RTPOptions) (Audio, error)
	// Browser opens the audio of a leg over ICE and DTLS; nil: browsers are refused.
	Browser func() (Audio, error)

	minExpires time.Duration // of a registration; 1 min
	parser     *wire.Parser  // sipgo's
	maxSources int           // of UDP messages known to sipgo at once; 20000
	maxPending int           // requests that are not answered, or whose answer may have to be repeated, of strangers and of all others; 20000
	unproven   time.Duration // that a connection lives on which nobody has shown who they are; 30 s
	backOff    time.Duration // after the first failure to register; 2 s

	find func(context.Context, locate.Target) (locate.Found, error)               // in the DNS
	dial func(ctx context.Context, from *net.Dialer, to string) (net.Conn, error) // over TCP
}

// Listen is one address to receive SIP on.
type Listen struct {
	Network string // "udp", "tcp" or "tls"
	Addr    netip.AddrPort
}

// Trunk is a carrier.
type Trunk struct {
	Name      string
	Target    string         // host or host:port calls are sent to (RFC 3263); empty: calls only come in
	Transport string         // "udp", "tcp" or "tls"; empty: as the DNS says, or else udp
	Roots     *x509.CertPool // who may have signed its certificate; nil: whom the system trusts
	From      []netip.Prefix // where its calls come from; empty and Register: the registrar's addresses, calls to the account
	CallerID  pbx.Phone      // shown when a call names no number of its own
	Channels  int            // calls at once, both directions; 0: no limit

	CallsPerSecond int // in each direction; 0: no limit
	// Order is when the trunk's turn is to carry calls that are another's or
	// nobody's own: the smallest first. Negative: never.
	Order  int
	Weight int // its share of the calls among trunks of the same order; 1

	AuthUser string // of digest; empty: the carrier asks for no password
	Password string
	// Realm may see the password when we call; the registrar's may too, and where
	// neither is known, Domain or else the host.
	Realm    string
	Domain   string // in From, To and the request line; empty: the address itself
	FromUser string // the user in From; empty: the number shown, and in REGISTER AuthUser up to an @
	Proxy    string // outbound, host or host:port; always used as a loose router

	Register bool          // with Target, or with Proxy where there is one
	Expires  time.Duration // asked of the registrar; 10 min
	Lines    []pbx.Phone   // the numbers called over it; calls to the account itself are for the first

	Identity     Identity   // where the number we call from stands
	NumberFormat pbx.Format // of the numbers we send
	NumbersIn    []Rewrite  // of numbers as the carrier writes them; the first that fits
	NumbersOut   []Rewrite  // of numbers as we have them (+79161234567, 0611), before NumberFormat

	DTMF DTMF // how keys travel
	SRTP SRTP // whether audio is encrypted

	Symmetric Symmetry // whose audio is taken
	Codecs    []media.Codec

	Prack      bool       // provisional responses are confirmed wherever the carrier can (RFC 3262)
	EarlyMedia EarlyMedia // what becomes of the sound it sends before the answer
	LateOffer  bool       // our INVITE has no SDP: the carrier makes the offer (RFC 3261 §13.2.1)
	Redirects  bool       // its 3xx are followed, to numbers of its own

	Options time.Duration // between two OPTIONS that ask whether it is up; 0: none
}

// DTMF is how keys travel between a trunk and us.
type DTMF string

// The ways of keys.
const (
	DTMFAuto   DTMF = "auto"    // the default: what the carrier offers
	DTMFEvents DTMF = "rfc4733" // telephone-event
	DTMFInfo   DTMF = "info"    // SIP INFO
	DTMFInBand DTMF = "inband"  // tones in the sound
)

// SRTP is whether a trunk's audio is encrypted with keys from SDP (RFC 4568).
type SRTP string

// The degrees of encryption.
const (
	SRTPOff      SRTP = "off"      // the default
	SRTPOffered  SRTP = "offered"  // plain where the carrier has none
	SRTPRequired SRTP = "required" // no call without
)

// Symmetry is what becomes of a trunk's audio when it comes from another address
// than the SDP's (symmetric RTP, RFC 4961).
type Symmetry string

// The degrees of symmetry.
const (
	SymmetryFirst  Symmetry = "first"  // the default: the first packet's address, and no other then
	SymmetryOff    Symmetry = "off"    // only the SDP's
	SymmetryAlways Symmetry = "always" // every packet's
)

// RTPOptions are what the audio of a leg over RTP has to suit.
type RTPOptions struct {
	Bind      netip.Addr    // may be unspecified
	Advertise netip.Addr    // what to put into SDP
	Peer      netip.Addr    // where the party's SIP comes from
	DTMF      DTMF          // of the trunk; empty: auto
	SRTP      SRTP          // of the trunk; empty: off
	Symmetric Symmetry      // of the trunk; empty: first
	Codecs    []media.Codec // of the trunk, best first; none: the usual ones
}

// EarlyMedia is what becomes of the sound a carrier sends before a call is
// answered: its own ringing, a word about why nobody answers.
type EarlyMedia string

const (
	Pass     EarlyMedia = "pass"     // the caller hears it; the default
	Ringback EarlyMedia = "ringback" // the caller hears ours instead
)

// Exchange is what arriving calls and registrations are told to.
type Exchange interface {
	// Incoming runs the story of a leg; it returns when the call is over.
	Incoming(ctx context.Context, leg pbx.Leg, a pbx.Arrival)
	// SetOnline says whether an operator has a phone or a page registered.
	SetOnline(login string, online bool)
}

// Audio is the audio of one leg. If it also has Lost() <-chan struct{}, the
// leg ends with pbx.ErrMediaLost when that channel closes. If it also has
// OfferPlain() ([]byte, error), a peer that refuses the Offer is offered that,
// where encryption is not required.
type Audio interface {
	media.Port
	Offer() ([]byte, error)              // SDP for an INVITE we send
	Answer(offer []byte) ([]byte, error) // their offer, our answer; again for a re-INVITE
	Accept(answer []byte) error          // their answer to our Offer
	Held() bool                          // their last offer or answer wants to hear nothing
	Heard(d media.Digit)                 // a key that came by SIP INFO
	Close() error
}

func (c Config) withDefaults() Config {
	if c.Realm == "" {
		c.Realm = "cabline"
	}
	if c.UserAgent == "" {
		c.UserAgent = "Cabline"
	}
	if c.Country == "" {
		c.Country = "RU"
	}
	if c.MaxCalls == 0 {
		c.MaxCalls = 10000
	}
	c.parser = cmp.Or(c.parser, wire.NewParser())
	if c.maxSources == 0 {
		c.maxSources = 20000
	}
	if c.maxPending == 0 {
		c.maxPending = 20000
	}
	if c.Gate == nil {
		c.Gate = gate.New()
	}
	if c.minExpires == 0 {
		c.minExpires = time.Minute
	}
	if c.unproven == 0 {
		c.unproven = 30 * time.Second
	}
	if c.find == nil {
		c.find = (&locate.Resolver{Servers: c.DNS}).Find
	}
	if c.dial == nil {
		c.dial = func(ctx context.Context, from *net.Dialer, to string) (net.Conn, error) {
			return from.DialContext(ctx, "tcp", to)
		}
	}
	if c.backOff == 0 {
		c.backOff = 2 * time.Second
	}
	if c.Accounts == nil {
		c.Accounts = func(string) (string, bool) { return "", false }
	}
	return c
}
