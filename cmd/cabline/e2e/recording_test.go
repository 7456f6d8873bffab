//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cabline/cmd/cabline/dispatcher"
	"cabline/media/wav"
)

// recordingFirm records, and lets operators hear it.
var recordingFirm = SecureFirm + "recording: {on: true, operators_listen: true}\n"

// recordings is what there is of a call.
func (x *Exchange) recordings(ctx context.Context, callID string) (all []struct {
	Number      int
	Length      float64 `json:"length_seconds"`
	Left, Right string
}, err error) {
	var got struct{ Recordings json.RawMessage }
	if err = x.Do(ctx, http.StatusOK, http.MethodGet, "/api/v1/calls/"+callID+"/recordings", nil, &got); err == nil {
		err = json.Unmarshal(got.Recordings, &all)
	}
	return all, err
}

// fetch gets an address with the token.
func (x *Exchange) fetch(t *testing.T, address string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+x.Token)
	resp, err := x.http.Do(req)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %.200s", address, resp.Status, body)
	}
	return body
}

// sides is the two channels of a recording.
func sides(t *testing.T, file []byte) (left, right Recording) {
	t.Helper()
	audio, err := wav.Parse(file)
	check(t, err)
	if audio.Format != wav.ALaw || audio.Channels != 2 || audio.Rate != 8000 {
		t.Fatalf("format %d, %d channels, %d Hz", audio.Format, audio.Channels, audio.Rate)
	}
	for i := 0; i < len(audio.Data); i += 2 {
		left.ALaw, right.ALaw = append(left.ALaw, audio.Data[i]), append(right.ALaw, audio.Data[i+1])
	}
	return left, right
}

// apart proves that each side has its own party and nothing of the other.
func apart(t *testing.T, left, right Recording) {
	t.Helper()
	for side, r := range map[string]struct {
		heard      Recording
		own, other int
	}{"left": {left, 440, 1000}, "right": {right, 1000, 440}} {
		if r.heard.Tone(r.own) < 0.3 || r.heard.Tone(r.other) > 0 || r.heard.Tone(r.own)+r.heard.Silence() < 0.8 {
			t.Errorf("%s: %d Hz in %.2f of it, %d Hz in %.2f, silence in %.2f", side, r.own, r.heard.Tone(r.own), r.other, r.heard.Tone(r.other), r.heard.Silence())
		}
	}
}

// talkWithTheDriver joins client and driver, each with a tone of their own.
func (w *world) talkWithTheDriver(ctx context.Context, t *testing.T) (client, driver *Call) {
	t.Helper()
	client, err := w.client.Call(menuLine)
	check(t, err)
	check(t, client.WaitTalk(ctx))
	client.Press("1")
	driver, err = w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Answer())
	check(t, driver.WaitTalk(ctx))
	client.Tone(440)
	driver.Tone(1000)
	check(t, driver.Hears(ctx, 440))
	check(t, client.Hears(ctx, 1000))
	return client, driver
}

// stepOf waits until a step was taken in the only call, and returns its id.
func (w *world) stepOf(ctx context.Context, t *testing.T, step string) (id string) {
	t.Helper()
	until(t, step, func() bool {
		live, err := w.Live(ctx)
		check(t, err)
		if len(live) == 1 {
			id = live[0].ID
		}
		return len(live) == 1 && slices.Contains(live[0].Words(), step)
	})
	return id
}

func TestATalkIsRecordedThroughAHoldAndToldToTheDispatchSystem(t *testing.T) {
	for _, kind := range []string{"taximaster", "httpjson"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f, ctx := newForeign(t, kind, "false"), within(t)
			var mu sync.Mutex
			var linked []url.Values
			if system, ok := f.system.(*dispatcher.Taximaster); ok {
				system.Linked = func(record url.Values) { mu.Lock(); defer mu.Unlock(); linked = append(linked, record) }
			}
			f.ride(t)
			client, driver := f.talkWithTheDriver(ctx, t)
			held := time.Now()
			check(t, client.Describe("sendonly"))
			id := f.stepOf(ctx, t, "client holds")
			until(t, "the driver hears music", func() bool { return driver.Heard().Since(held).Length() > 3*time.Second })
			check(t, client.Describe("sendrecv"))
			check(t, driver.Hears(ctx, 440))
			check(t, client.Hears(ctx, 1000))
			check(t, client.HangUp())
			cdr, err := f.WaitCDR(ctx, clientPhone)
			check(t, err)
			if !slices.Contains(cdr.Words(), "the talk is recorded") {
				t.Errorf("steps %q", cdr.Words())
			}

			until(t, "there is a recording", func() bool { all, err := f.recordings(ctx, id); return err == nil && len(all) == 1 })
			all, err := f.recordings(ctx, id)
			check(t, err)
			if r := all[0]; r.Left != "client" || r.Right != "driver" || r.Number != 1 || r.Length < cdr.Talked-1 || r.Length > cdr.Talked+1 {
				t.Errorf("%+v of a talk of %.3f s", r, cdr.Talked)
			}
			address := f.Web + "/api/v1/calls/" + id + "/recordings/1"
			sound := f.fetch(t, address)
			left, right := sides(t, sound)
			apart(t, left, right)
			if still := stillest(left, right); still < 2*time.Second {
				t.Errorf("three seconds of hold are %s of silence on both sides", still)
			}
			if kind == "httpjson" {
				f.toldOfRecording(t, id, address, all[0].Length)
				return
			}
			until(t, "the recording is linked", func() bool { mu.Lock(); defer mu.Unlock(); return len(linked) == 1 })
			record := linked[0]
			if seconds, err := strconv.Atoi(record.Get("RECORD_LENGTH")); err != nil || float64(seconds) < all[0].Length-0.6 || float64(seconds) > all[0].Length+0.6 {
				t.Errorf("RECORD_LENGTH %s of %.3f s", record.Get("RECORD_LENGTH"), all[0].Length)
			}
			if record.Get("CALL_ID") != id || record.Get("CALL_TYPE") != "1" || record.Get("CALL_RESULT") != "answered" || record.Get("PHONE") != "89161234567" {
				t.Errorf("linked %v", record)
			}
			if file, err := os.ReadFile(record.Get("FILE_PATH")); err != nil || string(file) != string(sound) {
				t.Errorf("FILE_PATH %s: %d bytes, %v", record.Get("FILE_PATH"), len(file), err)
			}
			if path := record.Get("FILE_PATH"); strings.Contains(path, "9161234567") || strings.Contains(path, "9267654321") {
				t.Errorf("a number in %s", path)
			}
			moscow := time.FixedZone("MSK", 3*3600)
			if at, err := time.ParseInLocation("02012006150405", record.Get("RECORD_DATE"), moscow); err != nil || at.Before(cdr.Started.Add(-time.Second)) || at.After(*cdr.Ended) {
				t.Errorf("RECORD_DATE %s, %v; the call began %v", record.Get("RECORD_DATE"), err, cdr.Started)
			}
		})
	}
}

// toldOfRecording waits for the event.
func (f *foreign) toldOfRecording(t *testing.T, id, address string, length float64) {
	t.Helper()
	var event struct {
		Kind      string
		CallID    string `json:"call_id"`
		File      string
		Call      struct{ State, Result string }
		Recording struct {
			Length float64 `json:"length_seconds"`
			Left   string
		}
	}
	until(t, "the recording is told", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return slices.ContainsFunc(f.bodies, func(b []byte) bool { return json.Unmarshal(b, &event) == nil && event.Kind == "recording_ready" })
	})
	if event.CallID != id || event.File != address || event.Recording.Length != length || event.Recording.Left != "client" || event.Call.Result != "completed" {
		t.Errorf("told %+v", event)
	}
}

// stillest is the longest time for which both sides are silent.
func stillest(left, right Recording) (longest time.Duration) {
	const frame = 160
	run := 0
	for at := 0; at+frame <= len(left.ALaw); at += frame {
		quiet := Recording{ALaw: left.ALaw[at : at+frame]}.Silence() == 1 && Recording{ALaw: right.ALaw[at : at+frame]}.Silence() == 1
		if run++; !quiet {
			run = 0
		}
		longest = max(longest, time.Duration(run)*20*time.Millisecond)
	}
	return longest
}

func TestARecordingSurvivesKill9AmidTheTalk(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, recordingFirm), within(t)
	_, err := w.Order(ctx, order())
	check(t, err)
	client, driver := w.talkWithTheDriver(ctx, t)
	id := w.stepOf(ctx, t, "the talk is recorded")
	until(t, "three seconds are on the disk", func() bool {
		files, err := filepath.Glob(filepath.Join(w.Data, "recordings", "*", "*.part"))
		check(t, err)
		if len(files) != 1 {
			return false
		}
		info, err := os.Stat(files[0])
		return err == nil && info.Size() > 3*16_000
	})
	w.Kill(t)
	w.Restart(t)
	until(t, "the recording is found", func() bool { all, err := w.recordings(ctx, id); return err == nil && len(all) == 1 })
	left, right := sides(t, w.fetch(t, w.Web+"/api/v1/calls/"+id+"/recordings/1"))
	apart(t, left, right)
	if left.Length() < 3*time.Second-100*time.Millisecond {
		t.Errorf("%s are left", left.Length())
	}
	_, _ = client.HangUp(), driver.HangUp() // nobody is there to answer
}

func TestACallGoesOnWhereItsRecordingCannot(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, Firm+"recording: {on: true, folder: /dev/null/recordings}\n"), within(t)
	_, err := w.Order(ctx, order())
	check(t, err)
	client, _ := w.talkWithTheDriver(ctx, t)
	until(t, "the log says so", func() bool { return strings.Contains(w.Log(), `"message":"recording"`) })
	check(t, client.HangUp())
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Result != "completed" {
		t.Errorf("%+v", cdr)
	}
	if metrics := string(w.fetch(t, w.Web+"/metrics")); !strings.Contains(metrics, `cabline_recordings_total{result="failed"} 1`) {
		t.Error("it is not counted")
	}
}

// A talk is played in the history.
func recordingsPlay(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, recordingFirm), within(t)
	_, err := w.Order(ctx, order())
	check(t, err)
	client, _ := w.talkWithTheDriver(ctx, t)
	id := w.stepOf(ctx, t, "the talk is recorded")
	check(t, client.HangUp())
	_, err = w.WaitCDR(ctx, clientPhone)
	check(t, err)
	page := b.Open(t, "anna", w.Web+"/calls", "401")
	page.logIn("anna")
	page.Click("call-" + id)
	page.Wait(fmt.Sprintf(`document.querySelector('[data-testid="detail-%s"] [data-step="the talk is recorded"]')?.innerText.endsWith('разговор записывается')`, id))
	page.Wait(`document.querySelector('[data-testid="recording-1"]')?.readyState > 0`)
	page.Do(`await page.getByTestId('recording-1').focus(); await page.keyboard.press('Space')`) // it plays by the keyboard
	page.Wait(`document.querySelector('[data-testid="recording-1"]').currentTime > 0.5`)
	var played struct {
		Duration float64
		Error    *string
		Label    string
	}
	page.Ask(`(() => { const a = document.querySelector('[data-testid="recording-1"]'); return { duration: a.duration, error: a.error && a.error.message, label: a.ariaLabel }; })()`, &played)
	if played.Duration < 1 || played.Error != nil || !strings.HasPrefix(played.Label, "Клиент слева, Водитель справа") {
		t.Errorf("%+v", played)
	}
}

func anOperatorIsRecorded(t *testing.T, b *Browser) {
	w, ctx := newWorldOf(t, recordingFirm), within(t)
	anna := logIn(t, b, w.Exchange, "anna")
	call := w.callFrom(t, clientPhone)
	anna.rings(clientPhone)
	anna.answers("Enter")
	anna.talks(call)
	id := w.stepOf(ctx, t, "the talk is recorded")
	anna.Click("hangup")
	leaves(t, call)
	until(t, "there is a recording", func() bool { all, err := w.recordings(ctx, id); return err == nil && len(all) == 1 })
	left, right := sides(t, w.fetch(t, w.Web+"/api/v1/calls/"+id+"/recordings/1"))
	if left.Tone(outside) == 0 || left.Tone(microphone) > 0 || right.Tone(microphone) == 0 || right.Tone(outside) > 0 {
		t.Errorf("left: %d Hz %.2f, %d Hz %.2f; right: %.2f, %.2f", outside, left.Tone(outside), microphone, left.Tone(microphone), right.Tone(outside), right.Tone(microphone))
	}
}
