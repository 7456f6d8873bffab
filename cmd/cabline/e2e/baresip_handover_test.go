//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"testing"

	"cabline/media"
)

// An operator asks before they hand over: RFC 5589 §7, the client on hold, a second
// call, a REFER in the first that names the second in its Replaces.

func TestAnOperatorWithBaresipAsksADriverAndHandsTheClientOver(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, baresipOffice+"outgoing: {allow: [\"+7926\"]}\n"), within(t)
	anna := w.softphone(t, "anna", "tls", "", 1000)
	call := w.answeredBy(t, anna)
	anna.asks(call, "8"+driverPhone[2:], w)
	driver, err := w.people.Coming(ctx)
	check(t, err)
	if driver.Dialled != driverPhone || driver.From != menuLine {
		t.Errorf("%s sees a call from %s", driver.Dialled, driver.From)
	}
	check(t, driver.Answer())
	anna.tells("CALL_ESTABLISHED")
	anna.talks(driver)
	hears(t, call, media.Speech{w.music()}) // and nothing of that

	anna.joins(driverPhone, w)
	hearsEachOther(t, call, driver)
	check(t, driver.HangUp())
	leaves(t, call)
	w.tellsOfJoining(t, "talk to target", "target "+driverPhone+": hung up",
		[]string{"operator anna dials", "dial target", "target answered", "talk to target", "target goes on in another call", "ended: completed"},
		"target "+driverPhone+": completed")
}

func TestAnOperatorWithBaresipAsksAColleagueAndHandsTheClientOver(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, baresipOffice)
	anna := w.softphone(t, "anna", "tls", "", 1000)
	call := w.answeredBy(t, anna)
	boris := w.softphone(t, "boris", "tcp", "", 700)
	anna.asks(call, "boris", w)
	boris.tells("CALL_INCOMING")
	boris.do("accept", "")
	anna.tells("CALL_ESTABLISHED")
	anna.hears(700)
	boris.hears(1000)
	hears(t, call, media.Speech{w.music()})

	anna.joins("boris", w)
	boris.talks(call)
	boris.do("hangup", "")
	leaves(t, call)
	w.tellsOfJoining(t, "talk to operator boris", "operator boris: hung up",
		[]string{"operator anna dials", "dial operator", "operator answered", "talk to target", "operator goes on in another call", "ended: completed"},
		"operator boris: completed")
}

// answeredBy is a client's call that the only operator there is has taken.
func (w *world) answeredBy(t *testing.T, b *baresip) *Call {
	t.Helper()
	call, err := w.client.Call(menuLine)
	check(t, err)
	b.tells("CALL_INCOMING")
	b.do("accept", "")
	b.tells("CALL_ESTABLISHED")
	b.talks(call)
	return call
}

// asks puts the client on hold and calls somebody else.
func (b *baresip) asks(client *Call, whom string, w *world) {
	b.t.Helper()
	b.do("hold", "")
	hears(b.t, client, media.Speech{w.music()})
	b.do("dial", "sip:"+whom+"@"+w.phoneOf("tls"))
}

// acknowledged finds the dialogs that baresip has begun, in its trace.
var acknowledged = regexp.MustCompile(`(?s)\nACK sip:.*?\nTo: [^\n]*;tag=(\w+).*?\nFrom: [^\n]*;tag=(\w+).*?\nCall-ID: (\w+)`)

// joins hands the party of baresip's first call to that of its second. Debian's
// baresip (1.0) has no command that writes a Replaces; it takes our word for
// whom its REFER names.
func (b *baresip) joins(whom string, w *world) {
	b.t.Helper()
	begun := acknowledged.FindAllStringSubmatch(b.said.String(), -1)
	if len(begun) == 0 {
		b.t.Fatalf("%s has begun no call", b.name)
	}
	second := begun[len(begun)-1]
	b.do("line", "1")
	b.do("transfer", fmt.Sprintf("<sip:%s@%s?Replaces=%s%%3Bto-tag%%3D%s%%3Bfrom-tag%%3D%s>", whom, w.phoneOf("tls"), second[3], second[1], second[2]))
	b.tells("CALL_CLOSED")
	b.tells("CALL_CLOSED")
}

// tellsOfJoining checks the records of a client's call that Anna took and of her
// question: who spoke in which, and how each leg ended.
func (w *world) tellsOfJoining(t *testing.T, talk, leg string, asked []string, given string) {
	t.Helper()
	ctx := within(t)
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	question, err := w.WaitCDR(ctx, "")
	check(t, err)
	for _, c := range []CDR{cdr, question} {
		for i, l := range c.Legs {
			if l.Operator == "anna" && l.Cause == "hung up" { // a phone says BYE as we do, when its REFER is over
				c.Legs[i].Cause = "completed"
			}
		}
	}
	tells(t, cdr, "completed", []string{"look up order", "no order", "wait for operator", "ring operator anna", "talk to operator anna",
		"operator holds", "operator anna joins two calls", talk, "ended: completed"},
		[]string{"client " + clientPhone + ": completed", "operator anna: completed", leg})
	tells(t, question, "completed", asked, []string{"operator anna: completed", given})
}
