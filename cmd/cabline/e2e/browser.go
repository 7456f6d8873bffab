package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"cabline/internal/lacking"

	"github.com/zaf/g711"
)

// browserFolder is where Playwright and the scripts for it are.
const browserFolder = "../../../testdata/browser"

// Browser is a headless Chromium. Many pages share it, each with cookies of its
// own. They all have the same microphone.
type Browser struct {
	in io.WriteCloser

	mu      sync.Mutex
	asked   int
	waiting map[int]chan browserAnswer
	wrong   map[string][]string // what pages complained of, by page
	gone    error               // set when the browser has ended
}

type browserAnswer struct {
	ID    int             `json:"id"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
	Page  string          `json:"page"`
	Wrong string          `json:"wrong"`
}

// OpenBrowser starts a Chromium whose microphone hears a tone, or that has no
// microphone where hz is 0. It ends with the test.
func OpenBrowser(t *testing.T, hz int) *Browser {
	t.Helper()
	if _, err := os.Stat(filepath.Join(browserFolder, "node_modules")); err != nil {
		t.Fatal("run npm ci in testdata/browser first")
	}
	args := []string{"pages.mjs"}
	if hz > 0 {
		file := filepath.Join(t.TempDir(), "microphone.wav")
		if err := os.WriteFile(file, toneFile(hz, 2*time.Second), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	lacking.NeedBrowser(t)
	cmd := exec.Command("node", args...)
	cmd.Dir, cmd.Stderr = browserFolder, os.Stderr
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
	b := &Browser{in: in, waiting: map[int]chan browserAnswer{}, wrong: map[string][]string{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(out)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("chromium: %v", err)
		}
	})
	return b
}

// read hands out answers until the browser ends.
func (b *Browser) read(out io.Reader) {
	decoder := json.NewDecoder(bufio.NewReader(out))
	for {
		var a browserAnswer
		err := decoder.Decode(&a)
		b.mu.Lock()
		switch {
		case err != nil:
			b.gone = fmt.Errorf("chromium has gone: %w", err)
			for id, answer := range b.waiting {
				answer <- browserAnswer{Error: b.gone.Error()}
				delete(b.waiting, id)
			}
		case a.Wrong != "":
			b.wrong[a.Page] = append(b.wrong[a.Page], a.Wrong)
		case b.waiting[a.ID] != nil:
			b.waiting[a.ID] <- a
			delete(b.waiting, a.ID)
		}
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// do runs the body of an async function of Playwright's page.
func (b *Browser) do(page, js string) (json.RawMessage, error) { return b.doBeside(page, "", js) }

// doBeside does so in a page that, if it is new, has the cookies of another one.
func (b *Browser) doBeside(page, beside, js string) (json.RawMessage, error) {
	answer := make(chan browserAnswer, 1)
	b.mu.Lock()
	if b.gone != nil {
		b.mu.Unlock()
		return nil, b.gone
	}
	b.asked++
	b.waiting[b.asked] = answer
	line, err := json.Marshal(map[string]any{"id": b.asked, "page": page, "beside": beside, "js": js})
	if err == nil {
		_, err = b.in.Write(append(line, '\n'))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	a := <-answer
	if a.Error != "" {
		return nil, fmt.Errorf("%s: %s: %s", page, js, a.Error)
	}
	return a.Value, nil
}

// Page is a page in a browser.
type Page struct {
	t    *testing.T
	b    *Browser
	name string
	may  []string // complaints that are part of the test
}

// Open opens a page. When the test ends it is closed, and the test fails if the
// page complained on its console of anything but what is allowed.
func (b *Browser) Open(t *testing.T, who, url string, allowed ...string) *Page {
	t.Helper()
	p := &Page{t, b, t.Name() + " " + who, allowed}
	p.watch("await page.context().close()")
	p.Go(url)
	return p
}

// Tapped opens a page and keeps all that passes between it and the network.
func (b *Browser) Tapped(t *testing.T, who, url string, allowed ...string) *Page {
	t.Helper()
	p := b.Open(t, who, "about:blank", allowed...)
	p.Do("await tap(page)")
	p.Go(url)
	return p
}

// Beside opens another page of the same person, tapped.
func (p *Page) Beside(name, url string) *Page {
	p.t.Helper()
	other := &Page{p.t, p.b, p.name + " " + name, p.may}
	if _, err := p.b.doBeside(other.name, p.name, "await tap(page)"); err != nil {
		p.t.Fatal(err)
	}
	other.watch("await page.close()")
	other.Go(url)
	return other
}

// Tape is all that has passed a tapped page so far.
func (p *Page) Tape() (tape []string) {
	p.t.Helper()
	if err := json.Unmarshal(p.Do("return tapped(page)"), &tape); err != nil {
		p.t.Fatal(err)
	}
	return tape
}

// Go leads a page to an address.
func (p *Page) Go(url string) {
	p.t.Helper()
	p.Do(fmt.Sprintf("await page.goto(%q)", url))
}

// watch ends a page with its test and looks at what it complained of.
func (p *Page) watch(end string) {
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.tell()
		}
		if _, err := p.b.do(p.name, end); err != nil {
			p.t.Error(err)
		}
		p.b.mu.Lock()
		defer p.b.mu.Unlock()
		for _, wrong := range p.b.wrong[p.name] {
			if !p.allows(wrong) {
				p.t.Errorf("%s complains: %s", p.name, wrong)
			}
		}
	})
}

func (p *Page) allows(wrong string) bool {
	// The last is no fault of the page: an interface of this machine came or went.
	for _, part := range append(p.may[:len(p.may):len(p.may)], "ERR_NETWORK_CHANGED") {
		if bytes.Contains([]byte(wrong), []byte(part)) {
			return true
		}
	}
	return false
}

// tell logs how the page stands, and keeps a picture of it where a folder for
// that is named.
func (p *Page) tell() {
	state, err := p.b.do(p.name, `return page.evaluate(() => JSON.stringify({ url: location.href, cabline: window.cabline, events: window.phone?.events, text: document.body.innerText.slice(0, 1500) }, null, 1))`)
	p.t.Logf("%s: %s %v", p.name, state, err)
	if folder := os.Getenv("CABLINE_PICTURES"); folder != "" {
		file := filepath.Join(folder, fmt.Sprintf("%x.png", p.name))
		_, err := p.b.do(p.name, fmt.Sprintf("await page.screenshot({ path: %q })", file))
		p.t.Logf("picture: %s %v", file, err)
	}
}

// Do runs the body of an async function of Playwright's page.
func (p *Page) Do(js string) json.RawMessage {
	p.t.Helper()
	value, err := p.b.do(p.name, js)
	if err != nil {
		p.t.Fatal(err)
	}
	return value
}

// Ask evaluates JavaScript in the page itself.
func (p *Page) Ask(js string, value any) {
	p.t.Helper()
	if err := json.Unmarshal(p.Do(fmt.Sprintf("return page.evaluate(%q)", js)), value); err != nil {
		p.t.Fatalf("%s: %v", js, err)
	}
}

// Wait waits until JavaScript in the page is true.
func (p *Page) Wait(js string) {
	p.t.Helper()
	p.Do(fmt.Sprintf("await until(%q)", js))
}

// Click clicks what has that test ID, once it can be clicked.
func (p *Page) Click(testid string) {
	p.t.Helper()
	p.Do(fmt.Sprintf("await page.getByTestId(%q).click()", testid))
}

// Fill writes into a box.
func (p *Page) Fill(testid, text string) {
	p.t.Helper()
	p.Do(fmt.Sprintf("await page.getByTestId(%q).fill(%q)", testid, text))
}

// Key presses a key of the keyboard.
func (p *Page) Key(key string) {
	p.t.Helper()
	p.Do(fmt.Sprintf("await page.keyboard.press(%q)", key))
}

// Shows waits until an element's attribute has a value; "value" is what is
// written in a box.
func (p *Page) Shows(testid, attribute, want string) {
	p.t.Helper()
	get := fmt.Sprintf("getAttribute(%q)", attribute)
	if attribute == "value" {
		get = "value"
	}
	p.Wait(fmt.Sprintf(`document.querySelector('[data-testid=%s]')?.%s === %q`, strconv.Quote(testid), get, want))
}

// Text is what an element says.
func (p *Page) Text(testid string) string {
	p.t.Helper()
	var text string
	if err := json.Unmarshal(p.Do(fmt.Sprintf("return page.getByTestId(%q).innerText()", testid)), &text); err != nil {
		p.t.Fatal(err)
	}
	return text
}

// Heard is all that the page has heard through its n-th connection, or the n-th
// last one (-1), before the page's own volume.
func (p *Page) Heard(n int) Recording {
	p.t.Helper()
	var text string
	p.Ask(fmt.Sprintf("recording(%d)", n), &text)
	samples, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		p.t.Fatal(err)
	}
	heard := Recording{ALaw: make([]byte, len(samples)/2)}
	for i := range heard.ALaw {
		heard.ALaw[i] = g711.EncodeAlawFrame(int16(binary.LittleEndian.Uint16(samples[2*i:])))
	}
	return heard
}

// toneFile is a sine as a WAV of 48 kHz, 16 bit, mono.
func toneFile(hz int, length time.Duration) []byte {
	const rate = 48000
	n := int(length.Seconds() * rate)
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(36+2*n))...)
	b = append(b, "WAVEfmt "...)
	for _, v := range []uint32{16, 1 | 1<<16, rate, 2 * rate, 2 | 16<<16} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(2*n))
	for i := range n {
		v := 10000 * math.Sin(2*math.Pi*float64(hz)*float64(i)/rate)
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(v)))
	}
	return b
}
