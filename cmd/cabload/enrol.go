package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/icholy/digest"

	"cabline/cmd/internal/siptext"
)

// enrolment is operators' phones that register again and again, each time from
// another port: the whole of it, a challenge and its answer. As RFC 3261 §10.2
// has it, a phone keeps its Call-ID.
type enrolment struct {
	pbx             netip.AddrPort
	login, password string
	secret          string // of the phones: what their Call-IDs begin with

	mu     sync.Mutex
	cseq   int
	tried  int
	failed map[string]int
	took   []time.Duration
}

// keep registers a phone at an address until ctx ends, resting between.
func (e *enrolment) keep(ctx context.Context, at netip.Addr, rest time.Duration) {
	for pause(ctx, rest/2+rand.N(rest)) == nil {
		began := time.Now()
		err := e.register(at)
		e.mu.Lock()
		if e.tried++; err != nil {
			e.failed[err.Error()]++
		} else {
			e.took = append(e.took, time.Since(began))
		}
		e.mu.Unlock()
	}
}

func (e *enrolment) register(at netip.Addr) error {
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)), net.UDPAddrFromAddrPort(e.pbx))
	if err != nil {
		return err
	}
	defer conn.Close()
	self := conn.LocalAddr().String()
	id, tag, uri := e.secret+at.String(), token(), "sip:"+e.pbx.Addr().String()
	request := func() *siptext.Message {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.cseq++
		return siptext.Request("REGISTER", uri,
			siptext.Header{Name: "Via", Value: "SIP/2.0/UDP " + self + ";rport;branch=z9hG4bK" + token()},
			siptext.Header{Name: "Max-Forwards", Value: "70"},
			siptext.Header{Name: "From", Value: "<sip:" + e.login + "@" + e.pbx.Addr().String() + ">;tag=" + tag},
			siptext.Header{Name: "To", Value: "<sip:" + e.login + "@" + e.pbx.Addr().String() + ">"},
			siptext.Header{Name: "Call-ID", Value: id},
			siptext.Header{Name: "CSeq", Value: fmt.Sprint(e.cseq, " REGISTER")},
			siptext.Header{Name: "Contact", Value: "<sip:" + e.login + "@" + self + ">;expires=60"})
	}
	first, err := ask(conn, request())
	if err != nil {
		return err
	}
	asked, err := digest.ParseChallenge(first.Value("WWW-Authenticate"))
	if first.Status() != 401 || err != nil {
		return fmt.Errorf("%d instead of a challenge", first.Status())
	}
	given, err := digest.Digest(asked, digest.Options{Method: "REGISTER", URI: uri, Username: e.login, Password: e.password})
	if err != nil {
		return err
	}
	second, err := ask(conn, request().Add("Authorization", given.String()))
	if err == nil && second.Status() != 200 {
		err = fmt.Errorf("refused: %d", second.Status())
	}
	return err
}

// ask sends a request, as RFC 3261 §17.1.2 has it, until it is answered.
func ask(conn *net.UDPConn, request *siptext.Message) (*siptext.Message, error) {
	message, buf := request.Bytes(), make([]byte, siptext.MaxSize)
	began := time.Now()
	for gap := timer1; time.Since(began) < 64*timer1; gap = min(2*gap, timer2) {
		if _, err := conn.Write(message); err != nil {
			return nil, err
		}
		_ = conn.SetReadDeadline(time.Now().Add(gap))
		for {
			n, err := conn.Read(buf)
			if err != nil {
				break
			}
			if m, err := siptext.Parse(buf[:n]); err == nil && m.Branch() == request.Branch() && m.Status() >= 200 {
				return m, nil
			}
		}
	}
	return nil, fmt.Errorf("no answer within %s", 64*timer1)
}

// count is how many registrations were tried and worked, and how long they took.
func (e *enrolment) count() (tried, worked int, p50, p99 time.Duration, failed map[string]int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	slices.Sort(e.took)
	return e.tried, len(e.took), quantile(e.took, 0.5), quantile(e.took, 0.99), e.failed
}
