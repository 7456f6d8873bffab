//go:build linux

package rtp

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"cabline/internal/lacking"
	"cabline/media"
	"cabline/media/recorder"
	"cabline/media/wire"
)

// The benchmarks have the phones in a process of their own, which this binary
// starts of itself, so that the CPU time is that of the relay alone.

// phonesEnv in the environment makes this binary the phones.
const phonesEnv = "CABLINE_BENCH_PHONES"

// order is what the phones are to do, and result what became of it.
type order struct {
	Ports  []uint16 // where each phone sends
	Frames int      // how many 20 ms frames each says
}

type result struct {
	Sent, Heard int
	Delays      []time.Duration // p50, p99, p999, max
}

func TestPhones(t *testing.T) {
	lacking.Errand(t, phonesEnv)
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stderr)
	var o order
	if err := in.Decode(&o); err != nil {
		t.Fatal(err)
	}
	w, err := wire.New(1)
	if err != nil {
		t.Fatal(err)
	}
	var delays []time.Duration // of the wire's one reader, until it is closed
	hear := hearer(func(b []byte) {
		if len(b) == 172 {
			sent := time.Unix(0, int64(binary.BigEndian.Uint64(b[12:])))
			delay := time.Since(sent)
			delays = append(delays, delay)
		}
	})
	sockets := make([]wire.Socket, len(o.Ports))
	places := make([]uint16, len(o.Ports))
	for i := range sockets {
		if sockets[i], err = w.Open(netip.AddrPortFrom(loopback, 0), hear, 0); err != nil {
			t.Fatal(err)
		}
		places[i] = sockets[i].Local().Port()
	}
	if err := out.Encode(places); err != nil {
		t.Fatal(err)
	}
	var begin string
	if err := in.Decode(&begin); err != nil {
		t.Fatal(err)
	}
	sent := speak(sockets, o)
	time.Sleep(200 * time.Millisecond)
	for _, s := range sockets {
		s.Close()
	}
	w.Close()
	slices.Sort(delays)
	r := result{Sent: sent, Heard: len(delays)}
	if n := len(delays); n > 0 {
		r.Delays = []time.Duration{delays[n/2], delays[n*99/100], delays[n*999/1000], delays[n-1]}
	}
	if err := out.Encode(r); err != nil {
		t.Fatal(err)
	}
}

// hearer is a receiver that is a function.
type hearer func(b []byte)

func (h hearer) Receive(b []byte, _ netip.AddrPort, _ time.Time) { h(b) }

func (hearer) Hurt() {}

// speak has every phone say its frames, spread evenly over each 20 ms, the time
// in each; it returns how many were sent.
func speak(sockets []wire.Socket, o order) (sent int) {
	start := time.Now()
	packet := make([]byte, 172)
	packet[0], packet[1] = 0x80, 8
	for ms := range 20 * o.Frames {
		time.Sleep(time.Until(start.Add(time.Duration(ms) * time.Millisecond)))
		frame := ms / 20
		for i := ms % 20; i < len(sockets); i += 20 {
			binary.BigEndian.PutUint16(packet[2:], uint16(frame))
			binary.BigEndian.PutUint32(packet[4:], uint32(frame*160))
			binary.BigEndian.PutUint64(packet[12:], uint64(time.Now().UnixNano()))
			if sockets[i].Send(packet, netip.AddrPortFrom(loopback, o.Ports[i])) {
				sent++
			}
		}
	}
	return sent
}

// phones are the process.
type phones struct {
	cmd *exec.Cmd
	in  *json.Encoder
	out *json.Decoder
}

func startPhones(b *testing.B, o order) (phones, []uint16) {
	b.Helper()
	p := phones{cmd: exec.Command(os.Args[0], "-test.run=^TestPhones$")}
	p.cmd.Env = append(os.Environ(), phonesEnv+"=1")
	in, err := p.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	p.in, p.out = json.NewEncoder(in), json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var places []uint16
	if err := p.in.Encode(o); err != nil {
		b.Fatal(err)
	}
	if err := p.out.Decode(&places); err != nil {
		b.Fatal(err)
	}
	return p, places
}

func (p phones) run(b *testing.B) (r result) {
	b.Helper()
	if err := p.in.Encode("begin"); err != nil {
		b.Fatal(err)
	}
	if err := p.out.Decode(&r); err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return r
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRelay is calls between two parties of one codec; an operation is a
// frame of 20 ms on all of them.
func BenchmarkRelay(b *testing.B) {
	for _, over := range []string{"native", "goroutines"} {
		for _, calls := range []int{100, 500, 1000} {
			b.Run(fmt.Sprintf("%s/%d calls", over, calls), func(b *testing.B) { benchmarkRelay(b, over, calls, media.Cross) })
		}
	}
}

// BenchmarkRelayRecorded is BenchmarkRelay with every talk recorded: the copies,
// the writing and the disk's part in the kernel.
func BenchmarkRelayRecorded(b *testing.B) {
	for _, calls := range []int{100, 500} {
		b.Run(fmt.Sprintf("native/%d calls", calls), func(b *testing.B) {
			tapes := recorder.New(b.TempDir())
			defer tapes.Close()
			begun := 0
			benchmarkRelay(b, "native", calls, func(left, right media.Port) func() {
				begun++
				return tapes.Begin(fmt.Sprint(begun)).Cross(left, right)
			})
		})
	}
}

func benchmarkRelay(b *testing.B, over string, calls int, cross func(a, b media.Port) func()) {
	r, stop := benchRelay(b, over)
	defer stop()
	ports, o := openPorts(b, r, 2*calls)
	o.Frames = b.N
	p, places := startPhones(b, o)
	answerAll(b, ports, places)
	for i := 0; i < len(ports); i += 2 {
		cross(ports[i], ports[i+1])
	}
	b.ResetTimer()
	before := cpuTime()
	got := p.run(b)
	report(b, cpuTime()-before, got)
}

// BenchmarkBareRelay is the same packets read and sent by the same wire, without
// a look into them: what is left of BenchmarkRelay's figure is ours.
func BenchmarkBareRelay(b *testing.B) {
	for _, calls := range []int{100, 500, 1000} {
		b.Run(fmt.Sprint(calls, " calls"), func(b *testing.B) { benchmarkBareRelay(b, calls) })
	}
}

func benchmarkBareRelay(b *testing.B, calls int) {
	w, err := wire.New(1)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	sockets := make([]wire.Socket, 2*calls)
	places := make([]uint16, 2*calls)
	o := order{Frames: b.N}
	for i := range sockets {
		if sockets[i], err = w.Open(netip.AddrPortFrom(loopback, 0), hearer(func(datagram []byte) {
			sockets[i^1].Send(datagram, netip.AddrPortFrom(loopback, places[i^1]))
		}), 0); err != nil {
			b.Fatal(err)
		}
		defer sockets[i].Close()
		o.Ports = append(o.Ports, sockets[i].Local().Port())
	}
	p, their := startPhones(b, o)
	copy(places, their)
	b.ResetTimer()
	before := cpuTime()
	got := p.run(b)
	report(b, cpuTime()-before, got)
}

// BenchmarkAnnounce is callers who all hear a prompt at once; an operation is
// a frame of 20 ms to all of them.
func BenchmarkAnnounce(b *testing.B) {
	for _, callers := range []int{100, 500} {
		b.Run(fmt.Sprint(callers, " callers"), func(b *testing.B) { benchmarkAnnounce(b, callers) })
	}
}

func benchmarkAnnounce(b *testing.B, callers int) {
	r, stop := benchRelay(b, "native")
	defer stop()
	ports, o := openPorts(b, r, callers)
	p, places := startPhones(b, o) // they say nothing
	answerAll(b, ports, places)
	prompt := media.Speech{media.Silence(time.Duration(b.N) * media.FrameTime)}
	late := make([]lateness, callers)
	b.ResetTimer()
	before := cpuTime()
	var wg sync.WaitGroup
	for i, port := range ports {
		late[i].to = port
		wg.Go(func() { _ = r.clock.Play(b.Context(), &late[i], prompt) })
	}
	wg.Wait()
	cpu := cpuTime() - before
	p.run(b)
	var worst time.Duration
	var sent uint64
	for i := range late {
		worst = max(worst, late[i].worst)
		sent += ports[i].Stats().Sent
	}
	b.ReportMetric(float64(cpu.Microseconds())/float64(sent), "cpu-µs/packet")
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms-late-worst")
}

// lateness passes packets on and keeps how late the latest was, of a beat that
// began with the first.
type lateness struct {
	to    media.Sink
	first time.Time
	worst time.Duration
}

func (l *lateness) WriteRTP(p *media.Packet) {
	if p.Marker {
		l.first = time.Now()
	}
	due := l.first.Add(time.Duration(p.Time) * time.Second / media.Rate)
	l.worst = max(l.worst, time.Since(due))
	l.to.WriteRTP(p)
}

func benchRelay(b *testing.B, over string) (*Relay, func()) {
	b.Helper()
	c := media.NewClock()
	w, err := wire.New(0)
	if err != nil {
		b.Fatal(err)
	}
	if over == "goroutines" {
		w.Close()
		w = wire.Goroutines()
	}
	r, err := Listen(Config{Clock: c, Wire: w})
	if err != nil {
		b.Fatal(err)
	}
	return r, func() { r.Close(); w.Close(); c.Close() }
}

func openPorts(b *testing.B, r *Relay, n int) (ports []*Port, o order) {
	b.Helper()
	for range n {
		p := openPort(b, r, LatchFirst)
		ports = append(ports, p)
		o.Ports = append(o.Ports, p.here)
	}
	return ports, o
}

func answerAll(b *testing.B, ports []*Port, places []uint16) {
	b.Helper()
	for i, p := range ports {
		if _, err := p.Answer([]byte(lines(fmt.Sprintf("m=audio %d RTP/AVP 8 101", places[i]), "a=rtpmap:101 telephone-event/8000", "c=IN IP4 127.0.0.1"))); err != nil {
			b.Fatal(err)
		}
	}
}

func report(b *testing.B, cpu time.Duration, r result) {
	b.Helper()
	b.ReportMetric(float64(cpu.Microseconds())/float64(r.Sent), "cpu-µs/packet")
	b.ReportMetric(float64(r.Sent-r.Heard), "lost")
	if len(r.Delays) == 4 {
		b.ReportMetric(float64(r.Delays[0].Microseconds())/1000, "ms-p50")
		b.ReportMetric(float64(r.Delays[1].Microseconds())/1000, "ms-p99")
	}
}

// nowhere is a socket that sends nothing.
type nowhere struct{ wire.Socket }

func (nowhere) Send([]byte, netip.AddrPort) bool { return true }

// BenchmarkPacket is one packet from its arrival to the system call that sends
// it; in the second case that is left out.
func BenchmarkPacket(b *testing.B) {
	for _, name := range []string{"with the system call", "without"} {
		b.Run(name, func(b *testing.B) {
			r, stop := benchRelay(b, "native")
			defer stop()
			ports, _ := openPorts(b, r, 2)
			answerAll(b, ports, []uint16{9, 9}) // discard
			media.Cross(ports[0], ports[1])
			if name == "without" {
				ports[1].tx.rtp = nowhere{ports[1].tx.rtp}
			}
			packet := make([]byte, 172, 172+wire.TailRoom)
			packet[0], packet[1] = 0x80, 8
			from := netip.MustParseAddrPort("127.0.0.1:9")
			seq := uint16(0)
			b.ReportAllocs()
			for b.Loop() {
				seq++
				binary.BigEndian.PutUint16(packet[2:], seq)
				binary.BigEndian.PutUint32(packet[4:], uint32(seq)*160)
				ports[0].receive(packet, from, time.Now())
			}
		})
	}
}

// BenchmarkSRTP is what encryption adds to a packet: sealed on one leg, opened
// on another.
func BenchmarkSRTP(b *testing.B) {
	for _, s := range suites[:offeredSuites] {
		b.Run(s.name, func(b *testing.B) {
			key := newCrypto(1, s)
			seals, err := key.sealer()
			if err != nil {
				b.Fatal(err)
			}
			opens, err := key.opener()
			if err != nil {
				b.Fatal(err)
			}
			packet := make([]byte, 172, 172+wire.TailRoom)
			packet[0], packet[1] = 0x80, 8
			seq := uint16(0)
			b.ReportAllocs()
			for b.Loop() {
				seq++
				binary.BigEndian.PutUint16(packet[2:], seq)
				if _, ok := opens.RTP(seals.RTP(packet)); !ok {
					b.Fatal("a packet was not taken")
				}
			}
		})
	}
}
