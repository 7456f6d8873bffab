package sip

import (
	"context"
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"
)

// A registration lives between these; what a device asks is fitted in.
const (
	defaultExpires = 10 * time.Minute
	maxExpires     = time.Hour
)

// authenticate returns who sent a request by the credentials in it, or answers
// it: code is the challenge (401 or 407).
func (s *Server) authenticate(ctx context.Context, req *wire.Request, tx *wire.ServerTx, code int) (login string, ok bool) {
	ask, given := "WWW-Authenticate", "authorization"
	if code == wire.StatusProxyAuthRequired {
		ask, given = "Proxy-Authenticate", "proxy-authorization"
	}
	cred := s.digest.credentials(req, given)
	if cred != nil && s.shut(req, cred.Username) {
		s.dropped.Add(1)
		tx.Terminate()
		return "", false
	}
	switch v := s.digest.judge(req, cred); v {
	case right:
		s.cfg.Gate.Passed(visitor(req, cred.Username))
		s.places.proved(req.Transport(), req.Source())
		return cred.Username, true
	case wrong:
		s.guessed(ctx, req, cred.Username)
		s.answer(req, tx, wire.StatusForbidden)
	default:
		s.answer(req, tx, code, wire.NewHeader(ask, s.digest.challenge(req.Source(), v == stale)))
	}
	tx.Terminate() // RFC 3261 §26.3.2.4: remember nothing of a challenge, nor repeat it
	return "", false
}

// registered deals with a REGISTER (RFC 3261 §10.3).
func (s *Server) registered(ctx context.Context, req *wire.Request, tx *wire.ServerTx) {
	login, ok := s.authenticate(ctx, req, tx, wire.StatusUnauthorized)
	if !ok {
		return
	}
	if req.To().Address.User != login {
		s.answer(req, tx, wire.StatusForbidden)
		return
	}
	now := time.Now()
	news, code := s.bindingsIn(req, login, now)
	switch {
	case code == 423:
		s.answer(req, tx, code, wire.NewHeader("Min-Expires", seconds(s.cfg.minExpires)))
		return
	case code != 0:
		s.answer(req, tx, code)
		return
	case !s.register.put(login, news, now):
		s.answer(req, tx, wire.StatusInternalServerError)
		return
	}
	s.unkept.add(login)
	for _, b := range news {
		s.moveCalls(b)
	}
	if online, changed := s.register.announce(login); changed {
		zerolog.Ctx(ctx).Info().Str("operator", login).Bool("online", online).Str("transport", req.Transport()).Msg("registration")
	}
	var list []wire.Header
	for _, b := range s.register.of(login) {
		list = append(list, &wire.ContactHeader{Address: b.contact, Params: wire.HeaderParams{{K: "expires", V: seconds(b.expires.Sub(now))}}})
	}
	s.answer(req, tx, wire.StatusOK, list...)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Round(time.Second) / time.Second)) }

// bindingsIn reads the Contacts of a REGISTER; a code other than 0 answers it.
func (s *Server) bindingsIn(req *wire.Request, login string, now time.Time) (news []*binding, code int) {
	p, err := s.pathBack(req, false)
	if err != nil {
		return nil, wire.StatusInternalServerError
	}
	asked := defaultExpires
	if h := req.GetHeader("expires"); h != nil {
		asked = parseSeconds(h.Value(), asked)
	}
	contacts := req.GetHeaders("contact")
	if len(contacts) > maxBindings {
		return nil, wire.StatusBadRequest
	}
	for _, h := range contacts {
		c, ok := h.(*wire.ContactHeader)
		switch {
		case !ok:
			return nil, wire.StatusBadRequest
		case c.Address.Wildcard && len(contacts) == 1 && asked == 0: // RFC 3261 §10.2.2: all of them
			for _, old := range s.register.of(login) {
				gone := *old
				gone.expires, gone.callID, gone.seq = now, string(*req.CallID()), req.CSeq().SeqNo
				news = append(news, &gone)
			}
			return news, 0
		case !routable(&c.Address):
			return nil, wire.StatusBadRequest
		}
		expires := asked
		if text, ok := c.Params.Get("expires"); ok {
			expires = parseSeconds(text, asked)
		}
		if expires > 0 && expires < s.cfg.minExpires {
			return nil, 423
		}
		b := &binding{
			login: login, contact: *c.Address.Clone(), path: p, callID: string(*req.CallID()), seq: req.CSeq().SeqNo,
			expires: now.Add(min(expires, maxExpires)),
		}
		if instance, ok := c.Params.Get("+sip.instance"); ok {
			id, _ := c.Params.Get("reg-id")
			b.instance = strings.Trim(instance, `"`) + " " + id
		}
		if h := req.GetHeader("user-agent"); h != nil {
			b.agent = truncate(h.Value(), 100)
		}
		news = append(news, b)
	}
	return news, 0
}

func parseSeconds(text string, otherwise time.Duration) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil {
		return otherwise
	}
	return time.Duration(n) * time.Second
}

func truncate(text string, n int) string {
	if len(text) > n {
		return text[:n]
	}
	return text
}

// flowClosed forgets the devices behind a connection that closed: a page makes
// a new contact each time it loads. Their calls go on, see Leg.watch.
func (s *Server) flowClosed(ctx context.Context, network, remote string) {
	s.forget(ctx, func(b *binding) bool { return b.path.network == network && b.path.flow == remote })
}

// forget takes devices out of the register and says so.
func (s *Server) forget(ctx context.Context, gone func(*binding) bool) {
	for _, login := range s.register.drop(gone) {
		s.unkept.add(login)
		if online, changed := s.register.announce(login); changed {
			zerolog.Ctx(ctx).Info().Str("operator", login).Bool("online", online).Msg("registration")
		}
	}
}

// expire forgets devices that did not come back in time, until ctx ends.
func (s *Server) expire(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.forget(ctx, func(b *binding) bool { return !b.expires.After(now) })
		case <-ctx.Done():
			return
		}
	}
}

// moveCalls lets the calls of a device that came back by another connection go
// on there (RFC 5626 §5.3).
func (s *Server) moveCalls(b *binding) {
	if b.instance == "" {
		return
	}
	for _, l := range s.legs.all() {
		if l.login == b.login {
			l.move(b)
		}
	}
}
