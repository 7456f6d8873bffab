package sip

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// Digest access authentication (RFC 8760, RFC 7616), the MD5 half of it: JsSIP
// knows no other. Nonces are stateless: a time and its HMAC, good for the
// address they were given to.

// nonceLife is how long a nonce may be used.
const nonceLife = 2 * time.Minute

type digester struct {
	realm    string
	secret   []byte
	accounts func(login string) (ha1 string, ok bool)
}

func newDigester(realm string, accounts func(string) (string, bool)) *digester {
	d := &digester{realm: realm, secret: make([]byte, 32), accounts: accounts}
	_, _ = rand.Read(d.secret) // it never fails
	return d
}

func (d *digester) nonce(source string, now time.Time) string {
	text := make([]byte, 8, 24)
	binary.BigEndian.PutUint64(text, uint64(now.UnixNano()))
	mac := hmac.New(sha256.New, d.secret)
	mac.Write(text)
	mac.Write([]byte(hostOf(source)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(text)[:24])
}

// fresh says whether a nonce is ours, and whether it may still be used.
func (d *digester) fresh(nonce, source string, now time.Time) (ours, fresh bool) {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != 24 {
		return false, false
	}
	made := time.Unix(0, int64(binary.BigEndian.Uint64(raw)))
	if subtle.ConstantTimeCompare([]byte(d.nonce(source, made)), []byte(nonce)) != 1 {
		return false, false
	}
	age := now.Sub(made)
	return true, age >= 0 && age < nonceLife
}

func (d *digester) challenge(source string, stale bool) string {
	c := digest.Challenge{Realm: d.realm, Nonce: d.nonce(source, time.Now()), Algorithm: "MD5", QOP: []string{"auth"}, Stale: stale}
	return c.String()
}

// verdict is what credentials are worth.
type verdict int

const (
	missing verdict = iota // none for our realm: challenge
	stale                  // right once: challenge again
	wrong                  // refuse; nobody learns whether the login exists
	right
)

// judge weighs the credentials in the named headers of a request.
func (d *digester) judge(req *wire.Request, header string) (login string, v verdict) {
	for _, h := range req.GetHeaders(header) {
		cred, err := digest.ParseCredentials(h.Value())
		if err != nil || cred.Realm != d.realm {
			continue
		}
		ours, fresh := d.fresh(cred.Nonce, req.Source(), time.Now())
		switch {
		case !d.matches(cred, string(req.Method)) || !samePlace(cred.URI, req):
			return "", wrong
		case !ours || !fresh:
			return "", stale
		}
		return cred.Username, right
	}
	return "", missing
}

// matches computes the response, for an unknown login as well.
func (d *digester) matches(cred *digest.Credentials, method string) bool {
	ha1, known := d.accounts(cred.Username)
	if !known {
		ha1 = "00000000000000000000000000000000"
	}
	if cred.QOP != "auth" || cred.Algorithm != "" && !strings.EqualFold(cred.Algorithm, "MD5") {
		return false
	}
	want, err := digest.Digest(
		&digest.Challenge{Realm: d.realm, Nonce: cred.Nonce, Algorithm: "MD5", QOP: []string{"auth"}},
		digest.Options{Method: method, URI: cred.URI, Count: cred.Nc, Cnonce: cred.Cnonce, Username: cred.Username, A1: ha1})
	if err != nil {
		return false
	}
	same := subtle.ConstantTimeCompare([]byte(want.Response), []byte(strings.ToLower(cred.Response))) == 1
	return same && known
}

// samePlace keeps credentials made for one number from calling another.
func samePlace(uri string, req *wire.Request) bool {
	var said wire.Uri
	return wire.ParseUri(uri, &said) == nil && said.User == req.Recipient.User
}

func hostOf(source string) string {
	if addr, err := netip.ParseAddrPort(source); err == nil {
		return addr.Addr().Unmap().String()
	}
	return source
}
