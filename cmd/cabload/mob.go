package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"cabline/cmd/internal/siptext"
)

// mob is strangers: many addresses that send everything a scanner, a guesser or
// a fool sends. All of 127/8 is ours, so one socket speaks for every one of them.
type mob struct {
	pbx     netip.AddrPort
	first   netip.Addr // of the sources, which follow one another
	sources int
	near    int // the first so many are used more often: others live there too
	login   string
	sockets []*net.UDPConn
	readers sync.WaitGroup

	sent   atomic.Int64
	nonces chan challenge // of lately challenged strangers, for their guesses

	mu      sync.Mutex
	answers map[string]int // "401 REGISTER"
	helped  map[string]int // answers that a stranger must not get
}

// challenge is what a guess needs.
type challenge struct {
	source netip.Addr
	nonce  string
}

const mobSockets = 4 // each address has so many ports

func openMob(pbx netip.AddrPort, first netip.Addr, sources, near int, login string) (*mob, error) {
	m := &mob{pbx: pbx, first: first, sources: sources, near: near, login: login,
		nonces: make(chan challenge, 1000), answers: map[string]int{}, helped: map[string]int{}}
	for range mobSockets {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{})
		if err != nil {
			m.close()
			return nil, fmt.Errorf("open the strangers' socket: %w", err)
		}
		_ = conn.SetReadBuffer(receiveBuffer)
		m.sockets = append(m.sockets, conn)
		m.readers.Go(func() { m.read(conn) })
	}
	return m, nil
}

func (m *mob) close() {
	for _, conn := range m.sockets {
		conn.Close()
	}
	m.readers.Wait()
}

// source is the address of stranger number n.
func (m *mob) source(n int) netip.Addr {
	a := m.first.As4()
	n += int(a[1])<<16 | int(a[2])<<8 | int(a[3])
	return netip.AddrFrom4([4]byte{a[0], byte(n >> 16), byte(n >> 8), byte(n)})
}

// rage sends rate messages a second until ctx ends.
func (m *mob) rage(ctx context.Context, rate float64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for due := int(now.Sub(began).Seconds() * rate); n < due; n++ {
				m.send()
			}
		}
	}
}

// send sends a message; every tenth comes from where others live too.
func (m *mob) send() {
	from := m.source(rand.N(m.sources))
	if m.near > 0 && rand.N(10) == 0 {
		from = m.source(rand.N(m.near))
	}
	conn := m.sockets[rand.N(len(m.sockets))]
	port := conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	var text []byte
	switch kind := rand.N(14); {
	case kind >= 8: // so many that those an exchange kept for 64*T1 would fill it
		text = m.request([]string{"INFO", "UPDATE", "PRACK"}[rand.N(3)], "100", m.login, from, port).Bytes()
	case kind == 7:
		text = nonsense()
	case kind == 6:
		select {
		case c := <-m.nonces:
			from = c.source
			text = m.guess(c, port)
		default:
			text = m.request("OPTIONS", "100", "100", from, port).Bytes()
		}
	default:
		text = m.scan(kind, from, port)
	}
	as := from.As4()
	if _, _, err := conn.WriteMsgUDPAddrPort(text, unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: as}), m.pbx); err == nil {
		m.sent.Add(1)
	}
}

// scan is what the common tools send.
func (m *mob) scan(kind int, from netip.Addr, port uint16) []byte {
	user := fmt.Sprint(100 + rand.N(900))
	switch kind {
	case 0:
		return m.request("REGISTER", user, user, from, port).Add("Contact", "<sip:"+user+"@"+from.String()+">").Bytes()
	case 1:
		return m.request("REGISTER", m.login, m.login, from, port).Add("Contact", "<sip:"+m.login+"@"+from.String()+">").Bytes()
	case 2:
		abroad := "900442079460" + fmt.Sprint(100+rand.N(900))
		sdp := siptext.Audio{Addr: netip.AddrPortFrom(from, 4000), Types: []uint8{8}, Event: 101}.SDP(1)
		return m.request("INVITE", user, abroad, from, port).Add("Contact", "<sip:"+from.String()+">").WithBody("application/sdp", sdp).Bytes()
	case 3:
		return m.request([]string{"OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH"}[rand.N(4)], user, user, from, port).Bytes()
	case 4:
		return m.request([]string{"BYE", "CANCEL", "ACK", "NOTIFY"}[rand.N(4)], user, m.login, from, port).Bytes()
	default: // a guess with a nonce of its own
		r := m.request("REGISTER", m.login, m.login, from, port)
		return r.Add("Authorization", fmt.Sprintf(`Digest username=%q, realm="cabline", nonce=%q, uri=%q, response="%032x", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"`,
			m.login, token(), r.RequestURI(), rand.Uint64())).Bytes()
	}
}

func (m *mob) request(method, from, to string, source netip.Addr, port uint16) *siptext.Message {
	return siptext.Request(method, "sip:"+to+"@"+m.pbx.Addr().String(),
		siptext.Header{Name: "Via", Value: fmt.Sprintf("SIP/2.0/UDP %s:%d;branch=z9hG4bK%s", source, port, token())},
		siptext.Header{Name: "Max-Forwards", Value: "70"},
		siptext.Header{Name: "From", Value: fmt.Sprintf("<sip:%s@%s>;tag=%s", from, source, token())},
		siptext.Header{Name: "To", Value: fmt.Sprintf("<sip:%s@%s>", to, m.pbx.Addr())},
		siptext.Header{Name: "Call-ID", Value: token() + "@" + source.String()},
		siptext.Header{Name: "CSeq", Value: "1 " + method})
}

// guess is a wrong password with a nonce the exchange has given.
func (m *mob) guess(c challenge, port uint16) []byte {
	login := m.login
	if rand.N(2) == 0 {
		login = fmt.Sprint(100 + rand.N(900))
	}
	r := m.request("REGISTER", login, login, c.source, port)
	return r.Add("Authorization", fmt.Sprintf(`Digest username=%q, realm="cabline", nonce=%q, uri=%q, response="%016x%016x", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"`,
		login, c.nonce, r.RequestURI(), rand.Uint64(), rand.Uint64())).Bytes()
}

// nonsense is no SIP at all, or not quite.
func nonsense() []byte {
	switch rand.N(4) {
	case 0:
		return []byte("\r\n\r\n")
	case 1:
		return []byte("INVITE sip:1@1 SIP/2.0\r\nVia: SIP/2.0/UDP 1;branch=z9hG4bK1\r\nFrom: " + strings.Repeat("<", 1000) + "\r\n\r\n")
	case 2:
		return []byte("OPTIONS sip:nm SIP/2.0\r\nX: " + strings.Repeat("A", 20000) + "\r\n\r\n")
	default:
		b := make([]byte, 1+rand.N(200))
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		return b
	}
}

// read counts what comes back, and keeps nonces for guesses.
func (m *mob) read(conn *net.UDPConn) {
	buf := make([]byte, siptext.MaxSize)
	for {
		n, _, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		answer, err := siptext.Parse(buf[:n])
		if err != nil || answer.IsRequest() {
			m.note("no answer", true)
			continue
		}
		method, status := answer.Method(), answer.Status()
		// A 100 says only that the next hop has it (RFC 3261 §17.2.1).
		help := method == "INVITE" && status > 100 && status < 300 || method == "REGISTER" && status/100 == 2
		m.note(fmt.Sprintf("%d %s", status, method), help)
		_, nonce, found := strings.Cut(answer.Value("WWW-Authenticate"), `nonce="`)
		if !found {
			continue
		}
		nonce, _, _ = strings.Cut(nonce, `"`)
		host, _, _ := strings.Cut(answer.Value("Via")[len("SIP/2.0/UDP "):], ":")
		if source, err := netip.ParseAddr(host); err == nil {
			select {
			case m.nonces <- challenge{source, nonce}:
			default: // enough of them
			}
		}
	}
}

func (m *mob) note(what string, help bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[what]++
	if help {
		m.helped[what]++
	}
}

func (m *mob) counted() (answers, helped map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.answers), maps.Clone(m.helped)
}
