package sip

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// trust is whom we take for a carrier at the other end of TLS.
type trust struct {
	names []string       // of the carrier, never empty; one of them has to be in the certificate
	roots *x509.CertPool // who may have signed it; nil: whom the system trusts
}

// config is of the handshake of a connection we open.
func (t *trust) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: t.names[0],
		// The check is verify's: a certificate may name a SIP domain, which Go does
		// not look for.
		InsecureSkipVerify: true,
		VerifyConnection:   t.verify,
	}
}

// knows says whether the peer of a connection is the one: it may have been
// opened to another carrier that has the same address.
func (t *trust) knows(c *connection) error {
	secure, ok := c.Conn.(*tls.Conn)
	switch {
	case t == nil || !ok:
		return errors.New("TLS without a name to check")
	case c.trusted.Load() == t:
		return nil
	}
	if err := t.verify(secure.ConnectionState()); err != nil {
		return err
	}
	c.trusted.Store(t)
	return nil
}

// verify checks a carrier's certificate (RFC 5922 §7): the name is the domain we
// look for, not the host that DNS led us to.
func (t *trust) verify(peer tls.ConnectionState) error {
	if len(peer.PeerCertificates) == 0 {
		return errors.New("the peer shows no certificate")
	}
	cert, between := peer.PeerCertificates[0], x509.NewCertPool()
	for _, c := range peer.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: t.roots, Intermediates: between})
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().After(invalid.Cert.NotAfter):
		return fmt.Errorf("the certificate ended on %s: %w", invalid.Cert.NotAfter.Format(time.DateOnly), err)
	case errors.As(err, &unknown) && selfSigned(cert):
		return fmt.Errorf("the certificate is signed by itself and not among those trusted: %w", err)
	case err != nil:
		return fmt.Errorf("the certificate cannot be trusted: %w", err)
	case !slices.ContainsFunc(t.names, func(name string) bool { return names(cert, name) }):
		return fmt.Errorf("the certificate is for %s, not for %s", namesOf(cert), strings.Join(t.names, " or "))
	}
	return nil
}

// names says whether a certificate is for a domain or an address. An asterisk
// stands for the first label, as on the Web, though RFC 5922 §7.2 wants none:
// large carriers have nothing else.
func names(cert *x509.Certificate, name string) bool {
	if cert.VerifyHostname(name) == nil {
		return true
	}
	return slices.ContainsFunc(sipDomains(cert), func(domain string) bool { return strings.EqualFold(domain, name) })
}

// sipDomains are the domains a certificate names as SIP URIs; those of users do
// not count (RFC 5922 §7.1).
func sipDomains(cert *x509.Certificate) (domains []string) {
	for _, uri := range cert.URIs {
		if strings.EqualFold(uri.Scheme, "sip") && uri.User == nil && !strings.Contains(uri.Opaque, "@") {
			domain := uri.Host + uri.Opaque // sip:example.com is opaque to net/url
			domain, _, _ = strings.Cut(domain, ";")
			domains = append(domains, domain)
		}
	}
	return domains
}

func namesOf(cert *x509.Certificate) string {
	all := slices.Concat(cert.DNSNames, sipDomains(cert))
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return fmt.Sprintf("nobody (its subject is %q)", truncate(cert.Subject.String(), 100))
	}
	return truncate(strings.Join(all, ", "), 200)
}

func selfSigned(cert *x509.Certificate) bool { return bytes.Equal(cert.RawSubject, cert.RawIssuer) }

// trustOf is what a trunk's certificate has to be: for the host that is written
// in the config, or for the domain.
func trustOf(t *trunk) *trust {
	host := t.gateways.target.Host
	names := []string{host}
	if t.Domain != "" && net.ParseIP(host) != nil {
		names = []string{t.Domain, host} // an address cannot be asked for (RFC 6066 §3)
	} else if t.Domain != "" {
		names = append(names, t.Domain)
	}
	return &trust{names: names, roots: t.Roots}
}
