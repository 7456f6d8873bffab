package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"cabline/cmd/cabline/config"
)

// A self-signed certificate is kept in the data folder, so that a browser that
// was told to trust it goes on trusting it after a restart. It is made anew a
// month before it ends.
const (
	certificateLife  = 2 * 365 * 24 * time.Hour
	certificateSpare = 30 * 24 * time.Hour
)

// names are what browsers and phones may call us: the domain, the addresses,
// this machine's when we listen on all of them.
func names(cfg *config.Config) []string {
	all := []string{"localhost"}
	if cfg.Web.Domain != "" {
		all = append(all, cfg.Web.Domain)
	}
	if cfg.SIP.Public.IsValid() {
		all = append(all, cfg.SIP.Public.String())
	}
	listen := []netip.Addr{cfg.Web.Listen.Addr.Addr()}
	for _, l := range cfg.SIP.Listen {
		if l.Transport == "tls" {
			listen = append(listen, l.Addr.Addr())
		}
	}
	if !slices.ContainsFunc(listen, netip.Addr.IsUnspecified) {
		for _, a := range listen {
			all = append(all, a.String())
		}
		return all
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return all
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, prefix.Addr().String())
		}
	}
	return all
}

// selfSigned makes a certificate and its key, in one file, if there is no good one.
func selfSigned(path string, names []string, now time.Time) error {
	kept, err := tls.LoadX509KeyPair(path, path)
	if err == nil && stillGood(kept.Leaf, names, now) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s cannot be read; delete it and a new one is made: %w", path, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "Cabline"},
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.Add(certificateLife),
		KeyUsage:  x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	return nil
}

// stillGood: not about to end, and good for every name we go by now.
func stillGood(cert *x509.Certificate, names []string, now time.Time) bool {
	if cert == nil || now.Before(cert.NotBefore) || now.After(cert.NotAfter.Add(-certificateSpare)) {
		return false
	}
	for _, name := range names {
		if cert.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}
