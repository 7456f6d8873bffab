package sip

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/media"
	"cabline/pbx"
)

// state is where a leg's INVITE stands.
type state int

const (
	arriving state = iota // they called, no final answer yet
	calling               // we called
	up                    // answered
	over                  // no more messages, but repetitions of old ones
)

// Leg is one dialog with its audio.
type Leg struct {
	party
	server *Server
	audio  Audio
	keys   keys
	hidden atomic.Pointer[hidden] // nil: nothing

	ctx context.Context
	end context.CancelCauseFunc

	referrals chan pbx.Referral // room for one; nil: they may ask for none

	mu sync.Mutex // guards all below
	dialog
	state      state
	arrival    *arrival  // until it is answered or refused
	pending    *accepted // our 200 that waits for its ACK
	lastOK     uint32    // number of the last INVITE of theirs we answered so
	acked      bool      // the first ACK came, or went
	answer     lateAnswer
	acking     chan struct{} // closed when the ACK that waits has gone; nil: none waits
	inviting   bool          // a re-INVITE of ours is under way
	placed     bool          // the call is ours, and so the Call-ID
	proof      []wire.Header // the credentials of our last INVITE
	redirects  int           // how often it was sent on
	plain      bool          // the peer has refused our encryption
	forks      map[string]*early
	overtakers []*overtaker // requests of theirs that wait for their turn, by number
	heardFrom  string       // the branch whose early answer the audio has
	session
	referring bool          // a REFER of theirs is under way
	held      bool          // we are on hold
	holding   chan struct{} // closed when that changes; nil: nobody asked
	byeDue    error         // hang up as soon as the ACK is here; see HangUp
	started   time.Time
	answered  time.Time
	ended     time.Time
	cause     string
	code      int
	stats     media.Stats
}

var _ pbx.Leg = (*Leg)(nil)

// party is who is at the other end of a leg.
type party struct {
	trunk  *trunk // nil for operators; a channel of it is ours
	login  string // empty for trunks
	number pbx.Phone
	device *binding  // the operator's, if it is registered
	early  pbx.Early // who hears it before it answers; nil: nobody
	hides  []pbx.Phone

	ringing func() // is told that it rings; nil: nobody

	silence time.Duration // which counts as death when we call; 0: patience
}

// awaitsOffer says whether the party makes the offer though we call it.
func (p party) awaitsOffer() bool { return p.trunk != nil && p.trunk.LateOffer }

// release gives the trunk's channel back.
func (p party) release() {
	if p.trunk != nil {
		p.trunk.release()
	}
}

// newLeg makes a leg, not yet in the table. It has the values of ctx and
// outlives it.
func (s *Server) newLeg(ctx context.Context, who party, d dialog, audio Audio) *Leg {
	l := &Leg{party: who, server: s, audio: audio, dialog: d, started: time.Now()}
	l.ctx, l.end = context.WithCancelCause(context.WithoutCancel(ctx))
	l.Hide(who.hides...)
	if who.login != "" {
		l.referrals = make(chan pbx.Referral, 1)
	}
	l.keysByInfo()
	if port, ok := audio.(interface{ Lost() <-chan struct{} }); ok {
		l.Go(func() { l.watch(port.Lost()) })
	}
	if port, ok := audio.(interface{ WhenLost(func()) }); ok {
		port.WhenLost(func() { l.Go(func() { _ = l.HangUp(l.ctx, pbx.ErrMediaLost) }) })
	}
	return l
}

// byeDelay is how long after the end of its audio a page's BYE is waited for:
// one that hangs up ends both at once, and they travel on different ways.
const byeDelay = time.Second

// watch ends a leg whose audio is gone for good: a page that was closed sends no BYE.
func (l *Leg) watch(lost <-chan struct{}) {
	select {
	case <-lost:
	case <-l.ctx.Done():
		return
	}
	select {
	case <-time.After(byeDelay):
		_ = l.HangUp(l.ctx, pbx.ErrMediaLost)
	case <-l.ctx.Done():
	}
}

// Context implements pbx.Leg.
func (l *Leg) Context() context.Context { return l.ctx }

// Audio implements pbx.Leg.
func (l *Leg) Audio() media.Port { return l.audio }

// Referrals implements pbx.Leg.
func (l *Leg) Referrals() <-chan pbx.Referral { return l.referrals }

// Held implements pbx.Leg.
func (l *Leg) Held() (held bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holding == nil {
		l.holding = make(chan struct{})
	}
	return l.held, l.holding
}

// noticeHold looks at what the last SDP of theirs has changed. The lock is held.
func (l *Leg) noticeHold() {
	held := l.audio.Held()
	if held == l.held {
		return
	}
	l.held = held
	if l.holding != nil {
		close(l.holding)
		l.holding = nil
	}
}

// Record implements pbx.Leg.
func (l *Leg) Record() pbx.LegRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := pbx.LegRecord{
		ID: l.callID, Number: l.number, Operator: l.login,
		Started: l.started, Answered: l.answered, Ended: l.ended, Cause: l.cause, Code: l.code, Audio: l.stats,
	}
	if l.trunk != nil {
		r.Trunk = l.trunk.Name
	}
	if l.ended.IsZero() {
		r.Audio = l.audio.Stats()
	}
	return r
}

// HangUp implements pbx.Leg. It does not wait for the peer to confirm.
func (l *Leg) HangUp(_ context.Context, why error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil
	}
	l.finish(why)
	switch {
	case l.state == arriving:
		return l.refuse(why)
	case l.state == up && !l.acked: // RFC 3261 §15: no BYE before the ACK
		l.byeDue = cmp.Or(why, errHangUp)
	case l.state == up:
		l.bye(why)
	}
	return nil
}

// errHangUp stands for normal clearing where nil would mean nothing is due.
var errHangUp = errors.New("hang up")

// finish ends the leg for everyone but the peer, once. The lock is held.
func (l *Leg) finish(why error) {
	if l.ctx.Err() != nil {
		return
	}
	l.ended, l.cause, l.stats = time.Now(), pbx.Ending(why), l.measured()
	l.end(why)
	l.release()
	l.Go(func() { _ = l.audio.Close() })
}

// measured is what the audio has counted. It must not keep a leg from ending.
func (l *Leg) measured() media.Stats {
	defer l.server.work.recover()
	return l.audio.Stats()
}

// leave forgets the dialog: the last thing to do, because the leg is work until
// then and the server may close without work. The lock is held.
func (l *Leg) leave() {
	if l.arrival != nil {
		l.arrival.settle()
	}
	l.state, l.arrival = over, nil
	if l.pending != nil {
		l.pending.stop()
		l.pending = nil
	}
	for _, t := range []*time.Timer{l.timer, l.glare} {
		if t != nil {
			t.Stop()
		}
	}
	if l.server.legs.remove(l.localTag) {
		l.server.work.done()
	}
}

// bye sends BYE and leaves the dialog. The lock is held.
func (l *Leg) bye(why error) {
	l.sendBye(why)
	l.leave()
}

func (l *Leg) sendBye(why error) {
	l.localSeq++
	seq := l.localSeq
	parted := l.server.partings.begin(l.login)
	l.Go(func() {
		defer parted()
		l.deliver(seq, func(seq uint32) *wire.Request {
			req := l.compose(wire.BYE, seq)
			req.AppendHeader(wire.NewHeader("Reason", byeReason(why)))
			return req
		})
	})
}

// deliver sends the request of the dialog with number seq and returns its final
// response, or none. Challenged by the trunk, it goes again with the trunk's
// credentials and the next number (RFC 3261 §22.2, §22.3). A page whose connection
// is down gets it when it is back, if that is within the time messages are repeated
// for; a trunk, over a new one at once.
func (l *Leg) deliver(seq uint32, compose func(seq uint32) *wire.Request) *wire.Response {
	deadline := time.Now().Add(64 * wire.T1)
	pass := l.logIn()
	l.letACKGoFirst()
	for again := false; l.reachable(deadline); {
		req, p := l.composed(seq, compose, &pass)
		res, err := l.exchange(p, req)
		if res != nil && challenged(res) && !(req.IsInvite() && l.ctx.Err() != nil) && pass.answer(req, res) == nil {
			l.mu.Lock()
			l.localSeq++
			seq = l.localSeq
			l.mu.Unlock()
			continue
		}
		if err == nil || p.network == "UDP" || p.flow == "" && again || time.Now().After(deadline) {
			return res
		}
		again = true
		l.mu.Lock()
		if l.flow == p.flow && p.flow != "" {
			l.flow = closedFlow // it broke before sipgo noticed
		}
		l.mu.Unlock()
	}
	return nil
}

// composed is a request with its credentials, and its way.
func (l *Leg) composed(seq uint32, compose func(seq uint32) *wire.Request, pass *login) (*wire.Request, path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	req := compose(seq)
	l.prove(req, pass)
	return req, l.path
}

// logIn begins to pass the challenges to one request; a phone gets no password.
func (l *Leg) logIn() login {
	if l.trunk == nil {
		return login{}
	}
	return l.trunk.login()
}

// prove puts the credentials into a request. The lock is held.
func (l *Leg) prove(req *wire.Request, pass *login) {
	proof := pass.headers()
	for _, h := range proof {
		req.AppendHeader(h)
	}
	if req.IsInvite() {
		l.proof = proof
	}
}

// closedFlow is the flow of a leg whose connection is gone.
const closedFlow = "closed"

// exchange sends a request and returns its final response. It outlives the leg; but
// an INVITE, which sipgo waits for without end once it has heard a 1xx, is taken back
// when the leg ends, or nothing has come for 64*T1 after that.
func (l *Leg) exchange(p path, req *wire.Request) (*wire.Response, error) {
	tx, err := l.server.send(context.WithoutCancel(l.ctx), p, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	var end <-chan struct{}
	if req.IsInvite() {
		end = l.ctx.Done()
	}
	var limit <-chan time.Time
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
			if req.IsInvite() {
				limit = time.After(64 * wire.T1)
			}
		case <-tx.Done():
			return nil, tx.Err()
		case <-end:
			return l.takeBack(req, tx, limit != nil, nil), nil
		case <-limit:
			return l.takeBack(req, tx, true, nil), nil
		}
	}
}

// reachable waits until there is a connection to the peer.
func (l *Leg) reachable(deadline time.Time) bool {
	for {
		news := l.server.register.news()
		if l.findWay() {
			return true
		}
		select {
		case <-news:
		case <-time.After(time.Until(deadline)):
			return false
		}
	}
}

// findWay says whether the peer can be sent to, and looks where its device is now.
func (l *Leg) findWay() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server.connected(l.path) {
		return true
	}
	if l.device == nil { // a trunk: connect anew, where the route set leads
		l.flow = ""
		return true
	}
	for _, b := range l.server.register.of(l.login) {
		if b.same(l.device) && l.server.connected(b.path) {
			l.takeWay(b.path)
			return true
		}
	}
	return false
}

// takeWay moves the dialog to another connection. The lock is held.
func (l *Leg) takeWay(p path) {
	l.path = p
	if l.pending == nil {
		return
	}
	if conn, err := l.server.transport.GetConnection(p.network, p.flow); err == nil {
		_, _ = conn.TryClose() // the pool keeps it
		l.pending.conn = conn
	}
}

// move lets the leg go on where its device is now.
func (l *Leg) move(b *binding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.device != nil && l.device.same(b) && l.flow != b.path.flow {
		l.takeWay(b.path)
	}
}

// connected says whether a message can go that way without opening a
// connection, which a browser would not take.
func (s *Server) connected(p path) bool {
	if p.flow == "" || p.network == "UDP" {
		return true
	}
	conn, err := s.connectionTo(p.network, p.flow)
	if err != nil {
		return false
	}
	_, _ = conn.TryClose()
	return true
}

// peerHungUp is a BYE. The lock is held.
func (l *Leg) peerHungUp() {
	if l.state == arriving { // RFC 3261 §15.1.2: the INVITE still wants its answer
		_ = l.arrival.respond(wire.StatusRequestTerminated, nil)
		l.code = wire.StatusRequestTerminated
	}
	l.finish(pbx.ErrHungUp)
	l.leave()
}

var errMalformed = errors.New("malformed")
