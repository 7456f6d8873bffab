package sip

import (
	"context"
	"net/netip"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"

	"cabline/pbx"
	"cabline/pbx/gate"
)

// Registrations survive the end of the program: a phone that registered over UDP
// is rung after a restart before it registers again, and whoever was logged in
// is at home where they were (package gate). No registration waits for the disk.

const (
	keepTime  = 5 * time.Second  // for the devices of one operator
	keepAgain = 10 * time.Second // after a fault of the disk
)

// unkept are the logins whose devices have changed since they were kept.
type unkept struct {
	mu     sync.Mutex
	logins map[string]bool
	news   chan struct{} // has room for one
}

func newUnkept() unkept { return unkept{logins: map[string]bool{}, news: make(chan struct{}, 1)} }

func (u *unkept) add(login string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.logins[login] = true
	select {
	case u.news <- struct{}{}:
	default:
	}
}

// take returns them and forgets them.
func (u *unkept) take() map[string]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.logins
	u.logins = map[string]bool{}
	return taken
}

// keep writes down what has changed, until ctx ends, and then what is left.
func (s *Server) keep(ctx context.Context) {
	last := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		select {
		case <-s.unkept.news:
		case <-ctx.Done():
		}
		if s.keepAll(last) {
			continue
		}
		select { // the disk is ill
		case <-time.After(keepAgain):
		case <-ctx.Done():
		}
	}
}

// keepAll returns false where it has to be tried again.
func (s *Server) keepAll(ctx context.Context) (all bool) {
	all = true
	for login := range s.unkept.take() {
		var devices []pbx.Device
		for _, b := range s.register.of(login) {
			devices = append(devices, b.device())
		}
		limit, cancel := context.WithTimeout(ctx, keepTime)
		err := s.cfg.Devices.KeepDevices(limit, login, time.Now(), devices)
		cancel()
		if err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("registrations that a restart would forget")
			s.unkept.add(login)
			all = false
		}
	}
	return all
}

func (b *binding) device() pbx.Device {
	return pbx.Device{Login: b.login, Contact: b.contact.String(), Instance: b.instance, Network: b.path.network, Source: b.path.flow,
		Local: netip.AddrPortFrom(b.path.bind, uint16(b.path.port)).String(), CallID: b.callID, Seq: b.seq, Agent: b.agent, Expires: b.expires}
}

// restore takes up what the process before has kept, and returns the operators
// who can be rung. Connections have ended with that process.
func (s *Server) restore(ctx context.Context) (logins map[string]bool) {
	limit, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	kept, err := s.cfg.Devices.KeptDevices(limit)
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("registrations of before the restart")
		return nil
	}
	logins = map[string]bool{}
	for _, d := range kept {
		source, err := netip.ParseAddrPort(d.Source)
		if _, known := s.cfg.Accounts(d.Login); !known || err != nil {
			continue
		}
		s.cfg.Gate.Passed(gate.Visitor{Source: source.Addr(), Login: truncate(d.Login, maxLogin), Device: truncate(d.CallID, maxDevice)})
		if b := s.bindingOf(d, source); b != nil && s.register.put(d.Login, []*binding{b}, time.Now()) {
			logins[d.Login] = true
		}
	}
	return logins
}

// bindingOf is a device as it was registered; nil: it cannot be reached any more.
func (s *Server) bindingOf(d pbx.Device, source netip.AddrPort) *binding {
	local, err := netip.ParseAddrPort(d.Local)
	if d.Network != "UDP" || err != nil || !d.Expires.After(time.Now()) {
		return nil
	}
	b := &binding{login: d.Login, instance: d.Instance, callID: d.CallID, seq: d.Seq, agent: d.Agent, expires: d.Expires}
	if wire.ParseUri(d.Contact, &b.contact) != nil || !routable(&b.contact) {
		return nil
	}
	for _, socket := range s.udp {
		if socket.addr == local {
			b.path = s.datagrams(socket.addr, source, false)
			b.path.flow = d.Source
			return b
		}
	}
	return nil
}

// welcomeBack tells who is online again, as soon as they can be rung.
func (s *Server) welcomeBack(ctx context.Context, logins map[string]bool) {
	for _, socket := range s.udp {
		select {
		case <-socket.ready:
		case <-ctx.Done():
			return
		}
	}
	for login := range logins {
		if online, changed := s.register.announce(login); changed {
			zerolog.Ctx(ctx).Info().Str("operator", login).Bool("online", online).Msg("registration of before the restart")
		}
	}
}
