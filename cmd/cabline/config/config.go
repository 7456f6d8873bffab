// Package config reads the one file a firm writes: YAML, strict, with an answer
// for every mistake in it.
//
// A [Config] that Load returned is whole: numbers are E.164, addresses are
// addresses, relative paths start at the file's own folder, secrets come from
// the file or the environment. The package opens no port, resolves no name and
// knows none of the packages that are given the values. It does not log.
package config

import (
	"net/netip"
	"slices"
	"time"
	_ "time/tzdata" // a firm's server may have no table of zones

	"cabline/pbx"
)

// Config is the file. The tags are its keys; example.yaml explains each.
type Config struct {
	Data      string     `yaml:"data"`
	Firm      Firm       `yaml:"firm"`
	SIP       SIP        `yaml:"sip"`
	RTP       RTP        `yaml:"rtp"`
	Web       Web        `yaml:"web"`
	Trunks    []Trunk    `yaml:"trunks"`
	Lines     []Line     `yaml:"lines"`
	Operators []Operator `yaml:"operators"`
	Dispatch  Dispatch   `yaml:"dispatch"`
	Outgoing  Outgoing   `yaml:"outgoing"`
	Notices   Notices    `yaml:"notices"`
	Masking   Masking    `yaml:"masking"`
	Keep      Keep       `yaml:"keep"`
	Recording Recording  `yaml:"recording"`
	Prompts   string     `yaml:"prompts"` // folder of own recordings and texts; empty: none
	Timeouts  Timeouts   `yaml:"timeouts"`
	Log       Log        `yaml:"log"`
}

// Firm is who the exchange works for.
type Firm struct {
	Name     string         `yaml:"name"`
	Country  string         `yaml:"country"`  // ISO 3166 alpha-2: how numbers without a plus are read
	Language string         `yaml:"language"` // of prompts and the console: ru or en
	Timezone *time.Location `yaml:"timezone"`
}

// SIP is where carriers and softphones reach us.
type SIP struct {
	Listen []SIPListen `yaml:"listen"`
	Public netip.Addr  `yaml:"public"` // told to others in SDP and Contact; zero: the address listened on
	Cert   string      `yaml:"cert"`   // PEM file, of tls://; empty: the web's
	Key    string      `yaml:"key"`
	DNS    []DNSServer `yaml:"dns"` // empty: those of the system
}

// RTP is the audio of carriers and softphones.
type RTP struct {
	Ports  PortRange `yaml:"ports"`
	Codecs []string  `yaml:"codecs"` // best first; of browsers too
}

// Web is the console, REST and SIP over WebSocket, all on one port. Browsers'
// audio uses the UDP port of the same address and number.
type Web struct {
	Listen WebListen `yaml:"listen"`
	Domain string    `yaml:"domain"` // the name browsers use; empty: the address
	Cert   string    `yaml:"cert"`   // PEM file; empty: self-signed
	Key    string    `yaml:"key"`
	// Origins are other sites whose pages may bring a webphone of their own, as
	// the panel of a dispatch system does.
	Origins []Origin `yaml:"origins"`
}

// Trunk is a carrier, known by its addresses or by an account.
type Trunk struct {
	Name      string         `yaml:"name"`
	Preset    string         `yaml:"preset"`    // a carrier of presets.go
	Host      string         `yaml:"host"`      // host, or host:port
	Transport string         `yaml:"transport"` // empty: as the DNS says
	CA        string         `yaml:"ca"`        // PEM file: who may have signed the carrier's certificate; empty: whom the system trusts
	From      []netip.Prefix `yaml:"from"`      // empty after Load only where Register is set: the registrar's addresses
	CallerID  pbx.Phone      `yaml:"caller_id"`
	Channels  int            `yaml:"channels"` // calls at a time, both ways; 0: the carrier's own limit

	CallsPerSecond int `yaml:"calls_per_second"` // each way; 0: we do not count

	Register      bool          `yaml:"register"`
	AuthUser      string        `yaml:"auth_user"` // empty: the carrier asks for no password
	Password      Secret        `yaml:"password"`
	PasswordEnv   string        `yaml:"password_env"`
	Realm         string        `yaml:"realm"`
	Domain        string        `yaml:"domain"`
	FromUser      string        `yaml:"from_user"`
	OutboundProxy OutboundProxy `yaml:"outbound_proxy"`
	Expires       time.Duration `yaml:"expires"`

	Identity     string `yaml:"identity"`      // from where the file has none
	NumberFormat string `yaml:"number_format"` // e164 where the file has none

	NumbersIn  []Rewrite `yaml:"numbers_in"`  // of numbers as the carrier writes them
	NumbersOut []Rewrite `yaml:"numbers_out"` // of numbers in full, +7…, before number_format

	DTMF string `yaml:"dtmf"` // auto where the file has none
	SRTP string `yaml:"srtp"` // off where the file has none

	Symmetric string `yaml:"symmetric"` // first where the file has none

	Codecs []string `yaml:"codecs"` // those of RTP where the file has none

	Prack      bool   `yaml:"prack"`
	LateOffer  bool   `yaml:"late_offer"`
	EarlyMedia string `yaml:"early_media"` // pass where the file has none
	Redirects  bool   `yaml:"redirects"`

	Options time.Duration `yaml:"options"` // between two questions whether it is up; 0: none
	Order   int           `yaml:"order"`   // 1 where the file has none; 0: never in place of another
	Weight  int           `yaml:"weight"`  // 1 where the file has none
}

// Line is one of the firm's numbers.
type Line struct {
	Number   pbx.Phone `yaml:"number"`
	Trunk    string    `yaml:"trunk"`
	Branch   string    `yaml:"branch"`
	Tariff   string    `yaml:"tariff"`
	Language string    `yaml:"language"` // the firm's where the file has none
	Forward  pbx.Phone `yaml:"forward"`  // empty: the voice menu answers
}

// Operator is a person who answers calls.
type Operator struct {
	Login       string   `yaml:"login"`
	Name        string   `yaml:"name"`     // the login where the file has none
	Password    Secret   `yaml:"password"` // always empty after Load, see HA1
	PasswordEnv string   `yaml:"password_env"`
	Branches    []string `yaml:"branches"` // empty: all of them
	HA1         Secret   `yaml:"-"`        // MD5(login:realm:password) in hex, RFC 7616 §3.4.2
}

// Realm is the digest realm the HA1s are made for.
const Realm = "cabline"

// Outgoing is what operators may dial.
type Outgoing struct {
	// Allow lists the beginnings of numbers ("+7") that may be dialled besides
	// the clients and drivers of active orders.
	Allow []Prefix `yaml:"allow"`
}

// Timeouts are how long each thing may take.
type Timeouts struct {
	OrderLookup  time.Duration `yaml:"order_lookup"`
	KeyWait      time.Duration `yaml:"key_wait"`
	DriverRing   time.Duration `yaml:"driver_ring"`
	ClientRing   time.Duration `yaml:"client_ring"`
	OperatorRing time.Duration `yaml:"operator_ring"`
	QueueMax     time.Duration `yaml:"queue_max"`
	Shutdown     time.Duration `yaml:"shutdown"`
}

// Log is what is written to standard error.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Default is what a file that says nothing means.
func Default() *Config {
	moscow, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		panic(err) // the table of zones is in the binary
	}
	everywhere := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv4Unspecified(), port) }
	return &Config{
		Data: "./data",
		Firm: Firm{Country: "RU", Language: "ru", Timezone: moscow},
		SIP: SIP{Listen: []SIPListen{
			{Transport: "udp", Addr: everywhere(5060)},
			{Transport: "tcp", Addr: everywhere(5060)},
		}},
		RTP:     RTP{PortRange{20000, 29999}, []string{"pcma", "pcmu"}},
		Web:     Web{Listen: WebListen{Secure: true, Addr: everywhere(8443)}},
		Notices: defaultNotices(),
		Dispatch: Dispatch{Kind: "orderbook", Gootax: defaultGootax(), Taximaster: Taximaster{Numbers: "national", Oktell: Oktell{Joining: "TMABConnect"}},
			HTTPJSON: HTTPJSON{Numbers: "e164", Retries: 1, Auth: HTTPAuth{Kind: "none"}}},
		Masking:   defaultMasking(),
		Keep:      defaultKeep(),
		Recording: defaultRecording(),
		Timeouts: Timeouts{
			OrderLookup:  time.Second,
			KeyWait:      5 * time.Second,
			DriverRing:   25 * time.Second,
			ClientRing:   40 * time.Second,
			OperatorRing: 20 * time.Second,
			QueueMax:     10 * time.Minute,
			Shutdown:     30 * time.Second,
		},
		Log: Log{Level: "info", Format: "auto"},
	}
}

// Secrets are the texts which must never be printed.
func (c *Config) Secrets() []string {
	secrets := c.Dispatch.secrets()
	for _, o := range c.Operators {
		secrets = append(secrets, o.HA1.Reveal())
	}
	for _, t := range c.Trunks {
		if t.Password != "" {
			secrets = append(secrets, t.Password.Reveal())
		}
	}
	return slices.DeleteFunc(secrets, func(s string) bool { return s == "" })
}
