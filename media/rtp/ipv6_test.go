package rtp

import (
	"net/netip"
	"testing"

	"cabline/internal/lacking"
	"cabline/media"
)

func TestPartiesAtIPv6AndIPv4HearEachOther(t *testing.T) {
	six := netip.IPv6Loopback()
	lacking.NeedIPv6(t)
	for name, at := range map[string][2]netip.Addr{"both at IPv6": {six, six}, "one at IPv6, one at IPv4": {six, loopback}} {
		t.Run(name, func(t *testing.T) {
			onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
				var phones [2]*phone
				var ports [2]*Port
				for i := range phones {
					var err error
					if ports[i], err = r.Open(Options{Bind: at[i]}); err != nil {
						t.Fatal(err)
					}
					phones[i] = newPhoneAt(t, at[i])
					phones[i].call(ports[i], "8")
					if phones[i].to.Addr() != at[i] {
						t.Errorf("we answered with %v to one at %v", phones[i].to, at[i])
					}
				}
				media.Cross(ports[0], ports[1])
				phones[0].hum(440, 50)
				phones[1].hum(1000, 50)
				until(t, "both heard all", func() bool { return len(phones[0].all()) == 50 && len(phones[1].all()) == 50 })
				if p := power(phones[1].sound(), 440); p < 0.95 {
					t.Errorf("of what the second heard %.2f is the first's 440 Hz", p)
				}
				if p := power(phones[0].sound(), 1000); p < 0.95 {
					t.Errorf("of what the first heard %.2f is the second's 1000 Hz", p)
				}
			})
		})
	}
}
