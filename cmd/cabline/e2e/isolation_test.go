//go:build e2e

package e2e

import (
	"net/netip"
	"strings"
	"testing"
)

// Neither party's number, address or anything else it says of itself may reach
// the other one, in whatever writing.
func TestNothingOfOnePartyReachesTheOther(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), within(t)
	const clientCanary, driverCanary = "5550123498765", "5559876501234"
	check(t, w.people.Close())
	people := w.phone(t, Options{Listen: netip.AddrPortFrom(w.Carrier, 5070), Canary: driverCanary})
	client := w.phone(t, Options{Listen: netip.AddrPortFrom(w.Client, 0), Number: clientPhone, Canary: clientCanary})
	_, err := w.Order(ctx, order())
	check(t, err)

	call, err := client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	call.Press("1")
	driver, err := people.Coming(ctx)
	check(t, err)
	check(t, driver.Ring())
	check(t, driver.Answer())
	check(t, driver.WaitTalk(ctx))
	hearsEachOther(t, call, driver)
	call.Press("5")
	until(t, "the key reaches the driver", func() bool { return strings.HasSuffix(driver.Keys(), "5") })
	check(t, call.Describe("sendonly"))
	check(t, call.Describe("sendrecv"))
	until(t, "RTCP reaches both", func() bool { return reached(client)["RTCP"] > 0 && reached(people)["RTCP"] > 0 })
	check(t, driver.HangUp())
	_, _, err = call.WaitOver(ctx)
	check(t, err)

	if r := reached(people); r["SIP"] < 2 || r["RTP"] < 100 {
		t.Fatalf("so little reached the driver that this proves nothing: %v", r)
	}
	for _, leak := range people.Leaks(clientPhone[2:], clientCanary, w.Client.String()) {
		t.Errorf("the driver sees the client's %s", leak)
	}
	for _, leak := range client.Leaks(driverPhone[2:], driverCanary, w.Carrier.String()) {
		t.Errorf("the client sees the driver's %s", leak)
	}
}

// reached counts what came to a phone, by kind.
func reached(p *Phone) map[string]int {
	count := map[string]int{}
	for _, wire := range p.Tape() {
		if !wire.Out {
			count[wire.Kind]++
		}
	}
	return count
}
