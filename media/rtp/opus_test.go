package rtp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"

	"cabline/media"
	"cabline/media/dtmf"
)

// What a phone says of itself that has Opus, and keys by its clock.
const (
	isOpus  = "a=rtpmap:111 opus/48000/2"
	fullKey = "a=rtpmap:110 telephone-event/48000"
)

// The rest of a description with Opus.
const (
	opusAnswer = "m=audio PORT RTP/AVP 111 %s| a=rtpmap:111 opus/48000/2 | a=fmtp:111 useinbandfec=1 | %sa=ptime:20 | a=sendrecv | a=rtcp:NEXT"
	fullEvents = "a=rtpmap:110 telephone-event/48000 | a=fmtp:110 0-15 | "
	events     = "a=rtpmap:101 telephone-event/8000 | a=fmtp:101 0-15 | "
)

func TestOpusPassesThroughBetweenLegsThatBothHaveIt(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openWide(t, r, media.Opus, media.PCMA), openWide(t, r, media.Opus, media.PCMA)
		a.call(pa, "8 111 0", isOpus)
		b.call(pb, "96 8", "a=rtpmap:96 opus/48000/2", "a=ptime:30") // another number, another wish
		media.Cross(pa, pb)
		payload := func(i int) string { return "\xfc" + strings.Repeat(string(rune('a'+i%26)), i) } // no encoder's
		for i := range 50 {
			if i == 20 { // one is lost
				a.packet.SequenceNumber++
				a.packet.Timestamp += 960
			}
			a.say([]byte(payload(i)), 960)
		}
		until(t, "b heard all", func() bool { return len(b.all()) == 50 })
		for i, p := range b.all() {
			if p.PayloadType != 96 || string(p.Payload) != payload(i) {
				t.Fatalf("packet %d is of type %d: % .20x", i, p.PayloadType, p.Payload)
			}
			step := uint32(1)
			if i == 20 {
				step = 2
			}
			if i == 0 {
				continue
			}
			if last := b.all()[i-1]; p.Timestamp-last.Timestamp != 960*step || uint32(p.SequenceNumber-last.SequenceNumber) != step {
				t.Errorf("packet %d: %v after %v", i, p.Header, last.Header)
			}
		}
		// All came at once, so the jitter is what they are apart.
		if s := pa.Stats(); s.Lost != 1 || s.Jitter > 25*time.Millisecond || s.Dropped > 0 || s.Codec != "opus" {
			t.Errorf("%+v", s)
		}
	})
}

func TestOpusIsAgreedOnWithKeysOfItsClock(t *testing.T) {
	both := []media.Codec{media.Opus, media.PCMA}
	for _, tt := range []struct {
		name  string
		ours  []media.Codec
		offer []byte
		want  string
	}{
		{"with the keys of its clock", both, lines2("8 111 110 101", isOpus, fullKey, "a=rtpmap:101 telephone-event/8000"), fmt.Sprintf(opusAnswer, "110 ", fullEvents)},
		{"with the usual keys where there are no other", both, lines2("111 8 101", isOpus, "a=rtpmap:101 telephone-event/8000"), fmt.Sprintf(opusAnswer, "101 ", events)},
		{"without keys", both, lines2("111 8", isOpus), fmt.Sprintf(opusAnswer, "", "")},
		{"not where it comes last with us", []media.Codec{media.PCMA, media.Opus}, lines2("111 110 8 101", isOpus, fullKey, "a=rtpmap:101 telephone-event/8000"), alawWith(101, sendrecv)},
		{"not where we have none", nil, lines2("111 8 101", isOpus, "a=rtpmap:101 telephone-event/8000"), alawWith(101, sendrecv)},
		{"not with one channel", both, lines2("111 8 101", "a=rtpmap:111 opus/48000", "a=rtpmap:101 telephone-event/8000"), alawWith(101, sendrecv)},
	} {
		p := noCall(t, "127.0.0.1")
		p.talk.begin(Options{Advertise: loopback, Codecs: tt.ours})
		answer, err := p.Answer(tt.offer)
		if d := cmp.Diff(strings.ReplaceAll(tt.want, " | ", "\n"), strings.ReplaceAll(plain(p, answer), " | ", "\n")); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, d)
		}
	}
}

func lines2(formats string, more ...string) []byte {
	return []byte(lines(append([]string{"m=audio 4000 RTP/AVP " + formats}, more...)...))
}

func TestWhatWeOfferWithOpusStaysAsThePartyNumbersIt(t *testing.T) {
	offers := func(p *Port) string {
		t.Helper()
		b, err := p.Offer()
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(plain(p, b), " | ")
		return line
	}
	for _, tt := range []struct{ name, formats, opus, keys, then string }{
		{"as we would", "111 110", isOpus, fullKey, "111 8 101 110"},
		{"Opus by another number", "96 97", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 telephone-event/48000", "96 8 101 97"},
		{"Opus by the number of our keys", "101 97", "a=rtpmap:101 opus/48000/2", "a=rtpmap:97 telephone-event/48000", "101 8 97"},
		{"keys by our number of Opus", "8 111", "a=x", "a=rtpmap:111 telephone-event/8000", "8 111 110"},
	} {
		p := noCall(t, "127.0.0.1")
		p.talk.begin(Options{Advertise: loopback, Codecs: []media.Codec{media.Opus, media.PCMA}})
		if got, want := offers(p), "m=audio PORT RTP/AVP 111 8 101 110"; got != want {
			t.Errorf("%s: at first %s", tt.name, got)
		}
		if _, err := p.Answer(lines2(tt.formats, tt.opus, tt.keys)); err != nil {
			t.Fatal(tt.name, err)
		}
		if got := offers(p); got != "m=audio PORT RTP/AVP "+tt.then {
			t.Errorf("%s: then %s, want %s", tt.name, got, tt.then)
		}
	}
}

// pressFull says the packets of a key as a phone with Opus does.
func (f *phone) pressFull(key byte, payloadType uint8) {
	f.t.Helper()
	audio := f.packet.PayloadType
	f.packet.PayloadType, f.packet.Marker = payloadType, true
	for i := range 7 {
		var b [4]byte
		dtmf.Event{Key: key, End: i >= 4, Volume: 10, Duration: uint16(960 * min(i+1, 5))}.Put(b[:])
		f.say(b[:], 0)
	}
	f.packet.PayloadType = audio
	f.packet.Timestamp += 9600
}

func TestKeysPassBetweenTheClocks(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openWide(t, r, media.Opus), openPort(t, r, LatchFirst)
		a.call(pa, "111 110", isOpus, fullKey)
		b.call(pb, "8 101")
		media.Cross(pa, pb)
		a.pressFull('5', 110)
		a.pressFull('#', 110)
		if keys := pressed(t, pa, 2); keys != "5#" {
			t.Errorf("keys are %q", keys)
		}
		until(t, "b heard the keys", func() bool { return len(b.all()) == 14 })
		if keys := keysOf(t, b.all(), 101); keys != "5#" { // with durations by its own clock
			t.Errorf("b heard the keys %q", keys)
		}
		b.press('7')
		b.press('7')
		if keys := pressed(t, pb, 2); keys != "77" {
			t.Errorf("keys are %q", keys)
		}
		until(t, "a heard the keys", func() bool { return len(a.all()) == 14 })
		for i, p := range a.all() {
			e, _ := dtmf.Parse(p.Payload)
			if want := uint16(960 * min(i%7+1, 5)); p.PayloadType != 110 || e.Key != '7' || e.Duration != want {
				t.Errorf("packet %d: type %d, %+v, want a duration of %d", i, p.PayloadType, e, want)
			}
		}
		if step := a.all()[7].Timestamp - a.all()[0].Timestamp; step != 6*1600 {
			t.Errorf("the second key is %d after the first", step)
		}
		before := len(a.all())
		pa.SendDigit('3')
		until(t, "a heard our key", func() bool { return len(a.all()) == before+7 })
		if e, _ := dtmf.Parse(a.all()[before+6].Payload); e.Key != '3' || !e.End || e.Duration != 4800 {
			t.Errorf("%+v", e)
		}
	})
}

func TestAPhoneOfOpusMayHaveTheUsualKeys(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openWide(t, r, media.Opus), openPort(t, r, LatchFirst)
		a.call(pa, "111 101", isOpus)
		b.call(pb, "8 101")
		media.Cross(pa, pb)
		a.press('5')
		if keys := pressed(t, pa, 1); keys != "5" {
			t.Errorf("keys are %q", keys)
		}
		until(t, "b heard the key", func() bool { return len(b.all()) == 7 })
		if keys := keysOf(t, b.all(), 101); keys != "5" {
			t.Errorf("b heard the keys %q", keys)
		}
	})
}

func TestReportsOfOpusCountByItsClock(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		p, a, c := openWide(t, r, media.Opus), newPhone(t), newControl(t)
		a.call(p, "111", isOpus, c.line())
		for i := range 40 { // each second one counts from 40 ms later than the others: much jitter
			a.packet.Timestamp += 1920
			if i%2 == 1 {
				a.packet.Timestamp -= 3840
			}
			a.say([]byte{0xf8, 0xff, 0xfe}, 960)
		}
		until(t, "all were heard", func() bool { return p.Stats().Received == 40 })
		p.WriteRTP(&media.Packet{Buf: make([]byte, 20, 84), Start: 12, Codec: media.Opus})
		first := p.tx.stream
		p.report(time.Now())
		sr := c.read()[0].(*rtcp.SenderReport)
		jitter := p.Stats().Jitter
		if told := time.Duration(sr.Reports[0].Jitter) * time.Second / 48000; jitter < 20*time.Millisecond || jitter > 60*time.Millisecond || told < jitter*3/4 || told > jitter*5/4 { // told is the latest, ours the mean
			t.Errorf("jitter is %v, told is %v", jitter, told)
		}
		until(t, "a heard the packet", func() bool { return len(a.all()) == 1 })
		if ahead := sr.RTPTime - a.all()[0].Timestamp; ahead > 48000*5 || first.SSRC != sr.SSRC {
			t.Errorf("our clock is told to be %d ahead of what we just said", ahead)
		}
		c.write(p, &rtcp.ReceiverReport{SSRC: 5, Reports: []rtcp.ReceptionReport{{SSRC: sr.SSRC, Jitter: 480}}})
		until(t, "the report was read", func() bool { return p.Stats().PeerJitter == 10*time.Millisecond })
	})
}

func TestForwardingOpusDoesNotAllocate(t *testing.T) {
	onBothWires(t, Config{}, func(t *testing.T, r *Relay) {
		a, b := newPhone(t), newPhone(t)
		pa, pb := openWide(t, r, media.Opus), openWide(t, r, media.Opus)
		a.call(pa, "111", isOpus)
		b.call(pb, "111", isOpus)
		media.Cross(pa, pb)
		perPacket(t, a, b, pa, pb)
	})
}
