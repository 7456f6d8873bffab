package sip

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
)

// startTwoFar is startTwo with carriers made of memory, of which the first asks for
// a password. The call that is dialled is for the first.
func startTwoFar(t *testing.T) (b *bench, n *farNet, done <-chan dialed) {
	t.Helper()
	b, n = startFar(t, Trunk{Name: "first", Target: farFirst, CallerID: "+74950000001", AuthUser: "login", Password: "pass word", Realm: "carrier.test"},
		Trunk{Name: "second", Target: farSecond, CallerID: "+74950000002"})
	return b, n, b.dial(context.Background(), overFirst)
}

const farFirst, farSecond = "192.0.2.1:5060", "192.0.2.2:5060"

const askPassword = `WWW-Authenticate: Digest realm="carrier.test", nonce="1", qop="auth"` + "\n"

func TestACarrierThatAsksForThePasswordHasNoMoreTimeThanOneThatIsSilent(t *testing.T) {
	share := patience() / 2 // there is one trunk behind it
	for name, first := range map[string]func(carrier *phone){
		"it is silent": func(carrier *phone) { carrier.want("INVITE") },
		"it asks at once": func(carrier *phone) {
			carrier.send(carrier.want("INVITE").reply("401 Who", "a", askPassword))
			carrier.want("ACK")
			carrier.want("INVITE")
		},
		"it asks late": func(carrier *phone) {
			invite := carrier.want("INVITE")
			carrier.silent(share * 9 / 10)
			carrier.send(invite.reply("401 Who", "a", askPassword))
			carrier.want("ACK")
			carrier.want("INVITE")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				b, n, done := startTwoFar(t)
				first(n.carrier(farFirst))
				second := n.carrier(farSecond)
				if took := time.Since(began); took < share || took > share+onItsWay {
					t.Errorf("the next trunk has the call after %v", took)
				}
				b.talks(second, done, "+74950000002", "second")
			})
		})
	}
}

func TestACarrierThatIsAtWorkBeforeItAsksForThePasswordLosesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n, done := startTwoFar(t)
		carrier := n.carrier(farFirst)
		invite := carrier.want("INVITE")
		carrier.send(invite.reply("100 Trying", "", ""))
		carrier.silent(2 * search())
		carrier.send(invite.reply("401 Who", "a", askPassword))
		carrier.want("ACK")
		again := carrier.want("INVITE")
		carrier.silent(patience() / 2 * 9 / 10)
		carrier.send(again.reply("486 Busy", "b", ""))
		carrier.want("ACK")
		if err := wait(t, "end of Dial", done).err; pbx.Ending(err) != "busy" {
			t.Error(err)
		}
	})
}

// The connection may be gone when the INVITE goes again.
func TestAnINVITEThatHasToConnectFirstHasNoMoreTimeThanThePeerMayBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := startFar(t, Trunk{Name: "first", Target: farFirst})
		n.leave(farFirst)
		here := netip.MustParseAddr("127.0.0.1")
		d := dialog{path: path{network: "TCP", here: here, port: 5060}, callID: newCallID(), localTag: newTag(), next: farFirst}
		began := time.Now()
		if !b.trunks[0].seize() {
			t.Fatal("no channel")
		}
		_, err := b.call(t.Context(), party{trunk: b.trunks[0], silence: time.Second}, d)
		if took := time.Since(began); !lost(err) || took != time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}
