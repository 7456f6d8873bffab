package config

import (
	"cmp"
	"maps"
	"slices"
)

// presets are what carriers publish of themselves; all of them want us to
// register. A key that the file has wins.
var presets = map[string]struct {
	host, domain, proxy, format string
	elsewhere                   bool // calls come from other addresses than the registrar's
}{
	"megafon": {host: "multifon.ru", domain: "multifon.ru", proxy: "sbc.megafon.ru:5060", format: "plain"},
	"beeline": {host: "ip.beeline.ru", domain: "ip.beeline.ru", proxy: "ip.beeline.ru"},
	"novofon": {host: "sip.novofon.ru", elsewhere: true},
	"exolve":  {host: "sip.exolve.ru"},
	"telphin": {host: "voice.telphin.com:5068", domain: "sip.telphin.com"},
	"uis":     {host: "voip.uiscom.ru:9050"},
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
	t.Host = cmp.Or(t.Host, p.host)
	t.Domain = cmp.Or(t.Domain, p.domain)
	t.OutboundProxy = cmp.Or(t.OutboundProxy, OutboundProxy(p.proxy))
	t.NumberFormat = cmp.Or(t.NumberFormat, p.format)
	if _, written := r.at[&t.Register]; !written {
		t.Register = true
	}
	if p.elsewhere && len(t.From) == 0 {
		r.missing(t, "trunks: from is missing; %s calls from other addresses than it registers at, list them", t.Preset)
	}
}
