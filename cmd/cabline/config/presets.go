package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// preset is what a carrier publishes of itself, or others found out; what is
// known and what is not stands in docs/carriers.md. A key that the file has wins.
type preset struct {
	host, byAddress     string // byAddress: the host where we do not register, if it is another
	domain, proxy       string
	format, dtmf        string
	unregistered        bool   // we do not register
	asLogin             bool   // the From of a registered trunk has the login, whatever number is shown
	hostOfLogin         bool   // the host is the domain of the login
	ownHost             string // what every firm has of its own there, to be asked for
	elsewhere, lineless bool   // calls come from other addresses than the registrar's; do not say which number was called
}

var presets = map[string]preset{
	"megafon":    {host: "multifon.ru", domain: "multifon.ru", proxy: "sbc.megafon.ru:5060", format: "plain", dtmf: "inband", asLogin: true},
	"beeline":    {host: "ip.beeline.ru", domain: "ip.beeline.ru", proxy: "ip.beeline.ru", asLogin: true},
	"rostelecom": {ownHost: "the firm's own domain, or the address of their gateway", asLogin: true},
	"novofon":    {host: "sip.novofon.ru", dtmf: "rfc4733", elsewhere: true},
	"zadarma":    {host: "sip.zadarma.com", unregistered: true},
	"mango":      {hostOfLogin: true, ownHost: "vpbx….mangosip.ru, or the login with it", asLogin: true},
	"exolve":     {host: "sip.exolve.ru"},
	"mtt":        {host: "login.mtt.ru", byAddress: "sip.mtt.ru", lineless: true},
	"telphin":    {host: "voice.telphin.com:5068", domain: "sip.telphin.com"},
	"uis":        {host: "voip.uiscom.ru:9050"},
}

// preset fills in what the file leaves out.
func (r *reader) preset(t *Trunk) {
	if t.Preset == "" {
		return
	}
	p, known := presets[t.Preset]
	if !known {
		r.problem(r.at[&t.Preset], "trunks.preset: unknown %q; %s", t.Preset, suggest(t.Preset, slices.Sorted(maps.Keys(presets))))
		t.Host = cmp.Or(t.Host, "unknown.invalid") // so that it is not asked for
		return
	}
	if _, written := r.at[&t.Register]; !written {
		t.Register = !p.unregistered
	}
	user, domain, _ := strings.Cut(t.AuthUser, "@")
	if p.hostOfLogin {
		t.Host = cmp.Or(t.Host, domain)
	}
	if !t.Register {
		t.Host = cmp.Or(t.Host, p.byAddress)
	} else if p.asLogin {
		t.FromUser = cmp.Or(t.FromUser, user)
	}
	t.Host = cmp.Or(t.Host, p.host)
	t.Domain = cmp.Or(t.Domain, p.domain)
	t.OutboundProxy = cmp.Or(t.OutboundProxy, OutboundProxy(p.proxy))
	t.NumberFormat = cmp.Or(t.NumberFormat, p.format)
	t.DTMF = cmp.Or(t.DTMF, p.dtmf)
	if t.Host == "" {
		r.missing(t, "trunks: host is missing; at %s it is %s", t.Preset, p.ownHost)
		t.Host = "unknown.invalid"
	}
	if p.elsewhere && len(t.From) == 0 {
		r.missing(t, "trunks: from is missing; %s calls from other addresses than it registers at, list them", t.Preset)
	}
}

// lineless warns of lines that a carrier does not tell apart.
func (r *reader) lineless(c *Config) {
	for i := range c.Trunks {
		t := &c.Trunks[i]
		var lines []*Line
		for j := range c.Lines {
			if l := &c.Lines[j]; l.Trunk == t.Name {
				lines = append(lines, l)
			}
		}
		if presets[t.Preset].lineless && t.Register && len(lines) > 1 {
			r.warnings.add(r.file, r.at[lines[1]], "%s does not say which number was called where we register: all calls are for %s; let them know you by your address (register: false) instead",
				t.Preset, lines[0].Number.Dialable())
		}
	}
}
