package pbx

import (
	"context"
	"errors"
	"time"

	"cabline/ivr"
	"cabline/media"
	"cabline/prompts"
)

// A client who talks to us is not called: news for them is told where they wait,
// in a menu or in line for an operator. Who talks with a person is not
// interrupted; the news waits for the end of the talk.

// errNews ends what a client hears because there is something newer to hear.
var errNews = errors.New("there is news")

// hasNews tells the call that a notice waits for its client.
func (c *Call) hasNews() {
	select {
	case c.news <- struct{}{}:
	default: // it is told already
	}
}

// untilNews is a context that ends with errNews when there is news, but not
// before the client has heard what they are being told. stop must be called.
func (c *Call) untilNews(ctx context.Context, heard <-chan struct{}) (until context.Context, stop func()) {
	until, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer caught(ctx, cancel)
		select {
		case <-heard:
		case <-until.Done():
			return
		}
		select {
		case <-c.news:
			if until.Err() != nil { // it is for whoever waits next
				c.hasNews()
			}
			cancel(errNews)
		case <-until.Done():
		}
	}()
	return until, func() { cancel(nil); <-done }
}

// news is what a call tells its client besides what it is about.
type news struct {
	a    *Autodial
	told []*told
}

// newsFor takes the notices that wait for a client in hand, to be told in a call.
// a may be nil.
func (a *Autodial) newsFor(ctx context.Context, client Phone, callID string) *news {
	n := &news{a: a}
	if a == nil || client == "" || !a.Policy.Enabled {
		return n
	}
	ask, cancel := context.WithTimeout(ctx, a.Board.Limits.OrderLookup)
	defer cancel()
	waiting, err := a.Store.NoticesFor(ask, client)
	if err != nil {
		return n // the autodial says so, over and over
	}
	for _, r := range waiting {
		now := a.current(ask, r)
		if now.State != NoticeWaiting || time.Since(now.At) > a.Policy.rule(now.Status).KeepFor {
			continue
		}
		t := &told{NoticeRecord: now, rule: a.Policy.rule(now.Status)}
		t.State, t.CallID = NoticeSpeaking, callID
		if a.move(ctx, NoticeWaiting, &t.NoticeRecord, "told in call "+callID) {
			n.told = append(n.told, t)
		}
	}
	return n
}

// about is the newest order that the news is about, nil when there is none.
func (n *news) about() *Order {
	if len(n.told) == 0 {
		return nil
	}
	return &n.told[len(n.told)-1].Order
}

// text is the news, but for that of an order whose status is said anyhow.
func (n *news) text(voice Voice, besides *Order) media.Speech {
	var text media.Speech
	for _, t := range n.told {
		if besides == nil || t.OrderID != besides.ID {
			text = append(text, voice.OrderStatus(n.a.facts(t.NoticeRecord))...)
		}
	}
	return text
}

// on is a line on which the text tells the news, and then something else for as
// long as rest.
func (n *news) on(line ivr.Line, text media.Speech, rest time.Duration, how string) *delivery {
	if len(n.told) == 0 {
		return alreadyHeard(line)
	}
	return newDelivery(line, text, rest, func(ctx context.Context) { n.heard(ctx, how) })
}

// heard writes down that the client was told.
func (n *news) heard(ctx context.Context, how string) {
	for _, t := range n.told {
		n.a.delivered(ctx, t, how)
	}
}

// leave lets what was not told wait again.
func (n *news) leave(ctx context.Context) {
	for _, t := range n.told {
		if t.State != NoticeSpeaking {
			continue
		}
		t.State, t.Due = NoticeWaiting, time.Now()
		n.a.move(ctx, NoticeSpeaking, &t.NoticeRecord, "cut off")
	}
	if n.a != nil && len(n.told) > 0 {
		n.a.look()
	}
}

// whisper tells a client in line what news there is.
func (a *Autodial) whisper(ctx context.Context, client Leg, voice Voice, phone Phone, callID string) {
	n := a.newsFor(ctx, phone, callID)
	defer n.leave(ctx)
	if text := n.text(voice, nil); len(text) > 0 {
		_ = n.on(client.Audio(), text, 0, "heard in line").Play(ctx, text) // cut short: an operator is there, or the client is gone
	}
}

// hearOut asks what a client wants, and tells what has become of their order
// meanwhile. An order is told of once, then only what is new.
func (s *Switchboard) hearOut(ctx context.Context, call *Call, client Leg) (want choice, err error) {
	defer watched(ctx, client)()
	for said := false; ; {
		n := s.Notices.newsFor(ctx, call.cdr.From, call.cdr.ID)
		if order := n.about(); order != nil {
			call.about(order)
		}
		if call.order == nil {
			call.hello = call.voice.Say(prompts.Greeting)
			return toOperator, nil
		}
		text := n.text(call.voice, call.order)
		if !said || len(n.told) > 0 {
			call.enter(StateMenu, "menu: "+string(call.order.Status))
			text = append(text, call.voice.OrderStatus(facts(call.order))...)
		}
		menu := s.menu(call, text)
		line := n.on(client.Audio(), text, menu.Said.Duration()-text.Duration()+menu.Wait, "heard in the menu")
		until, stop := call.untilNews(ctx, line.heard)
		want, err = menu.Ask(until, line)
		stop()
		if err == nil {
			n.heard(ctx, "key")
		}
		n.leave(ctx)
		if said = true; !errors.Is(err, errNews) {
			return want, err
		}
	}
}
