//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cabline/media"
)

// A telephone engineer's first look: what tshark has to say of a call with a
// menu, keys, ringback, a talk, holds and music, of both its legs.
func TestTsharkHasNothingToSayOfACall(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	wire := sniff(t, w.Network)
	_, err := w.Order(ctx, order())
	check(t, err)
	call, err := w.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	hears(t, call, append(w.status(), w.menu()...))
	call.Press("1")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Ring())
	rang := time.Now()
	until(t, "the client hears ringback", func() bool { return call.Heard().Since(rang).Tone(425) > 0 })
	check(t, driver.Answer())
	check(t, driver.WaitTalk(ctx))
	hearsEachOther(t, call, driver)
	call.Press("7*")
	until(t, "keys reach the driver", func() bool { return driver.Keys() == "7*" })
	for _, hold := range []struct {
		by, other *Call
		as        string
	}{{call, driver, "sendonly"}, {driver, call, "inactive"}} {
		held := time.Now()
		check(t, hold.by.Describe(hold.as))
		hearsSince(t, hold.other, held, media.Speech{w.music()})
		check(t, hold.by.Describe("sendrecv"))
		hearsEachOther(t, call, driver)
	}
	check(t, call.HangUp())
	leaves(t, driver)
	wire.stop(t)

	from := "ip.src == " + w.Network.Exchange.String()
	if got := wire.read(t, "-Y", from+" && sip.CSeq.method == INVITE", "-T", "fields", "-e", "sip.Request-Line", "-e", "sip.Status-Line"); strings.Count(got, "200 OK") < 5 || !strings.Contains(got, "INVITE sip:") {
		t.Errorf("this is no such call:\n%s", got)
	}
	const warning = 0x600000 // PI_WARN
	if got := wire.read(t, "-Y", fmt.Sprintf("%s && (sip || sdp || rtp || rtcp) && _ws.expert.severity >= %#x", from, warning)); got != "" {
		t.Errorf("tshark warns of what we sent:\n%s", got)
	}
	if got := wire.read(t, "-Y", from+" && udp && !(sip || rtp || rtcp)"); got != "" {
		t.Errorf("tshark does not know what we sent:\n%s", got)
	}
	streams := 0
	for line := range strings.Lines(wire.read(t, "-q", "-z", "rtp,streams")) {
		// start, end, from, its port, to, its port, SSRC, what, packets, lost, …
		f := strings.Fields(line)
		if len(f) < 10 || f[2] != w.Network.Exchange.String() {
			continue
		}
		if streams++; !strings.Contains(line, " 0 (0.0%)") {
			t.Errorf("tshark misses packets of ours: %s", line)
		}
	}
	if streams != 2 {
		t.Errorf("we sent %d streams, not one to each party", streams)
	}
}

// read is what tshark prints about the capture.
func (s *sniffer) read(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(s.cmd.Path, append([]string{"-n", "-r", s.file}, args...)...).Output()
	if err != nil {
		t.Fatalf("tshark %q: %v", args, err)
	}
	return string(out)
}
