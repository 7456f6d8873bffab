package pbx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"cabline/ivr"
	"cabline/media"
	"cabline/prompts"
)

// tell is all that happens for one notice whose time has come: the order is read
// again, the client is called, hears the news and does what a key asks for.
func (a *Autodial) tell(ctx context.Context, line Line, r NoticeRecord, due time.Time) {
	ctx = zerolog.Ctx(ctx).With().Int64(logNotice, r.ID).Logger().WithContext(ctx)
	ask, cancel := context.WithTimeout(ctx, a.Board.Limits.OrderLookup)
	now := a.current(ask, r)
	cancel()
	if now.ID != r.ID || now.Status != r.Status {
		r.State = NoticeSuperseded
		a.move(ctx, NoticeDialling, &r, "the order is "+string(now.Status)+" by now")
		return
	}
	a.Board.run(ctx, KindNotice, line, func(ctx context.Context, call *Call) error {
		t := &told{NoticeRecord: now, rule: a.Policy.rule(r.Status)}
		t.CallID = call.cdr.ID
		call.cdr.From = t.Order.Phone
		call.about(&t.Order)
		call.enter(StateCallingClient, fmt.Sprintf("notice: %s, call %d", t.Status, t.Tries))
		err := a.notify(ctx, call, t, due)
		a.settle(ctx, t, err)
		return err
	})
}

// told is a notice while its call goes on.
type told struct {
	NoticeRecord
	rule NoticeRule
}

// notify calls one client about one notice: ring, say it, serve the key pressed.
func (a *Autodial) notify(ctx context.Context, call *Call, t *told, due time.Time) error {
	client, err := a.ring(ctx, call, t, due)
	if err != nil {
		return err
	}
	ctx, done := attend(ctx, client)
	defer done()
	if err := a.step(ctx, t, NoticeAnswered, "the client answered"); err != nil {
		return err
	}
	if err := a.refresh(ctx, call, client, t); err != nil {
		return err
	}
	if err := a.step(ctx, t, NoticeSpeaking, "the client is told"); err != nil {
		return err
	}
	for {
		key, err := a.say(ctx, call, client, t)
		switch {
		case errors.Is(err, errNews) && a.turnTo(ctx, call, t):
		case errors.Is(err, errNews), errors.Is(err, ivr.ErrNoChoice):
			call.step("no key pressed")
			return nil
		case err != nil:
			return err
		default:
			return a.serveKey(ctx, call, client, t, key)
		}
	}
}

// turnTo has a call that has told its news tell what has come meanwhile; false:
// there is nothing.
func (a *Autodial) turnTo(ctx context.Context, call *Call, t *told) bool {
	n := a.newsFor(ctx, call.cdr.From, call.cdr.ID)
	if len(n.told) == 0 {
		return false
	}
	before := *t
	*t, n.told = *n.told[0], n.told[1:]
	n.leave(ctx)
	a.settle(ctx, &before, nil) // a key was asked for, and none came
	call.about(&t.Order)
	return true
}

// ring calls the client. It is taken back when newer news comes.
func (a *Autodial) ring(ctx context.Context, call *Call, t *told, due time.Time) (Leg, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.mu.Lock()
	a.ringing[t.OrderID] = &ringing{t.NoticeRecord, cancel}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.ringing, t.OrderID)
	}()
	// News that came before Notify could see us.
	if newer, found, err := a.Store.NewerNotice(ctx, t.NoticeRecord); err == nil && found {
		return nil, fmt.Errorf("%w by %s", errSuperseded, newer.Status)
	}
	if a.Watch != nil {
		a.Watch.NoticeRang(t.NoticeRecord, time.Since(due))
	}
	if err := a.post(ctx, t.NoticeRecord, NoticeDialling, time.Now()); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("report of a notice")
	}
	return a.Board.dial(ctx, call, RoleClient, Endpoint{Number: t.Order.Phone, Trunk: call.line.Trunk, From: call.line.Number},
		t.rule.ringTime(t.Order.Phone))
}

// step writes down what is about to happen. A notice that cannot be written down
// is not told: the next process would tell it again. One that nobody is called
// about stays what it is, though it is told to a client who has just answered.
func (a *Autodial) step(ctx context.Context, t *told, to NoticeState, what string) error {
	if t.State.Over() {
		return nil
	}
	from := t.State
	t.State = to
	if !a.move(ctx, from, &t.NoticeRecord, what) {
		t.State = from
		return errJournal
	}
	return nil
}

var errJournal = errors.New("the journal of notices cannot be written")

// refresh lets the way for sound open and meanwhile asks dispatch how the order
// stands: at answer, and once more just before the first word. Both together take
// no longer than one look-up may.
func (a *Autodial) refresh(ctx context.Context, call *Call, client Leg, t *told) error {
	ask, cancel := context.WithTimeout(ctx, a.Board.Limits.OrderLookup)
	defer cancel()
	asked := make(chan NoticeRecord, 1)
	go func() {
		now := t.NoticeRecord
		defer func() { asked <- now }()
		defer caught(ctx, func(error) {})
		now = a.current(ask, now)
	}()
	err := call.say(ctx, client, cutThrough)
	now := <-asked // a.current keeps its limit
	if err != nil {
		return err
	}
	a.follow(ctx, call, t, now)
	a.follow(ctx, call, t, a.current(ask, t.NoticeRecord))
	return nil
}

// follow has newer news told in the place of older.
func (a *Autodial) follow(ctx context.Context, call *Call, t *told, now NoticeRecord) {
	if now.ID != t.ID {
		if now.State == NoticeWaiting { // else nobody is to be called about it; but they are on the line
			now.State, now.CallID = t.State, t.CallID
			if !a.move(ctx, NoticeWaiting, &now, "told in the call for "+string(t.Status)) {
				return // it is told already
			}
		}
		old := t.NoticeRecord
		old.State = NoticeSuperseded
		a.move(ctx, t.State, &old, "by "+string(now.Status)+", as the client answered")
		call.step("notice: " + string(now.Status) + " by now")
	}
	t.NoticeRecord, t.rule = now, a.Policy.rule(now.Status)
	call.about(&t.Order)
	call.show()
}

// current is what a client is to be told: r with the order as it stands, or
// newer news of the order. It takes no longer than ctx allows.
func (a *Autodial) current(ctx context.Context, r NoticeRecord) NoticeRecord {
	newer, found, err := a.Store.NewerNotice(ctx, r)
	if err == nil && found {
		r = newer
	}
	fresh, err := within(ctx, a.Board.Dispatch.Order, r.OrderID)
	switch {
	case errors.Is(err, ErrNoOrder), err == nil && fresh == nil: // a system that cannot look up by ID, mostly
		return r
	case err != nil:
		zerolog.Ctx(ctx).Warn().Err(err).Str(logOrder, r.OrderID).Msg("order look-up for a notice; going on with what the notice has")
		return r
	case !fresh.Status.known() || fresh.older(r.Order):
		return r
	case fresh.Status == r.Status:
		r.Order = r.Order.renewed(*fresh)
		return r
	}
	if fresh.Updated.IsZero() || r.Order.Updated.IsZero() {
		// Which of the two is the newer nobody says. A status that the order had
		// before is an answer from before, of a system that is late with them.
		if had, err := a.Store.HasNotice(ctx, r.OrderID, fresh.Status); had || err != nil {
			return r
		}
	}
	return a.foresee(ctx, r, *fresh)
}

// foresee stores the status an order has come to before its notice is here.
func (a *Autodial) foresee(ctx context.Context, r NoticeRecord, fresh Order) NoticeRecord {
	next := NoticeRecord{Line: r.Line, Foreseen: true, State: NoticeWaiting,
		Notice: Notice{OrderID: r.OrderID, Status: fresh.Status, Version: r.Version + 1, Order: r.Order.renewed(fresh), Source: r.Source, At: time.Now()}}
	why, err := a.plan(ctx, &next)
	if err == nil {
		next, _, err = a.Store.AcceptNotice(ctx, next, "read from the dispatch system; "+why)
	}
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("newer status of an order")
		return r
	}
	a.look()
	return next
}

// say tells the news and what keys there are, and returns the key pressed. A
// short text is said twice: whoever answers late, and a machine that begins to
// record after its greeting, hears it whole.
func (a *Autodial) say(ctx context.Context, call *Call, client Leg, t *told) (NoticeKey, error) {
	call.enter(StateMenu, "say: "+string(t.Status))
	menu := a.menu(call, t)
	text := slices.Concat(call.voice.Say(prompts.NoticeGreeting), call.voice.OrderStatus(a.facts(t.NoticeRecord)))
	if text.Duration() <= shortText {
		menu.Tries = 2
	}
	menu.Said = append(text[:len(text):len(text)], menu.Said...)
	line := newDelivery(client.Audio(), text, menu.Said.Duration()-text.Duration()+menu.Wait, func(ctx context.Context) {
		if !t.rule.NeedsKey {
			a.delivered(ctx, t, "heard")
		}
	})
	ear := media.NewGreeting()
	client.Audio().Plug(ear)
	until, stop := call.untilNews(ctx, line.heard)
	key, err := menu.Ask(until, line)
	stop()
	client.Audio().Plug(nil)
	if ear.Machine() && err != nil {
		t.Machine = true
		a.move(ctx, t.State, &t.NoticeRecord, "a machine's greeting was heard")
		call.step("a machine's greeting was heard")
	}
	if err == nil {
		call.step("chose " + string(key))
		a.delivered(ctx, t, "key: "+string(key))
	}
	return key, err
}

// shortText is the longest text that is said twice.
const shortText = 12 * time.Second

func (a *Autodial) facts(r NoticeRecord) prompts.Facts {
	told := facts(&r.Order)
	told.Status = a.Policy.rule(r.Status).Text
	return told
}

// menu is what the status offers. The operator is always behind 0.
func (a *Autodial) menu(call *Call, t *told) ivr.Menu[NoticeKey] {
	m := ivr.Menu[NoticeKey]{Keys: map[media.Digit]NoticeKey{'0': KeyOperator}, Repeat: '9', Wait: a.Board.Limits.KeyWait, Tries: 1,
		Wrong: call.voice.Say(prompts.Invalid)}
	for _, k := range NoticeKeys {
		if !t.rule.offers(k.Key) || k.Key == KeyDriver && (t.Order.Driver == "" || !t.Order.Status.Active()) {
			continue
		}
		m.Keys[k.Digit] = k.Key
		m.Said = append(m.Said, call.voice.Say(k.Said)...)
	}
	return m
}

// delivered writes down that the client was told, once.
func (a *Autodial) delivered(ctx context.Context, t *told, how string) {
	if t.State == NoticeSpeaking {
		_ = a.step(ctx, t, NoticeDelivered, how) // settle tries again
	}
}

// serveKey does what the client wants.
func (a *Autodial) serveKey(ctx context.Context, call *Call, client Leg, t *told, key NoticeKey) error {
	switch key {
	case KeyDriver:
		served, err := a.Board.driver(ctx, call, client, prompts.ConnectingDriver)
		if served || err != nil {
			return err
		}
	case KeyOperator:
	case KeyOptOut:
		noted, err := a.optOut(ctx, call, client, t)
		if noted || err != nil {
			return err
		}
	default:
		answered, err := a.answer(ctx, call, client, t, ClientAnswer(key))
		if answered || err != nil {
			return err
		}
	}
	return a.Board.operator(ctx, call, client)
}

// optOut puts the client on the list of those who want no notices; false: it
// cannot be written, and a person is needed.
func (a *Autodial) optOut(ctx context.Context, call *Call, client Leg, t *told) (noted bool, err error) {
	if err := a.Store.OptOut(ctx, t.Order.Phone, "by key, notice "+string(t.Status)+" of order "+t.OrderID); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("a client wants no more notices")
		return false, nil
	}
	call.step("the client wants no more notices")
	a.move(ctx, t.State, &t.NoticeRecord, "wants no more notices")
	return true, call.say(ctx, client, call.voice.Say(prompts.AnswerOptedOut))
}

// answerTime is how long dispatch may take to hear a client's answer.
const answerTime = 3 * time.Second

// answer tells dispatch what the client said, and the client what became of it;
// false: dispatch says no, and a person is needed.
func (a *Autodial) answer(ctx context.Context, call *Call, client Leg, t *told, said ClientAnswer) (taken bool, err error) {
	t.Answer = said
	a.move(ctx, t.State, &t.NoticeRecord, "answer: "+string(said))
	a.Board.said.add(Said{OrderID: t.OrderID, Phone: t.Order.Phone, Answer: said, At: time.Now()})
	a.Board.changes.signal()
	time.AfterFunc(saidFor, a.Board.changes.signal) // whoever shows it takes it away
	reply := map[ClientAnswer]prompts.ID{AnswerCancel: prompts.AnswerCancelled, AnswerKeepLooking: prompts.AnswerLooking}[said]
	if reply == "" {
		reply = prompts.AnswerPassedOn
	}
	switch err := a.tellDispatch(ctx, t.OrderID, said); {
	case err == nil:
		call.step("dispatch took the answer")
	case errors.Is(err, ErrAnswerRefused):
		call.step("dispatch refused the answer")
		return false, call.say(ctx, client, call.voice.Say(prompts.AnswerRefused))
	default:
		call.step("answer left for dispatch: " + Ending(err))
		reply = prompts.AnswerPassedOn
		err = a.postAnswer(ctx, t, said)
		if err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("client's answer")
			return false, nil
		}
	}
	return true, call.say(ctx, client, call.voice.Say(reply))
}

var errNobodyAsked = errors.New("no dispatch system takes answers")

func (a *Autodial) tellDispatch(ctx context.Context, order string, said ClientAnswer) error {
	if a.Answers == nil {
		return errNobodyAsked
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, err := within(ctx, func(ctx context.Context, order string) (none struct{}, err error) {
		return none, a.Answers.ClientAnswered(ctx, order, said)
	}, order)
	return err
}

func (a *Autodial) postAnswer(ctx context.Context, t *told, said ClientAnswer) error {
	if a.Outbox == nil {
		return errNobodyAsked
	}
	return a.Outbox.Post(ctx, Event{Kind: EventClientAnswer, CallID: noticeID(t.NoticeRecord), OrderID: t.OrderID, At: time.Now(), Answer: said})
}

// settle writes how a notice stands when its call is over.
func (a *Autodial) settle(ctx context.Context, t *told, err error) {
	from := t.State
	switch {
	case from.Over():
		return
	case a.closing.Load() && !errors.Is(err, ErrHungUp):
		a.interrupted(ctx, t.NoticeRecord, 0)
		return
	case errors.Is(err, errSuperseded):
		t.State = NoticeSuperseded
		a.move(ctx, from, &t.NoticeRecord, err.Error())
		return
	case errors.Is(err, ErrNoChannel): // nobody was called
		t.State, t.Due, t.Tries = NoticeWaiting, time.Now().Add(noChannelPause), t.Tries-1
		a.move(ctx, from, &t.NoticeRecord, "no free channel")
		return
	}
	t.State = outcome(from, err)
	a.again(ctx, from, t, Ending(err))
}

// noChannelPause is how long a full trunk is left alone.
const noChannelPause = 5 * time.Second

// outcome is what became of a call that told nobody.
func outcome(was NoticeState, err error) NoticeState {
	switch {
	case errors.Is(err, ErrBusy):
		return NoticeBusy
	case errors.Is(err, ErrNoAnswer), err == nil: // nil: a key was asked for
		return NoticeNoAnswer
	case errors.Is(err, ErrRejected):
		return NoticeRejected
	case errors.Is(err, ErrUnreachable):
		return NoticeUnreachable
	case errors.Is(err, ErrHungUp) && was != NoticeDialling:
		return NoticeHungUp
	}
	return NoticeFailed
}

// again has the client called once more, or gives up.
func (a *Autodial) again(ctx context.Context, from NoticeState, t *told, what string) {
	pause := t.rule.Again.after(t.State)
	due := t.rule.Hours.next(time.Now().Add(pause), a.Policy.zoneOf(t.Order.Phone))
	if pause > 0 && t.Tries < t.rule.Tries && due.Sub(t.At) <= t.rule.KeepFor {
		t.State, t.Due = NoticeWaiting, due
		what += "; again in " + time.Until(due).Round(time.Second).String()
	}
	a.move(ctx, from, &t.NoticeRecord, what)
}
