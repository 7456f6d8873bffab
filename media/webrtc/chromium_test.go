//go:build e2e

package webrtc_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cabline/internal/lacking"
	"cabline/media/webrtc"
)

// A real Chromium, without SIP: audio proved by content both ways, keys, hold,
// an ICE restart, and the end of the page. It needs chromium, node and
// playwright-core (npm ci in testdata/browser).
func TestChromium(t *testing.T) {
	const pages = "../../testdata/browser"
	for name, begin := range map[string]string{"calls": "offer()", "is called": "answer()"} {
		t.Run(name, func(t *testing.T) {
			p := open(t, listen(t, netip.Addr{}))
			server := httptest.NewServer(signalling(p, filepath.Join(pages, "webrtc", "page.html")))
			defer server.Close()
			page := newPage(t, pages, server.URL)
			page.do(begin)
			page.hearsAndIsHeard(p)

			page.do("press('15#')")
			for _, want := range "15#" {
				if d := digit(t, p); rune(d) != want {
					t.Errorf("key %c, not %c", d, want)
				}
			}
			for _, hold := range []string{"sendonly", "inactive"} {
				page.do(fmt.Sprintf("offer({direction: '%s'})", hold))
				page.do("offer()")
				page.hearsAndIsHeard(p)
			}
			page.do("offer({iceRestart: true})")
			page.hearsAndIsHeard(p)
			eventually(t, "report of the browser and round trip", func() bool {
				s := p.Stats()
				return s.PeerJitter > 0 && s.RoundTrip > 0
			})
			if s := p.Stats(); s.Dropped > 0 {
				t.Errorf("%d packets of no use in %+v", s.Dropped, s)
			}
			page.do("void setTimeout(() => location.assign('about:blank'))") // says no goodbye in SIP
			select {
			case <-p.Lost():
			case <-time.After(deadline):
				t.Error("the page went away and nobody noticed")
			}
		})
	}
}

// signalling serves the page and takes its SDP.
func signalling(p *webrtc.Port, page string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, page) })
	sdp := func(path string, do func([]byte) ([]byte, error)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			theirs, err := io.ReadAll(r.Body)
			if err == nil {
				theirs, err = do(theirs)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotAcceptable)
				return
			}
			_, _ = w.Write(theirs)
		})
	}
	sdp("/answer", p.Answer)
	sdp("/offer", func([]byte) ([]byte, error) { return p.Offer() })
	sdp("/accept", func(b []byte) ([]byte, error) { return nil, p.Accept(b) })
	return mux
}

// page is a page in Chromium whose microphone hears 440 Hz.
type page struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Reader
}

func newPage(t *testing.T, dir, url string) *page {
	t.Helper()
	lacking.NeedBrowser(t)
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal("run npm ci in testdata/browser first")
	}
	mic := filepath.Join(t.TempDir(), "440.wav")
	if err := os.WriteFile(mic, wav(440, 2*time.Second), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "drive.mjs", url, mic)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("chromium: %v", err)
		}
	})
	return &page{t, in, bufio.NewReader(out)}
}

// do evaluates JavaScript in the page and returns its value as JSON.
func (p *page) do(js string) []byte {
	p.t.Helper()
	if _, err := io.WriteString(p.in, js+"\n"); err != nil {
		p.t.Fatal(err)
	}
	value, err := p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatal("chromium has gone: ", err)
	}
	if strings.HasPrefix(string(value), `{"error"`) {
		p.t.Fatalf("%s: %s", js, value)
	}
	return value
}

// hearsAndIsHeard proves 440 Hz from the microphone and 1000 Hz in the page.
func (p *page) hearsAndIsHeard(port *webrtc.Port) {
	p.t.Helper()
	var ours record
	port.Plug(&ours)
	defer port.Plug(nil)
	defer saying(p.t, 1000, port.Play)()
	ours.tone(p.t, "440 Hz from the microphone", 440)
	eventually(p.t, "1000 Hz in the page", func() bool {
		var heard struct{ Hz, Above float64 }
		if err := json.Unmarshal(p.do("heard()"), &heard); err != nil {
			p.t.Fatal(err)
		}
		return math.Abs(heard.Hz-1000) < 10 && heard.Above > 20
	})
}

// wav is a sine of 48 kHz, 16 bit, mono.
func wav(hz float64, d time.Duration) []byte {
	const rate = 48000
	n := int(d.Seconds() * rate)
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(36+2*n))...)
	b = append(b, "WAVEfmt "...)
	for _, v := range []uint32{16, 1 | 1<<16, rate, 2 * rate, 2 | 16<<16} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(2*n))
	for i := range n {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(10000*math.Sin(2*math.Pi*hz*float64(i)/rate))))
	}
	return b
}
