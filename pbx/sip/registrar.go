package sip

import (
	"slices"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

// Registration is one phone or page an operator is logged in with.
type Registration struct {
	Login     string
	Transport string // UDP, TCP, WS
	Source    string // address the device was seen at
	UserAgent string
	Expires   time.Time
}

// maxBindings is how many devices one operator may have; the oldest goes.
const maxBindings = 8

// binding is a device (RFC 3261 §10.3, RFC 5626 §6).
type binding struct {
	login    string
	contact  wire.Uri
	instance string // +sip.instance; empty: told by the contact alone
	path     path
	callID   string
	seq      uint32
	agent    string
	expires  time.Time
}

// same says whether two bindings are one device.
func (b *binding) same(other *binding) bool {
	if b.instance != "" || other.instance != "" {
		return b.instance == other.instance
	}
	return b.contact.String() == other.contact.String()
}

// registrar knows who is logged in where.
type registrar struct {
	mu      sync.Mutex
	devices map[string][]*binding // by login
	changed chan struct{}         // closed at the next registration

	telling sync.Mutex // keeps what is told in order
	told    map[string]bool
	tell    func(login string, online bool)
}

func newRegistrar(tell func(string, bool)) *registrar {
	return &registrar{devices: map[string][]*binding{}, changed: make(chan struct{}), told: map[string]bool{}, tell: tell}
}

// of returns an operator's devices. They are never changed.
func (r *registrar) of(login string) []*binding {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.devices[login])
}

// put registers devices, or takes them out where they have expired already. It
// returns false for an older request than the one that made the binding.
func (r *registrar) put(login string, news []*binding, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	devices := slices.Clone(r.devices[login])
	for _, b := range news {
		i := slices.IndexFunc(devices, b.same)
		if i >= 0 && devices[i].callID == b.callID && devices[i].seq > b.seq {
			return false
		}
		if i >= 0 {
			devices = slices.Delete(devices, i, i+1)
		}
		if b.expires.After(now) {
			devices = append(devices, b)
		}
	}
	if len(devices) > maxBindings {
		devices = devices[len(devices)-maxBindings:]
	}
	r.keep(login, devices)
	close(r.changed)
	r.changed = make(chan struct{})
	return true
}

// news returns a channel that closes when somebody registers.
func (r *registrar) news() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// knows says whether a connection, or an address, is a registered device's.
func (r *registrar) knows(network, flow string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, devices := range r.devices {
		for _, b := range devices {
			if b.path.network == network && b.path.flow == flow {
				return true
			}
		}
	}
	return false
}

// at returns the device of a login behind a connection; nil: there is none.
func (r *registrar) at(login, network, flow string) *binding {
	for _, b := range r.of(login) {
		if b.path.network == network && b.path.flow == flow {
			return b
		}
	}
	return nil
}

// drop takes out the devices for which gone is true, and returns their logins.
func (r *registrar) drop(gone func(*binding) bool) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var logins []string
	for login, devices := range r.devices {
		if slices.ContainsFunc(devices, gone) {
			logins = append(logins, login)
			r.keep(login, slices.DeleteFunc(slices.Clone(devices), gone))
		}
	}
	return logins
}

func (r *registrar) keep(login string, devices []*binding) {
	if len(devices) == 0 {
		delete(r.devices, login)
	} else {
		r.devices[login] = devices
	}
}

// announce tells whether a login is online, if that is news.
func (r *registrar) announce(login string) (online, news bool) {
	r.telling.Lock()
	defer r.telling.Unlock()
	online = len(r.of(login)) > 0
	if r.told[login] == online {
		return online, false
	}
	if online {
		r.told[login] = true
	} else {
		delete(r.told, login)
	}
	r.tell(login, online)
	return online, true
}

// Registrations are all devices there are now.
func (s *Server) Registrations() []Registration {
	s.register.mu.Lock()
	defer s.register.mu.Unlock()
	var all []Registration
	for _, devices := range s.register.devices {
		for _, b := range devices {
			all = append(all, Registration{Login: b.login, Transport: b.path.network, Source: b.path.flow, UserAgent: b.agent, Expires: b.expires})
		}
	}
	slices.SortFunc(all, func(a, b Registration) int { return a.Expires.Compare(b.Expires) })
	return all
}
