package sip

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"testing"

	"github.com/icholy/digest"

	"cabline/pbx"
)

// knowsPassword checks the credentials in a request by RFC 7616 §3.4, not by
// the library that made them.
func knowsPassword(t *testing.T, m message, header, user, realm, password string) {
	t.Helper()
	cred, err := digest.ParseCredentials(m.header(header))
	if err != nil {
		t.Fatalf("%s: %v in\n%s", header, err, m)
	}
	sum := func(parts ...string) string {
		var h hash.Hash = md5.New()
		if cred.Algorithm == "SHA-256" {
			h = sha256.New()
		}
		h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	method, rest, _ := strings.Cut(string(m), " ")
	uri, _, _ := strings.Cut(rest, " ")
	want := sum(sum(user, realm, password), cred.Nonce, fmt.Sprintf("%08x", cred.Nc), cred.Cnonce, cred.QOP, sum(method, uri))
	if cred.QOP == "" {
		want = sum(sum(user, realm, password), cred.Nonce, sum(method, uri))
	}
	if cred.Username != user || cred.Realm != realm || cred.URI != uri || cred.Response != want {
		t.Errorf("credentials %s of %s", m.header(header), uri)
	}
}

func withPassword(c *Config) {
	c.Trunks[0].AuthUser, c.Trunks[0].Password, c.Trunks[0].Realm = "login", "pass word", "carrier.test"
}

func TestAChallengeToOurINVITEIsAnswered(t *testing.T) {
	const www, proxy = "WWW-Authenticate", "Proxy-Authenticate"
	for name, c := range map[string]struct {
		status, asks, answers, algorithm string
	}{
		"401 with MD5":                      {"401 Who", www + `: Digest realm="carrier.test", nonce="n1", algorithm=MD5, qop="auth"`, "Authorization", "MD5"},
		"407 with MD5":                      {"407 Who", proxy + `: Digest realm="carrier.test", nonce="n1", algorithm=MD5, qop="auth"`, "Proxy-Authorization", "MD5"},
		"without algorithm and qop":         {"407 Who", proxy + `: Digest realm="carrier.test", nonce="n1"`, "Proxy-Authorization", ""},
		"with SHA-256":                      {"401 Who", www + `: Digest realm="carrier.test", nonce="n1", algorithm=SHA-256, qop="auth"`, "Authorization", "SHA-256"},
		"with two algorithms, the first":    {"401 Who", www + `: Digest realm="carrier.test", nonce="n1", algorithm=SHA-256, qop="auth"` + "\n" + www + `: Digest realm="carrier.test", nonce="n1", algorithm=MD5, qop="auth"`, "Authorization", "SHA-256"},
		"with one we do not know, the next": {"401 Who", www + `: Digest realm="carrier.test", nonce="n1", algorithm=MD9, qop="auth"` + "\n" + www + `: Digest realm="carrier.test", nonce="n1", algorithm=MD5, qop="auth-int, auth"`, "Authorization", "MD5"},
		"with a stranger's before ours":     {"407 Who", proxy + `: Digest realm="elsewhere", nonce="n0", qop="auth"` + "\n" + proxy + `: Digest realm="carrier.test", nonce="n1", algorithm=MD5, qop="auth"`, "Proxy-Authorization", "MD5"},
	} {
		t.Run(name, func(t *testing.T) {
			b, carrier := startCarrier(t, withPassword)
			done := b.dial(context.Background(), driver)
			first := carrier.want("INVITE")
			if first.header("Authorization")+first.header("Proxy-Authorization") != "" {
				t.Error("credentials before anyone asked")
			}
			carrier.send(first.reply(c.status, "a", c.asks+"\n"))
			carrier.want("ACK")
			second := carrier.want("INVITE", "ACK")
			knowsPassword(t, second, c.answers, "login", "carrier.test", "pass word")
			cred, _ := digest.ParseCredentials(second.header(c.answers))
			if cred.Algorithm != c.algorithm || strings.Count(string(second), "uthorization:") != 1 {
				t.Errorf("credentials of\n%s", second)
			}
			if first.header("Call-ID") != second.header("Call-ID") || first.header("From") != second.header("From") || first.header("CSeq") != "1 INVITE" || second.header("CSeq") != "2 INVITE" {
				t.Errorf("another dialog:\n%s", second)
			}
			ack := carrier.pickUp(second, "b")
			if ack.header("CSeq") != "2 ACK" {
				t.Errorf("ACK of %s", ack.header("CSeq"))
			}
			leg := wait(t, "leg", done).leg
			_ = leg.HangUp(context.Background(), nil)
			bye := carrier.want("BYE")
			carrier.send(bye.reply("200 OK", "", ""))
		})
	}
}

func TestAStaleNonceIsAnsweredAgainAndAWrongPasswordIsNot(t *testing.T) {
	const ask = `WWW-Authenticate: Digest realm="carrier.test", nonce="%s", qop="auth"%s` + "\n"
	b, carrier := startCarrier(t, withPassword)
	done := b.dial(context.Background(), driver)
	for _, refusal := range []string{fmt.Sprintf(ask, "1", ""), fmt.Sprintf(ask, "2", ", stale=true"), fmt.Sprintf(ask, "3", "")} {
		invite := carrier.want("INVITE", "ACK")
		carrier.send(invite.reply("401 Who", "a", refusal))
		carrier.want("ACK")
	}
	err := wait(t, "end of Dial", done).err
	if !errors.Is(err, pbx.ErrRejected) || !strings.Contains(err.Error(), "wrong user or password") {
		t.Errorf("%v", err)
	}
	var d *pbx.DialError
	if !errors.As(err, &d) || d.Code != 401 {
		t.Errorf("%#v", err)
	}
}

func TestAGatewayAndAProxyBeforeItBothGetTheirCredentials(t *testing.T) {
	b, carrier := startCarrier(t, withPassword)
	done := b.dial(context.Background(), driver)
	carrier.send(carrier.want("INVITE").reply("407 Who", "a", `Proxy-Authenticate: Digest realm="carrier.test", nonce="1", qop="auth"`+"\n"))
	carrier.want("ACK")
	carrier.send(carrier.want("INVITE", "ACK").reply("401 Who", "b", `WWW-Authenticate: Digest realm="carrier.test", nonce="2", qop="auth"`+"\n"))
	carrier.want("ACK")
	third := carrier.want("INVITE", "ACK")
	knowsPassword(t, third, "Proxy-Authorization", "login", "carrier.test", "pass word")
	knowsPassword(t, third, "Authorization", "login", "carrier.test", "pass word")
	carrier.send(third.reply("486 Busy", "c", ""))
	carrier.want("ACK")
	if err := wait(t, "end of Dial", done).err; !errors.Is(err, pbx.ErrBusy) {
		t.Error(err)
	}
}

func TestACalleesChallengeNeverGetsTheTrunksCredentials(t *testing.T) {
	for _, ask := range []string{
		`WWW-Authenticate: Digest realm="evil.test", nonce="1", qop="auth"`,
		`Proxy-Authenticate: Digest realm="evil.test", nonce="1", qop="auth"`,
		`WWW-Authenticate: Digest realm="CARRIER.test", nonce="1", qop="auth"`,
		`WWW-Authenticate: Basic realm="carrier.test"`,
		"X-Nothing: at all",
	} {
		t.Run(ask, func(t *testing.T) {
			b, carrier := startCarrier(t, withPassword)
			done := b.dial(context.Background(), driver)
			carrier.send(carrier.want("INVITE").reply("401 Who", "a", ask+"\n"))
			carrier.want("ACK")
			if err := wait(t, "end of Dial", done).err; !errors.Is(err, pbx.ErrRejected) {
				t.Error(err)
			}
			b.stop()
			for len(carrier.got) > 0 {
				if m := <-carrier.got; !strings.HasPrefix(string(m), "ACK") {
					t.Errorf("after the refusal came\n%s", m)
				}
			}
		})
	}
}
