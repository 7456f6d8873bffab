package media_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cabline/media"
	"cabline/media/dtmf"
	"cabline/media/g711"
)

// caller is a party that presses keys in the sound.
type caller struct {
	receiver *media.DigitReceiver
	now      time.Time
	packet   media.Packet
	size     int // samples a packet
	heard    string
}

func newCaller() *caller {
	c := &caller{receiver: new(media.DigitReceiver), now: time.Now(), size: media.FrameSize}
	c.receiver.Inband(true)
	return c
}

// say says packets of a key's tones, or of silence: ' '.
func (c *caller) say(key byte, packets int) {
	for i := range packets {
		c.packet.Buf = make([]byte, media.HeaderSize+c.size)
		c.packet.Start = media.HeaderSize
		payload := c.packet.Payload()
		for k := range payload {
			var s int16
			if key != ' ' {
				s = dtmf.Tones(key, i*c.size+k)
			}
			if payload[k] = g711.EncodeALaw(s); c.packet.Codec == media.PCMU {
				payload[k] = g711.EncodeMuLaw(s)
			}
		}
		if d, ok := c.receiver.Audio(&c.packet, c.now); ok {
			c.heard += string(rune(d))
		}
		c.skip(1)
	}
}

// skip goes on without saying anything, as long as so many packets take.
func (c *caller) skip(packets int) {
	c.packet.Seq += uint16(packets)
	c.packet.Time += uint32(packets * c.size)
	c.now = c.now.Add(time.Duration(packets*c.size) * time.Second / media.Rate)
}

func (c *caller) event(key byte) (passedOn bool) {
	p := media.Packet{Buf: make([]byte, 16), Start: 12, Event: true, Source: c.packet.Source, Time: c.packet.Time}
	dtmf.Event{Key: key}.Put(p.Payload())
	return c.receiver.Event(&p, c.now)
}

func (c *caller) digits() (keys string) {
	for len(c.receiver.Digits()) > 0 {
		keys += string(rune(<-c.receiver.Digits()))
	}
	return keys
}

func TestKeysInTheSoundAreDigits(t *testing.T) {
	for _, codec := range []media.Codec{media.PCMA, media.PCMU} {
		for _, size := range []int{80, 160, 240, 480} { // 10 to 60 ms
			t.Run(fmt.Sprintf("%v in packets of %d ms", codec, size/8), func(t *testing.T) {
				c := newCaller()
				c.packet.Codec, c.size = codec, size
				keys := "0123456789*#ABCD55"
				for _, key := range []byte(keys) {
					c.say(key, 720/size)
					c.say(' ', 720/size)
				}
				if got := c.digits(); got != keys || c.heard != keys {
					t.Errorf("digits %q, returned %q", got, c.heard)
				}
			})
		}
	}
}

func TestPressesInTheSound(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(c *caller)
		want string
	}{
		{"a packet lost in a press does not make two", func(c *caller) { c.say('5', 4); c.skip(1); c.say('5', 4) }, "5"},
		{"a pause that is not sent makes two", func(c *caller) { c.say('5', 4); c.skip(20); c.say('5', 4) }, "55"},
		{"a new source presses anew", func(c *caller) { c.say('5', 4); c.packet.Source++; c.say('5', 4) }, "55"},
		{"packets that come again do not press again", func(c *caller) {
			c.say('5', 4)
			c.say(' ', 4)
			c.skip(-8)
			c.say('5', 4)
		}, "5"},
		{"a source that counts from elsewhere is heard", func(c *caller) { c.say('5', 4); c.packet.Time -= 1 << 24; c.say('5', 4) }, "55"},
		{"an event beside the tones is one", func(c *caller) { c.say('5', 3); c.event('5'); c.say('5', 3); c.event('5') }, "5"},
		{"tones beside an event are one", func(c *caller) { c.event('5'); c.say('5', 5) }, "5"},
		{"INFO beside the tones is one", func(c *caller) { c.say('5', 5); c.receiver.Info('5', c.now) }, "5"},
		{"tones beside INFO are one", func(c *caller) { c.receiver.Info('5', c.now); c.say('5', 5) }, "5"},
		{"one press told in all three ways is one", func(c *caller) { c.event('5'); c.say('5', 5); c.receiver.Info('5', c.now) }, "5"},
		{"a quick double press told in all three ways is two", func(c *caller) {
			for range 2 {
				c.event('5')
				c.say('5', 4)
				c.receiver.Info('5', c.now)
				c.say(' ', 4)
			}
		}, "55"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCaller()
			tt.do(c)
			if got := c.digits(); got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestAnEventIsPassedOnUnlessItsKeyCameAnotherWay(t *testing.T) {
	c := newCaller()
	c.say('5', 5)
	for range 2 {
		if c.event('5') {
			t.Error("the event of a key heard in the sound was passed on")
		}
	}
	c.say(' ', 50)
	for range 2 {
		if !c.event('5') {
			t.Error("the next one was not")
		}
	}
	c.say(' ', 50)
	c.receiver.Info('7', c.now)
	if c.event('7') {
		t.Error("the event of a key told by INFO was passed on")
	}
}

func TestTonesAreSoundWhereNobodyAskedForThem(t *testing.T) {
	c := newCaller()
	c.receiver = new(media.DigitReceiver)
	c.say('5', 10)
	if got := c.digits(); got != "" {
		t.Errorf("%q", got)
	}
}

func TestAKeyIsCertainWithin60Milliseconds(t *testing.T) {
	for offset := range 7 {
		c := newCaller()
		c.say(' ', offset)
		c.say('5', 3)
		if c.heard != "5" {
			t.Errorf("%q after %d frames of silence", c.heard, offset)
		}
	}
}

func TestLookingForKeysCostsNoAllocation(t *testing.T) {
	c := newCaller()
	c.say('5', 1)
	if n := testing.AllocsPerRun(100, func() { c.receiver.Audio(&c.packet, c.now); c.skip(1) }); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// retold is a port that notes the keys it is to press.
type retold struct {
	media.Port
	events bool
	keys   strings.Builder
}

func (r *retold) KeysInSound() bool       { return !r.events }
func (r *retold) SendDigit(d media.Digit) { r.keys.WriteByte(byte(d)) }

func TestOnlyWhoTakesEventsIsToldOfTones(t *testing.T) {
	takes, takesNone := retold{events: true}, retold{}
	media.Retell('5', &takes)
	media.Retell('5', &takesNone)
	media.Retell('5', new(listener))
	media.Retell('5', nil)
	if takes.keys.String() != "5" || takesNone.keys.String() != "" {
		t.Errorf("%q, %q", takes.keys.String(), takesNone.keys.String())
	}
}

func BenchmarkAudio(b *testing.B) {
	c := newCaller()
	c.say(' ', 1)
	b.ReportAllocs()
	for b.Loop() {
		c.receiver.Audio(&c.packet, c.now)
		c.packet.Time += media.FrameSize
	}
}

func TestThePacketsOfAKeyAreMarkedAndNoOthers(t *testing.T) {
	for offset := range media.FrameSize / 16 {
		c := newCaller()
		mark := func(key byte, packets int) (marks string) {
			for range packets {
				c.say(key, 1)
				marks += map[bool]string{true: "x", false: "-"}[c.packet.Key]
			}
			return marks
		}
		c.size = 16 * offset
		c.say(' ', 1)
		c.size = media.FrameSize
		before := mark(' ', 3)
		c.size = 10 * media.FrameSize
		c.say('5', 1) // a long press
		down := c.packet.Key
		c.size = media.FrameSize
		after := mark(' ', 5)
		if before != "---" || !down || !strings.HasPrefix(after, "x") || !strings.HasSuffix(after, "--") {
			t.Errorf("%d samples later: %s, then %v, then %s", 16*offset, before, down, after)
		}
	}
}
