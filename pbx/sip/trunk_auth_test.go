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
	unregistered := func(c *Config) { c.Trunks[0].AuthUser, c.Trunks[0].Password = "login", "pass word" }
	for name, c := range map[string]struct {
		change func(*Config)
		asks   string // the registrar's realm; "": it asks nothing
		own    string // the trunk's realm
		others []string
	}{
		"a trunk with a realm":                      {withPassword, "", "carrier.test", []string{"127.0.0.1"}},
		"a trunk with a domain":                     {func(c *Config) { unregistered(c); c.Trunks[0].Domain = "carrier.test" }, "", "carrier.test", []string{"127.0.0.1"}},
		"a trunk with an address":                   {unregistered, "", "127.0.0.1", []string{"carrier.test"}},
		"a registered trunk that was not asked":     {registering, "", "carrier.test", []string{"127.0.0.1", "asterisk"}},
		"a registered trunk that was asked":         {registering, "asterisk", "asterisk", []string{"carrier.test", "127.0.0.1"}},
		"a registered trunk with another realm too": {func(c *Config) { registering(c); c.Trunks[0].Realm = "calls.test" }, "asterisk", "calls.test", []string{"carrier.test"}},
	} {
		asks := []string{"X-Nothing: at all", fmt.Sprintf("WWW-Authenticate: Basic realm=%q", c.own)}
		others := append(c.others, "evil.test", c.own+".evil.test", "")
		if loud := strings.ToUpper(c.own); loud != c.own {
			others = append(others, loud)
		}
		for _, realm := range others {
			for _, header := range []string{"WWW-Authenticate", "Proxy-Authenticate"} {
				asks = append(asks, fmt.Sprintf("%s: Digest realm=%q, nonce=\"1\", qop=\"auth\"", header, realm))
			}
		}
		t.Run(name, func(t *testing.T) {
			b, carrier := startCarrier(t, c.change)
			if b.trunks[0].Register {
				asked := carrier.want("REGISTER")
				if c.asks != "" {
					carrier.send(asked.reply("401 Who", "a", fmt.Sprintf("WWW-Authenticate: Digest realm=%q, nonce=\"1\", qop=\"auth\"\n", c.asks)))
					asked = carrier.want("REGISTER")
				}
				carrier.accept(asked, "")
				b.signOff(carrier)
			}
			for _, ask := range asks {
				done := b.dial(context.Background(), driver)
				carrier.send(carrier.want("INVITE").reply("401 Who", "a", ask+"\n"))
				carrier.want("ACK")
				if err := wait(t, "end of Dial", done).err; !errors.Is(err, pbx.ErrRejected) {
					t.Errorf("%s: %v", ask, err)
				}
				if len(carrier.got) > 0 {
					t.Errorf("%s: after the refusal came\n%s", ask, <-carrier.got)
				}
			}
			done := b.dial(context.Background(), driver) // its own realm gets them
			carrier.send(carrier.want("INVITE").reply("401 Who", "a", fmt.Sprintf("WWW-Authenticate: Digest realm=%q, nonce=\"1\", qop=\"auth\"\n", c.own)))
			carrier.want("ACK")
			again := carrier.want("INVITE")
			knowsPassword(t, again, "Authorization", b.trunks[0].AuthUser, c.own, "pass word")
			carrier.send(again.reply("486 Busy", "b", ""))
			carrier.want("ACK")
			<-done
		})
	}
}
