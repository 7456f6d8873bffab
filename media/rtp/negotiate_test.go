package rtp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/sdp/v3"

	"cabline/internal/lacking"
	"cabline/media"
)

// lines is a description of the lines after the session's head.
func lines(l ...string) string {
	return "v=0\r\no=alice 2890844526 7 IN IP4 127.0.0.9\r\ns=Secret subject\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\n" +
		strings.Join(l, "\r\n") + "\r\n"
}

// noCall is a port on a relay of its own, for tests of SDP alone.
func noCall(t testing.TB, here string) *Port {
	t.Helper()
	c := media.NewClock()
	r, err := Listen(Config{Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); c.Close() })
	at := netip.MustParseAddr(here)
	if at.Is6() {
		lacking.NeedIPv6(t)
	}
	p, err := r.Open(Options{Bind: at})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// numbers are what differs from run to run.
var numbers = regexp.MustCompile(`o=- \d+ \d+`)

// plain is a description without its head, our ports replaced by names.
func plain(p *Port, b []byte) string {
	s := string(b)
	s = strings.ReplaceAll(s, fmt.Sprintf("m=audio %d ", p.here), "m=audio PORT ")
	s = strings.ReplaceAll(s, fmt.Sprintf("a=rtcp:%d\r", p.here+1), "a=rtcp:NEXT\r")
	s = strings.ReplaceAll(s, fmt.Sprintf("a=rtcp:%d\r", p.here), "a=rtcp:PORT\r")
	s = numbers.ReplaceAllString(s, "o=-")
	s = strings.TrimPrefix(s, "v=0\r\no=- IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n")
	return strings.ReplaceAll(strings.TrimSuffix(s, "\r\n"), "\r\n", " | ")
}

const (
	alawOnly  = "m=audio PORT RTP/AVP 8 | a=rtpmap:8 PCMA/8000 | a=ptime:20 | a=sendrecv | a=rtcp:NEXT"
	mulawOnly = "m=audio PORT RTP/AVP 0 | a=rtpmap:0 PCMU/8000 | a=ptime:20 | a=sendrecv | a=rtcp:NEXT"
)

func alawWith(event int, d direction) string {
	return fmt.Sprintf("m=audio PORT RTP/AVP 8 %d | a=rtpmap:8 PCMA/8000 | a=rtpmap:%d telephone-event/8000 | a=fmtp:%d 0-15 | a=ptime:20 | a=%s | a=rtcp:NEXT",
		event, event, event, d)
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, offer, answer string
	}{
		{"A-law alone", lines("m=audio 4000 RTP/AVP 8"), alawOnly},
		{"µ-law alone", lines("m=audio 4000 RTP/AVP 0"), mulawOnly},
		{"A-law is chosen though µ-law comes first", lines("m=audio 4000 RTP/AVP 0 3 8 18"), alawOnly},
		{"A-law under another number", lines("m=audio 4000 RTP/AVP 98", "a=rtpmap:98 pcma/8000/1"),
			"m=audio PORT RTP/AVP 98 | a=rtpmap:98 PCMA/8000 | a=ptime:20 | a=sendrecv | a=rtcp:NEXT"},
		{"another codec under the number of A-law is still A-law", lines("m=audio 4000 RTP/AVP 8", "a=rtpmap:8 G729/8000"), alawOnly},
		{"telephone-event 96 is mirrored", lines("m=audio 4000 RTP/AVP 8 96", "a=rtpmap:96 telephone-event/8000"), alawWith(96, sendrecv)},
		{"telephone-event 97 is mirrored", lines("m=audio 4000 RTP/AVP 8 97", "a=rtpmap:97 telephone-event/8000"), alawWith(97, sendrecv)},
		{"telephone-event 100 is mirrored", lines("m=audio 4000 RTP/AVP 8 100", "a=rtpmap:100 Telephone-Event/8000"), alawWith(100, sendrecv)},
		{"telephone-event 126 is mirrored, that of 48 kHz is not", lines("m=audio 4000 RTP/AVP 110 8 126", "a=rtpmap:110 telephone-event/48000", "a=rtpmap:126 telephone-event/8000"), alawWith(126, sendrecv)},
		{"sendonly is answered recvonly", lines("m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=sendonly"), alawWith(101, recvonly)},
		{"recvonly is answered sendonly", lines("m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=recvonly"), alawWith(101, sendonly)},
		{"inactive is answered inactive", lines("m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=inactive"), alawWith(101, inactive)},
		{"the session's direction counts where the audio has none", lines("a=sendonly", "m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000"), alawWith(101, recvonly)},
		{"the audio's direction counts before the session's", lines("a=sendonly", "m=audio 4000 RTP/AVP 8", "a=sendrecv"), alawOnly},
		{"0.0.0.0 is a hold", lines("m=audio 4000 RTP/AVP 8 101", "c=IN IP4 0.0.0.0", "a=rtpmap:101 telephone-event/8000"), alawWith(101, recvonly)},
		{"0.0.0.0 with inactive is inactive", lines("m=audio 4000 RTP/AVP 8 101", "c=IN IP4 0.0.0.0", "a=rtpmap:101 telephone-event/8000", "a=inactive"), alawWith(101, inactive)},
		{"other media are answered with port 0", lines("m=video 4002 RTP/AVPF 31 34", "m=audio 4000 RTP/AVP 8", "m=image 4004 udptl t38", "m=audio 4006 RTP/AVP 0"),
			"m=video 0 RTP/AVPF 0 | " + alawOnly + " | m=image 0 udptl * | m=audio 0 RTP/AVP 0"},
		{"of two audio lines the plain one is taken", lines("m=audio 4000 RTP/SAVP 8", "m=audio 4002 RTP/AVP 8"), "m=audio 0 RTP/SAVP 0 | " + alawOnly},
		{"an audio line that is off is passed over", lines("m=audio 0 RTP/AVP 8", "m=audio 4002 RTP/AVP 0"), "m=audio 0 RTP/AVP 0 | " + mulawOnly},
		{"bare line feeds will do", strings.ReplaceAll(lines("m=audio 4000 RTP/AVP 8"), "\r", ""), alawOnly},
		{"no line end at the end will do", strings.TrimSpace(lines("m=audio 4000 RTP/AVP 8")), alawOnly},
		{"no s= and t=, spaces at line ends and in o= will do", "v=0\r\no=my phone 1 1 IN IP4 1.2.3.4\r\nc=IN IP4 127.0.0.9 \r\nm=audio 4000 RTP/AVP  8 \r\n", alawOnly},
		{"what nobody knows is passed over", lines("x=what", "m=audio 4000/1 RTP/AVP 8", "a=candidate:1 1 UDP 1 1.2.3.4 5 typ host", "a=crypto:1 x", "b=AS"), alawOnly},
		{"RTCP beside RTP is taken", lines("m=audio 4000 RTP/AVP 8", "a=rtcp-mux"),
			strings.Replace(alawOnly, "a=rtcp:NEXT", "a=rtcp:PORT | a=rtcp-mux", 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := noCall(t, "127.0.0.1")
			answer, err := p.Answer([]byte(tt.offer))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.answer, plain(p, answer)); d != "" {
				t.Error(d)
			}
			again, err := p.Answer([]byte(tt.offer))
			if err != nil || !bytes.Equal(answer, again) {
				t.Errorf("the same offer again is answered %s, %v", again, err)
			}
		})
	}
}

func TestOffersThatAreRefused(t *testing.T) {
	many := strings.Repeat("m=audio 0 RTP/AVP 8\r\n", 17)
	for _, tt := range []struct {
		name, offer string
		noCodec     bool
	}{
		{"nothing", "", false},
		{"no SDP", "INVITE sip:x SIP/2.0", false},
		{"no media", lines("a=sendrecv"), false},
		{"codecs we do not have", lines("m=audio 4000 RTP/AVP 18 9 111", "a=rtpmap:111 opus/48000/2"), true},
		{"telephone-event alone", lines("m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"), true},
		{"video alone", lines("m=video 4000 RTP/AVP 31"), true},
		{"audio switched off", lines("m=audio 0 RTP/AVP 8"), true},
		{"PCMA of 16 kHz", lines("m=audio 4000 RTP/AVP 98", "a=rtpmap:98 PCMA/16000"), true},
		{"SRTP", lines("m=audio 4000 RTP/SAVP 8"), false},
		{"a browser's SDP", lines("m=audio 9 UDP/TLS/RTP/SAVPF 8"), false},
		{"no address", "v=0\r\nm=audio 4000 RTP/AVP 8\r\n", false},
		{"a name for an address", lines("m=audio 4000 RTP/AVP 8", "c=IN IP4 example.org"), false},
		{"an address of the other family", lines("m=audio 4000 RTP/AVP 8", "c=IN IP4 ::1"), false},
		{"IPv6 to an IPv4 port", lines("m=audio 4000 RTP/AVP 8", "c=IN IP6 2001:db8::1"), false},
		{"a zone", lines("m=audio 4000 RTP/AVP 8", "c=IN IP6 fe80::1%eth0"), false},
		{"multicast", lines("m=audio 4000 RTP/AVP 8", "c=IN IP4 224.2.1.1/127"), false},
		{"multicast without TTL", lines("m=audio 4000 RTP/AVP 8", "c=IN IP4 224.2.1.1"), false},
		{"broadcast", lines("m=audio 4000 RTP/AVP 8", "c=IN IP4 255.255.255.255"), false},
		{"port 65536", lines("m=audio 65536 RTP/AVP 8"), false},
		{"port -1", lines("m=audio -1 RTP/AVP 8"), false},
		{"no formats", lines("m=audio 4000 RTP/AVP"), false},
		{"payload type 128", lines("m=audio 4000 RTP/AVP 8 128"), false},
		{"payload type of words", lines("m=audio 4000 RTP/AVP 8 x"), false},
		{"a thousand formats", lines("m=audio 4000 RTP/AVP" + strings.Repeat(" 8", 1000)), false},
		{"a media kind that would break a line", lines("m=vi\x00deo 0 RTP/AVP 8", "m=audio 4000 RTP/AVP 8"), false},
		{"RTCP port of words", lines("m=audio 4000 RTP/AVP 8", "a=rtcp:x"), false},
		{"seventeen media", lines("m=audio 4000 RTP/AVP 8", many), false},
		{"a megabyte", lines("m=audio 4000 RTP/AVP 8", strings.Repeat("a=x\r\n", 1<<18)), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := noCall(t, "127.0.0.1")
			answer, err := p.Answer([]byte(tt.offer))
			if err == nil || errors.Is(err, ErrNoCodec) != tt.noCodec {
				t.Errorf("%v, %s", err, answer)
			}
			if err != nil && len(err.Error()) > 200 {
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
		})
	}
}

func TestOurOfferAndItsAnswer(t *testing.T) {
	p := noCall(t, "127.0.0.1")
	if err := p.Accept([]byte(lines("m=audio 4000 RTP/AVP 8"))); err == nil {
		t.Error("an answer to nothing was accepted")
	}
	offer, err := p.Offer()
	if err != nil {
		t.Fatal(err)
	}
	want := "m=audio PORT RTP/AVP 8 0 101 | a=rtpmap:8 PCMA/8000 | a=rtpmap:0 PCMU/8000 | a=rtpmap:101 telephone-event/8000 | a=fmtp:101 0-15 | a=ptime:20 | a=sendrecv | a=rtcp:NEXT"
	if d := cmp.Diff(want, plain(p, offer)); d != "" {
		t.Error(d)
	}
	var d sdp.SessionDescription
	if err := d.Unmarshal(offer); err != nil {
		t.Errorf("pion/sdp does not read it: %v", err)
	}
	for range 2 { // in the 183 and in the 200
		if err := p.Accept([]byte(lines("m=audio 4000 RTP/AVP 0 8 96", "a=rtpmap:96 telephone-event/8000"))); err != nil {
			t.Fatal(err)
		}
	}
	if p.tx.codec != media.PCMU || p.tx.event.payloadType != 96 || p.tx.to != netip.MustParseAddrPort("127.0.0.9:4000") {
		t.Errorf("agreed on %v, event %d, %v", p.tx.codec, p.tx.event.payloadType, p.tx.to)
	}
	for number, want := range map[uint8]kind{0: mulaw, 8: alaw, 13: comfort, 96: event, 101: event, 18: unknown} {
		if p.rx.kinds[number] != want {
			t.Errorf("payload type %d is %v", number, p.rx.kinds[number])
		}
	}
	if err := p.Accept([]byte(lines("m=audio 0 RTP/AVP 0"))); !errors.Is(err, ErrNoCodec) {
		t.Errorf("audio refused: %v", err)
	}
}

// head is the session and version numbers of a description.
func head(t *testing.T, b []byte) (id, version uint64) {
	t.Helper()
	var d sdp.SessionDescription
	if err := d.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	return d.Origin.SessionID, d.Origin.SessionVersion
}

func TestTheVersionGoesUpWhenTheDescriptionChanges(t *testing.T) {
	p := noCall(t, "127.0.0.1")
	var first uint64
	var versions []uint64
	for _, offer := range []string{
		lines("m=audio 4000 RTP/AVP 8"),
		lines("m=audio 4000 RTP/AVP 8", "a=sendrecv"),
		lines("m=audio 4000 RTP/AVP 8", "a=sendonly"),
		lines("m=audio 4000 RTP/AVP 8", "a=sendonly"),
		lines("m=audio 4000 RTP/AVP 8"),
		lines("m=audio 5000 RTP/AVP 8"), // their address, not ours
	} {
		answer, err := p.Answer([]byte(offer))
		if err != nil {
			t.Fatal(err)
		}
		id, version := head(t, answer)
		if versions = append(versions, version-id); first != 0 && id != first {
			t.Errorf("session %d became %d", first, id)
		}
		first = id
	}
	if d := cmp.Diff([]uint64{0, 0, 1, 1, 2, 2}, versions); d != "" {
		t.Error(d)
	}
}

func TestNothingOfTheOffersWordsComesBack(t *testing.T) {
	p := noCall(t, "127.0.0.1")
	offer := "v=0\r\no=+79990001122 1 1 IN IP4 127.0.0.9\r\ns=+79990001122\r\ni=canary\r\nu=http://canary\r\ne=canary\r\np=+79990001122\r\nc=IN IP4 127.0.0.9\r\n" +
		"t=0 0\r\na=tool:canary\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15,canary\r\na=canary:+79990001122\r\na=label:canary\r\n"
	answer, err := p.Answer([]byte(offer))
	if err != nil {
		t.Fatal(err)
	}
	for _, canary := range []string{"canary", "79990001122", "127.0.0.9", "4000"} {
		if bytes.Contains(answer, []byte(canary)) {
			t.Errorf("%q is in the answer:\n%s", canary, answer)
		}
	}
}

func TestIPv6(t *testing.T) {
	p := noCall(t, "::1")
	answer, err := p.Answer([]byte(strings.ReplaceAll(lines("m=audio 4000 RTP/AVP 8"), "IP4 127.0.0.9", "IP6 ::1")))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(answer, []byte("c=IN IP6 ::1\r\n")) || p.tx.to != netip.MustParseAddrPort("[::1]:4000") {
		t.Errorf("%s %v", answer, p.tx.to)
	}
	if _, err := p.Answer([]byte(lines("m=audio 4000 RTP/AVP 8"))); err == nil {
		t.Error("an IPv4 party was taken on an IPv6 port")
	}
}

func TestOnHoldNothingIsSaidAndThenAgain(t *testing.T) {
	for name, hold := range map[string][]string{
		"sendonly":          {"a=sendonly"},
		"inactive":          {"a=inactive"},
		"the address zeros": {"c=IN IP4 0.0.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
				p := openPort(t, r, LatchFirst)
				told, a := newPhone(t), newPhone(t)
				told.call(p, "8")
				a.to = told.to
				say := func() { p.WriteRTP(&media.Packet{Buf: make([]byte, 172, 236), Start: 12}) }
				a.say([]byte("sound"), 160) // its packets come from elsewhere
				until(t, "it was heard", func() bool { return p.Stats().Received == 1 })
				say()
				if _, err := p.Answer(told.sdp("8", hold...)); err != nil {
					t.Fatal(err)
				}
				say()
				if s := p.Stats(); s.Sent != 1 {
					t.Errorf("%d packets sent", s.Sent)
				}
				told.call(p, "8")
				say()
				until(t, "the party heard us again where it was", func() bool { return len(a.all()) == 2 })
			})
		})
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(lines("m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=sendonly", "a=rtcp:4001 IN IP4 1.2.3.4")))
	f.Add([]byte(lines("m=video 1 RTP/AVPF 31", "m=audio 4000/2 RTP/AVP 98 0", "a=rtpmap:98 pcma/8000", "c=IN IP4 0.0.0.0")))
	f.Add([]byte(lines("m=audio 4000 RTP/SAVP 8", "a=rtcp-mux", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+strings.Repeat("A", 40)+"|2^31|1:4")))
	p := noCall(f, "127.0.0.1")
	p.talk.begin(Options{Advertise: loopback, SRTP: SRTPOffered})
	f.Fuzz(func(t *testing.T, b []byte) {
		answer, err := p.Answer(b)
		if err != nil {
			return
		}
		theirs, _ := readSDP(b)
		ours, err := readSDP(answer)
		if err != nil || len(ours) != len(theirs) || len(answer) > 4096 {
			t.Errorf("answer is\n%s\n%v", answer, err)
		}
		if there, err := find(ours, SRTPOffered, ourCodecs); err != nil || there.at.Port() != p.here || len(there.codecs) != 1 {
			t.Errorf("answer is\n%s\n%v", answer, err)
		}
		for i := range ours {
			if ours[i].kind != theirs[i].kind || ours[i].protocol != theirs[i].protocol {
				t.Errorf("line %d answers %s by %s", i, theirs[i].kind, ours[i].kind)
			}
		}
	})
}
