package console

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"cabline/pbx"
)

func (c *Console) routeRecordings(api huma.API) {
	list := c.operation("recordings", http.MethodGet, "/calls/{id}/recordings", "The recorded talks of a call that is over; none: an empty list", http.StatusForbidden)
	huma.Register(api, list, c.recordings)
	sound := c.operation("recording", http.MethodGet, "/calls/{id}/recordings/{number}",
		"A recorded talk: WAV, A-law, stereo, the client on the left side", http.StatusForbidden, http.StatusNotFound)
	content := map[string]*huma.MediaType{soundType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	sound.Responses = map[string]*huma.Response{
		"200": {Description: "The whole of it", Content: content},
		"206": {Description: "The part that was asked for with Range", Content: content},
	}
	huma.Register(api, sound, c.recording)
}

const soundType = "audio/wav"

type recordingJSON struct {
	Number  int       `json:"number" doc:"Which talk of the call"`
	Started time.Time `json:"started"`
	Length  float64   `json:"length_seconds"`
	Size    int64     `json:"size" doc:"In bytes"`
	Left    string    `json:"left" enum:"client,driver,operator,target" doc:"Who is on the left side"`
	Right   string    `json:"right" enum:"client,driver,operator,target" doc:"Who was on the right side at first"`
}

type recordingsAnswer struct {
	Body struct {
		Recordings []recordingJSON `json:"recordings" nullable:"false"`
	}
}

// mayListen says whether the one behind a request may hear what is said in calls.
func (c *Console) mayListen(ctx context.Context) error {
	if ctx.Value(sessionKey{}) != nil && !c.Listen {
		return huma.Error403Forbidden("operators may not hear recordings here: recording.operators_listen in the config")
	}
	return nil
}

func (c *Console) recordings(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"40"`
}) (*recordingsAnswer, error) {
	if err := c.mayListen(ctx); err != nil {
		return nil, err
	}
	found, err := c.Recordings.Recordings(ctx, in.ID)
	if err != nil {
		return nil, refused(ctx, err)
	}
	out := &recordingsAnswer{}
	out.Body.Recordings = []recordingJSON{}
	for _, r := range found {
		out.Body.Recordings = append(out.Body.Recordings, recordingJSON{r.Number, r.Started.UTC(), seconds(r.Length), r.Size, string(r.Left), string(r.Right)})
	}
	return out, nil
}

// fetching is how long it may take to fetch a recording, over the worst line.
const fetching = 10 * time.Minute

func (c *Console) recording(ctx context.Context, in *struct {
	ID     string `path:"id" maxLength:"40"`
	Number int    `path:"number" minimum:"1" maximum:"999"`
}) (*huma.StreamResponse, error) {
	if err := c.mayListen(ctx); err != nil {
		return nil, err
	}
	file, about, err := c.Recordings.Open(ctx, in.ID, in.Number)
	if err != nil {
		return nil, refused(ctx, err)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer file.Close()
		r, w := humago.Unwrap(ctx)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(fetching)) // where there is none, the better
		w.Header().Set("Content-Type", soundType)
		http.ServeContent(w, r, "", ended(about), file)
	}}, nil
}

// ended is when a recording came to be as it is, for caches and for Range.
func ended(r pbx.Recording) time.Time { return r.Started.Add(r.Length) }
