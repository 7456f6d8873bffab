// Package locatetest is a name server for tests, on loopback: it answers from a
// few lines of a zone file, and can be made as ill as name servers get.
package locatetest

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Server is a name server.
type Server struct {
	Addr netip.AddrPort // UDP and TCP

	mu    sync.Mutex
	zone  []dns.RR
	ill   func(q dns.Question) Illness
	asked []string
}

// Illness is what is wrong with the answer to a question.
type Illness int

// The illnesses, besides the codes of DNS such as dns.RcodeRefused.
const (
	Well      Illness = 0
	Silent    Illness = -1
	Truncated Illness = -2 // over UDP
	Mistaken  Illness = -3 // answers a question that was not asked
)

// Start runs a server until the test ends. zone has records as in
// "carrier.test. 60 IN A 127.0.0.1".
func Start(t *testing.T, zone string) *Server {
	t.Helper()
	s := &Server{}
	s.Set(t, zone)
	var tcp net.Listener
	var udp net.PacketConn
	for { // the same port twice: another program may have one of the two
		var err error
		if tcp, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if udp, err = net.ListenPacket("udp4", tcp.Addr().String()); err == nil {
			break
		}
		_ = tcp.Close()
	}
	s.Addr = tcp.Addr().(*net.TCPAddr).AddrPort()
	for _, server := range []*dns.Server{{Listener: tcp, Handler: s}, {PacketConn: udp, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return s
}

// Set replaces the zone.
func (s *Server) Set(t *testing.T, zone string) {
	t.Helper()
	var records []dns.RR
	parser := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		records = append(records, rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone = records
}

// Fall makes the server ill; nil: well again.
func (s *Server) Fall(ill func(q dns.Question) Illness) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ill = ill
}

// Always is one illness for all questions.
func Always(i Illness) func(dns.Question) Illness { return func(dns.Question) Illness { return i } }

// Asked are the questions so far, as in "SRV _sip._udp.carrier.test.".
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, ask *dns.Msg) {
	s.mu.Lock()
	q := ask.Question[0]
	s.asked = append(s.asked, dns.TypeToString[q.Qtype]+" "+q.Name)
	zone, ill := s.zone, Well
	if s.ill != nil {
		ill = s.ill(q)
	}
	s.mu.Unlock()
	if ill == Silent {
		return
	}
	reply := new(dns.Msg)
	reply.SetReply(ask)
	if ill > 0 {
		reply.Rcode = int(ill)
		zone = nil
	}
	known := false
	for _, rr := range zone {
		same := strings.EqualFold(rr.Header().Name, q.Name)
		known = known || same
		if same && (rr.Header().Rrtype == q.Qtype || rr.Header().Rrtype == dns.TypeCNAME) {
			reply.Answer = append(reply.Answer, rr)
		}
	}
	if !known && ill <= 0 {
		reply.Rcode = dns.RcodeNameError
	}
	_, overUDP := w.RemoteAddr().(*net.UDPAddr)
	switch {
	case ill == Truncated && overUDP:
		reply.Truncated, reply.Answer = true, nil
	case ill == Mistaken:
		reply.Question[0].Name = "other.test."
	}
	_ = w.WriteMsg(reply)
}
