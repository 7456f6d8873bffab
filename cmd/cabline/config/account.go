package config

import (
	"net/netip"
	"regexp"
	"time"
)

// sipUser is the user of an address, or user@domain.
var sipUser = regexp.MustCompile(`^[A-Za-z0-9_.!~*'()&=+$?/-]{1,64}(@[A-Za-z0-9.-]{1,253})?$`)

// account completes how we log in at a carrier.
func (r *reader) account(t *Trunk, env Env) {
	for _, user := range []struct {
		name  string
		value *string
	}{{"auth_user", &t.AuthUser}, {"from_user", &t.FromUser}} {
		if *user.value != "" && !sipUser.MatchString(*user.value) {
			r.problem(r.at[user.value], "trunks.%s: %q is no user, such as 883140001 or sip01@carrier.ru", user.name, *user.value)
		}
	}
	if _, err := netip.ParseAddr(t.Domain); t.Domain != "" && err != nil && !hostname(t.Domain) {
		r.problem(r.at[&t.Domain], "trunks.domain: %q is no domain, such as carrier.ru", t.Domain)
	}
	if t.Expires == 0 && t.Register {
		t.Expires = 10 * time.Minute
	}
	if t.Expires != 0 && (t.Expires < time.Minute || t.Expires > 24*time.Hour) {
		r.problem(r.at[&t.Expires], "trunks.expires: %v is outside 1m0s to 24h0m0s", t.Expires)
	}
	name, password := r.secret("CABLINE_TRUNK_", t.Name, t.PasswordEnv, t.Password, env)
	t.Password = Secret(password)
	switch {
	case t.AuthUser != "" && password == "":
		r.missing(t, "trunk %q: password missing; set it in %s", t.Name, name)
	case t.AuthUser == "" && t.Register:
		r.missing(t, "trunks: auth_user is missing; to register, write the login the carrier gave you")
	case t.AuthUser == "" && t.Password != "":
		r.missing(t, "trunks: auth_user is missing; a password is of no use without it")
	}
}

// standIns are trunks that may carry each other's calls. Where there are
// several, all are asked whether they are up: one alone is called anyway.
func (r *reader) standIns(c *Config) {
	for i := range c.Trunks {
		t := &c.Trunks[i]
		r.orElse(&t.Order, 1)
		r.orElse(&t.Weight, 1)
		if t.Order > 9 {
			r.problem(r.at[&t.Order], "trunks.order: %d is outside 0 to 9", t.Order)
		}
		if t.Weight < 1 || t.Weight > 100 {
			r.problem(r.at[&t.Weight], "trunks.weight: %d is outside 1 to 100", t.Weight)
		}
		if t.CallsPerSecond > 1000 {
			r.problem(r.at[&t.CallsPerSecond], "trunks.calls_per_second: %d is more than 1000", t.CallsPerSecond)
		}
		if _, written := r.at[&t.Options]; !written && (t.Register || len(c.Trunks) > 1) {
			t.Options = 30 * time.Second
		}
		if t.Options != 0 && (t.Options < 5*time.Second || t.Options > 10*time.Minute) {
			r.problem(r.at[&t.Options], "trunks.options: %v is outside 5s to 10m0s; 0s asks nothing", t.Options)
		}
	}
}

// orElse gives a number that the file has not its default; 0 is one of its own.
func (r *reader) orElse(n *int, otherwise int) {
	if _, written := r.at[n]; !written {
		*n = otherwise
	}
}
