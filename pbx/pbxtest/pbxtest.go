// Package pbxtest has a switchboard's surroundings made of plain memory: legs,
// a dialer, a dispatch system, a store, a voice. It is for tests of stories in
// a testing/synctest bubble, where a minute of ringing takes no time.
package pbxtest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"cabline/media"
	"cabline/pbx"
	"cabline/prompts"
)

// Leg is a party played by a test. Its audio remembers what was said to it.
type Leg struct {
	Port *Port

	record pbx.LegRecord
	ctx    context.Context
	end    context.CancelCauseFunc

	mu       sync.Mutex
	progress bool
	answered bool
	why      error
	hungUp   bool
	hidden   []pbx.Phone
	held     bool
	renewed  int
	vanished bool

	toldRinging int
	changed     chan struct{}

	referrals chan pbx.Referral
}

// NewLeg returns a party at a number.
func NewLeg(number pbx.Phone) *Leg {
	l := &Leg{Port: &Port{digits: make(chan media.Digit, 16)},
		record: pbx.LegRecord{Number: number, Started: time.Now()}, changed: make(chan struct{}), referrals: make(chan pbx.Referral, 1)}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// Press presses keys, one each half second.
func (l *Leg) Press(keys string) {
	for _, k := range keys {
		time.Sleep(500 * time.Millisecond)
		l.Port.digits <- media.Digit(k)
	}
}

// Hold puts the call on hold, or takes it back: a party that holds is silent and
// is not missed.
func (l *Leg) Hold(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	close(l.changed)
	l.changed = make(chan struct{})
	l.Port.hold(held)
}

// NewOperator returns an operator's phone.
func NewOperator(login string) *Leg {
	l := NewLeg("")
	l.record.Operator = login
	return l
}

// Refer asks that somebody else goes on with the other party. What is reported
// of it comes by the channel.
func (l *Leg) Refer(to pbx.Referral) <-chan error {
	reported := make(chan error, 1)
	to.Ringing = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.toldRinging++
	}
	confirm := to.Report
	to.Report = func(ctx context.Context, err error) {
		if confirm != nil {
			confirm(ctx, err)
		}
		reported <- err
	}
	l.referrals <- to
	return reported
}

// ToldRinging is how often the phone was told that whom it REFERred to rings.
func (l *Leg) ToldRinging() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.toldRinging
}

// Referrals implements pbx.Leg.
func (l *Leg) Referrals() <-chan pbx.Referral { return l.referrals }

// Held implements pbx.Leg.
func (l *Leg) Held() (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held, l.changed
}

// Vanish makes the party send nothing from now on, without a BYE, and not answer
// when it is asked for its audio anew.
func (l *Leg) Vanish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vanished = true
	l.Port.Fade()
}

// Renew implements pbx.Leg.
func (l *Leg) Renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewed++; l.vanished {
		time.AfterFunc(32*time.Second, func() { l.end(pbx.ErrUnreachable) }) // timer B of RFC 3261 §17.1.1.2
	}
}

// Renewed is how often the party was asked for its audio anew.
func (l *Leg) Renewed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewed
}

// Leave hangs up as the party does.
func (l *Leg) Leave() { l.end(pbx.ErrHungUp) }

// Hide implements pbx.Leg.
func (l *Leg) Hide(numbers ...pbx.Phone) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hidden = numbers
}

// Hidden are the numbers hidden from the party now.
func (l *Leg) Hidden() []pbx.Phone {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hidden)
}

// Context implements pbx.Leg.
func (l *Leg) Context() context.Context { return l.ctx }

// Answer implements pbx.Leg.
func (l *Leg) Answer(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.answered {
		l.answered, l.record.Answered, l.record.Code = true, time.Now(), 200
	}
	return context.Cause(l.ctx)
}

// Progress implements pbx.Leg.
func (l *Leg) Progress(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress = true
	return context.Cause(l.ctx)
}

// Progressed says whether the party could hear us before the answer.
func (l *Leg) Progressed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.progress
}

// HangUp implements pbx.Leg.
func (l *Leg) HangUp(_ context.Context, why error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() == nil {
		l.why, l.hungUp = why, true
		l.end(why)
	}
	return nil
}

// HungUp says whether we hung up on the party, and why.
func (l *Leg) HungUp() (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hungUp, l.why
}

// Audio implements pbx.Leg.
func (l *Leg) Audio() media.Port { return l.Port }

// Record implements pbx.Leg.
func (l *Leg) Record() pbx.LegRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record
}

// Port is audio that is only remembered: the names of the clips said, and the
// port it is joined with.
type Port struct {
	digits chan media.Digit

	mu   sync.Mutex
	said []string
	to   media.Sink
	met  []media.Sink
	gone time.Time
	held bool

	broken bool
}

// Break makes the audio panic from now on when something is said to the party, or
// when it is looked at.
func (p *Port) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
}

// mine panics where that is wanted. p.mu is held.
func (p *Port) mine() {
	if p.broken {
		panic("a fault of ours")
	}
}

func (p *Port) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = held
}

// Fade makes the party send nothing from now on, though its call goes on.
func (p *Port) Fade() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = time.Now()
}

// Return makes it send again.
func (p *Port) Return() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = time.Time{}
}

// Said is the names of the clips begun so far, in order.
func (p *Port) Said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.said...)
}

// Met is everyone the party was joined with, in order.
func (p *Port) Met() []media.Sink {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]media.Sink(nil), p.met...)
}

// Play implements media.Port.
func (p *Port) Play(ctx context.Context, what media.Speech) error {
	for _, clip := range what {
		p.begin(clip.Name)
		select {
		case <-time.After(clip.Duration()):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return context.Cause(ctx)
}

func (p *Port) begin(clip string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine()
	p.said = append(p.said, clip)
}

// Plug implements media.Port.
func (p *Port) Plug(to media.Sink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to = to; to != nil {
		p.met = append(p.met, to)
	}
}

// Say lets the party say a word to whoever hears it.
func (p *Port) Say(word string) {
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	if to != nil {
		to.WriteRTP(&media.Packet{Buf: []byte(word)})
	}
}

// WriteRTP implements media.Sink: a word of another party.
func (p *Port) WriteRTP(packet *media.Packet) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, string(packet.Payload()))
}

// Digits implements media.Port.
func (p *Port) Digits() <-chan media.Digit { return p.digits }

// SendDigit implements media.Port.
func (p *Port) SendDigit(media.Digit) {}

// Stats implements media.Port.
func (p *Port) Stats() media.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine()
	if p.gone.IsZero() || p.held {
		return media.Stats{}
	}
	return media.Stats{Silence: time.Since(p.gone)}
}

// Dialer answers as Phones says, by number or by an operator's login.
type Dialer struct {
	Phones map[string]func(ctx context.Context) (pbx.Leg, error)
	Early  map[string]*Leg // heard before they answer, by number

	mu     sync.Mutex
	dialed []pbx.Endpoint
}

// Dial implements pbx.Dialer.
func (d *Dialer) Dial(ctx context.Context, to pbx.Endpoint) (pbx.Leg, error) {
	d.mu.Lock()
	early := to.Early
	ringing := to.Ringing
	to.Early, to.Ringing = nil, nil
	d.dialed = append(d.dialed, to)
	d.mu.Unlock()
	if ringing != nil {
		ringing()
	}
	if leg := d.Early[to.Number.Dialable()]; leg != nil && early != nil {
		early.EarlyMedia(ctx, leg.Port)
	}
	if phone := d.Phones[to.Operator+to.Number.Dialable()]; phone != nil {
		return phone(ctx)
	}
	return nil, pbx.ErrUnreachable
}

// Dialed is every endpoint dialled so far.
func (d *Dialer) Dialed() []pbx.Endpoint {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]pbx.Endpoint(nil), d.dialed...)
}

// Rings is a phone that nobody answers.
func Rings(ctx context.Context) (pbx.Leg, error) { <-ctx.Done(); return nil, context.Cause(ctx) }

// Refuses is a phone that refuses with err.
func Refuses(err error) func(context.Context) (pbx.Leg, error) {
	return func(context.Context) (pbx.Leg, error) { return nil, err }
}

// Answers is a phone that rings for a while, is answered, and is left to talk.
func Answers(after time.Duration, leg *Leg, talks func(*Leg)) func(context.Context) (pbx.Leg, error) {
	return func(ctx context.Context) (pbx.Leg, error) {
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if err := leg.Answer(ctx); err != nil {
			return nil, err
		}
		if talks != nil {
			go talks(leg)
		}
		return leg, nil
	}
}

// Orders is a dispatch system, by the client's number.
type Orders map[pbx.Phone]*pbx.Order

// OrderByPhone implements pbx.Dispatch.
func (o Orders) OrderByPhone(_ context.Context, phone pbx.Phone) (*pbx.Order, error) {
	if order := o[phone]; order != nil && order.Status.Active() {
		return order, nil
	}
	return nil, pbx.ErrNoOrder
}

// OrdersByDriver implements pbx.Dispatch.
func (o Orders) OrdersByDriver(_ context.Context, driver pbx.Phone) (found []*pbx.Order, err error) {
	for _, order := range o {
		if order.Driver == driver && order.Status.Active() {
			found = append(found, order)
		}
	}
	if len(found) == 0 {
		return nil, pbx.ErrNoOrder
	}
	slices.SortFunc(found, func(a, b *pbx.Order) int { return strings.Compare(b.ID, a.ID) })
	return found, nil
}

// Order implements pbx.Dispatch.
func (o Orders) Order(_ context.Context, id string) (*pbx.Order, error) {
	for _, order := range o {
		if order.ID == id {
			return order, nil
		}
	}
	return nil, pbx.ErrNoOrder
}

// Store remembers CDRs.
type Store struct {
	mu   sync.Mutex
	cdrs []pbx.CDR
}

// SaveCDR implements pbx.Store.
func (s *Store) SaveCDR(_ context.Context, cdr pbx.CDR) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cdrs = append(s.cdrs, cdr)
	return nil
}

// CDRs is what was saved so far.
func (s *Store) CDRs() []pbx.CDR {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]pbx.CDR(nil), s.cdrs...)
}

// Windows remembers windows.
type Windows struct {
	mu  sync.Mutex
	all []pbx.Window
}

// OpenWindow implements pbx.Windows.
func (s *Windows) OpenWindow(_ context.Context, w pbx.Window) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(slices.DeleteFunc(s.all, func(o pbx.Window) bool {
		return o.OrderID == w.OrderID && o.Missed == w.Missed && o.Client == w.Client && o.Driver == w.Driver
	}), w)
	return nil
}

// WindowsOf implements pbx.Windows.
func (s *Windows) WindowsOf(_ context.Context, number pbx.Phone, now time.Time) (found []pbx.Window, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.all {
		if (w.Client == number || w.Driver == number) && now.Before(w.Until) {
			found = append(found, w)
		}
	}
	slices.SortStableFunc(found, func(a, b pbx.Window) int { return b.Opened.Compare(a.Opened) })
	return found, nil
}

// CloseMissed implements pbx.Windows.
func (s *Windows) CloseMissed(_ context.Context, client, driver pbx.Phone) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(w pbx.Window) bool { return w.Missed != "" && w.Client == client && w.Driver == driver })
	return nil
}

// CloseLostItem implements pbx.Windows.
func (s *Windows) CloseLostItem(_ context.Context, orderID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(w pbx.Window) bool { return w.Missed == "" && w.OrderID == orderID })
	return nil
}

// Voice says everything in one clip of two seconds, named after what it says.
type Voice struct{}

func clip(name string) media.Clip {
	return media.Clip{Name: name, ALaw: make([]byte, 2*media.Rate)}
}

// Say implements pbx.Voice.
func (Voice) Say(id prompts.ID) media.Speech { return media.Speech{clip(string(id))} }

// OrderStatus implements pbx.Voice.
func (Voice) OrderStatus(f prompts.Facts) media.Speech {
	return media.Speech{clip("order " + f.Status)}
}

// Menu implements pbx.Voice.
func (Voice) Menu(choices ...prompts.ID) media.Speech {
	var said media.Speech
	for _, id := range choices {
		said = append(said, clip(string(id)))
	}
	return said
}

// Music implements pbx.Voice.
func (Voice) Music() media.Clip { return clip("music") }
