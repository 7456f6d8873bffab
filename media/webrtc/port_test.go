package webrtc_test

import (
	"net/netip"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAudioPassesBothWays(t *testing.T) {
	for name, weOffer := range map[string]bool{"when the browser calls": false, "when the browser is called": true} {
		t.Run(name, func(t *testing.T) {
			p := open(t, listen(t, netip.Addr{}))
			c := newChrome(t)
			c.call(p, weOffer)
			bothWays(t, c, p)
		})
	}
}
