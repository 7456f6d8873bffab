//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cabline/media"
	"cabline/prompts"
)

// proxied is an exchange behind Kamailio, and two telephones before it.
type proxied struct {
	*world
	*kamailio
	kamailioOptions
}

func newProxied(t *testing.T, o kamailioOptions) proxied {
	t.Helper()
	n := NewNetwork(t)
	phone := func(port uint16) *Phone {
		p, err := NewPhone(Options{Listen: netip.AddrPortFrom(n.Client, port), Server: netip.AddrPortFrom(n.Carrier, peoplePort), Number: clientPhone})
		check(t, err)
		t.Cleanup(func() { check(t, p.Close()) })
		return p
	}
	client, people := phone(5060), phone(5070)
	o.shows = ownCertificate(t)
	k := startKamailio(t, n, people.Addr(), o)
	at := netip.AddrPortFrom(n.Carrier, o.trunkPort())
	trunk := fmt.Sprintf("host: %q", at)
	if o.proxy {
		trunk = fmt.Sprintf("host: carrier.test, outbound_proxy: \"%s;lr\"", at)
	}
	if o.transport == "tls" {
		trunk += fmt.Sprintf(", domain: carrier.test, ca: %q", o.shows)
	}
	firm := strings.NewReplacer("tcp://{exchange}:5060]", "tcp://{exchange}:5060, tls://{exchange}:5061]",
		"host: {carrier}:5070, from: [{client}, {carrier}]", trunk+", transport: "+o.transport+
			", register: true, auth_user: taxi, password: right, options: 5s").Replace(Firm)
	w := &world{Exchange: StartIn(t, n, firm), client: client, people: people}
	var err error
	w.voice, err = prompts.Load("ru", nil)
	check(t, err)
	return proxied{w, k, o}
}

// isUp waits until the exchange says that its trunk is registered, or is not.
func (p proxied) isUp(up float64) {
	p.kamailio.t.Helper()
	until(p.kamailio.t, fmt.Sprintf("cabline_trunk_up is %v", up), func() bool {
		return counted(p.kamailio.t, p.world, `cabline_trunk_up{trunk="carrier"}`) == up
	})
}

func TestKamailioAsTheCarrier(t *testing.T) {
	for _, transport := range []string{"udp", "tcp", "tls"} {
		for how, proxy := range map[string]bool{"": false, ", as the outbound proxy": true} {
			t.Run("over "+strings.ToUpper(transport)+how, func(t *testing.T) {
				t.Parallel()
				p := newProxied(t, kamailioOptions{transport: transport, proxy: proxy})
				p.isUp(1)
				p.isAskedByItsRoute(t)
				p.tellsAClientOfTheOrder(t)
				p.forwards(t, true)
				p.forwards(t, false)
				p.staysRegistered(t)
				p.outlivesARestart(t)
				p.signsOff(t)
			})
		}
	}
}

// isAskedByItsRoute proves that OPTIONS go the way of all the rest.
func (p proxied) isAskedByItsRoute(t *testing.T) {
	t.Helper()
	for _, method := range []string{"REGISTER", "OPTIONS"} {
		found := p.notes(1, `\[(\w+)\] `+method+` (\S+) by (\S+)`)[0]
		at := netip.AddrPortFrom(p.Carrier, p.trunkPort()).String()
		to, route := "sip:"+at, "<null>"
		if p.transport == "tls" || p.proxy {
			to = "sip:carrier.test"
		}
		if p.proxy {
			route = map[string]string{"udp": "<sip:" + p.Carrier.String() + ";lr>", "tcp": "<sip:" + p.Carrier.String() + ";transport=tcp;lr>",
				"tls": "<sip:" + at + ";transport=tls;lr>"}[p.transport]
		}
		if !slices.Equal(found[1:], []string{p.transport, strings.TrimSuffix(to, ":5060"), route}) {
			t.Errorf("%s came as %q, want it to %s by %s", method, found, to, route)
		}
	}
}

// tellsAClientOfTheOrder is a call through Kamailio to the menu, and its end.
func (p proxied) tellsAClientOfTheOrder(t *testing.T) {
	t.Helper()
	ctx := within(t)
	_, err := p.Order(ctx, order())
	check(t, err)
	call, err := p.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	hears(t, call, p.status())
	check(t, call.HangUp())
	until(t, "the exchange knows that the client hung up", func() bool { return p.idle(t) })
}

// idle says whether there are no calls.
func (p proxied) idle(t *testing.T) bool {
	t.Helper()
	live, err := p.Live(within(t))
	check(t, err)
	return len(live) == 0
}

// forwards is a call through Kamailio that leaves through it again, by password; a
// hold; and its end by one side or the other.
func (p proxied) forwards(t *testing.T, callerEnds bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	caller, err := p.client.Call(forwardLine)
	check(t, err)
	target, err := p.people.Coming(ctx)
	check(t, err)
	if target.Dialled != "+79990000001" || target.From != forwardLine {
		t.Errorf("%s sees a call from %s", target.Dialled, target.From)
	}
	if by := target.Invite.Values("Record-Route"); len(by) != 2 { // one for each side of Kamailio
		t.Errorf("the call came by %q", by)
	}
	check(t, target.Ring())
	check(t, caller.WaitStatus(ctx, 180))
	check(t, target.Answer())
	check(t, caller.WaitTalk(ctx))
	check(t, target.WaitTalk(ctx))
	hearsEachOther(t, caller, target)
	holder, held := caller, target
	if callerEnds {
		holder, held = target, caller
	}
	check(t, holder.Describe("sendonly"))
	hears(t, held, media.Speech{p.music()})
	check(t, holder.Describe("sendrecv"))
	hearsEachOther(t, caller, target)
	ends, left := target, caller
	if callerEnds {
		ends, left = caller, target
	}
	check(t, ends.HangUp())
	leaves(t, left)
	p.notes(1, `\[`+p.transport+`\] INVITE asked for the password`)
	p.notes(1, `\[`+p.transport+`\] INVITE has the password`)
}

// staysRegistered waits until the registration has been renewed twice, in one row
// and with the exchange up all the time.
func (p proxied) staysRegistered(t *testing.T) {
	t.Helper()
	rows := p.notes(3, `\[(\w+)\] binding (\S+) expires (\d+) (\S+) (\d+)`)
	last := 0
	for _, row := range rows {
		seq, err := strconv.Atoi(row[5])
		check(t, err)
		if row[1] != p.transport || row[2] != rows[0][2] || row[4] != rows[0][4] || row[3] != "600" || seq <= last {
			t.Errorf("not of one row with %q: %q", rows[0], row)
		}
		last = seq
	}
	if _, since, _ := strings.Cut(p.Log(), `"up":true`); strings.Contains(since, `"up":false`) {
		t.Error("the trunk was down meanwhile")
	}
}

// outlivesARestart has a Kamailio that has forgotten everything find the exchange again.
func (p proxied) outlivesARestart(t *testing.T) {
	t.Helper()
	p.kamailio.end()
	p.kamailio.begin()
	p.notes(1, `\[`+p.transport+`\] binding `)
	p.isUp(1)
	p.forwards(t, true)
}

// signsOff proves that nobody calls an exchange that has ended.
func (p proxied) signsOff(t *testing.T) {
	t.Helper()
	check(t, syscall.Kill(p.PID(), syscall.SIGTERM))
	p.notes(1, `\[`+p.transport+`\] binding \S+ expires 0 `)
	<-p.Exchange.exited
	call, err := p.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitStatus(within(t), 404))
}
