package webrtc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"cabline/media"
	"cabline/media/webrtc"
)

func rss() int {
	b, _ := os.ReadFile("/proc/self/statm")
	n, _ := strconv.Atoi(strings.Fields(string(b))[1])
	return n * 4
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestScratchPeers(t *testing.T) {
	if os.Getenv("PEERS") == "" {
		t.Skip()
	}
	n, _ := strconv.Atoi(os.Getenv("PEERS"))
	in := bufio.NewReader(os.Stdin)
	enc := json.NewEncoder(os.Stdout)
	var cs []*chrome
	for range n {
		c := newChrome(t)
		fmt.Print("@")
		enc.Encode(string(c.offer("sendrecv", false)))
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		var a string
		json.Unmarshal([]byte(line), &a)
		if err := c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a}); err != nil {
			t.Fatal(err)
		}
		cs = append(cs, c)
	}
	in.ReadString('\n')
	clock := media.NewClock()
	ctx, cancel := context.WithCancel(context.Background())
	for _, c := range cs {
		go clock.Play(ctx, c, media.Speech{media.Tone("x", []float64{440}, time.Minute)})
	}
	in.ReadString('\n')
	cancel()
	clock.Close()
}

type peers struct {
	w interface{ Write([]byte) (int, error) }
	r *bufio.Reader
}

func start(t *testing.T, n int) (*peers, func()) {
	cmd := exec.Command(os.Args[0], "-test.run", "TestScratchPeers")
	cmd.Env = append(os.Environ(), "PEERS="+strconv.Itoa(n))
	w, _ := cmd.StdinPipe()
	r, _ := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &peers{w, bufio.NewReader(r)}, func() { w.Close(); cmd.Process.Kill(); cmd.Wait() }
}

func TestScratchCost(t *testing.T) {
	if os.Getenv("COST") == "" {
		t.Skip()
	}
	n, _ := strconv.Atoi(os.Getenv("COST"))
	b := listen(t, netip.Addr{})
	p, stop := start(t, n)
	defer stop()
	settle := func() (int, uint64, uint64, int) {
		runtime.GC()
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapInuse / 1024, m.StackInuse / 1024, rss()
	}
	var ports []*webrtc.Port
	var g0 int
	var h0, s0 uint64
	var r0 int
	for i := range n {
		line, err := p.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		_, line, _ = strings.Cut(line, "@")
		var o string
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err, line)
		}
		if i == 1 {
			ports[0].Play(context.Background(), nil)
			g0, h0, s0, r0 = settle()
		}
		port := open(t, b)
		a, err := port.Answer([]byte(o))
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
		j, _ := json.Marshal(string(a))
		p.w.Write(append(j, '\n'))
	}
	for _, port := range ports {
		port.Play(context.Background(), nil)
	}
	time.Sleep(time.Second)
	g, h, s, r := settle()
	k := n - 1
	fmt.Printf("idle per leg: %.1f goroutines, heap %d KB, stack %d KB, rss %d KB\n", float64(g-g0)/float64(k), (int(h)-int(h0))/k, (int(s)-int(s0))/k, (r-r0)/k)
	if os.Getenv("GOR") != "" {
		pprof.Lookup("goroutine").WriteTo(os.Stdout, 1)
	}
	for i := 0; i+1 < n; i += 2 {
		media.Cross(ports[i], ports[i+1])
	}
	p.w.Write([]byte("\n"))
	time.Sleep(3 * time.Second)
	var m0, m1 runtime.MemStats
	count := func() (in, out uint64) {
		for _, p := range ports {
			s := p.Stats()
			in += s.Received
			out += s.Sent
		}
		return
	}
	if f := os.Getenv("CPUPROF"); f != "" {
		w, _ := os.Create(f)
		pprof.StartCPUProfile(w)
		defer pprof.StopCPUProfile()
	}
	runtime.ReadMemStats(&m0)
	i0, o0 := count()
	c0 := cpu()
	time.Sleep(10 * time.Second)
	c1 := cpu()
	i1, o1 := count()
	runtime.ReadMemStats(&m1)
	pk := float64(i1 - i0)
	fmt.Printf("%d legs: in %d out %d, %.2f CPU-µs per packet relayed (in+out), %.2f mallocs, %.0f bytes per packet, rss %d KB per leg\n", n, i1-i0, o1-o0,
		float64((c1-c0).Microseconds())/pk, float64(m1.Mallocs-m0.Mallocs)/pk, float64(m1.TotalAlloc-m0.TotalAlloc)/pk, (rss()-r0)/k)
	g, h, s, r = settle()
	fmt.Printf("busy per leg: %.1f goroutines, heap %d KB, stack %d KB, rss %d KB\n", float64(g-g0)/float64(k), (int(h)-int(h0))/k, (int(s)-int(s0))/k, (r-r0)/k)
}
