package config

import (
	"cmp"
	"crypto/md5" // of which digest access authentication is made; JsSIP knows no other
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"cabline/media/opus"
	"cabline/pbx"
)

// The rules are what no single value shows: numbers need the country, lines
// need trunks, branches need operators.

// languages are those with prompts.
var languages = []string{"ru", "en"}

// login is what goes unescaped into a SIP URI and a variable's name.
var login = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

func (r *reader) rules(c *Config, env Env) {
	r.firm(&c.Firm)
	r.oneOf("log.level", &c.Log.Level, []string{"trace", "debug", "info", "warn", "error"})
	r.oneOf("log.format", &c.Log.Format, []string{"auto", "console", "json"})
	r.timeouts(&c.Timeouts)
	r.notices(&c.Notices)
	r.masking(&c.Masking)
	r.keep(&c.Keep)
	r.recording(c)
	if (c.Web.Cert == "") != (c.Web.Key == "") {
		r.problem(r.at[&c.Web], "web: cert and key go together; set both or none")
	}
	if (c.SIP.Cert == "") != (c.SIP.Key == "") {
		r.problem(r.at[&c.SIP], "sip: cert and key go together; set both or none")
	}
	if len(c.SIP.Listen) == 0 {
		r.problem(r.at[&c.SIP.Listen], "sip.listen is empty; write at least [udp://0.0.0.0:5060]")
	}
	unique(r, "sip.listen", c.SIP.Listen, func(l *SIPListen) *SIPListen { return l })
	r.apart(c)
	r.dispatch(c, env)
	r.trunks(c, env)
	r.lines(c)
	r.operators(c, env)
	r.branches(c)
}

// apart keeps SIP and the audio of browsers out of the ports of RTP.
func (r *reader) apart(c *Config) {
	ports := &c.RTP.Ports
	inside := func(port uint16) bool { return port >= ports[0] && port <= ports[1] }
	for i := range c.SIP.Listen {
		if l := &c.SIP.Listen[i]; l.Transport == "udp" && inside(l.Addr.Port()) {
			r.problem(r.at[l], "sip.listen: port %d is one of rtp.ports, %s", l.Addr.Port(), ports)
		}
	}
	if port := c.Web.Listen.Addr.Port(); inside(port) {
		r.problem(r.at[&c.Web.Listen], "web.listen: port %d, which is the UDP port of browsers' audio too, is one of rtp.ports, %s", port, ports)
	}
}

func (r *reader) firm(f *Firm) {
	if f.Name == "" {
		r.problem(r.at[f], "firm.name is missing")
	}
	f.Country = strings.ToUpper(f.Country)
	if !phonenumbers.GetSupportedRegions()[f.Country] {
		r.problem(r.at[&f.Country], "firm.country: %q is no country; write two letters, such as RU or KZ", f.Country)
		f.Country = "RU" // so that numbers are not blamed for it
	}
	r.oneOf("firm.language", &f.Language, languages)
}

func (r *reader) oneOf(name string, value *string, known []string) {
	if !slices.Contains(known, *value) {
		r.problem(r.at[value], "%s: unknown %q; %s", name, *value, suggest(*value, known))
	}
}

// phone makes a number of what the file has.
func (r *reader) phone(name string, p *pbx.Phone, country string) {
	if *p == "" {
		return
	}
	number, err := pbx.ParsePhone(string(*p), country)
	if err != nil {
		r.problem(r.at[p], "%s: %q is no telephone number; write it as +74950000000", name, string(*p))
		return
	}
	*p = number
}

// missing complains about a key that an entry of a list needs, unless the entry
// could not be read at all.
func (r *reader) missing(entry any, format string, args ...any) {
	if at, read := r.at[entry]; read {
		r.problem(at, format, args...)
	}
}

// unique complains about the second of two entries with the same value.
func unique[E any, V comparable](r *reader, name string, entries []E, field func(*E) *V) {
	first := map[V]*V{}
	var none V
	for i := range entries {
		v := field(&entries[i])
		if *v == none {
			continue
		}
		if other, taken := first[*v]; taken {
			r.problem(r.at[v], "%s: %s is here a second time, first in line %d", name, show(*v), r.at[other].Line)
			continue
		}
		first[*v] = v
	}
}

// show is a value in a message to the owner, who may see their own numbers.
func show(v any) string {
	if p, ok := v.(pbx.Phone); ok {
		return p.Dialable()
	}
	return fmt.Sprint(v)
}

// codecs checks a list of them, best first.
func (r *reader) codecs(name string, list *[]string) {
	for i := range *list {
		c := &(*list)[i]
		r.oneOf(name, c, []string{"pcma", "pcmu", "g722", "opus"})
		if *c == "opus" && !opus.Built {
			r.problem(r.at[c], "%s: this program was built without opus; leave it out, or install libopus-dev and pkg-config and run make build", name)
		}
		if slices.Contains((*list)[:i], *c) {
			r.problem(r.at[c], "%s: %s is here a second time", name, *c)
		}
	}
	if len(*list) == 0 {
		r.problem(r.at[list], "%s: no codec is left to speak", name)
	}
}

func (r *reader) trunks(c *Config, env Env) {
	r.codecs("rtp.codecs", &c.RTP.Codecs)
	channels := 0
	for i := range c.Trunks {
		t := &c.Trunks[i]
		if t.Name == "" {
			r.missing(t, "trunks: name is missing")
		}
		r.preset(t)
		if t.Transport != "" {
			r.oneOf("trunks.transport", &t.Transport, []string{"udp", "tcp", "tls"})
		}
		if t.CA != "" && t.Transport != "tls" {
			r.problem(r.at[&t.CA], "trunks.ca: %s shows no certificate; ca goes with transport: tls", cmp.Or(t.Transport, "udp"))
		}
		t.DTMF, t.SRTP = cmp.Or(t.DTMF, "auto"), cmp.Or(t.SRTP, "off")
		r.oneOf("trunks.dtmf", &t.DTMF, []string{"auto", "rfc4733", "info", "inband"})
		r.oneOf("trunks.srtp", &t.SRTP, []string{"off", "offered", "required"})
		t.Symmetric = cmp.Or(t.Symmetric, "first")
		r.oneOf("trunks.symmetric", &t.Symmetric, []string{"off", "first", "always"})
		if t.Codecs == nil {
			t.Codecs = c.RTP.Codecs
		} else {
			r.codecs("trunks.codecs", &t.Codecs)
		}
		t.Identity, t.NumberFormat = cmp.Or(t.Identity, "from"), cmp.Or(t.NumberFormat, "e164")
		r.oneOf("trunks.identity", &t.Identity, []string{"from", "pai", "ppi", "rpid"})
		r.oneOf("trunks.number_format", &t.NumberFormat, []string{"e164", "plain", "national"})
		t.EarlyMedia = cmp.Or(t.EarlyMedia, "pass")
		r.oneOf("trunks.early_media", &t.EarlyMedia, []string{"pass", "ringback"})
		r.rewrites("trunks.numbers_in", t.NumbersIn)
		r.rewrites("trunks.numbers_out", t.NumbersOut)
		r.host(t)
		r.account(t, env)
		r.phone("trunks.caller_id", &t.CallerID, c.Firm.Country)
		channels += t.Channels
	}
	r.standIns(c)
	unique(r, "trunks.name", c.Trunks, func(t *Trunk) *string { return &t.Name })
	if fit := c.RTP.Ports.size() / 2; channels > fit {
		r.problem(r.at[&c.RTP.Ports], "rtp.ports: %s has room for %d legs, the trunks have %d channels; a leg takes two ports",
			c.RTP.Ports, fit, channels)
	}
	if len(c.Trunks) == 0 {
		r.warnings.add(r.file, r.at[&c.Trunks], "no trunks: nobody can call in or be called")
	}
}

// host completes where a trunk is, and whom to believe that they are it.
func (r *reader) host(t *Trunk) {
	if t.Host == "" {
		r.missing(t, "trunks: host is missing; write the carrier's address, such as sip.carrier.ru:5060")
		return
	}
	at, ok := parseHost(t.Host)
	if !ok {
		r.problem(r.at[&t.Host], "trunks.host: %q is no host with a port, such as sip.carrier.ru:5060", t.Host)
		return
	}
	t.Host = at
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		host = at
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case len(t.From) > 0 || t.Register: // the registrar's addresses
	case err == nil:
		t.From = []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}
	default:
		r.missing(t, "trunks: from is missing; list the addresses %s calls from, such as [203.0.113.7]", host)
	}
	for i := range t.From {
		if p := &t.From[i]; p.IsValid() && p.Bits() == 0 {
			r.problem(r.at[p], "trunks.from: %s lets the whole Internet call as this carrier", p)
		}
	}
}

// hostname is a name of DNS; one made of digits is an address gone wrong.
func hostname(s string) bool {
	label := regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	_, numeric := strconv.Atoi(labels[len(labels)-1])
	return len(s) <= 253 && numeric != nil && !slices.ContainsFunc(labels, func(l string) bool { return !label.MatchString(l) })
}

func (r *reader) lines(c *Config) {
	var trunks []string
	for _, t := range c.Trunks {
		trunks = append(trunks, t.Name)
	}
	for i := range c.Lines {
		l := &c.Lines[i]
		if l.Number == "" {
			r.missing(l, "lines: number is missing")
		}
		r.phone("lines.number", &l.Number, c.Firm.Country)
		r.phone("lines.forward", &l.Forward, c.Firm.Country)
		if l.Trunk == "" {
			r.missing(l, "lines: trunk is missing; %s", suggest("", trunks))
		} else if !slices.Contains(trunks, l.Trunk) {
			r.problem(r.at[&l.Trunk], "lines.trunk: unknown trunk %q; %s", l.Trunk, suggest(l.Trunk, trunks))
		}
		if l.Language == "" {
			l.Language = c.Firm.Language
		} else {
			r.oneOf("lines.language", &l.Language, languages)
		}
	}
	unique(r, "lines.number", c.Lines, func(l *Line) *pbx.Phone { return &l.Number })
	for i := range c.Lines {
		l := &c.Lines[i]
		if l.Forward != "" && slices.ContainsFunc(c.Lines, func(o Line) bool { return o.Number == l.Forward }) {
			r.problem(r.at[&l.Forward], "lines.forward: %s is a line of the firm itself, the call would go round in a circle", l.Forward.Dialable())
		}
	}
	r.callerIDs(c)
	r.lineless(c)
	if len(c.Lines) == 0 {
		r.warnings.add(r.file, r.at[&c.Lines], "no lines: the firm has no number")
	}
}

// callerIDs gives a trunk that has none its first line.
func (r *reader) callerIDs(c *Config) {
	for i := range c.Trunks {
		t := &c.Trunks[i]
		first := slices.IndexFunc(c.Lines, func(l Line) bool { return l.Trunk == t.Name && t.Name != "" })
		switch {
		case t.CallerID != "":
		case first >= 0:
			t.CallerID = c.Lines[first].Number
		default:
			r.missing(t, "trunks: caller_id is missing, and no line of this trunk can stand in")
		}
	}
}

func (r *reader) operators(c *Config, env Env) {
	for i := range c.Operators {
		o := &c.Operators[i]
		if !login.MatchString(o.Login) {
			r.missing(o, "operators: %q is no login; write up to 32 small Latin letters, digits, dots, dashes", o.Login)
			continue
		}
		if o.Name == "" {
			o.Name = o.Login
		}
		r.password(o, env)
	}
	unique(r, "operators.login", c.Operators, func(o *Operator) *string { return &o.Login })
	if len(c.Operators) == 0 {
		r.warnings.add(r.file, r.at[&c.Operators], "no operators: whoever needs a person will wait in vain")
	}
}

// password takes the password from wherever it is and keeps only its hash.
func (r *reader) password(o *Operator, env Env) {
	name, password := r.secret("CABLINE_OPERATOR_", o.Login, o.PasswordEnv, o.Password, env)
	o.Password = ""
	if password == "" {
		r.problem(r.at[o], "operator %q: password missing; set it in %s", o.Login, name)
		return
	}
	if len(password) < 8 {
		r.warnings.add(r.file, r.at[o], "operator %q: the password is shorter than 8 characters", o.Login)
	}
	o.HA1 = HA1(o.Login, password)
}

// secret is a password of the environment or else of the file, and the
// variable it is looked for in.
func (r *reader) secret(prefix, of, named string, inFile Secret, env Env) (name, password string) {
	name = cmp.Or(named, prefix+strings.ToUpper(notInVariables.ReplaceAllString(of, "_"))+"_PASSWORD")
	if fromEnv, ok := env(name); ok && fromEnv != "" {
		return name, fromEnv
	}
	return name, inFile.Reveal()
}

// notInVariables is what the name of a variable may not have.
var notInVariables = regexp.MustCompile(`[^A-Za-z0-9_]`)

// HA1 is what stands for an operator's password.
func HA1(login, password string) Secret { return Secret(md5hex(login + ":" + Realm + ":" + password)) }

// md5hex is the hash of digest access authentication (RFC 7616 §3.4.2).
func md5hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// branches warns of callers nobody will answer and of operators nobody will call.
func (r *reader) branches(c *Config) {
	var ofLines []string
	for i := range c.Lines {
		l := &c.Lines[i]
		if l.Forward != "" {
			continue
		}
		ofLines = append(ofLines, l.Branch)
		served := slices.ContainsFunc(c.Operators, func(o Operator) bool {
			return len(o.Branches) == 0 || slices.Contains(o.Branches, l.Branch)
		})
		if !served && len(c.Operators) > 0 {
			r.warnings.add(r.file, r.at[l], "branch %q: no operator serves it, its callers will wait in vain", l.Branch)
		}
	}
	for i := range c.Operators {
		for j, b := range c.Operators[i].Branches {
			if !slices.Contains(ofLines, b) {
				r.warnings.add(r.file, r.at[&c.Operators[i].Branches[j]], "branch %q: no line has it; %s", b, suggest(b, ofLines))
			}
		}
	}
}

func (r *reader) timeouts(t *Timeouts) {
	for _, limit := range []struct {
		name     string
		value    *time.Duration
		low, top time.Duration
	}{
		{"order_lookup", &t.OrderLookup, 50 * time.Millisecond, 3 * time.Second},
		{"key_wait", &t.KeyWait, time.Second, 30 * time.Second},
		{"driver_ring", &t.DriverRing, 5 * time.Second, 2 * time.Minute},
		{"client_ring", &t.ClientRing, 5 * time.Second, 2 * time.Minute},
		{"operator_ring", &t.OperatorRing, 5 * time.Second, 2 * time.Minute},
		{"queue_max", &t.QueueMax, 10 * time.Second, 2 * time.Hour},
		{"shutdown", &t.Shutdown, 0, time.Hour},
	} {
		if *limit.value < limit.low || *limit.value > limit.top {
			r.problem(r.at[limit.value], "timeouts.%s: %v is outside %v to %v", limit.name, *limit.value, limit.low, limit.top)
		}
	}
}
