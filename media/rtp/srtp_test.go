package rtp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"cabline/internal/lacking"
	"cabline/media"
	own "cabline/media/srtp"
	"cabline/media/wire"
)

func openSecure(t testing.TB, r *Relay, want Security) *Port {
	t.Helper()
	p, err := r.Open(Options{Bind: loopback, SRTP: want})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// secured has a phone call a port with a key of its own.
func (f *phone) secured(p *Port, c crypto, formats string) {
	f.t.Helper()
	f.speaks(c)
	f.call(p, formats, strings.TrimSpace(c.String()))
}

func TestEachSuiteCarriesACallBothWaysBesideAPlainLeg(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for _, s := range suites {
			t.Run(s.name, func(t *testing.T) {
				a, b := newPhone(t), newPhone(t)
				pa, pb := openSecure(t, r, SRTPRequired), openPort(t, r, LatchFirst)
				a.srtp = SRTPRequired
				a.secured(pa, newCrypto(7, s), "8")
				b.call(pb, "0")
				media.Cross(pa, pb)
				a.hum(440, 50)
				b.hum(1000, 50)
				until(t, "both heard all", func() bool { return len(a.all()) == 50 && len(b.all()) == 50 })
				if p := power(b.sound(), 440); p < 0.95 {
					t.Errorf("of what the plain phone heard %.2f is the other's 440 Hz", p)
				}
				if p := power(a.sound(), 1000); p < 0.95 {
					t.Errorf("of what the encrypted phone heard %.2f is the other's 1000 Hz", p)
				}
				if s := pa.Stats(); s.Dropped != 0 || s.Received != 50 {
					t.Errorf("statistics: %+v", s)
				}
			})
		}
	})
}

func TestWhoOffersAndWhoRequiresSRTPAgreesOrIsRefused(t *testing.T) {
	key := strings.TrimSpace(newCrypto(3, suites[2]).String())
	unknown := "a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + base64.StdEncoding.EncodeToString(make([]byte, 30))
	for _, tt := range []struct {
		name  string
		want  Security
		offer []string
		m     string // of the answer; empty: refused
		plain bool
	}{
		{"off: plain is plain", SRTPOff, []string{"m=audio 4000 RTP/AVP 8"}, "RTP/AVP 8", true},
		{"off: a key beside plain RTP is passed over", SRTPOff, []string{"m=audio 4000 RTP/AVP 8", key}, "RTP/AVP 8", true},
		{"off: SAVP is refused", SRTPOff, []string{"m=audio 4000 RTP/SAVP 8", key}, "", false},
		{"offered: plain is plain", SRTPOffered, []string{"m=audio 4000 RTP/AVP 8"}, "RTP/AVP 8", true},
		{"offered: a key beside plain RTP is taken", SRTPOffered, []string{"m=audio 4000 RTP/AVP 8", key}, "RTP/AVP 8", false},
		{"offered: SAVP is taken", SRTPOffered, []string{"m=audio 4000 RTP/SAVP 8", key}, "RTP/SAVP 8", false},
		{"offered: SAVPF is taken", SRTPOffered, []string{"m=audio 4000 RTP/SAVPF 8", key}, "RTP/SAVPF 8", false},
		{"offered: of a plain and an encrypted line the latter is taken", SRTPOffered,
			[]string{"m=audio 4000 RTP/AVP 8", "m=audio 4002 RTP/SAVP 8", key}, "RTP/SAVP 8", false},
		{"offered: a plain line beside one with strange keys is taken", SRTPOffered,
			[]string{"m=audio 4000 RTP/SAVP 8", unknown, "m=audio 4002 RTP/AVP 8"}, "RTP/AVP 8", true},
		{"offered: SAVP with strange keys alone is refused", SRTPOffered, []string{"m=audio 4000 RTP/SAVP 8", unknown}, "", false},
		{"offered: SAVP with a strange key first is taken", SRTPOffered, []string{"m=audio 4000 RTP/SAVP 8", unknown, key}, "RTP/SAVP 8", false},
		{"required: SAVP is taken", SRTPRequired, []string{"m=audio 4000 RTP/SAVP 8", key}, "RTP/SAVP 8", false},
		{"required: a key beside plain RTP is taken", SRTPRequired, []string{"m=audio 4000 RTP/AVP 8", key}, "RTP/AVP 8", false},
		{"required: plain is refused", SRTPRequired, []string{"m=audio 4000 RTP/AVP 8"}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := noCall(t, "127.0.0.1")
			p.talk.begin(Options{Advertise: loopback, SRTP: tt.want})
			answer, err := p.Answer([]byte(lines(tt.offer...)))
			if tt.m == "" {
				if !errors.Is(err, ErrNotSecure) {
					t.Errorf("%v\n%s", err, answer)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("m=audio %d %s\r\n", p.here, tt.m); !strings.Contains(string(answer), want) {
				t.Errorf("no %q in\n%s", want, answer)
			}
			hasKey := strings.Contains(string(answer), "a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:")
			if hasKey == tt.plain || (p.tx.secret == nil) != tt.plain || (p.rx.secret == nil) != tt.plain {
				t.Errorf("plain is %v, the answer is\n%s", p.tx.secret == nil, answer)
			}
			if strings.Contains(string(answer), key[strings.Index(key, "inline"):]) {
				t.Error("their key comes back")
			}
		})
	}
}

func TestWhoRefusesOurOfferOfSRTPIsOfferedPlainRTP(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, p := newPhone(t), openSecure(t, r, SRTPOffered)
		if _, err := p.Offer(); err != nil {
			t.Fatal(err)
		}
		for _, offer := range []func() ([]byte, error){p.OfferPlain, p.Offer} {
			sdp, err := offer()
			if err != nil || strings.Contains(string(sdp), "crypto") || !strings.Contains(string(sdp), "RTP/AVP") {
				t.Fatalf("%v, offered\n%s", err, sdp)
			}
		}
		if err := p.Accept(a.sdp("8")); err != nil {
			t.Fatal(err)
		}
		a.to = p.LocalAddr()
		p.Plug(p) // an echo
		a.hum(440, 20)
		until(t, "it heard itself", func() bool { return len(a.all()) == 20 })
		if share := power(a.sound(), 440); share < 0.95 {
			t.Errorf("%.2f of it is the tone", share)
		}
		if _, err := openSecure(t, r, SRTPRequired).OfferPlain(); !errors.Is(err, ErrNotSecure) {
			t.Error("what is required is given up:", err)
		}
	})
}

func TestOurOfferOfSRTPIsTakenLeftOrInsistedOn(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for _, tt := range []struct {
			name   string
			want   Security
			answer string // profile
			key    int    // which of our lines is taken; -1: none
			fails  bool
		}{
			{"offered and taken", SRTPOffered, "RTP/AVP", 0, false},
			{"offered and taken as SAVP", SRTPOffered, "RTP/SAVP", 2, false},
			{"offered and left", SRTPOffered, "RTP/AVP", -1, false},
			{"required and taken", SRTPRequired, "RTP/SAVP", 1, false},
			{"required and left", SRTPRequired, "RTP/AVP", -1, true},
		} {
			t.Run(tt.name, func(t *testing.T) {
				a, p := newPhone(t), openSecure(t, r, tt.want)
				offer, err := p.Offer()
				if err != nil {
					t.Fatal(err)
				}
				again, err := p.Offer()
				if err != nil || string(again) != string(offer) {
					t.Errorf("offered again it is\n%s", again)
				}
				ls, err := readSDP(offer)
				if err != nil {
					t.Fatal(err)
				}
				keys := ls[0].crypto
				if len(keys) != offeredSuites || (ls[0].protocol == "RTP/SAVP") != (tt.want == SRTPRequired) || keys[0].secret[:16] == keys[2].secret[:16] {
					t.Fatalf("offer is\n%s", offer)
				}
				var more []string
				if tt.key >= 0 {
					mine := newCrypto(keys[tt.key].tag, keys[tt.key].suite)
					more = append(more, strings.TrimSpace(mine.String()))
					a.speaks(mine)
					a.hears(keys[tt.key])
				}
				answer := strings.Replace(string(a.sdp("8", more...)), "RTP/AVP", tt.answer, 1)
				for range 2 { // in the 183 and in the 200
					err = p.Accept([]byte(answer))
					if tt.fails != (err != nil) {
						t.Fatal(err)
					}
				}
				if tt.fails {
					return
				}
				a.to = p.LocalAddr()
				p.Plug(p) // an echo
				a.hum(440, 20)
				until(t, "it heard itself", func() bool { return len(a.all()) == 20 })
				if share := power(a.sound(), 440); share < 0.95 {
					t.Errorf("%.2f of it is the tone", share)
				}
			})
		}
	})
}

func TestAKeyWeDidNotOfferIsNotTaken(t *testing.T) {
	p := noCall(t, "127.0.0.1")
	p.talk.begin(Options{Advertise: loopback, SRTP: SRTPOffered})
	if _, err := p.Offer(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []crypto{newCrypto(4, suites[0]), newCrypto(1, suites[1])} {
		if err := p.Accept([]byte(lines("m=audio 4000 RTP/AVP 8", strings.TrimSpace(c.String())))); !errors.Is(err, ErrNotSecure) {
			t.Errorf("tag %d, %s: %v", c.tag, c.name, err)
		}
	}
}

func TestAReinviteWithTheSameKeyGoesOnAndWithANewOneBeginsAnew(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, p := newPhone(t), openSecure(t, r, SRTPOffered)
		p.Plug(p)
		a.srtp = SRTPRequired
		mine := newCrypto(1, suites[0])
		a.secured(p, mine, "8") // its numbers begin at 65530: the count of turns is 1 after six packets
		says := a.says
		a.hum(440, 20)
		until(t, "the echo came", func() bool { return len(a.all()) == 20 })
		in, out := p.rx.secret, p.tx.secret

		a.call(p, "8", strings.TrimSpace(mine.String()), "a=sendonly") // hold …
		a.call(p, "8", strings.TrimSpace(mine.String()))
		if p.rx.secret != in || p.tx.secret != out {
			t.Error("the same key began anew")
		}
		a.says = says
		a.mu.Lock()
		a.heard, a.ears = nil, nil // it hears by the key of the first answer still
		a.mu.Unlock()
		a.hears(out.by)

		next := newCrypto(1, suites[0])
		a.secured(p, next, "8")
		if p.tx.secret.by.secret == out.by.secret {
			t.Error("a new key of theirs did not get a new one of ours")
		}
		a.hum(440, 20)
		until(t, "the echo came by the new keys", func() bool { return len(a.all()) == 20 })
	})
}

func TestLinesOfKeys(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 30)))
	for _, tt := range []struct {
		value string
		ok    bool
		mki   string
	}{
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key, true, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^31", true, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|1048576|1:4", true, "\x00\x00\x00\x01"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|258:2 WSH=128 -EXTRA", true, "\x01\x02"},
		{"999999999 AES_CM_128_HMAC_SHA1_32 inline:" + key, true, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " UNENCRYPTED_SRTP", false, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " KDR=1", false, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|1:0", false, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|1:129", false, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key + ";inline:" + key, false, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key[:36], false, ""},
		{"1 AES_256_CM_HMAC_SHA1_80 inline:" + key, false, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 file:" + key, false, ""},
		{"1 AES_CM_128_HMAC_SHA1_80", false, ""},
		{"x AES_CM_128_HMAC_SHA1_80 inline:" + key, false, ""},
		{"", false, ""},
	} {
		c, ok := readCrypto(tt.value)
		if ok != tt.ok || ok && (c.mki != tt.mki || c.secret != strings.Repeat("k", 30)) {
			t.Errorf("%q is %v, mki %q", tt.value, ok, c.mki)
		}
	}
}

func TestAPartyThatNamesItsKeyInEachPacketIsHeard(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, p := newPhone(t), openSecure(t, r, SRTPOffered)
		a.srtp = SRTPRequired
		mine := newCrypto(1, suites[0])
		mine.mki = "\x00\x00\x00\x01"
		a.speaks(mine)
		a.call(p, "8", strings.TrimSpace(mine.String())+"|2^31|1:4")
		p.Plug(p)
		a.hum(440, 20)
		until(t, "the echo came", func() bool { return len(a.all()) == 20 })
	})
}

func TestReportsOfAnEncryptedCallAreEncrypted(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, c, p := newPhone(t), newControl(t), openSecure(t, r, SRTPOffered)
		a.srtp = SRTPRequired
		mine := newCrypto(1, suites[0])
		a.speaks(mine)
		a.call(p, "8", strings.TrimSpace(mine.String()), c.line())
		a.hum(440, 10)
		until(t, "it was heard", func() bool { return p.Stats().Received == 10 })
		p.report(time.Now())
		b, err := a.ears.DecryptRTCP(nil, c.bytes(), nil)
		if err != nil {
			t.Fatal(err)
		}
		packets, err := rtcp.Unmarshal(b)
		if rr, ok := packets[0].(*rtcp.ReceiverReport); err != nil || !ok || rr.Reports[0].SSRC != a.packet.SSRC {
			t.Errorf("%v, %v", packets, err)
		}
		for i := range 70 {
			p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12, Seq: uint16(i)})
		}
		report := &rtcp.ReceiverReport{SSRC: 5, Reports: []rtcp.ReceptionReport{{SSRC: p.tx.stream.SSRC, TotalLost: 99}}}
		c.write(p, report) // plain: anyone can
		report.Reports[0].TotalLost = 7
		plain, err := rtcp.Marshal([]rtcp.Packet{report})
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := a.says.EncryptRTCP(nil, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.send(p, sealed)
		until(t, "the report was read", func() bool { return p.Stats().PeerLost > 0 })
		if s := p.Stats(); s.PeerLost != 7 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAHundredThousandBadSRTPPacketsDoNotEndACall(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, p := newPhone(t), openSecure(t, r, SRTPRequired)
		a.srtp = SRTPRequired
		a.secured(p, newCrypto(1, suites[0]), "8")
		p.Plug(p)
		a.hum(440, 20)
		until(t, "the echo came", func() bool { return len(a.all()) == 20 })

		a.packet.Payload = make([]byte, 160)
		packet, err := a.packet.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		good, err := a.says.EncryptRTP(nil, packet, nil)
		if err != nil {
			t.Fatal(err)
		}
		bad := make([]byte, len(good)+wire.TailRoom)
		dice := rand.New(rand.NewPCG(1, 2))
		for i := range 100_000 {
			n := copy(bad, good)
			switch i % 5 {
			case 0: // forged from end to end, but for the version
				for k := range bad[:n] {
					bad[k] = byte(dice.Uint32())
				}
				bad[0], bad[1] = 0x80, 8
			case 1: // a bit of the sound
				bad[12+dice.IntN(160)] ^= 1 << dice.IntN(8)
			case 2: // far ahead, to turn the count of sequence numbers
				bad[2] ^= 0x80
			case 3: // another source
				bad[8] ^= byte(1 + dice.IntN(255))
			case 4: // cut short
				n = dice.IntN(n)
			}
			p.receive(bad[:n:n+wire.TailRoom], a.addr(), time.Now())
		}
		if s := p.Stats(); s.Received != 20 || s.Sent != 20 {
			t.Errorf("a bad packet was taken: %+v", s)
		}
		a.hum(440, 20)
		until(t, "the echo came again", func() bool { return len(a.all()) == 40 })
		for range 100_000 { // good ones, many times over
			p.receive(append(bad[:0], good...), a.addr(), time.Now())
		}
		if s := p.Stats(); s.Received > 41 {
			t.Errorf("a packet was heard %d times", s.Received-40)
		}
	})
}

func TestSourcesOfAnEncryptedCallAreCounted(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, p := newPhone(t), openSecure(t, r, SRTPRequired)
		a.srtp = SRTPRequired
		a.secured(p, newCrypto(1, suites[0]), "8")
		for range 3 * own.MaxSources {
			a.packet.SSRC++
			a.say(make([]byte, 160), 160)
		}
		until(t, "all came", func() bool { s := p.Stats(); return s.Received+s.Dropped == 3*own.MaxSources })
		if s := p.Stats(); s.Received != own.MaxSources {
			t.Errorf("%d sources were taken", s.Received)
		}
	})
}

func TestAnEncryptedPacketIsRelayedWithoutAllocation(t *testing.T) {
	lacking.Unraced(t)
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		for _, s := range suites[:offeredSuites] {
			a, b := newPhone(t), newPhone(t)
			pa, pb := openSecure(t, r, SRTPRequired), openSecure(t, r, SRTPRequired)
			a.srtp, b.srtp = SRTPRequired, SRTPRequired
			a.secured(pa, newCrypto(1, s), "8")
			b.secured(pb, newCrypto(1, s), "8")
			media.Cross(pa, pb)
			a.packet.Payload = make([]byte, 160)
			var datagrams [][]byte
			for range 201 {
				a.packet.SequenceNumber++
				packet, err := a.packet.Marshal()
				if err != nil {
					t.Fatal(err)
				}
				if packet, err = a.says.EncryptRTP(make([]byte, 0, wire.MaxDatagram), packet, nil); err != nil {
					t.Fatal(err)
				}
				datagrams = append(datagrams, packet)
			}
			b.deafen()
			from, i := a.addr(), 0
			n := testing.AllocsPerRun(200, func() { pa.receive(datagrams[i], from, time.Now()); i++ })
			if n > 0 || pb.Stats().Sent < 200 {
				t.Errorf("%s: %v allocations a packet, %d sent", s.name, n, pb.Stats().Sent)
			}
		}
	})
}
