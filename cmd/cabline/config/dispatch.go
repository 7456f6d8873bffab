package config

import (
	"net/url"
	"slices"
	"strings"
)

// Dispatch is the dispatch system. Only the section of its kind is used; rules
// for the others are not kept.
type Dispatch struct {
	Kind   string `yaml:"kind"`
	Token  Secret `yaml:"token"` // bearer of /api/v1
	Events Events `yaml:"events"`

	Gootax     Gootax     `yaml:"gootax"`
	Taximaster Taximaster `yaml:"taximaster"`
	HTTPJSON   HTTPJSON   `yaml:"httpjson"`
}

// Events is where programs of the firm are told of calls.
type Events struct {
	URL    string   `yaml:"url"` // empty: nowhere
	Secret Secret   `yaml:"secret"`
	Kinds  []string `yaml:"kinds"` // empty: all
	Mask   bool     `yaml:"mask_numbers"`
	TLS    TLS      `yaml:"tls"`
}

// TLS is how a server's certificate is checked where the usual way will not do.
type TLS struct {
	CA          string `yaml:"ca"`          // PEM file
	Fingerprint string `yaml:"fingerprint"` // SHA-256, in hex
	Insecure    bool   `yaml:"insecure"`
	Legacy      bool   `yaml:"legacy"`
}

// TheirStatus is what one of a dispatch system's statuses means.
type TheirStatus struct {
	Theirs string `yaml:"theirs"`
	Status string `yaml:"status"`
}

// dispatchKinds are the dispatch systems there are.
var dispatchKinds = []string{"orderbook", "gootax", "taximaster", "httpjson"}

func (r *reader) dispatch(c *Config, env Env) {
	d := &c.Dispatch
	r.oneOf("dispatch.kind", &d.Kind, dispatchKinds)
	fromEnv(env, "CABLINE_DISPATCH_TOKEN", &d.Token)
	if d.Token == "" {
		r.problem(r.at[d], "dispatch: token missing; set it in dispatch.token or CABLINE_DISPATCH_TOKEN")
	}
	r.events(&d.Events, env)
	switch d.Kind {
	case "gootax":
		r.gootax(c, env)
	case "taximaster":
		r.taximaster(&d.Taximaster, env)
	case "httpjson":
		r.httpJSON(&d.HTTPJSON, env)
	}
}

func (r *reader) events(e *Events, env Env) {
	fromEnv(env, "CABLINE_EVENTS_SECRET", &e.Secret)
	if e.URL == "" {
		return
	}
	r.url("dispatch.events.url", &e.URL)
	if e.Secret == "" {
		r.problem(r.at[&e.URL], "dispatch.events: secret missing, which events are signed with; set it in dispatch.events.secret or CABLINE_EVENTS_SECRET")
	}
	for i := range e.Kinds {
		r.oneOf("dispatch.events.kinds", &e.Kinds[i], eventNames())
	}
}

func (r *reader) theirStatuses(name string, statuses []TheirStatus) {
	for i := range statuses {
		s := &statuses[i]
		if s.Theirs == "" {
			r.missing(s, "%s: theirs is missing: the status as the dispatch system sends it; the log has it", name)
		}
		r.oneOf(name, &s.Status, statusNames())
	}
	unique(r, name, statuses, func(s *TheirStatus) *string { return &s.Theirs })
}

// url complains about what is no http address of a server. Passwords have keys
// of their own: those in an address get into logs.
func (r *reader) url(name string, text *string) {
	u, err := url.Parse(*text)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "" || u.Fragment != "" || u.User != nil {
		r.problem(r.at[text], "%s: %q is no address, such as https://dispatch.example.org/api", name, withoutUser(*text))
	}
}

func withoutUser(text string) string {
	if _, after, found := strings.Cut(text, "@"); found {
		return "…@" + after
	}
	return text
}

// fromEnv lets a variable win over the file.
func fromEnv(env Env, name string, secret *Secret) {
	if text, ok := env(name); ok && text != "" {
		*secret = Secret(text)
	}
}

// secrets are those of the dispatch system.
func (d *Dispatch) secrets() []string {
	t, h := &d.Taximaster, &d.HTTPJSON
	return append(d.Gootax.secrets(), d.Token.Reveal(), d.Events.Secret.Reveal(), t.TAPIKey.Reveal(), t.CommonKey.Reveal(), t.Oktell.Password.Reveal(),
		h.Secret.Reveal(), h.Auth.Secret.Reveal())
}
