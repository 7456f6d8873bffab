package telephone

import (
	"slices"
	"testing"
	"time"

	"github.com/zaf/g711"

	"cabline/media"
	"cabline/prompts"
)

// mix is two sounds of one length at once.
func mix(a, b []byte) []byte {
	both := slices.Clone(a)
	for i := range both {
		both[i] = g711.EncodeAlawFrame(g711.DecodeAlawFrame(a[i])/2 + g711.DecodeAlawFrame(b[i])/2)
	}
	return both
}

func TestKeysSoundAsTheirTones(t *testing.T) {
	var r Recording
	pause := silence(50 * time.Millisecond)
	for i, key := range []byte("1590*#D") {
		row, column := i/4, 0
		for at, k := range []byte("123A456B789C*0#D") {
			if k == key {
				row, column = at/4, at%4
			}
		}
		low, high := Sine(int(rows[row]), 80*time.Millisecond), Sine(int(columns[column]), 80*time.Millisecond)
		r.ALaw = slices.Concat(r.ALaw, pause, mix(low, high))
	}
	r.ALaw = append(r.ALaw, pause...)
	if keys := r.Keys(); keys != "1590*#D" {
		t.Errorf("heard %q", keys)
	}
	if keys := (Recording{ALaw: Sine(1000, time.Second)}).Keys(); keys != "" {
		t.Errorf("a tone is heard as %q", keys)
	}
}

func TestASpeechIsKnownThoughItIsStretched(t *testing.T) {
	voice, err := prompts.Load("ru", nil)
	check(t, err)
	said := voice.OrderStatus(prompts.Facts{Status: "accepted", Color: "белый", Mark: "Лада", Plate: "А123ВС"})
	other := voice.OrderStatus(prompts.Facts{Status: "arrived", Color: "белый", Mark: "Лада", Plate: "А123ВС"})
	var whole []byte
	for _, clip := range said {
		whole = append(whole, clip.ALaw...)
	}
	// As Chromium's jitter buffer does: 15 ms left out here, 12 ms said twice there,
	// and once 300 ms lost for good.
	heard := Recording{ALaw: slices.Concat(silence(700*time.Millisecond), whole[:4000], whole[4120:16000], whole[16000-96:30000],
		silence(300*time.Millisecond), whole[30000:])}
	if like, missing := heard.Likeness(said...); like < 0.85 || len(missing) > 0 {
		t.Errorf("%.2f of the speech was heard, not %q", like, missing)
	}
	for name, speech := range map[string]media.Speech{"the greeting": voice.Say(prompts.Greeting), "another status": other} {
		if like, missing := heard.Likeness(speech...); len(missing) == 0 {
			t.Errorf("%s is %.2f alike", name, like)
		}
	}
}
