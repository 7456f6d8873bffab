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
	respond  func(cred *digest.Credentials, ha1, method string) string // the right response
}

func newDigester(realm string, accounts func(string) (string, bool)) *digester {
	d := &digester{realm: realm, secret: make([]byte, 32), accounts: accounts, respond: response}
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
	stale                  // their nonce is too old, or not ours: challenge again
	wrong                  // refuse; nobody learns whether the login exists
	right
)

// credentials are those for our realm in the named headers of a request; nil:
// there are none.
func (d *digester) credentials(req *wire.Request, header string) *digest.Credentials {
	for _, h := range req.GetHeaders(header) {
		cred, err := digest.ParseCredentials(h.Value())
		if err == nil && cred.Realm == d.realm {
			return cred
		}
	}
	return nil
}

// judge weighs credentials. With a nonce that is not ours they are worth nothing
// and cost nothing: whoever sends them cannot receive at the address they seem to
// come from, or we have started anew since.
func (d *digester) judge(req *wire.Request, cred *digest.Credentials) verdict {
	if cred == nil {
		return missing
	}
	ours, fresh := d.fresh(cred.Nonce, req.Source(), time.Now())
	switch matches := d.matches(cred, string(req.Method)) && samePlace(cred.URI, req); {
	case !ours:
		return stale
	case !matches:
		return wrong
	case !fresh:
		return stale
	}
	return right
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
	want := d.respond(cred, ha1, method)
	same := subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(cred.Response))) == 1
	return same && known && want != ""
}

// response is what the client should have sent (RFC 7616 §3.4.1).
func response(cred *digest.Credentials, ha1, method string) string {
	want, err := digest.Digest(
		&digest.Challenge{Realm: cred.Realm, Nonce: cred.Nonce, Algorithm: "MD5", QOP: []string{"auth"}},
		digest.Options{Method: method, URI: cred.URI, Count: cred.Nc, Cnonce: cred.Cnonce, Username: cred.Username, A1: ha1})
	if err != nil {
		return ""
	}
	return want.Response
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
