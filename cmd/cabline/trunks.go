package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
	"cabline/pbx/sip"
)

// trunkOf is a carrier of the config as SIP knows it.
func trunkOf(cfg *config.Config, t config.Trunk) (sip.Trunk, error) {
	roots, err := authorities(t.CA)
	if err != nil {
		return sip.Trunk{}, fmt.Errorf("trunk %q: ca: %w", t.Name, err)
	}
	return sip.Trunk{
		Name: t.Name, Target: t.Host, Transport: t.Transport, Roots: roots, From: t.From,
		CallerID: t.CallerID, Lines: linesOf(cfg, t),
		Channels: t.Channels, CallsPerSecond: t.CallsPerSecond, Order: t.Order - 1, Weight: t.Weight, Options: t.Options,
		AuthUser: t.AuthUser, Password: t.Password.Reveal(), Realm: t.Realm, Domain: t.Domain, FromUser: t.FromUser,
		Proxy: string(t.OutboundProxy), Register: t.Register, Expires: t.Expires,
		Identity: sip.Identity(t.Identity), NumberFormat: pbx.Format(t.NumberFormat),
		NumbersIn: rewrites(t.NumbersIn), NumbersOut: rewrites(t.NumbersOut),
		DTMF: sip.DTMF(t.DTMF), SRTP: sip.SRTP(t.SRTP), Symmetric: sip.Symmetry(t.Symmetric), Codecs: codecs(t.Codecs),
		Prack: t.Prack, LateOffer: t.LateOffer, EarlyMedia: sip.EarlyMedia(t.EarlyMedia), Redirects: t.Redirects,
	}, nil
}

func nameServers(cfg *config.Config) (servers []netip.AddrPort) {
	for _, s := range cfg.SIP.DNS {
		servers = append(servers, netip.AddrPort(s))
	}
	return servers
}

func rewrites(rules []config.Rewrite) (all []sip.Rewrite) {
	for _, r := range rules {
		all = append(all, sip.Rewrite{Match: r.Match, To: r.To, Only: sip.Party(r.Only)})
	}
	return all
}

// linesOf are a trunk's lines, the one before the others that calls to its login
// are for: the one with that number.
func linesOf(cfg *config.Config, t config.Trunk) (lines []pbx.Phone) {
	login, _, _ := strings.Cut(cmp.Or(t.FromUser, t.AuthUser), "@")
	number, _ := pbx.ParsePhone(login, cfg.Firm.Country) // a login need not be one
	for _, l := range cfg.Lines {
		switch {
		case l.Trunk != t.Name:
		case l.Number == number:
			lines = slices.Insert(lines, 0, l.Number)
		default:
			lines = append(lines, l.Number)
		}
	}
	return lines
}
