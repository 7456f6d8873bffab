package srtp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	pion "github.com/pion/srtp/v3"

	"cabline/internal/lacking"
)

func TestAPacketOfWhichOneBitIsForgedIsNotOpened(t *testing.T) {
	onSuites(t, func(t *testing.T, s suite) {
		opens := s.opener(t, "")
		for _, plain := range [][]byte{sound(7, 100), report(7)} {
			reports := plain[1] == 200
			sealed := newSession(s, false).sound(plain, 0)
			if reports {
				sealed = newSession(s, true).report(plain, 1)
			}
			for bit := range 8 * len(sealed) {
				forged := bytes.Clone(sealed)
				forged[bit/8] ^= 1 << (bit % 8)
				opens.refuses(t, fmt.Sprintf("a packet with bit %d forged", bit), forged, reports)
			}
			opens.opens(t, sealed, plain) // who forges takes no number from who speaks
		}
		if opens.sources != 2 {
			t.Errorf("%d sources of one, and one of reports", opens.sources)
		}
	})
}

func TestAPacketThatIsCutOrIsNoneIsNotOpened(t *testing.T) {
	onSuites(t, func(t *testing.T, s suite) {
		opens := s.opener(t, "")
		packet, control := newSession(s, false).sound(sound(7, 100), 0), newSession(s, true).report(report(7), 1)
		for n := range packet {
			opens.refuses(t, fmt.Sprintf("a packet of %d octets", n), packet[:n], false)
		}
		for n := range control {
			opens.refuses(t, fmt.Sprintf("a report of %d octets", n), control[:n], true)
		}
		for _, b := range [][]byte{nil, make([]byte, 200), bytes.Repeat([]byte{0xff}, 200), bytes.Repeat([]byte{0x80}, 200),
			{0x8f, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7},    // 15 sources that are not there
			{0x90, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7},    // an extension that is not there
			append(packet[:headerSize:12], 0, 0, 0, 0), // no room for a tag
		} {
			opens.refuses(t, fmt.Sprintf("%x", b), b, false)
			opens.refuses(t, fmt.Sprintf("%x", b), b, true)
		}
		other := sound(7, 99)
		other[0] = 0x40
		opens.refuses(t, "a packet of version 1, well sealed,", newSession(s, false).sound(other, 0), false)
		opens.opens(t, packet, sound(7, 100))
		opens.opens(t, control, report(7))
	})
}

func TestOfSourcesTooManyTheFirstOnesGoOn(t *testing.T) {
	onSuites(t, func(t *testing.T, s suite) {
		opens, of, ofReports := s.opener(t, ""), newSession(s, false), newSession(s, true)
		for source := range uint32(MaxSources / 2) {
			forged := of.sound(sound(1000+source, 1), 0)
			forged[20] ^= 1
			opens.refuses(t, "a forged source", forged, false) // and takes no place
			opens.opens(t, of.sound(sound(source, 1), 0), sound(source, 1))
			opens.opens(t, ofReports.report(report(source), 1), report(source))
		}
		opens.refuses(t, "one source too many", of.sound(sound(MaxSources, 1), 0), false)
		opens.refuses(t, "the reports of one source too many", ofReports.report(report(MaxSources), 1), true)
		for source := range uint32(MaxSources / 2) {
			opens.opens(t, of.sound(sound(source, 2), 0), sound(source, 2))
			opens.opens(t, ofReports.report(report(source), 2), report(source))
		}
	})
}

func TestAKeyIsKnownByItsIdentifier(t *testing.T) {
	onSuites(t, func(t *testing.T, s suite) {
		opens, theirs := s.opener(t, "\x01\x02\x03\x04"), s.pion(t, pion.MasterKeyIndicator([]byte{1, 2, 3, 4}))
		seal := func(c *pion.Context, seq uint16) (packet, control []byte) {
			t.Helper()
			packet, err := c.EncryptRTP(nil, sound(7, seq), nil)
			if err != nil {
				t.Fatal(err)
			}
			if control, err = c.EncryptRTCP(nil, report(7), nil); err != nil {
				t.Fatal(err)
			}
			return packet, control
		}
		packet, control := seal(theirs, 1)
		if !bytes.Contains(packet, []byte{1, 2, 3, 4}) {
			t.Fatal("no identifier in the packet")
		}
		opens.opens(t, packet, sound(7, 1))
		opens.opens(t, control, report(7))
		for why, mki := range map[string]string{"another key": "\x01\x02\x03\x05", "a shorter identifier": "\x04", "no identifier": ""} {
			packet, control := seal(s.pion(t, pion.MasterKeyIndicator([]byte(mki))), 2)
			opens.refuses(t, "sound under "+why, packet, false)
			opens.refuses(t, "a report under "+why, control, true)
		}
		packet, control = seal(theirs, 3)
		s.opener(t, "").refuses(t, "sound with an identifier not agreed on", packet, false)
		s.opener(t, "").refuses(t, "a report with an identifier not agreed on", control, true)
	})
}

func TestAKeyThatDoesNotFitIsNotTaken(t *testing.T) {
	onSuites(t, func(t *testing.T, s suite) {
		for _, c := range [][2][]byte{{s.master[1:], s.salt}, {s.master, s.salt[1:]}, {nil, nil}, {append(s.master, 0), s.salt}} {
			if _, err := NewOpener(s.profile, c[0], c[1], nil); err == nil {
				t.Errorf("an opener with a key of %d octets and a salt of %d", len(c[0]), len(c[1]))
			}
			if _, err := NewSealer(s.profile, c[0], c[1]); err == nil {
				t.Errorf("a sealer with a key of %d octets and a salt of %d", len(c[0]), len(c[1]))
			}
		}
	})
	if _, err := NewSealer(0x4242, nil, nil); err == nil {
		t.Error("a sealer for no profile")
	}
}

// RFC 3711 §9.2: after 2^48 packets, or 2^31 reports, a key would lay the same
// stream over others, and give them away.
func TestAKeyThatIsUsedUpSealsNoMore(t *testing.T) {
	onSuites(t, func(t *testing.T, s suite) {
		seals := s.sealer(t)
		seals.ctx.SetROC(7, 1<<32-1)
		if seals.RTP(sound(7, 65_535)) == nil {
			t.Error("the last packet is not sealed")
		}
		if seals.RTP(sound(7, 0)) != nil {
			t.Error("a packet too many is sealed")
		}
		seals.ctx.SetIndex(7, 1<<31-2)
		if seals.RTCP(report(7)) == nil {
			t.Error("the last report is not sealed")
		}
		if seals.RTCP(report(7)) != nil {
			t.Error("a report too many is sealed")
		}
	})
}

func TestPacketsAreSealedAndOpenedWithoutAllocation(t *testing.T) {
	lacking.Unraced(t)
	onSuites(t, func(t *testing.T, s suite) {
		seals, opens := s.sealer(t), s.opener(t, "")
		b, opened, sent := sound(7, 0), 0, uint16(0)
		n := testing.AllocsPerRun(200, func() {
			sent++
			binary.BigEndian.PutUint16(b[2:], sent)
			sealed := seals.RTP(b)
			if _, ok := opens.RTP(sealed); ok {
				opened++
			}
		})
		if n > 0 || opened != int(sent) {
			t.Errorf("%v allocations a packet, %d opened of %d", n, opened, sent)
		}
	})
}
