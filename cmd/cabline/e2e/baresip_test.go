//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zaf/g711"

	"cabline/internal/lacking"
)

// baresip is a softphone that others made: the proof that we understand more than
// ourselves. It is told what to do over TCP, says what happens there, and writes
// down what it hears.
type baresip struct {
	t    *testing.T
	name string
	tone int // what it says, in Hz
	dir  string
	said *lockedBuffer // its own words

	ctrl net.Conn
	mu   sync.Mutex
	news chan struct{} // closed when there is an event more
	all  []event
	over error // of the reading
}

// event is what baresip says of itself.
type event struct {
	Type  string `json:"type"`
	Param string `json:"param"`
	Peer  string `json:"peeruri"`
}

// baresipOptions are how one is set up.
type baresipOptions struct {
	Port      int    // of SIP over UDP and TCP; TLS is one up. See freePorts
	Host      string // 127.0.0.1 (the zero value) or ::1
	Login     string // of an operator, or a number
	Password  string // of an operator; empty: it does not register
	Transport string // udp (the zero value), tcp or tls
	Media     string // mediaenc of its account: srtp, srtp-mand
	Tone      int    // what it says, in Hz
	Codecs    string // "pcma,pcmu" (the zero value) or others, best first
	Trust     string // a PEM file, of whom it takes for us over TLS
	Shows     string // a PEM file with its own certificate and key
}

const baresipConfig = `poll_method epoll
sip_listen %[1]s
net_interface %[8]s
sip_cafile %[4]s
sip_certificate %[5]s
call_max_calls 4
call_local_timeout 120
audio_player aubridge,nil
audio_source aufile,%[3]s
audio_alert aubridge,nil
ausrc_srate 48000
ausrc_channels 1
rtp_ports 10000-30000
module_path %[6]s
module g711.so
module opus.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
snd_path %[7]s
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:%[2]d
`

// freePorts are so many ports of 127.0.0.1 in a row which nobody has: baresip
// sends its audio from there whatever address it is told to take. Whoever is
// given a port holds it at another address until the end, so that no other test
// is given it meanwhile.
func freePorts(t *testing.T, n int) (first int) {
	t.Helper()
	for range 1000 {
		first = 31000 + rand.N(1000) // below those the system gives out
		var held []io.Closer
		free := true
		for port := first; port < first+n && free; port++ {
			hold, err := net.Listen("tcp4", fmt.Sprintf("127.9.9.9:%d", port))
			if free = err == nil; free {
				held = append(held, hold)
				free = unused(port)
			}
		}
		letGo := func() {
			for _, h := range held {
				h.Close()
			}
		}
		if free {
			t.Cleanup(letGo)
			return first
		}
		letGo()
	}
	t.Fatal("no free ports")
	return 0
}

func unused(port int) bool {
	at := fmt.Sprintf("127.0.0.1:%d", port)
	tcp, err := net.Listen("tcp4", at)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", at)
	if err != nil {
		return false
	}
	return udp.Close() == nil
}

// baresipModules is where Debian and Ubuntu keep them.
func baresipModules(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	t.Fatal("baresip's modules are not installed; make test installs them (package baresip-core)")
	return ""
}

// baresip starts one. It ends with the test.
func (w *world) baresip(t *testing.T, o baresipOptions) *baresip {
	t.Helper()
	binary := lacking.Command(t, "baresip")
	b := &baresip{t: t, name: o.Login, tone: o.Tone, dir: t.TempDir(), news: make(chan struct{}), said: &lockedBuffer{}}
	control, host := freePorts(t, 1), cmp.Or(o.Host, "127.0.0.1")
	tone := filepath.Join(b.dir, "tone.wav")
	check(t, os.WriteFile(tone, toneFile(o.Tone, 2*time.Minute), 0o600)) // longer than any call here
	config := fmt.Sprintf(baresipConfig, net.JoinHostPort(host, strconv.Itoa(o.Port)), control, tone, o.Trust, o.Shows,
		baresipModules(t), b.dir, host)
	transport := ""
	if o.Transport != "" {
		transport = ";transport=" + o.Transport
	}
	account := fmt.Sprintf("<sip:%s@%s%s>;audio_codecs=%s;mediaenc=%s", o.Login, w.Network.Exchange, transport, cmp.Or(o.Codecs, "pcma,pcmu"), o.Media)
	if o.Password != "" {
		account += ";auth_pass=" + o.Password + ";regint=600"
	} else {
		account += ";regint=0"
	}
	for name, text := range map[string]string{"config": config, "accounts": account + "\n", "contacts": ""} {
		check(t, os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600))
	}
	cmd := exec.Command(binary, "-f", b.dir, "-v", "-s")
	cmd.Stdout, cmd.Stderr = b.said, b.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("baresip of %s:\n%s", b.name, tail(b.said.String(), 150))
		}
	})
	until(t, "baresip listens", func() bool {
		var err error
		b.ctrl, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", control))
		return err == nil
	})
	read := make(chan struct{})
	go func() { defer close(read); b.read() }()
	t.Cleanup(func() { b.ctrl.Close(); <-read })
	return b
}

// read takes baresip's events, which come as netstrings of JSON.
func (b *baresip) read() {
	var left []byte
	buf := make([]byte, 4096)
	for {
		n, err := b.ctrl.Read(buf)
		left = append(left, buf[:n]...)
		b.mu.Lock()
		for {
			length, rest, whole := bytes.Cut(left, []byte(":"))
			size, _ := strconv.Atoi(string(length))
			if !whole || len(rest) < size+1 {
				break
			}
			var e event
			if json.Unmarshal(rest[:size], &e) == nil && e.Type != "" {
				b.all = append(b.all, e)
			}
			left = rest[size+1:]
		}
		b.over = err
		close(b.news)
		b.news = make(chan struct{})
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// ownCertificate is a file with a certificate for 127.0.0.1 and carrier.test that
// signs itself, and its key.
func ownCertificate(t *testing.T) (file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	check(t, err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "baresip"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"carrier.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(cryptorand.Reader, cert, cert, key.Public(), key)
	check(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	file = filepath.Join(t.TempDir(), "own.pem")
	check(t, os.WriteFile(file, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), 0o600))
	return file
}

// do has baresip carry a command out.
func (b *baresip) do(command, params string) {
	b.t.Helper()
	text, err := json.Marshal(map[string]string{"command": command, "params": params})
	check(b.t, err)
	_, err = fmt.Fprintf(b.ctrl, "%d:%s,", len(text), text)
	check(b.t, err)
}

// tells waits for the next event of a type, after those already waited for.
func (b *baresip) tells(kind string) event {
	b.t.Helper()
	ctx, cancel := context.WithTimeoutCause(b.t.Context(), patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	for {
		b.mu.Lock()
		for i, e := range b.all {
			if e.Type == kind {
				b.all = b.all[i+1:]
				b.mu.Unlock()
				return e
			}
		}
		news, over, all := b.news, b.over, b.all
		b.mu.Unlock()
		if over != nil {
			b.t.Fatalf("baresip of %s is gone: %v", b.name, over)
		}
		select {
		case <-news:
		case <-ctx.Done():
			b.t.Fatalf("baresip of %s does not tell of %s, but of %+v: %v", b.name, kind, all, context.Cause(ctx))
		}
	}
}

// heard is what baresip's latest call sounded like, from its recording.
func (b *baresip) heard() Recording {
	_, r := b.recording()
	return r
}

// recording is the file of the latest call, and what it sounded like.
func (b *baresip) recording() (latest string, r Recording) {
	var at time.Time
	files, _ := filepath.Glob(filepath.Join(b.dir, "dump-*-dec.wav"))
	for _, name := range files {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(at) {
			latest, at = name, info.ModTime()
		}
	}
	text, err := os.ReadFile(latest)
	data := bytes.Index(text, []byte("data"))
	if err != nil || data < 0 || len(text) < data+8 || data < 28 {
		return latest, Recording{}
	}
	// The length before the samples is written at the end. Of a finer sound, as
	// Opus is, we take each sample that falls on one of ours.
	samples := text[data+8:]
	channels, rate := int(binary.LittleEndian.Uint16(text[22:])), int(binary.LittleEndian.Uint32(text[24:]))
	step := max(channels*rate/8000, 1)
	alaw := make([]byte, 0, len(samples)/2/step)
	for i := 0; i+1 < len(samples); i += 2 * step {
		alaw = append(alaw, g711.EncodeAlawFrame(int16(binary.LittleEndian.Uint16(samples[i:]))))
	}
	return latest, Recording{Start: at, ALaw: alaw}
}

// hears waits until baresip has heard a tone, and little else, for a second from
// now on: what comes while it cannot hear is not in its recording, which then ends
// with what came before.
func (b *baresip) hears(hz int) {
	b.t.Helper()
	file, before := b.recording()
	var last Recording
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		now, all := b.recording()
		if now != file { // another call
			file, before = now, Recording{}
		}
		if last = all.Last(time.Second); all.Length() >= before.Length()+time.Second && last.Tone(hz) == 1 {
			return
		}
	}
	b.t.Fatalf("%s does not hear %d Hz: %.0f%% of the last %s, %.0f%% silence", b.name, hz, 100*last.Tone(hz), last.Length(), 100*last.Silence())
}

// hearsMusicFor waits until baresip hears music where it heard the party's tone.
func (b *baresip) hearsMusicFor(hz int) {
	b.t.Helper()
	until(b.t, b.name+" hears music", func() bool {
		last := b.heard().Last(time.Second)
		return last.Length() > 900*time.Millisecond && last.Tone(hz) == 0 && last.Silence() < 0.5
	})
}

// keys waits until baresip has been sent these keys.
func (b *baresip) keys(want string) {
	b.t.Helper()
	for _, key := range want {
		if e := b.tells("CALL_DTMF_START"); e.Param != string(key) {
			b.t.Errorf("%s got the key %q, want %q", b.name, e.Param, key)
		}
	}
}
