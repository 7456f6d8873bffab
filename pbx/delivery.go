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
	line  ivr.Line
	after time.Duration // from the beginning of the last word to the end of a speech
	tell  func(context.Context)
	heard chan struct{} // closed when the last word is said
	over  bool
}

// newDelivery is for speeches that end with the text and something else that
// lasts so long.
func newDelivery(line ivr.Line, text media.Speech, rest time.Duration, tell func(context.Context)) *delivery {
	return &delivery{line: line, after: text.Duration() - lastWord(text) + rest, tell: tell, heard: make(chan struct{})}
}

// alreadyHeard is for speeches that nobody needs to hear to the end.
func alreadyHeard(line ivr.Line) *delivery {
	d := &delivery{line: line, over: true, heard: make(chan struct{})}
	close(d.heard)
	return d
}

// Play implements ivr.Line.
func (d *delivery) Play(ctx context.Context, what media.Speech) error {
	if d.over {
		return d.line.Play(ctx, what)
	}
	before, last := cut(what, what.Duration()-d.after)
	if err := d.line.Play(ctx, before); err != nil {
		return err
	}
	d.over = true
	d.tell(ctx)
	word, rest := cut(last, lastWordTime)
	if err := d.line.Play(ctx, word); err != nil {
		return err
	}
	close(d.heard)
	return d.line.Play(ctx, rest)
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
		switch {
		case n >= len(clip.ALaw):
			n -= len(clip.ALaw)
			continue
		case n == 0:
			return what[:i:i], what[i:]
		}
		before = append(what[:i:i], media.Clip{Name: clip.Name, ALaw: clip.ALaw[:n:n]})
		after = append(media.Speech{{Name: clip.Name + lastWordName, ALaw: clip.ALaw[n:]}}, what[i+1:]...)
		return before, after
	}
	return what, nil
}

// pauseName is the name of the clips that are pauses; lastWordName is added to
// that of the second part of a clip that was cut.
const (
	pauseName    = "silence"
	lastWordName = ", the last word"
)
