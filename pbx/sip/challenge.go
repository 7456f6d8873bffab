package sip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	wire "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// maxChallenge bounds a challenge, and maxTries how often one request is
// repeated because of them: once for the carrier's gateway, once for a proxy
// before it, and once each because a nonce was stale.
const (
	maxChallenge = 2048
	maxTries     = 4
)

// login is one request's way past the challenges of a carrier (RFC 3261 §22,
// RFC 8760).
type login struct {
	user, password string
	// mine says whether the password may be shown to those who name a realm.
	mine func(realm string) bool

	given  map[string]*digest.Credentials // by header and realm
	realms []string                       // those answered
	tries  int
}

// challenges are the headers that ask and those that answer.
var challenges = []struct{ asks, answers string }{
	{"WWW-Authenticate", "Authorization"},
	{"Proxy-Authenticate", "Proxy-Authorization"},
}

// answer gets ready for what a refusal of req asks. The error says why there is
// nothing to be answered.
func (g *login) answer(req *wire.Request, res *wire.Response) error {
	if g.user == "" || g.password == "" {
		return errors.New("a password is asked for, and there is none")
	}
	if g.tries++; g.tries > maxTries {
		return errors.New("challenged again and again")
	}
	if g.given == nil {
		g.given = map[string]*digest.Credentials{}
	}
	why := errors.New("no challenge that can be answered")
	seen := map[string]bool{}
	for _, kind := range challenges {
		for _, h := range res.GetHeaders(kind.asks) {
			asked, err := readChallenge(h.Value())
			if err != nil {
				continue
			}
			key := kind.answers + " " + asked.Realm
			old := g.given[key]
			switch {
			case seen[key]: // RFC 8760 §2.4: the first that we can do is the one
				continue
			case !g.mine(asked.Realm):
				why = fmt.Errorf("challenged for %q, which is not the trunk's realm", truncate(asked.Realm, 100))
				continue
			case old != nil && !asked.Stale:
				return errors.New("wrong user or password")
			}
			if g.given[key], err = g.credentials(asked, req); err != nil {
				return err
			}
			seen[key] = true
			if !slices.Contains(g.realms, asked.Realm) {
				g.realms = append(g.realms, asked.Realm)
			}
		}
	}
	if len(seen) == 0 {
		return why
	}
	return nil
}

// readChallenge reads a challenge we can meet.
func readChallenge(text string) (*digest.Challenge, error) {
	if len(text) > maxChallenge || !clean(text) {
		return nil, errMalformed
	}
	asked, err := digest.ParseChallenge(text)
	if err != nil {
		return nil, err
	}
	for i := range asked.QOP {
		asked.QOP[i] = strings.TrimSpace(asked.QOP[i])
	}
	if asked.Nonce == "" || !digest.CanDigest(asked) {
		return nil, errMalformed
	}
	return asked, nil
}

func (g *login) credentials(asked *digest.Challenge, req *wire.Request) (*digest.Credentials, error) {
	body := req.Body()
	return digest.Digest(asked, digest.Options{
		Method: string(req.Method), URI: req.Recipient.String(), Username: g.user, Password: g.password,
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	})
}

// headers carry the credentials.
func (g *login) headers() (all []wire.Header) {
	for key, cred := range g.given {
		name, _, _ := strings.Cut(key, " ")
		all = append(all, wire.NewHeader(name, cred.String()))
	}
	return all
}

// challenged says whether a refusal asks for a password.
func challenged(res *wire.Response) bool {
	return res.StatusCode == wire.StatusUnauthorized || res.StatusCode == wire.StatusProxyAuthRequired
}
