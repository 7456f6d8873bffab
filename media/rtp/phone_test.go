package rtp

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"go.uber.org/goleak"

	"cabline/media"
	"cabline/media/g711"
	"cabline/media/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

// onBothWires runs a test over epoll (where there is any) and over goroutines.
func onBothWires(t *testing.T, c Config, f func(t *testing.T, r *Relay)) {
	t.Helper()
	for name, open := range map[string]func() (wire.Wire, error){
		"native wire":     func() (wire.Wire, error) { return wire.New(2) },
		"goroutines wire": func() (wire.Wire, error) { return wire.Goroutines(), nil },
	} {
		t.Run(name, func(t *testing.T) {
			w, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			c := c
			c.Wire, c.Clock = w, media.NewClock()
			defer c.Clock.Close()
			r, err := Listen(c)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f(t, r)
		})
	}
}

func openPort(t testing.TB, r *Relay, l Latching) *Port {
	t.Helper()
	p, err := r.Open(Options{Bind: loopback, Latching: l})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ourCodecs is what the tests' phones can speak.
var ourCodecs = []codec{{media.PCMA, 8}, {media.PCMU, 0}, {media.G722, 9}, {media.Opus, 111}}

// phone is a party of the tests: a plain socket, and packets made and read by
// pion/rtp.
type phone struct {
	t    testing.TB
	conn *net.UDPConn
	to   netip.AddrPort
	done chan struct{}

	packet rtp.Packet // the next one to be sent
	srtp   Security   // what it reads in our answers
	says   *srtp.Context

	mu    sync.Mutex
	ears  *srtp.Context
	heard []rtp.Packet
}

func newPhone(t testing.TB) *phone { return newPhoneAt(t, loopback) }

func newPhoneAt(t testing.TB, at netip.Addr) *phone {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
	if err != nil {
		t.Fatal(err)
	}
	f := &phone{t: t, conn: conn, done: make(chan struct{})}
	f.packet.Header = rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: 65530, Timestamp: 4294966000, SSRC: uint32(f.port())}
	go f.listen()
	t.Cleanup(f.close)
	return f
}

func (f *phone) close() {
	_ = f.conn.Close()
	<-f.done
}

// deafen has it listen no more: what it hears costs allocations.
func (f *phone) deafen() {
	_ = f.conn.SetReadDeadline(time.Now())
	<-f.done
}

func (f *phone) port() uint16 { return f.addr().Port() }

func (f *phone) addr() netip.AddrPort { return f.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (f *phone) listen() {
	defer close(f.done)
	b := make([]byte, 2000)
	for {
		n, err := f.conn.Read(b)
		if err != nil {
			return
		}
		f.hear(slices.Clone(b[:n]))
	}
}

func (f *phone) hear(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var p rtp.Packet
	if f.ears != nil {
		var err error
		if b, err = f.ears.DecryptRTP(nil, b, nil); err != nil {
			f.t.Errorf("heard what it can not decrypt: %v", err)
			return
		}
	}
	if err := p.Unmarshal(b); err != nil {
		f.t.Errorf("heard no RTP: % x", b)
		return
	}
	f.heard = append(f.heard, p)
}

// all is what was heard so far.
func (f *phone) all() []rtp.Packet {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.heard)
}

// sound is the audio heard so far, linear.
func (f *phone) sound() (samples []int16) {
	for _, p := range f.all() {
		for _, b := range p.Payload {
			switch p.PayloadType {
			case 8:
				samples = append(samples, g711.DecodeALaw(b))
			case 0:
				samples = append(samples, g711.DecodeMuLaw(b))
			}
		}
	}
	return samples
}

// say sends one packet and goes on by so many samples.
func (f *phone) say(payload []byte, samples uint32) {
	f.t.Helper()
	f.packet.Payload = payload
	f.write(f.packet)
	f.packet.SequenceNumber++
	f.packet.Timestamp += samples
	f.packet.Marker = false
}

func (f *phone) write(p rtp.Packet) {
	f.t.Helper()
	b, err := p.Marshal()
	if err != nil {
		f.t.Fatal(err)
	}
	if f.says != nil {
		if b, err = f.says.EncryptRTP(nil, b, nil); err != nil {
			f.t.Fatal(err)
		}
	}
	if _, err := f.conn.WriteToUDPAddrPort(b, f.to); err != nil {
		f.t.Fatal(err)
	}
}

// hum says frames of a tone, in the codec of the packet's payload type.
func (f *phone) hum(hz float64, frames int) {
	f.t.Helper()
	f.humIn(hz, frames, 160)
}

// humIn does so in packets of so many samples.
func (f *phone) humIn(hz float64, frames, size int) {
	f.t.Helper()
	for k := range frames {
		payload := make([]byte, size)
		for i := range payload {
			s := sample(hz, k*size+i)
			if payload[i] = g711.EncodeALaw(s); f.packet.PayloadType == 0 {
				payload[i] = g711.EncodeMuLaw(s)
			}
		}
		f.say(payload, uint32(size))
	}
}

// speaks has the phone encrypt with the key of an a=crypto line of its own.
func (f *phone) speaks(c crypto) {
	f.t.Helper()
	ctx, err := c.context()
	if err != nil {
		f.t.Fatal(err)
	}
	f.says = ctx
}

// hears has the phone decrypt with the key of an a=crypto line of ours.
func (f *phone) hears(c crypto) {
	f.t.Helper()
	ctx, err := c.context()
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	f.ears = ctx
	f.mu.Unlock()
}

// sample is number n of a tone.
func sample(hz float64, n int) int16 {
	return int16(8000 * math.Sin(2*math.Pi*hz*float64(n)/8000))
}

// sdp is the phone's description with these payload types.
func (f *phone) sdp(formats string, more ...string) []byte {
	var names string
	profile := "RTP/AVP"
	if f.srtp == SRTPRequired {
		profile = "RTP/SAVP"
	}
	for format := range strings.FieldsSeq(formats) {
		if n := len(format); n > 1 && format != "13" {
			names += "a=rtpmap:" + format + " telephone-event/8000\r\n"
		}
	}
	for _, line := range more {
		names += line + "\r\n"
	}
	here := "IN IP4 " + f.addr().Addr().String()
	if f.addr().Addr().Is6() {
		here = "IN IP6 " + f.addr().Addr().String()
	}
	return fmt.Appendf(nil, "v=0\r\no=phone 1 1 %s\r\ns=-\r\nc=%s\r\nt=0 0\r\nm=audio %d %s %s\r\n%s",
		here, here, f.port(), profile, formats, names)
}

// call has a phone reach a port: it offers, and sends where the answer says.
func (f *phone) call(p *Port, formats string, more ...string) {
	f.t.Helper()
	answer, err := p.Answer(f.sdp(formats, more...))
	if err != nil {
		f.t.Fatal(err)
	}
	lines, err := readSDP(answer)
	if err != nil {
		f.t.Fatal(err)
	}
	there, err := find(lines, f.srtp, ourCodecs)
	if err != nil {
		f.t.Fatal(err)
	}
	f.to = there.at
	f.packet.PayloadType = there.codecs[0].payloadType
	if len(there.crypto) > 0 {
		f.hears(there.crypto[0])
	}
}

// until waits for something to come true.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// power is the share of one frequency in a sound, 0 to 1 (Goertzel).
func power(samples []int16, hz float64) float64 {
	var re, im, all float64
	for i, s := range samples {
		w := 2 * math.Pi * hz * float64(i) / 8000
		re, im, all = re+float64(s)*math.Cos(w), im+float64(s)*math.Sin(w), all+float64(s)*float64(s)
	}
	if all == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / (float64(len(samples)) * all)
}

// catcher is a sink that keeps payloads.
type catcher struct {
	mu   sync.Mutex
	got  []string
	gate chan struct{} // not nil: each packet waits here
	in   chan struct{} // … having said so here
}

func (c *catcher) WriteRTP(p *media.Packet) {
	if c.gate != nil {
		c.in <- struct{}{}
		<-c.gate
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, string(p.Payload()))
}

func (c *catcher) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// context begins to encrypt or decrypt as a phone does, which may name its key in
// each packet.
func (c crypto) context() (*srtp.Context, error) {
	return srtp.CreateContext([]byte(c.secret[:c.key]), []byte(c.secret[c.key:]), c.profile, srtp.MasterKeyIndicator([]byte(c.mki)))
}
