package sip

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"cabline/pbx"
)

func TestWhoCallsIsReadFromWhatTheCarrierSays(t *testing.T) {
	for name, c := range map[string]struct {
		from, more string
		want       pbx.Phone
	}{
		"the number in From":                     {"<sip:89161234567@carrier>", "", "+79161234567"},
		"an escaped plus":                        {"<sip:%2B79161234567@carrier>", "", "+79161234567"},
		"parameters of the user":                 {"<sip:+79161234567;npdi@carrier;user=phone>", "", "+79161234567"},
		"a tel URI":                              {"<tel:+7-916-123-45-67>", "", "+79161234567"},
		"the network's word before the caller's": {"<sip:100@carrier>", "P-Asserted-Identity: <sip:+79161234567@carrier>\n", "+79161234567"},
		"the second word of the network":         {"<sip:100@carrier>", "P-Asserted-Identity: <sip:gw@carrier>\nP-Asserted-Identity: <tel:+79161234567>\n", "+79161234567"},
		"an anonymous caller":                    {`"Anonymous" <sip:anonymous@anonymous.invalid>`, "", ""},
		"an anonymous caller the network knows":  {"<sip:anonymous@anonymous.invalid>", "P-Asserted-Identity: <sip:+79161234567@carrier>\n", ""},
		"a caller who asks for privacy":          {"<sip:+79161234567@carrier>", "Privacy: id\n", ""},
		"a caller who asks for none":             {"<sip:+79161234567@carrier>", "Privacy: none\n", "+79161234567"},
		"the network's word before all others":   {"<sip:+79160000001@carrier>", "P-Preferred-Identity: <sip:+79160000002@carrier>\nRemote-Party-ID: <sip:+79160000003@carrier>;party=calling\nP-Asserted-Identity: <sip:+79161234567@carrier>\n", "+79161234567"},
		"Remote-Party-ID, where that lacks":      {"<sip:+79160000001@carrier>", "P-Preferred-Identity: <sip:+79160000002@carrier>\nRemote-Party-ID: \"A\" <sip:89161234567@carrier>;party=calling;screen=yes;privacy=off\n", "+79161234567"},
		"P-Preferred-Identity, where both lack":  {"<sip:100@carrier>", "P-Preferred-Identity: <tel:+79161234567>\n", "+79161234567"},
		"not who is called":                      {"<sip:+79161234567@carrier>", "Remote-Party-ID: <sip:+79160000003@carrier>;party=called;privacy=full\n", "+79161234567"},
		"a Remote-Party-ID that is private":      {"<sip:+79161234567@carrier>", "Remote-Party-ID: <sip:+79161234567@carrier>;party=calling;privacy=full\n", ""},
		"anonymous, and not private for us":      {"<sip:anonymous@anonymous.invalid>", "Remote-Party-ID: <sip:+79161234567@carrier>;privacy=off\n", "+79161234567"},
		"anonymous, and no privacy is asked for": {"<sip:anonymous@anonymous.invalid>", "Privacy: none\nP-Preferred-Identity: <sip:+79161234567@carrier>\n", "+79161234567"},
		"anonymous with a number and no more":    {"<sip:anonymous@anonymous.invalid>", "Remote-Party-ID: <sip:+79161234567@carrier>\n", ""},
		"something that is no number":            {"<sip:restricted@carrier>", "", ""},
		"nobody":                                 {"<sip:carrier>", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, func(ctx context.Context, leg pbx.Leg, _ pbx.Arrival) { _ = leg.HangUp(ctx, nil) }, nil)
			k := b.phone().newTalk("", "74950000000")
			k.from = c.from + ";tag=x"
			k.request("INVITE", c.more+sdpOffer)
			if got := wait(t, "arrival", b.arrived); got.From != c.want || got.To != "+74950000000" {
				t.Errorf("from %q to %q", got.From.Dialable(), got.To.Dialable())
			}
			k.to = k.want("SIP/2.0 480", "SIP/2.0 1").header("To")
			k.again("ACK", "")
		})
	}
}

func TestACallToSomethingThatIsNoNumberGets404(t *testing.T) {
	b := start(t, answerAll, nil)
	k := b.phone().newTalk("79161234567", "operator")
	k.request("INVITE", sdpOffer)
	k.want("SIP/2.0 404")
	k.again("ACK", "")
}

func TestOnlyATrunksAddressesMayCallWithoutAPassword(t *testing.T) {
	b := start(t, answerAll, func(c *Config) { c.Trunks[0].From = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	k := b.phone().newTalk("79161234567", "74950000000")
	k.request("INVITE", sdpOffer)
	m := k.want("SIP/2.0 407")
	k.again("ACK", "")
	if strings.Contains(string(m), "Server:") || strings.Contains(string(m), "Cabline") {
		t.Errorf("it says who we are:\n%s", m)
	}
	if len(b.legs) != 0 {
		t.Error("a stranger's call came in")
	}
}

func TestTrunksAreToldApartByAddress(t *testing.T) {
	b := start(t, answerAll, func(c *Config) {
		c.Trunks = []Trunk{{Name: "other", From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, {Name: "ours", From: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}}
	})
	k := b.phone().newTalk("79161234567", "74950000000")
	k.call()
	if got := wait(t, "arrival", b.arrived).Trunk; got != "ours" {
		t.Errorf("trunk %q", got)
	}
	k.bye()
}

// Neither registers: two accounts of one carrier that calls from one address.
func TestListedTrunksAtOneAddressAreToldApartByTheLineCalled(t *testing.T) {
	at := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	b := start(t, answerAll, func(c *Config) {
		c.Trunks = []Trunk{{Name: "one", From: at, Lines: []pbx.Phone{"+74950000001"}}, {Name: "two", From: at, Lines: []pbx.Phone{"+74950000002"}}}
	})
	for called, want := range map[string]string{"74950000001": "one", "84950000002": "two", "+74950000002": "two", "74950000003": "one"} {
		k := b.phone().newTalk("79161234567", called)
		k.call()
		if got := wait(t, "arrival", b.arrived).Trunk; got != want {
			t.Errorf("a call for %s: trunk %q, want %q", called, got, want)
		}
		k.bye()
	}
}

func TestTheCallerShownIsTheEndpointsOrTheTrunks(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	for from, want := range map[pbx.Phone]string{"+74951111111": "sip:+74951111111@127.0.0.1", "": "sip:+74950000000@127.0.0.1"} {
		ctx, giveUp := context.WithCancel(context.Background())
		done := b.dial(ctx, pbx.Endpoint{Number: "+79990000001", From: from, Name: "Somebody", CallID: "secret"})
		invite := carrier.want("INVITE")
		if got := invite.uri("From"); got != want {
			t.Errorf("From %q, want %q", got, want)
		}
		if strings.Contains(string(invite), "Somebody") || strings.Contains(string(invite), "secret") {
			t.Errorf("the trunk is told more than the number:\n%s", invite)
		}
		carrier.send(invite.reply("503 No", "far", ""))
		carrier.want("ACK")
		wait(t, "end of Dial", done)
		giveUp()
	}
}

func TestThePublicAddressIsShownToTrunks(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, func(c *Config) { c.Public = netip.MustParseAddr("203.0.113.5") })
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	for _, header := range []string{"Via", "Contact", "From"} {
		if got := invite.header(header); !strings.Contains(got, "203.0.113.5") || strings.Contains(got, "127.0.0.1") {
			t.Errorf("%s %q", header, got)
		}
	}
	carrier.send(invite.reply("503 No", "far", ""))
	carrier.want("ACK")
	wait(t, "end of Dial", done)
}
