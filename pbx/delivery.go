package pbx

import (
	"context"
	"time"

	"cabline/ivr"
	"cabline/media"
)

// delivery says news on a line and has it written down as told between its last
// word but one and its last. So whoever has heard it to the end is never told
// again, even if the exchange dies in that very moment; and whoever was cut off
// before is.
type delivery struct {
	line ivr.Line
	last time.Duration // of the speech: where its last word begins; 0: there is none to wait for
	tell func(context.Context)
	over bool
}

// Play implements ivr.Line.
func (d *delivery) Play(ctx context.Context, what media.Speech) error {
	if d.over || d.last == 0 {
		return d.line.Play(ctx, what)
	}
	before, last := cut(what, d.last)
	if err := d.line.Play(ctx, before); err != nil {
		return err
	}
	d.over = true
	d.tell(ctx)
	return d.line.Play(ctx, last)
}

// Digits implements ivr.Line.
func (d *delivery) Digits() <-chan media.Digit { return d.line.Digits() }

// lastWordTime is what counts as the last word of a text.
const lastWordTime = 400 * time.Millisecond

// lastWord is where the last word of a speech begins. The pauses at its end
// are none.
func lastWord(what media.Speech) time.Duration {
	sound := what.Duration()
	for i := len(what) - 1; i >= 0 && what[i].Name == pauseName; i-- {
		sound -= what[i].Duration()
	}
	return max(sound-lastWordTime, sound/2)
}

// cut takes a speech apart.
func cut(what media.Speech, at time.Duration) (before, after media.Speech) {
	n := int(at * media.Rate / time.Second)
	for i, clip := range what {
		if n >= len(clip.ALaw) {
			n -= len(clip.ALaw)
			continue
		}
		before = append(what[:i:i], media.Clip{Name: clip.Name, ALaw: clip.ALaw[:n:n]})
		after = append(media.Speech{{Name: clip.Name + lastWordName, ALaw: clip.ALaw[n:]}}, what[i+1:]...)
		return before, after
	}
	return what, nil
}

// pauseName is the name of the clips that are pauses; lastWordName is added to
// that of a clip that was cut.
const (
	pauseName    = "silence"
	lastWordName = ", the last word"
)
