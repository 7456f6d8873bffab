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
