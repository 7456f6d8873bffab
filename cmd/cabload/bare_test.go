package main

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
)

// TestMain makes this binary the bare relay too, as cabload itself is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "relay" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestTheBareRelayJoinsBothEndsOfEachCall(t *testing.T) {
	b := bench{Caller: netip.MustParseAddrPort("127.0.0.1:0"), Callee: netip.MustParseAddrPort("127.0.0.1:0")}
	undisturbed(t, func() error {
		all, err := b.bare(t.Context(), []int{2, 8}, short)
		if err != nil {
			return err
		}
		for i, calls := range []int{2, 8} {
			if got := all[i]; got.Calls != calls || got.Received != got.Sent || got.Sent < uint64(calls)*20 || got.Duplicated+got.Strayed > 0 || got.Crossed > 0 || got.P50 <= 0 {
				return fmt.Errorf("%+v", got)
			}
		}
		return nil
	})
}

func TestTheCostOfAPacketIsToldAsAMultipleOfTheBareRelays(t *testing.T) {
	r := &report{Bare: []talks{{Calls: 100, CPUPacket: 8}, {Calls: 500, CPUPacket: 5}}}
	if got := times(r.Bare, 500, 6); got != 1.2 {
		t.Error(got)
	}
	if got := times(r.Bare, 1000, 6); got != 0 {
		t.Error("of nothing measured", got)
	}
}
