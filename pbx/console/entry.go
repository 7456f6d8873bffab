package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/rs/zerolog"

	"cabline/pbx/gate"
)

const sessionCookie = "cabline_session"

// refusal is why a request may not come in.
type refusal struct {
	status int
	why    string
}

func (no *refusal) write(w http.ResponseWriter) {
	switch no.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="cabline"`) // RFC 6750 §3
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "30")
	}
	writeProblem(w, no.status, no.why)
}

// admitREST lets in who has the token or a session.
func (c *Console) admitREST(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if no := c.mayUseREST(r); no != nil {
		no.write(w)
		return
	}
	if r.Header.Get("Authorization") == "" {
		ctx = huma.WithValue(ctx, sessionKey{}, true)
	}
	next(ctx)
}

func (c *Console) mayUseREST(r *http.Request) *refusal {
	if header := r.Header.Get("Authorization"); header != "" {
		return c.checkToken(r, header)
	}
	_, no := c.operator(r)
	return no
}

func (c *Console) checkToken(r *http.Request, header string) *refusal {
	source := gate.Household(sourceOf(r)).String()
	if !c.tokens.left(source) {
		return &refusal{http.StatusTooManyRequests, "too many wrong tokens from your address; wait a little"}
	}
	scheme, token, _ := strings.Cut(header, " ")
	if c.Token != "" && strings.EqualFold(scheme, "Bearer") && same(strings.TrimSpace(token), c.Token) {
		return nil
	}
	c.tokens.take(source)
	zerolog.Ctx(r.Context()).Warn().Str(logSource, source).Str(logPath, r.URL.Path).Msg("wrong token")
	return &refusal{http.StatusUnauthorized, "the token is wrong"}
}

// same compares secrets in a time that tells neither where they differ nor
// how long ours is.
func same(given, ours string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(ours))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// operator is the session of a request. A request that changes things must
// say that it comes from our own pages: a cookie goes along with those of
// strangers' pages too.
func (c *Console) operator(r *http.Request) (*session, *refusal) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil, &refusal{http.StatusUnauthorized, "log in, or send a token"}
	}
	found := c.sessions.find(cookie.Value)
	if found == nil || !c.stillGood(found) {
		c.sessions.finish(cookie.Value)
		return nil, &refusal{http.StatusUnauthorized, "the session is over: log in again"}
	}
	if !safe(r.Method) && (c.origin.Check(r) != nil || r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "") {
		return nil, &refusal{http.StatusForbidden, "only our own pages may do this with a session; programs send a token"}
	}
	return found, nil
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// stillGood says whether the operator is still in the config, with the same password.
func (c *Console) stillGood(s *session) bool {
	account, known := c.Accounts(s.login)
	return known && same(s.ha1, account.HA1)
}
