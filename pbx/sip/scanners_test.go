package sip

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

// What the common scanners send, and what they get: no name of a product, no
// list of methods, no hint who has an account, and never a 200 to an INVITE.
func TestScannersLearnNothing(t *testing.T) {
	const strange = "79161234567"
	for name, c := range map[string]struct {
		method, more string
		from, to     string // users
		display      string
		target       string
		code         string // empty: silence
	}{
		"svmap names itself":                   {method: "OPTIONS", more: "User-Agent: friendly-scanner\n", from: "100", to: "100"},
		"svmap hides its name":                 {method: "OPTIONS", more: "User-Agent: Phone\n", from: "100", to: "100", code: "200"},
		"svmap's From":                         {method: "OPTIONS", display: "sipvicious", from: "100", to: "100"},
		"svmap's From on an INVITE":            {method: "INVITE", display: "SIPVicious", from: "100", to: "00442079460000", more: sdpOffer},
		"svwar registers 100":                  {method: "REGISTER", more: "User-Agent: friendly-scanner\n", from: "100", to: "100"},
		"svwar hides and registers 100":        {method: "REGISTER", from: "100", to: "100", code: "401"},
		"svwar hides and registers an account": {method: "REGISTER", from: "anna", to: "anna", code: "401"},
		"svwar invites 100":                    {method: "INVITE", from: "100", to: "100", more: sdpOffer, code: "407"},
		"svwar invites an account":             {method: "INVITE", from: "anna", to: "anna", more: sdpOffer, code: "407"},
		"sipcli dials abroad":                  {method: "INVITE", more: "User-Agent: sipcli/v1.8\n" + sdpOffer, from: "100", to: "900442079460000"},
		"a nameless tool dials abroad":         {method: "INVITE", more: sdpOffer, from: "100", to: "+442079460000", code: "407"},
		"a nameless tool dials our number":     {method: "INVITE", more: sdpOffer, from: strange, to: "74950000000", code: "407"},
		"sundayddr":                            {method: "REGISTER", more: "User-Agent: sundayddr\n", from: "100", to: "100"},
		"VaxSIPUserAgent":                      {method: "INVITE", more: "User-Agent: VaxSIPUserAgent/3.1\n" + sdpOffer, from: "1", to: "1"},
		"a scheme that is not ours":            {method: "OPTIONS", target: "http:100@pbx.test", from: "100", to: "100", code: "416"},
		"an INVITE for a telephone":            {method: "INVITE", target: "tel:+442079460000", from: "100", to: "100", more: sdpOffer, code: "407"},
		"an INVITE without a user":             {method: "INVITE", target: "sip:pbx.test", from: "100", to: "100", more: sdpOffer, code: "407"},
		"a BYE of no call":                     {method: "BYE", from: "100", to: "100", code: "481"},
		"a MESSAGE":                            {method: "MESSAGE", from: "100", to: "100", more: "Content-Type: text/plain\n\nhello", code: "405"},
		"a SUBSCRIBE":                          {method: "SUBSCRIBE", from: "100", to: "100", more: "Event: presence\n", code: "405"},
		"an invented method":                   {method: "HELLO", from: "100", to: "100", code: "501"},
	} {
		for _, way := range ways {
			t.Run(name+" over "+way.network, func(t *testing.T) {
				b := start(t, answerAll, func(c *Config) { overTLS(c); c.Trunks = nil })
				k := way.open(b).newTalk(c.from, c.to)
				k.from = fmt.Sprintf("%q %s", c.display, k.from)
				if c.target != "" {
					k.target = c.target
				}
				k.request(c.method, c.more)
				if c.code == "" {
					until(t, "it is dropped", func() bool { return b.Dropped() == 1 || len(k.got) > 0 })
				} else if m := k.want("SIP/2.0 " + c.code); helps(m, c.code) {
					t.Errorf("got\n%s", m)
				}
				k.silent(100 * time.Millisecond)
				if len(b.legs) != 0 {
					t.Error("a call came in")
				}
			})
		}
	}
}

// helps says whether an answer tells more than it must.
func helps(m message, code string) bool {
	return strings.Contains(strings.ToLower(string(m)), "user-agent") || strings.Contains(strings.ToLower(string(m)), "server:") ||
		code != "405" && m.header("Allow") != "" || strings.Contains(string(m), "Accept:")
}

// Whoever guesses names or passwords sees no difference between a login there
// is and one there is not.
func TestAGuessedPasswordIsRefusedAlikeForAnyLogin(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks = nil })
	seen := map[string]string{}
	for _, login := range []string{"anna", "100"} {
		k := b.phone().newTalk(login, login)
		k.request("REGISTER", "")
		first := k.want("SIP/2.0 401")
		_, nonce, _ := strings.Cut(first.header("WWW-Authenticate"), `nonce="`)
		nonce, _, _ = strings.Cut(nonce, `"`)
		k.request("REGISTER", fmt.Sprintf("Authorization: Digest username=%q, realm=\"cabline\", nonce=%q, uri=%q, response=%q, algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\n",
			login, nonce, k.target, sum("1234")))
		second := k.want("SIP/2.0 403")
		blind := strings.NewReplacer(nonce, "N", k.self, "ADDR", k.id, "ID", login, "LOGIN").Replace
		shape := func(m message) string { // tags, branches and ports are of the request
			var names []string
			for line := range strings.SplitSeq(blind(string(m)), "\r\n") {
				key, value, _ := strings.Cut(line, ":")
				if strings.HasPrefix(key, "WWW-") || strings.HasPrefix(key, "SIP/") {
					key += value
				}
				names = append(names, key)
			}
			return strings.Join(names, "\n")
		}
		seen[login] = shape(first) + shape(second)
	}
	if seen["anna"] != seen["100"] {
		t.Errorf("an account is told by\n%s\nfrom\n%s", seen["anna"], seen["100"])
	}
}

func sum(text string) string {
	s := md5.Sum([]byte(text))
	return hex.EncodeToString(s[:])
}
