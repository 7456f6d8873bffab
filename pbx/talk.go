package pbx

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"cabline/media"
)

// A talk in which nobody is heard is over, though no BYE ever came: a carrier
// that fell, a battery that died on both sides. It would be paid for for hours.
// One who holds is not missed (media.Watch).
const silentTalk = time.Minute

// A party that is not heard for so long while it does not hold is asked for its
// audio anew, once, and that is written down: the other hears nothing, and no
// more than one of the two knows.
const missedAfter = 10 * time.Second

// join lets two answered legs talk, with music for the one whom the other puts
// on hold, and returns when either hangs up: nil, for that is how talks end; or
// the cause of ctx when somebody else ended the call; or ErrMediaLost when
// neither is heard any more; or ErrExpired when one is no longer there by its
// word; or *referred.
func (c *Call) join(ctx context.Context, a, b Leg) error {
	defer forgetKeys(a, b) // keys of the talk are no answer to the next menu
	defer c.taped(ctx, a, b)()
	started := time.Now()
	defer func() { c.cdr.Talked += time.Since(started) }()

	talk, end := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer end(nil)
	defer context.AfterFunc(a.Context(), func() { end(nil) })()
	defer context.AfterFunc(b.Context(), func() { end(nil) })()
	missed := make(chan Leg, 2)
	watch := media.Watch{Silent: silentTalk, Missed: missedAfter, Tell: func(party int) { missed <- []Leg{a, b}[party] }}
	watcher.Go(func() {
		defer caught(ctx, end)
		if errors.Is(watch.Keep(talk, a.Audio(), b.Audio()), media.ErrSilent) {
			end(ErrMediaLost)
		}
	})
	claims, shut := c.talks.add(a, b)
	defer shut()
	for talk.Err() == nil {
		wish, claimed := c.hear(talk, a, b, missed, claims)
		switch {
		case wish != nil:
			return wish
		case claimed != nil:
			other := map[bool]Leg{true: b, false: a}[claimed.with == a]
			claimed.taken(other)
			claimed.other <- c.give(other)
			return nil
		}
	}
	select {
	case wish := <-a.Referrals(): // and hung up at once
		return &referred{wish}
	case wish := <-b.Referrals():
		return &referred{wish}
	default:
	}
	if over, why := parted(a, b); over { // ctx may end with one of the legs: all were ready at once
		return why
	}
	return context.Cause(talk)
}

// parted says whether a party of a talk is gone, and what the talk then ended by.
func parted(a, b Leg) (over bool, why error) {
	for _, leg := range []Leg{a, b} {
		if leg.Context().Err() == nil {
			continue
		}
		if over = true; errors.Is(context.Cause(leg.Context()), ErrExpired) {
			why = ErrExpired
		}
	}
	return over, why
}

// hear lets the parties hear each other, or music, until that changes or one of
// them is to go on with somebody else.
func (c *Call) hear(ctx context.Context, a, b Leg, missed <-chan Leg, claims <-chan claim) (*referred, *claim) {
	aHolds, aChanges := a.Held()
	bHolds, bChanges := b.Held()
	switch {
	case aHolds && bHolds: // neither wants to hear anything
	case aHolds:
		defer sounding(ctx, b, nil, media.Speech{c.voice.Music()}).stop()
	case bHolds:
		defer sounding(ctx, a, nil, media.Speech{c.voice.Music()}).stop()
	default:
		defer c.cross(a, b)()
	}
	select {
	case <-aChanges:
		c.held(a)
	case <-bChanges:
		c.held(b)
	case leg := <-missed:
		c.step(string(c.party(leg)) + " is not heard")
		leg.Renew()
	case wish := <-a.Referrals():
		return &referred{wish}, nil
	case wish := <-b.Referrals():
		return &referred{wish}, nil
	case claim := <-claims:
		return nil, &claim
	case <-ctx.Done():
	}
	return nil, nil
}

// maxHolds bounds what a phone gone mad writes into the CDR.
const maxHolds = 100

// held writes down that a party holds or goes on.
func (c *Call) held(leg Leg) {
	if c.holds++; c.holds > maxHolds {
		return
	}
	what := " goes on"
	if holds, _ := leg.Held(); holds {
		what = " holds"
	}
	c.step(string(c.party(leg)) + what)
}

// party is what a leg of the call is in it.
func (c *Call) party(leg Leg) Role {
	return c.cdr.Legs[slices.Index(c.legs, leg)].Party
}

func forgetKeys(legs ...Leg) {
	for _, leg := range legs {
		for len(leg.Audio().Digits()) > 0 {
			<-leg.Audio().Digits()
		}
	}
}
