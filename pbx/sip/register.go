package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx/sip/locate"
)

// Registering with a carrier (RFC 3261 §10.2): one goroutine for each trunk
// that does.

const (
	registerWithin   = 10 * time.Second // of one REGISTER, until it counts as lost
	unregisterWithin = 2 * time.Second
	maxBackOff       = 5 * time.Minute
	maxRetryAfter    = time.Hour       // what a carrier may ask
	refusedWait      = time.Minute     // before a refused password is shown again
	steady           = time.Minute     // what a connection lasts if nothing is wrong with it
	maxGranted       = 24 * time.Hour  // of a registration
	lookAfter        = 1 * time.Second // between looks at a connection
)

// registration is our account at a carrier. It belongs to one goroutine.
type registration struct {
	*trunk
	server   *Server
	dialog              // of all its REGISTERs
	hop      locate.Hop // where the last one went
	asked    time.Duration
	failures int       // since it last worked
	breaks   int       // of connections that did not last
	since    time.Time // of the last REGISTER that worked
	seen     int       // of the carrier's returns, when the last one was sent
}

// stayRegistered registers until ctx ends, and then takes the registration back.
func (s *Server) stayRegistered(ctx context.Context, t *trunk) {
	r := &registration{trunk: t, server: s, asked: t.Expires}
	if r.asked == 0 {
		r.asked = defaultExpires
	}
	r.callID, r.localTag = newCallID(), newTag()
	for {
		r.seen = r.returned()
		granted, err := r.register(ctx, r.asked)
		if ctx.Err() != nil {
			break
		}
		r.registered(ctx, err)
		if !r.rest(ctx, r.pause(granted, err), err) {
			break
		}
	}
	if r.since.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unregisterWithin)
	defer cancel()
	_, err := r.register(ctx, 0)
	if err == nil {
		err = errors.New("signed off")
	}
	r.registered(ctx, err)
}

// pause is how long the next REGISTER has to wait.
func (r *registration) pause(granted time.Duration, err error) time.Duration {
	if err == nil {
		r.failures = 0
		// Not all trunks of all firms at once, and with time for a second try.
		return between(granted*3/4, granted*9/10)
	}
	r.failures++
	wait := backOff(r.server.cfg.backOff, r.failures)
	var no refusedError
	if errors.As(err, &no) {
		wait = max(wait, no.retryAfter)
		if no.code == 401 || no.code == 403 || no.code == 407 {
			wait = max(wait, refusedWait) // carriers ban those who guess
		}
	}
	return wait
}

// backOff doubles a pause with each failure and blurs it.
func backOff(first time.Duration, failures int) time.Duration {
	wait := min(first<<min(failures-1, 16), maxBackOff)
	return between(wait/2, wait)
}

func between(low, high time.Duration) time.Duration {
	return low + rand.N(max(high-low, 1))
}

// rest waits after a REGISTER that ended with err; false: ctx has ended. A
// registration is gone with its connection, moves with the calls to the gateway that
// lives, and may be forgotten by a carrier that was away and is back.
func (r *registration) rest(ctx context.Context, wait time.Duration, err error) bool {
	registered := err == nil
	due, look := time.NewTimer(wait), time.NewTicker(lookAfter)
	defer due.Stop()
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-due.C:
			return true
		case <-look.C:
		}
		if registered && r.gateways.first() != r.hop || r.returned() != r.seen && maySoon(err) {
			return true
		}
		if !registered || r.network == "UDP" || r.server.connected(path{network: r.network, flow: r.next}) {
			continue
		}
		if time.Since(r.since) > steady {
			r.breaks = 0
		}
		if r.breaks++; r.breaks == 1 {
			return true
		}
		due.Reset(min(wait, backOff(r.server.cfg.backOff, r.breaks)))
		registered = false // no need to look again
	}
}

// maySoon says whether a REGISTER that ended so may go again as soon as the carrier
// is back: none has been refused, nor told when to come again.
func maySoon(err error) bool {
	var no refusedError
	return err == nil || lost(err) && (!errors.As(err, &no) || no.retryAfter == 0)
}

// refusedError is a registrar's final no.
type refusedError struct {
	code       int
	reason     string
	retryAfter time.Duration
}

func (e refusedError) Error() string { return fmt.Sprintf("SIP %d %q", e.code, e.reason) }

// register registers at the first gateway that lives; granted is how long it
// holds. expires 0 takes the registration back.
func (r *registration) register(ctx context.Context, expires time.Duration) (granted time.Duration, err error) {
	hops, err := r.gateways.all(ctx)
	if err != nil {
		return 0, err
	}
	limit := registerWithin
	if len(hops) > 1 { // another one may be quicker
		limit = patience()
	}
	err = r.tryAll(ctx, r.gateways.inOrder(hops), func(h locate.Hop) error {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s: %w", limit, errDead))
		defer cancel()
		granted, err = r.registerAt(ctx, h, expires)
		return err
	})
	return granted, err
}

// registerAt sends REGISTER until it is accepted or there is nothing more to try.
func (r *registration) registerAt(ctx context.Context, h locate.Hop, expires time.Duration) (granted time.Duration, err error) {
	if err := r.aimAt(ctx, h); err != nil {
		return 0, err
	}
	pass := r.trunk.login()
	// Whoever answers where we register is the carrier, whatever its realms: a
	// proxy before the registrar may have another.
	pass.mine = func(realm string) bool { return realm != "" }
	for {
		contact := r.contact()
		contact.Address.User = r.user()
		req := r.composeRegister(contact, expires, &pass)
		res, err := r.server.ask(ctx, r.path, req)
		if err != nil {
			return 0, err
		}
		switch least := parseSeconds(header(res, "min-expires", ""), 0); {
		case res.IsSuccess():
			r.since = time.Now()
			if len(pass.realms) > 0 {
				r.learned.Store(&pass.realms)
			}
			return grantedIn(res, contact, expires)
		case challenged(res):
			if no := pass.answer(req, res); no != nil {
				return 0, fmt.Errorf("%w: %w", refusalOf(res), no)
			}
		case res.StatusCode == 423 && least > expires && least <= maxGranted && expires > 0:
			r.asked, expires = least, least
		default:
			return 0, refusalOf(res)
		}
	}
}

// aimAt turns to a gateway.
func (r *registration) aimAt(ctx context.Context, h locate.Hop) (err error) {
	if r.path, err = r.server.pathOver(ctx, r.trunk, h); err != nil {
		return err
	}
	r.hop = h
	r.local = r.uri(r.user())
	r.local.Port = 0
	r.remote, r.target = r.local, r.uri("")
	r.lead(&r.dialog, h)
	return nil
}

func (r *registration) composeRegister(contact wire.Header, expires time.Duration, pass *login) *wire.Request {
	r.localSeq++
	req := r.compose(wire.REGISTER, r.localSeq)
	req.AppendHeader(contact)
	req.AppendHeader(wire.NewHeader("Expires", seconds(expires)))
	req.AppendHeader(wire.NewHeader("User-Agent", r.server.cfg.UserAgent))
	req.AppendHeader(wire.NewHeader("Allow", allowed))
	for _, h := range pass.headers() {
		req.AppendHeader(h)
	}
	return req
}

func refusalOf(res *wire.Response) refusedError {
	text := header(res, "retry-after", "")
	for i, c := range text { // "120 (in a meeting);duration=3600"
		if c < '0' || c > '9' {
			text = text[:i]
			break
		}
	}
	return refusedError{res.StatusCode, truncate(res.Reason, 100), min(parseSeconds(text, 0), maxRetryAfter)}
}

// grantedIn is how long a 200 lets our contact stand: its own expiry, or that of
// all, or what was asked.
func grantedIn(res *wire.Response, ours *wire.ContactHeader, asked time.Duration) (time.Duration, error) {
	granted := asked
	if h := header(res, "expires", ""); h != "" {
		granted = parseSeconds(h, granted)
	}
	contacts := res.GetHeaders("contact")
	for _, h := range contacts {
		c, ok := h.(*wire.ContactHeader)
		if !ok {
			continue
		}
		same := c.Address.User == ours.Address.User && c.Address.Host == ours.Address.Host && c.Address.Port == ours.Address.Port
		if text, there := c.Params.Get("expires"); there && (same || len(contacts) == 1) {
			granted = parseSeconds(text, granted)
		}
	}
	if granted <= 0 && asked > 0 {
		return 0, errors.New("the registrar granted no time")
	}
	return min(granted, maxGranted), nil
}

// ask sends a request that stands alone and returns its final response, unless
// ctx ends first.
func (s *Server) ask(ctx context.Context, p path, req *wire.Request) (*wire.Response, error) {
	tx, err := s.send(ctx, p, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, fmt.Errorf("%w: %w", errDead, tx.Err())
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
