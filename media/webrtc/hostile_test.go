package webrtc_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"cabline/media/webrtc"
)

// DTLS records of the handshake (RFC 6347 §4.1, §4.2.2), as much as is needed.
const (
	recordHeader    = 13
	handshakeHeader = 12
	typeAlert       = 21
	typeHandshake   = 22
)

// isHello says whether a packet begins with a ClientHello.
func isHello(packet []byte) bool {
	return len(packet) > recordHeader+handshakeHeader && packet[0] == typeHandshake && packet[recordHeader] == 1
}

// forgedHellos are made of the browser's own.
var forgedHellos = map[string]func(hello []byte) []byte{
	"of another client": func(hello []byte) []byte {
		forged := bytes.Clone(hello)
		for i := range 32 { // its random
			forged[recordHeader+handshakeHeader+2+i] = byte(rand.Uint32())
		}
		return forged
	},
	"of a client that knows none of our ciphers": func(hello []byte) []byte {
		forged := bytes.Clone(hello)
		at := recordHeader + handshakeHeader + 2
		forged[at] ^= 0x5a
		at += 32
		at += 1 + int(forged[at]) // session
		at += 1 + int(forged[at]) // cookie
		for i := range int(binary.BigEndian.Uint16(forged[at:])) {
			forged[at+2+i] = 0x13
		}
		return forged
	},
	"that breaks off": func(hello []byte) []byte { return hello[:recordHeader+handshakeHeader+20] },
	"with a cookie":   withCookie,
}

func TestAForgedClientHelloBeforeTheBrowsersDoesNotStopTheCall(t *testing.T) {
	for name, forge := range forgedHellos {
		for who, weOffer := range roles {
			t.Run(name+", "+who, func(t *testing.T) {
				b := listen(t, noAddr)
				conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(b.Addr()))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				var once sync.Once
				m := newMiddle(t, b, func(_ *middle, packet []byte) [][]byte {
					if isHello(packet) {
						once.Do(func() {
							for range 5 {
								_, _ = conn.Write(forge(packet))
							}
						})
					}
					return [][]byte{packet}
				}, nil)
				p, c := open(t, b), newChrome(t)
				m.call(c, p, weOffer)
				bothWays(t, c, p)
				c.close()
				once.Do(func() { t.Error("there was no ClientHello to forge") })
			})
		}
	}
}

// What the exchange asks because of them comes before the browser listens: this one's
// first ClientHello is held back until it has all come.
func TestNorDoesOneWithTheBrowsersOwnAddress(t *testing.T) {
	for name, forge := range forgedHellos {
		for who, weOffer := range roles {
			t.Run(name+", "+who, func(t *testing.T) {
				b := listen(t, noAddr)
				var said, asked atomic.Bool
				m := newMiddle(t, b, func(m *middle, packet []byte) [][]byte {
					if !isHello(packet) || asked.Load() {
						said.CompareAndSwap(false, isHello(packet))
						return [][]byte{packet}
					}
					for range 50 {
						m.inject(forge(packet))
					}
					m.inject(forgedHellos["of another client"](packet)) // is answered, behind them all
					return nil
				}, func(packet []byte) bool {
					asked.CompareAndSwap(false, isCookie(packet))
					return said.Load() || !isCookie(packet)
				})
				p, c := open(t, b), newChrome(t)
				m.call(c, p, weOffer)
				bothWays(t, c, p)
				c.close()
				if !asked.Load() {
					t.Error("no forged ClientHello was answered")
				}
			})
		}
	}
}

// isCookie says whether a packet is a HelloVerifyRequest.
func isCookie(packet []byte) bool {
	return len(packet) > recordHeader+handshakeHeader && packet[0] == typeHandshake && packet[recordHeader] == 3
}

func TestABrowserWhoseCertificateIsNotThatOfItsSDPIsLost(t *testing.T) {
	another := regexp.MustCompile(`a=fingerprint:sha-256 ..`)
	for who, weOffer := range roles {
		t.Run(who, func(t *testing.T) {
			p, c := open(t, listen(t, noAddr)), newChrome(t)
			var heard record
			p.Plug(&heard)
			if weOffer {
				offer, err := p.Offer()
				c.must(err)
				c.must(p.Accept(another.ReplaceAll(c.answer(offer), []byte("a=fingerprint:sha-256 AA"))))
			} else {
				answer, err := p.Answer(another.ReplaceAll(c.offer("sendrecv", false), []byte("a=fingerprint:sha-256 AA")))
				c.must(err)
				c.must(c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(answer)}))
			}
			select {
			case <-p.Lost():
			case <-time.After(deadline):
				t.Error("it is believed")
			}
			if p.WriteRTP(frame()); p.Stats().Sent != 0 || heard.count() != 0 {
				t.Error("it hears us, or we hear it")
			}
		})
	}
}

// withCookie puts a cookie, a wrong one, into a ClientHello.
func withCookie(hello []byte) []byte {
	at := recordHeader + handshakeHeader + 2 + 32
	at += 1 + int(hello[at])
	cookie := bytes.Repeat([]byte{7}, 20)
	forged := append(append(append(bytes.Clone(hello[:at]), 20), cookie...), hello[at+1+int(hello[at]):]...)
	size := len(forged) - recordHeader - handshakeHeader
	forged[recordHeader+1], forged[recordHeader+2], forged[recordHeader+3] = 0, byte(size>>8), byte(size)
	forged[recordHeader+9], forged[recordHeader+10], forged[recordHeader+11] = 0, byte(size>>8), byte(size)
	binary.BigEndian.PutUint16(forged[recordHeader-2:], uint16(size+handshakeHeader))
	return forged
}

// Chrome's ClientHello, since it has keys against quantum computers, does not
// fit one packet.
func TestAFragmentedClientHelloWorks(t *testing.T) {
	for name, order := range map[string][]int{"in order": {0, 1, 2}, "backwards": {2, 1, 0}, "one of them twice": {0, 1, 1, 2}} {
		t.Run(name, func(t *testing.T) {
			b := listen(t, noAddr)
			var split atomic.Int32
			m := newMiddle(t, b, func(_ *middle, packet []byte) [][]byte {
				if !isHello(packet) {
					return [][]byte{packet}
				}
				split.Add(1)
				var packets [][]byte
				for _, i := range order {
					packets = append(packets, fragments(packet, 3)[i])
				}
				return packets
			}, nil)
			p, c := open(t, b), newChrome(t)
			m.call(c, p, false)
			bothWays(t, c, p)
			c.close()
			if n := split.Load(); n < 2 {
				t.Errorf("%d ClientHellos were fragmented, want one without and one with a cookie", n)
			}
		})
	}
}

// fragments are the pieces of a record that holds one handshake message, each a
// record of its own.
func fragments(packet []byte, n int) (all [][]byte) {
	head, body := packet[:recordHeader+handshakeHeader], packet[recordHeader+handshakeHeader:]
	for i := range n {
		from, to := i*len(body)/n, (i+1)*len(body)/n
		f := append(bytes.Clone(head), body[from:to]...)
		f[10] = byte(int(f[10])*n + i) // a sequence number for each
		binary.BigEndian.PutUint16(f[recordHeader-2:], uint16(handshakeHeader+to-from))
		f[recordHeader+6], f[recordHeader+7], f[recordHeader+8] = 0, byte(from>>8), byte(from)
		f[recordHeader+9], f[recordHeader+10], f[recordHeader+11] = 0, byte((to-from)>>8), byte(to-from)
		all = append(all, f)
	}
	return all
}

func TestBadPacketsFromTheBrowsersAddressDoNotEndACall(t *testing.T) {
	noise := func(least, most int, head ...byte) []byte {
		b := make([]byte, least+rand.N(most-least))
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		copy(b, head)
		return b
	}
	serial := 0
	for name, c := range map[string]struct {
		n    int
		make func(ssrc uint32) []byte
	}{
		"100,000 bad SRTP packets": {100_000, func(ssrc uint32) []byte {
			b := noise(40, 200, 0x80, 8)
			if rand.N(2) == 0 {
				binary.BigEndian.PutUint32(b[8:], ssrc)
			}
			return b
		}},
		"bad SRTCP packets": {10_000, func(uint32) []byte { return noise(20, 100, 0x80, 200+byte(rand.N(7))) }},
		"unsigned alerts": {1_000, func(uint32) []byte {
			return []byte{typeAlert, 254, 253, 0, 0, 0, 0, 0, 0, 0, byte(rand.N(256)), 0, 2, 1 + byte(rand.N(2)), byte(rand.N(100))}
		}},
		"goodbyes of nobody": {1_000, func(uint32) []byte {
			return []byte{typeAlert, 254, 253, 0, 0, 0, 0, 0, 0, 1, byte(rand.N(256)), 0, 2, 1, 0}
		}},
		"bad records of the connection": {1_000, func(uint32) []byte {
			return append([]byte{20 + byte(rand.N(4)), 254, 253, 0, 1, 0, 0, 0, 0, 2, byte(rand.N(256)), 0, 40}, noise(40, 41)...)
		}},
		"ClientHellos": {10_000, func(uint32) []byte {
			serial++
			return append([]byte{typeHandshake, 254, 253, 0, 0, 0, 0, 0, 1, byte(serial >> 8), byte(serial), 4, 12,
				1, 0, 4, 0, byte((serial + 2) >> 8), byte(serial + 2), 0, 0, 0, 0, 4, 0}, noise(1024, 1025)...)
		}},
		"records of no kind": {1_000, func(uint32) []byte {
			return append([]byte{24 + byte(rand.N(39)), 254, 253, 0, byte(rand.N(2)), 0, 0, 0, 0, 2, byte(rand.N(256)), 0, 40}, noise(40, 41)...)
		}},
		"bad STUN": {10_000, func(uint32) []byte {
			return noise(20, 100, byte(rand.N(2)), byte(rand.N(256)), 0, 4*byte(rand.N(20)), 0x21, 0x12, 0xa4, 0x42)
		}},
		"no protocol at all": {10_000, func(uint32) []byte { return noise(1, 1400) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := listen(t, noAddr)
			m, p, chrome := newMiddle(t, b, nil, nil), open(t, b), newChrome(t)
			m.call(chrome, p, false)
			bothWays(t, chrome, p)
			lost := socketDrops(t, b)
			pace := time.NewTicker(time.Millisecond)
			defer pace.Stop()
			for i := range c.n {
				m.inject(c.make(chrome.ssrc))
				if i%100 == 99 {
					<-pace.C
				}
			}
			for range 3 { // pion takes its time to close
				bothWays(t, chrome, p)
			}
			select {
			case <-p.Lost():
				t.Error("the call was lost")
			default:
			}
			if n := socketDrops(t, b) - lost; n > c.n/2 {
				t.Errorf("%d of %d packets never arrived", n, c.n)
			}
			chrome.close()
		})
	}
}

// socketDrops is what the system could not put into the socket of all browsers.
func socketDrops(t *testing.T, b *webrtc.Browsers) int {
	t.Helper()
	table, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0 // another system
	}
	ours := strings.ToUpper(strconv.FormatUint(uint64(b.Addr().Port())+1<<16, 16))[1:]
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 12 && strings.HasSuffix(f[1], ":"+ours) {
			n, _ := strconv.Atoi(f[len(f)-1])
			return n
		}
	}
	t.Fatal("our socket is not in /proc/net/udp")
	return 0
}
