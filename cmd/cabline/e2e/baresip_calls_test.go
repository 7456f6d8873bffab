//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cabline/internal/lacking"
	"cabline/media"
)

// baresipFirm is Firm with a carrier at a port of 127.0.0.1, and SIP over TLS.
func baresipFirm(port int, trunk string) string {
	return strings.NewReplacer("tcp://{exchange}:5060]", "tcp://{exchange}:5060, tls://{exchange}:5061]",
		"host: {carrier}:5070, from: [{client}, {carrier}]", fmt.Sprintf("host: 127.0.0.1:%d, from: [127.0.0.1], %s", port, trunk)).Replace(Firm)
}

// phoneOf is how baresip reaches the exchange.
func (w *world) phoneOf(transport string) (at string) {
	if transport == "tls" {
		return w.Network.Exchange.String() + ":5061;transport=tls"
	}
	return w.Network.Exchange.String() + ";transport=" + transport
}

// newBaresipTrunk is an exchange whose carrier is baresip: whoever is called is
// there. From the client's address calls come, too.
func newBaresipTrunk(t *testing.T, transport, srtp, mediaenc string) (w *world, called *baresip) {
	t.Helper()
	port, shown := freePorts(t, 2), ownCertificate(t)
	trunk, host := fmt.Sprintf("transport: %s, srtp: %s", transport, srtp), port
	if transport == "tls" {
		trunk, host = fmt.Sprintf("%s, ca: %q", trunk, shown), port+1
	}
	other := "\n  - {name: plain, host: {carrier}:5070, from: [{client}], caller_id: \"+74950000002\", order: 0}\nlines:"
	w = newWorldOf(t, strings.Replace(baresipFirm(host, trunk), "\nlines:", other, 1))
	return w, w.baresip(t, baresipOptions{Port: port, Login: "+79990000001", Tone: 1000, Media: mediaenc, Trust: filepath.Join(w.Data, "web.pem"), Shows: shown})
}

// converse proves that two hear each other, by tones, and press keys for each other.
func converse(a, b *baresip) {
	a.t.Helper()
	a.hears(1000)
	b.hears(440)
	a.do("sndcode", "5")
	b.keys("5")
	b.do("sndcode", "7")
	a.keys("7")
}

func TestBaresipAsATrunkCallsAndIsCalled(t *testing.T) {
	for name, c := range map[string]struct{ transport, srtp, mediaenc string }{
		"over UDP":                         {"udp", "off", ""},
		"over TCP":                         {"tcp", "off", ""},
		"over TLS":                         {"tls", "off", ""},
		"over TLS with SRTP, required":     {"tls", "required", "srtp-mand"},
		"over TLS with SRTP, offered":      {"tls", "offered", "srtp"},
		"over UDP with SRTP":               {"udp", "required", "srtp-mand"},
		"over TCP with SRTP":               {"tcp", "offered", "srtp"},
		"over UDP with SRTP that it lacks": {"udp", "offered", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, called := newBaresipTrunk(t, c.transport, c.srtp, c.mediaenc)
			caller := w.baresip(t, baresipOptions{Port: freePorts(t, 2), Login: clientPhone, Tone: 440, Media: c.mediaenc, Trust: filepath.Join(w.Data, "web.pem"), Shows: ownCertificate(t)})
			caller.do("dial", "sip:"+forwardLine+"@"+w.phoneOf(c.transport))
			if e := called.tells("CALL_INCOMING"); !strings.HasPrefix(e.Peer, "sip:"+forwardLine+"@") {
				t.Errorf("a call from %s", e.Peer)
			}
			called.do("accept", "")
			caller.tells("CALL_ESTABLISHED")
			called.tells("CALL_ESTABLISHED")
			converse(caller, called)
			called.do("hold", "")
			caller.hearsMusicFor(1000)
			called.do("resume", "")
			caller.hears(1000)
			caller.do("sndcode", "3")
			called.keys("3") // see goesOn
			called.do("hangup", "")
			caller.tells("CALL_CLOSED")
			for _, b := range []*baresip{caller, called} {
				if encrypted := strings.Contains(b.said.String(), "SRTP is Enabled"); encrypted != (c.mediaenc != "") {
					t.Errorf("the audio of %s is encrypted: %v", b.name, encrypted)
				}
			}
		})
	}
}

// More packets go by than half of all sequence numbers, in which nothing is sent to
// baresip: over SRTP it would take what comes then for what came long ago.
func TestBaresipAsATrunkHoldsForElevenMinutes(t *testing.T) {
	for _, transport := range []string{"udp", "tcp", "tls"} {
		for srtp, mediaenc := range map[string]string{"off": "", "required": "srtp-mand"} {
			t.Run("over "+strings.ToUpper(transport)+", SRTP "+srtp, func(t *testing.T) {
				t.Parallel()
				w, called := newBaresipTrunk(t, transport, srtp, mediaenc)
				caller, err := w.client.Call(forwardLine)
				check(t, err)
				called.tells("CALL_INCOMING")
				called.do("accept", "")
				called.tells("CALL_ESTABLISHED")
				called.talks(caller)
				called.do("hold", "")
				hears(t, caller, media.Speech{w.music()})
				caller.Lapse(11 * time.Minute)
				called.do("resume", "")
				called.goesOn(caller)
				called.do("sndcode", "7")
				until(t, "the key reaches the caller", func() bool { return caller.Keys() == "7" })

				if encrypted := strings.Contains(called.said.String(), "SRTP is Enabled"); encrypted != (mediaenc != "") {
					t.Errorf("the audio is encrypted: %v", encrypted)
				}
				// A carrier may send nobody anywhere. baresip hangs up over it.
				called.do("transfer", "sip:+79990000002@"+w.Network.Exchange.String())
				if e := called.tells("TRANSFER_FAILED"); e.Param != "405 Method Not Allowed" {
					t.Errorf("a REFER is refused with %q", e.Param)
				}
				leaves(t, caller)
				cdr, err := w.WaitCDR(within(t), clientPhone)
				check(t, err)
				tells(t, cdr, "completed", []string{"dial target", "target answered", "talk to target", "target holds", "target goes on", "ended: completed"},
					[]string{"client " + clientPhone + ": completed", "target +79990000001: hung up"})
			})
		}
	}
}

func TestBaresipAtIPv6TalksToOneAtIPv4(t *testing.T) {
	t.Parallel()
	lacking.NeedIPv6(t)
	four, six, ours := freePorts(t, 2), freePorts(t, 2), freePorts(t, 1)
	firm := strings.NewReplacer("listen: [udp://", fmt.Sprintf("listen: [\"udp://[::1]:%d\", udp://", ours),
		"trunks:\n", fmt.Sprintf("trunks:\n  - {name: six, host: %q, caller_id: \"+74950000000\"}\n", fmt.Sprintf("[::1]:%d", six))).Replace(baresipFirm(four, "transport: udp"))
	w := newWorldOf(t, firm)
	called := w.baresip(t, baresipOptions{Port: four, Login: "+79990000001", Tone: 1000})
	caller := w.baresip(t, baresipOptions{Port: six, Host: "::1", Login: clientPhone, Tone: 440})
	caller.do("dial", fmt.Sprintf("sip:%s@[::1]:%d", forwardLine, ours))
	called.tells("CALL_INCOMING")
	called.do("accept", "")
	caller.tells("CALL_ESTABLISHED")
	called.tells("CALL_ESTABLISHED")
	converse(caller, called)
	if !strings.Contains(caller.said.String(), "c=IN IP6 ::1") || strings.Contains(called.said.String(), "IP6") {
		t.Error("an address of the other family was told")
	}
	caller.do("hangup", "")
	called.tells("CALL_CLOSED")
}

func TestBaresipAsAnOperatorsPhone(t *testing.T) {
	for name, c := range map[string]struct{ transport, mediaenc string }{
		"over UDP": {"udp", ""}, "over TCP": {"tcp", ""}, "over TLS": {"tls", ""}, "over TLS with SRTP": {"tls", "srtp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorldOf(t, baresipOffice), within(t)
			anna := w.softphone(t, "anna", c.transport, c.mediaenc, 1000)

			call, err := w.client.Call(menuLine)
			check(t, err)
			if e := anna.tells("CALL_INCOMING"); !strings.HasPrefix(e.Peer, "sip:"+clientPhone+"@") {
				t.Errorf("a call from %s", e.Peer)
			}
			anna.do("accept", "")
			anna.tells("CALL_ESTABLISHED")
			anna.talks(call)
			call.Press("7")
			anna.keys("7")
			anna.do("sndcode", "5")
			until(t, "keys reach the client", func() bool { return call.Keys() == "5" })

			anna.do("hold", "")
			hears(t, call, media.Speech{w.music()})
			call.Lapse(11 * time.Minute) // more packets than half of all sequence numbers
			anna.do("resume", "")
			anna.goesOn(call)
			if encrypted := strings.Contains(anna.said.String(), "SRTP is Enabled"); encrypted != (c.mediaenc != "") {
				t.Errorf("the audio is encrypted: %v", encrypted)
			}
			check(t, call.HangUp())
			anna.tells("CALL_CLOSED")

			_, err = w.Order(ctx, order())
			check(t, err)
			anna.do("dial", "sip:8"+driverPhone[2:]+"@"+w.phoneOf(c.transport))
			driver, err := w.people.Coming(ctx)
			check(t, err)
			if driver.Dialled != driverPhone || driver.From != menuLine {
				t.Errorf("%s sees a call from %s", driver.Dialled, driver.From)
			}
			check(t, driver.Answer())
			anna.tells("CALL_ESTABLISHED")
			anna.talks(driver)
			anna.do("hangup", "")
			leaves(t, driver)
		})
	}
}

// It registers every ten minutes, and so not again in this test.
func TestASoftphoneRingsAfterAKilledExchangeIsBack(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, baresipOffice)
	anna := w.softphone(t, "anna", "udp", "", 1000)
	until(t, "the registration is on disk", func() bool {
		wal, _ := os.ReadFile(filepath.Join(w.Data, "cabline.db-wal"))
		return bytes.Contains(wal, []byte("sip:anna-"))
	})
	w.Kill(t)
	w.Restart(t)
	call, err := w.client.Call(menuLine)
	check(t, err)
	anna.tells("CALL_INCOMING")
	anna.do("accept", "")
	anna.talks(call)
	if n := strings.Count(anna.said.String(), "200 OK () [1 binding]"); n != 1 {
		t.Errorf("it has registered %d times", n)
	}
	check(t, call.HangUp())
	anna.tells("CALL_CLOSED")
}

func TestAnOperatorWithBaresipHandsAClientOver(t *testing.T) {
	for name, transport := range map[string]struct{ of, to string }{"over UDP": {"udp", "udp"}, "over TLS, to one over TCP": {"tls", "tcp"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, baresipOffice)
			anna, boris := w.softphone(t, "anna", transport.of, "", 1000), w.softphone(t, "boris", transport.to, "", 700)
			call, err := w.client.Call(menuLine)
			check(t, err)
			anna.tells("CALL_INCOMING")
			anna.do("accept", "")
			anna.talks(call)
			boris.tells("CALL_CLOSED") // Anna was faster
			anna.do("transfer", "sip:boris@"+w.Network.Exchange.String())
			if e := boris.tells("CALL_INCOMING"); !strings.HasPrefix(e.Peer, "sip:"+clientPhone+"@") {
				t.Errorf("a call from %s", e.Peer)
			}
			boris.do("accept", "")
			anna.tells("CALL_CLOSED")
			boris.talks(call)
			boris.do("hangup", "")
			leaves(t, call)
		})
	}
}

// baresipOffice is Firm with SIP over TLS.
var baresipOffice = strings.Replace(Firm, "tcp://{exchange}:5060]", "tcp://{exchange}:5060, tls://{exchange}:5061]", 1)

// softphone is baresip logged in as an operator.
func (w *world) softphone(t *testing.T, login, transport, mediaenc string, tone int) *baresip {
	t.Helper()
	b := w.baresip(t, baresipOptions{Port: freePorts(t, 2), Login: login, Password: "secret-of-" + login, Transport: transport,
		Media: mediaenc, Tone: tone, Trust: filepath.Join(w.Data, "web.pem")})
	until(t, login+" is registered", func() bool { return strings.Contains(b.said.String(), "200 OK () [1 binding]") }) // it may be before we listen
	return b
}

// talks proves by tones that baresip and a party hear each other.
func (b *baresip) talks(c *Call) {
	b.t.Helper()
	c.Tone(440)
	b.hears(440)
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	check(b.t, c.Hears(ctx, b.tone))
}

// goesOn proves that baresip and a party hear each other after a hold by baresip,
// from which on Debian's baresip (1.0) writes down nothing of what it hears. The keys
// that it understands come the same way, number by number and encrypted where the
// audio is.
func (b *baresip) goesOn(c *Call) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	check(b.t, c.Hears(ctx, b.tone)) // until then nobody hears the party's keys
	c.Press("3")
	b.keys("3")
}
