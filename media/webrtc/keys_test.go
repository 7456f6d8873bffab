package webrtc_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pion "github.com/pion/webrtc/v4"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/g711"
	"cabline/media/webrtc"
)

// press is the packets of one key as Chrome sends them, the last three times.
func (c *chrome) press(key byte, seq uint16, stamp uint32) {
	for i := range uint16(7) {
		p := &media.Packet{
			Buf: make([]byte, media.HeaderSize+dtmf.PayloadSize, 64), Start: media.HeaderSize,
			Event: true, Marker: i == 0, Seq: seq + i, Time: stamp,
		}
		dtmf.Event{Key: key, End: i >= 4, Volume: 10, Duration: 160 * min(i+1, 5)}.Put(p.Payload())
		c.WriteRTP(p)
	}
}

func digit(t testing.TB, p *webrtc.Port) media.Digit {
	t.Helper()
	select {
	case d := <-p.Digits():
		return d
	case <-time.After(deadline):
		t.Fatal("no digit")
		return 0
	}
}

func TestKeysOfTheBrowserComeOnceEach(t *testing.T) {
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			p := open(t, listen(t, netip.Addr{}))
			c := newChrome(t)
			c.call(p, weOffer)
			for i, key := range []byte("12*#") {
				c.press(key, uint16(100*i), uint32(1000*i))
			}
			var got []media.Digit
			for range 4 {
				got = append(got, digit(t, p))
			}
			eventually(t, "last packet", func() bool { return p.Stats().Received == 28 })
			if string(bytesOf(got)) != "12*#" || len(p.Digits()) > 0 {
				t.Errorf("digits %c and %d more", got, len(p.Digits()))
			}
		})
	}
}

func bytesOf(digits []media.Digit) (b []byte) {
	for _, d := range digits {
		b = append(b, byte(d))
	}
	return b
}

// keys are the events as a party hears them: each key once, and how many
// packets had it.
func (r *record) keys(t testing.TB) (keys string, packets []int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var last uint32
	for i, b := range r.events {
		e, ok := dtmf.Parse(b)
		if !ok {
			t.Fatalf("event % x", b)
		}
		if i == 0 || r.stamps[i] != last {
			keys, packets, last = keys+string(e.Key), append(packets, 0), r.stamps[i]
		}
		packets[len(packets)-1]++
	}
	return keys, packets
}

func TestKeysAreSentAsEvents(t *testing.T) {
	for name, weOffer := range roles {
		t.Run(name, func(t *testing.T) {
			p := open(t, listen(t, netip.Addr{}))
			c := newChrome(t)
			c.call(p, weOffer)
			defer saying(t, 1000, p.Play)() // speech gives way to the keys
			for _, key := range "5#" {
				p.SendDigit(media.Digit(key))
			}
			eventually(t, "both keys", func() bool {
				keys, packets := c.keys(t)
				return keys == "5#" && packets[1] == 7
			})
			if kinds := c.kinds(); kinds[c.pt] != 14 || len(kinds) > 2 {
				t.Errorf("payload types %v, events should be %d", kinds, c.pt)
			}
		})
	}
}

func TestKeysPassBetweenBrowsers(t *testing.T) {
	b := listen(t, netip.Addr{})
	pa, pb := open(t, b), open(t, b)
	ca, cb := newChrome(t), newChrome(t)
	ca.call(pa, false) // events are 126 here
	cb.call(pb, true)  // and 101 there
	defer media.Cross(pa, pb)()

	ca.press('7', 10, 1000)
	eventually(t, "key in the audio", func() bool { keys, n := cb.keys(t); return keys == "7" && n[0] == 7 })
	if d := digit(t, pa); d != '7' {
		t.Errorf("digit %c", d)
	}
	cb.forget()
	pa.Heard('9') // by SIP INFO
	eventually(t, "key by INFO", func() bool { keys, n := cb.keys(t); return keys == "9" && n[0] == 7 })
	if d := digit(t, pa); d != '9' {
		t.Errorf("digit %c", d)
	}
	if n := len(pb.Digits()); n != 0 {
		t.Errorf("%d keys heard from the one who pressed none", n)
	}
}

func TestAKeyBothWaysCountsOnce(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	c.press('3', 10, 1000)
	if d := digit(t, p); d != '3' {
		t.Fatalf("digit %c", d)
	}
	p.Heard('3')
	p.Heard('!')
	p.Heard('4')
	if d := digit(t, p); d != '4' || len(p.Digits()) > 0 {
		t.Errorf("digit %c and %d more", d, len(p.Digits()))
	}
}

func TestABrowserWithoutEventsHearsTones(t *testing.T) {
	b := listen(t, netip.Addr{})
	p, other := open(t, b), open(t, b)
	c, presser := newChrome(t), newChrome(t)
	presser.call(other, false)
	offer := strings.ReplaceAll(string(c.offer("sendrecv", false)), "telephone-event", "x-unknown")
	answer, err := p.Answer([]byte(offer))
	c.must(err)
	c.must(c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(answer)}))
	c.connected(p)
	defer media.Cross(p, other)()

	heard := func() bool {
		sound := c.sound()
		return len(sound) >= 800 && power(sound[:800], 770) > 0.3 && power(sound[:800], 1336) > 0.3
	}
	p.SendDigit('5')
	eventually(t, "tones of a 5", heard)
	eventually(t, "end of the key", func() bool { return c.count() == 10 })
	c.forget()
	presser.press('5', 10, 1000)
	eventually(t, "tones of a 5 pressed by the other", heard)
	eventually(t, "end of the key", func() bool { return c.count() == 10 })
	if kinds := c.kinds(); kinds[8] != 10 {
		t.Errorf("payload types %v, not 10 packets of audio", kinds)
	}
}

func TestSpeechGoesOnAfterAKey(t *testing.T) {
	p := open(t, listen(t, netip.Addr{}))
	c := newChrome(t)
	c.call(p, false)
	p.SendDigit('1')
	eventually(t, "key", func() bool { _, n := c.keys(t); return cmp.Equal(n, []int{7}) })
	defer saying(t, 1000, p.Play)()
	c.tone(t, "1000 Hz after the key", 1000)
}

func TestKeysInTheSoundAreDigitsWhereAskedFor(t *testing.T) {
	clock := media.NewClock()
	defer clock.Close()
	for _, asked := range []bool{true, false} {
		b, err := webrtc.Listen(webrtc.Config{Addr: netip.MustParseAddrPort(loopback), Clock: clock, InbandDigits: asked})
		if err != nil {
			t.Fatal(err)
		}
		p, c := open(t, b), newChrome(t)
		c.call(p, false)
		for i := range uint16(8) {
			packet := &media.Packet{Buf: make([]byte, media.HeaderSize+media.FrameSize, 256), Start: media.HeaderSize, Seq: i, Time: uint32(i) * media.FrameSize}
			for k := range packet.Payload() {
				packet.Payload()[k] = g711.EncodeALaw(dtmf.Tones('6', int(i)*media.FrameSize+k))
			}
			c.WriteRTP(packet)
		}
		eventually(t, "last packet", func() bool { return p.Stats().Received == 8 })
		var keys []media.Digit
		for len(p.Digits()) > 0 {
			keys = append(keys, <-p.Digits())
		}
		if want := map[bool]string{true: "6"}[asked]; string(bytesOf(keys)) != want {
			t.Errorf("keys %c where they were asked for: %v", keys, asked)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestALongKeyInTheSoundIsOneKeyToABrowser(t *testing.T) {
	clock := media.NewClock()
	defer clock.Close()
	b, err := webrtc.Listen(webrtc.Config{Addr: netip.MustParseAddrPort(loopback), Clock: clock, InbandDigits: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	pa, pb, ca, cb := open(t, b), open(t, b), newChrome(t), newChrome(t)
	ca.call(pa, false)
	cb.call(pb, false)
	defer media.Cross(pa, pb)()
	key := media.Clip{ALaw: make([]byte, media.Rate/2)}
	for i := range key.ALaw {
		key.ALaw[i] = g711.EncodeALaw(dtmf.Tones('6', i))
	}
	after := media.Tone("after", []float64{1000}, 300*time.Millisecond)
	if err := clock.Play(t.Context(), ca, media.Speech{key, media.Silence(200 * time.Millisecond), after}); err != nil {
		t.Fatal(err)
	}
	cb.tone(t, "1000 Hz after the key", 1000)
	if keys, n := cb.keys(t); keys != "6" || n[0] != 7 {
		t.Errorf("keys %q in %d packets", keys, n)
	}
	if d := digit(t, pa); d != '6' || len(pa.Digits()) > 0 {
		t.Errorf("digit %c and %d more", d, len(pa.Digits()))
	}
	heard := cb.sound()
	var sound []int16
	for _, b := range heard {
		sound = append(sound, g711.DecodeALaw(b))
	}
	for d := new(dtmf.Detector); len(sound) > 0; {
		var key byte
		if key, sound = d.Hear(sound); key != 0 {
			t.Errorf("the tones of a %c were heard", key)
		}
	}
	if n := len(heard); n < media.Rate*6/10 {
		t.Errorf("only %d ms were heard: no silence in the key's place", n/8)
	}
}
