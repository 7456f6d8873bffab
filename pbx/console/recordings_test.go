package console

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cabline/media"
	"cabline/media/wav"
	"cabline/pbx"
)

// record puts a recording of a second into the index and its folder.
func (h *house) record(callID string, number int) (sound string) {
	h.t.Helper()
	sound = string(wav.Audio{Format: wav.ALaw, Rate: media.Rate, Channels: 2, Data: []byte(strings.Repeat("\x10\xd5", media.Rate))}.Bytes())
	r := pbx.Recording{CallID: callID, Number: number, File: "2026-11-22/" + callID + ".wav", Started: noon, Length: time.Second,
		Size: int64(len(sound)), Left: pbx.RoleClient, Right: pbx.RoleDriver}
	if err := os.MkdirAll(filepath.Join(h.tapes, "2026-11-22"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.tapes, r.File), []byte(sound), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := h.db.KeepRecording(h.t.Context(), r); err != nil {
		h.t.Fatal(err)
	}
	return sound
}

func TestARecordingIsFetchedWholeAndInParts(t *testing.T) {
	h := newHouse(t)
	sound := h.record("c1", 1)
	list := h.ask("GET", "/api/v1/calls/c1/recordings", nil, byToken)
	want := m{"recordings": []any{m{"number": 1.0, "started": "2026-11-22T12:00:00Z", "length_seconds": 1.0, "size": 16046.0, "left": "client", "right": "driver"}}}
	sameJSON(t, list.tree(t), want)
	sameJSON(t, h.ask("GET", "/api/v1/calls/other/recordings", nil, byToken).tree(t), m{"recordings": []any{}})

	whole := h.ask("GET", "/api/v1/calls/c1/recordings/1", nil, byToken)
	if whole.status != http.StatusOK || whole.body != sound || whole.header.Get("Content-Type") != "audio/wav" || whole.header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("%d %v, %d bytes", whole.status, whole.header, len(whole.body))
	}
	part := h.ask("GET", "/api/v1/calls/c1/recordings/1", nil, byToken, header("Range", "bytes=100-199"))
	if part.status != http.StatusPartialContent || part.body != sound[100:200] || part.header.Get("Content-Range") != "bytes 100-199/16046" {
		t.Errorf("%d %v, %d bytes", part.status, part.header, len(part.body))
	}
}

func TestNobodyGetsOutOfTheFolderOfRecordings(t *testing.T) {
	h := newHouse(t)
	h.record("c1", 1)
	outside := filepath.Join(filepath.Dir(h.tapes), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"c1/recordings/2", "c1/recordings/0", "c1/recordings/-1", "c1/recordings/x", "c1/recordings/99999999999999999999",
		"..%2f..%2fsecret/recordings/1", "%2e%2e/recordings/1", "2026-11-22%2fc1.wav/recordings/1", "c1/recordings/..%2f..%2fsecret",
		"c1'%20OR%201=1--/recordings/1", "c1%00/recordings/1", strings.Repeat("A", 10_000) + "/recordings/1"} {
		got := h.ask("GET", "/api/v1/calls/"+path, nil, byToken)
		if got.status != http.StatusNotFound && got.status != http.StatusUnprocessableEntity || strings.Contains(got.body, "RIFF") || strings.Contains(got.body, "secret\n") {
			t.Errorf("%.60s: %d %.200s", path, got.status, got.body)
		}
	}
	// An index that was written to by somebody else leads nowhere either.
	bad := pbx.Recording{CallID: "c2", Number: 1, File: "../secret", Started: noon, Left: pbx.RoleClient, Right: pbx.RoleDriver}
	if err := h.db.KeepRecording(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	if got := h.ask("GET", "/api/v1/calls/c2/recordings/1", nil, byToken); got.status == http.StatusOK || got.body == "secret" {
		t.Errorf("%d %q", got.status, got.body)
	}
	gone := pbx.Recording{CallID: "c3", Number: 1, File: "2026-11-22/gone.wav", Started: noon, Left: pbx.RoleClient, Right: pbx.RoleDriver}
	if err := h.db.KeepRecording(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	h.ask("GET", "/api/v1/calls/c3/recordings/1", nil, byToken).isProblem(t, http.StatusNotFound, "no such recording")
}

func TestOperatorsHearRecordingsWhereTheOwnerLetsThem(t *testing.T) {
	for name, listen := range map[string]bool{"they may": true, "they may not": false} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, func(c *Config) { c.Listen = listen })
			sound := h.record("c1", 1)
			anna := cookie(h.login("anna", ownPage))
			if me := h.ask("GET", "/console/api/me", nil, anna).tree(t); me["listen"] != listen {
				t.Errorf("the page is told %v", me["listen"])
			}
			list, got := h.ask("GET", "/api/v1/calls/c1/recordings", nil, anna), h.ask("GET", "/api/v1/calls/c1/recordings/1", nil, anna)
			if !listen {
				list.isProblem(t, http.StatusForbidden, "operators_listen")
				got.isProblem(t, http.StatusForbidden, "operators_listen")
				return
			}
			if diff := cmp.Diff(sound, got.body); diff != "" || list.status != http.StatusOK {
				t.Errorf("%d, %d: %d bytes", list.status, got.status, len(got.body))
			}
			h.ask("GET", "/api/v1/calls/c1/recordings/1", nil).isProblem(t, http.StatusUnauthorized, "log in")
			h.ask("GET", "/api/v1/calls/c1/recordings/1", nil, header("Authorization", "Bearer wrong")).isProblem(t, http.StatusUnauthorized, "token")
		})
	}
}

func TestRecordingsAreCounted(t *testing.T) {
	h := newHouse(t)
	h.Metrics.Recorded(time.Minute, 3, nil)
	h.Metrics.Recorded(time.Second, 0, errBroken)
	h.Metrics.Recorded(0, 0, errBroken)
	h.Metrics.Recorded(0, 0, nil)
	got := h.ask("GET", "/metrics", nil, byToken).body
	for _, line := range []string{`cabline_recordings_total{result="whole"} 1`, `cabline_recordings_total{result="cut"} 1`,
		`cabline_recordings_total{result="failed"} 1`, `cabline_recording_packets_missing_total 3`} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("%q is not in the metrics", line)
		}
	}
}
