package webrtc_test

import (
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"

	pion "github.com/pion/webrtc/v4"

	"cabline/media/webrtc"
)

// middle is somebody between a browser and us, through whom all their packets
// go: to us it has the browser's address, and it sends what it likes from there.
type middle struct {
	t           testing.TB
	near, far   *net.UDPConn // towards the browser, towards us
	exchange    *net.UDPAddr
	readers     sync.WaitGroup
	fromBrowser func(m *middle, packet []byte) [][]byte // what becomes of a packet; nil: itself
	fromUs      func(packet []byte) bool                // whether a packet goes on; nil: it does
	mu          sync.Mutex
	browser     *net.UDPAddr
}

func newMiddle(t testing.TB, b *webrtc.Browsers, fromBrowser func(*middle, []byte) [][]byte, fromUs func([]byte) bool) *middle {
	t.Helper()
	m := &middle{t: t, exchange: net.UDPAddrFromAddrPort(b.Addr()), fromBrowser: fromBrowser, fromUs: fromUs}
	for _, conn := range []**net.UDPConn{&m.near, &m.far} {
		var err error
		if *conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	m.readers.Go(m.outwards)
	m.readers.Go(m.inwards)
	t.Cleanup(func() {
		m.near.Close()
		m.far.Close()
		m.readers.Wait()
	})
	return m
}

// outwards carries what the browser says.
func (m *middle) outwards() {
	buf := make([]byte, 4096)
	for {
		n, from, err := m.near.ReadFromUDP(buf)
		if err != nil {
			return
		}
		m.mu.Lock()
		m.browser = from
		m.mu.Unlock()
		packets := [][]byte{buf[:n]}
		if m.fromBrowser != nil {
			packets = m.fromBrowser(m, buf[:n])
		}
		for _, p := range packets {
			m.inject(p)
		}
	}
}

// inwards carries what we say.
func (m *middle) inwards() {
	buf := make([]byte, 4096)
	for {
		n, err := m.far.Read(buf)
		if err != nil {
			return
		}
		m.mu.Lock()
		to := m.browser
		m.mu.Unlock()
		if to != nil && (m.fromUs == nil || m.fromUs(buf[:n])) {
			_, _ = m.near.WriteToUDP(buf[:n], to)
		}
	}
}

// inject sends a packet to us from where the browser seems to be.
func (m *middle) inject(packet []byte) { _, _ = m.far.WriteToUDP(packet, m.exchange) }

var candidateAddress = regexp.MustCompile(`(a=candidate:\S+ \d+ \S+ \d+ )(\S+ \d+)`)

// moved is an SDP whose candidates are all at another address.
func moved(sdp []byte, to net.Addr) []byte {
	at := netip.MustParseAddrPort(to.String())
	return candidateAddress.ReplaceAll(sdp, []byte("${1}"+strings.Replace(at.String(), ":", " ", 1)))
}

// call is a call whose audio goes through the middle.
func (m *middle) call(c *chrome, p *webrtc.Port, weOffer bool) {
	m.t.Helper()
	if weOffer {
		offer, err := p.Offer()
		c.must(err)
		c.pt = 101
		c.must(p.Accept(moved(c.answer(moved(offer, m.near.LocalAddr())), m.far.LocalAddr())))
	} else {
		answer, err := p.Answer(moved(c.offer("sendrecv", false), m.far.LocalAddr()))
		c.must(err)
		c.must(c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(moved(answer, m.near.LocalAddr()))}))
	}
	c.connected(p)
}
