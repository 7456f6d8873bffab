package config

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Gootax is the dispatch panel whose exchange we are.
type Gootax struct {
	Domain           string           `yaml:"domain"` // the panel's host after Load; empty: no cards are opened
	VoiceToken       Secret           `yaml:"voice_token"`
	IntegrationToken Secret           `yaml:"integration_token"`
	CallToken        Secret           `yaml:"call_token"` // empty: no Call Url
	Numbers          string           `yaml:"numbers"`
	PhonePath        string           `yaml:"phone_path"`
	DriverPath       string           `yaml:"driver_path"`
	NotifyPaths      []string         `yaml:"notify_paths"`
	ConnectPaths     []string         `yaml:"connect_paths"`
	Statuses         []TheirStatus    `yaml:"statuses"`
	UnknownStatus    string           `yaml:"unknown_status"`
	Remember         time.Duration    `yaml:"remember"`
	Employees        []GootaxEmployee `yaml:"employees"`
	API              GootaxAPI        `yaml:"client_api"`
}

// GootaxEmployee is an operator as Gootax knows them.
type GootaxEmployee struct {
	Operator    string `yaml:"operator"`
	Number      string `yaml:"number"`
	AccessToken Secret `yaml:"access_token"`
}

// GootaxAPI is Gootax's API for clients' apps.
type GootaxAPI struct {
	URL        string `yaml:"url"` // empty: it is not asked
	Tenant     string `yaml:"tenant"`
	App        string `yaml:"app"`
	TypeClient string `yaml:"type_client"`
	Lang       string `yaml:"lang"`
	Key        Secret `yaml:"key"`
	TLS        TLS    `yaml:"tls"`
}

func defaultGootax() Gootax {
	return Gootax{Numbers: "plain", UnknownStatus: "silence", Remember: 12 * time.Hour, API: GootaxAPI{TypeClient: "web", Lang: "ru"}}
}

// webPath is a path that other systems ask on our web port.
var webPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// takenPaths are those of the pages, the REST and the telephones.
var takenPaths = []string{"/api", "/console", "/ws", "/demo", "/assets", "/healthz", "/metrics", "/call", "/calls", "/notices", "/orders"}

func (r *reader) gootax(c *Config, env Env) {
	g := &c.Dispatch.Gootax
	fromEnv(env, "CABLINE_GOOTAX_VOICE_TOKEN", &g.VoiceToken)
	fromEnv(env, "CABLINE_GOOTAX_INTEGRATION_TOKEN", &g.IntegrationToken)
	fromEnv(env, "CABLINE_GOOTAX_CALL_TOKEN", &g.CallToken)
	fromEnv(env, "CABLINE_GOOTAX_CLIENT_API_KEY", &g.API.Key)
	if g.VoiceToken == "" && g.IntegrationToken == "" {
		r.problem(r.at[g], "dispatch.gootax: tokens missing, by which Gootax is known; make up one for each of its two fields and set dispatch.gootax.voice_token and integration_token")
	}
	for name, token := range map[string]*Secret{"voice_token": &g.VoiceToken, "integration_token": &g.IntegrationToken, "call_token": &g.CallToken} {
		if n := len(*token); n > 0 && n < 16 {
			r.problem(r.at[token], "dispatch.gootax.%s: shorter than 16 characters: it could be guessed, and calls be made", name)
		}
	}
	if g.Domain != "" && !strings.Contains(g.Domain, ".") {
		g.Domain += ".gootax.pro"
	}
	if g.Domain != "" && !hostname(g.Domain) {
		r.problem(r.at[&g.Domain], "dispatch.gootax.domain: %q is no name of a panel, such as romashka or romashka.gootax.pro", g.Domain)
	}
	r.oneOf("dispatch.gootax.numbers", &g.Numbers, []string{"plain", "e164", "national"})
	r.oneOf("dispatch.gootax.unknown_status", &g.UnknownStatus, []string{"silence", "notice"})
	if g.Remember < time.Hour || g.Remember > 7*24*time.Hour {
		r.problem(r.at[&g.Remember], "dispatch.gootax.remember: %v is outside 1h to 168h", g.Remember)
	}
	r.paths("dispatch.gootax.notify_paths", g.NotifyPaths)
	r.paths("dispatch.gootax.connect_paths", g.ConnectPaths)
	for i := range g.ConnectPaths {
		if p := &g.ConnectPaths[i]; slices.Contains(g.NotifyPaths, *p) {
			r.problem(r.at[p], "dispatch.gootax.connect_paths: %s is among the notify_paths too", *p)
		}
	}
	r.theirStatuses("dispatch.gootax.statuses", g.Statuses)
	r.employees(c)
	if g.API.URL != "" {
		r.url("dispatch.gootax.client_api.url", &g.API.URL)
		if g.API.Key == "" || g.API.Tenant == "" {
			r.problem(r.at[&g.API], "dispatch.gootax.client_api: tenant or key missing; set them, the key also in CABLINE_GOOTAX_CLIENT_API_KEY")
		}
	}
}

func (r *reader) paths(name string, paths []string) {
	for i := range paths {
		p := &paths[i]
		first, _, _ := strings.Cut(strings.TrimPrefix(*p, "/"), "/")
		if !webPath.MatchString(*p) || slices.Contains(takenPaths, "/"+first) {
			r.problem(r.at[p], "%s: %q is no path that is free, such as /pbx/notify", name, *p)
		}
	}
	unique(r, name, paths, func(p *string) *string { return p })
}

func (r *reader) employees(c *Config) {
	var logins []string
	for _, o := range c.Operators {
		logins = append(logins, o.Login)
	}
	all := c.Dispatch.Gootax.Employees
	for i := range all {
		if e := &all[i]; !slices.Contains(logins, e.Operator) {
			r.problem(r.at[&e.Operator], "dispatch.gootax.employees: unknown operator %q; %s", e.Operator, suggest(e.Operator, logins))
		}
	}
	unique(r, "dispatch.gootax.employees.operator", all, func(e *GootaxEmployee) *string { return &e.Operator })
	unique(r, "dispatch.gootax.employees.number", all, func(e *GootaxEmployee) *string { return &e.Number })
}

func (g *Gootax) secrets() []string {
	secrets := []string{g.VoiceToken.Reveal(), g.IntegrationToken.Reveal(), g.CallToken.Reveal(), g.API.Key.Reveal()}
	for _, e := range g.Employees {
		secrets = append(secrets, e.AccessToken.Reveal())
	}
	return secrets
}
