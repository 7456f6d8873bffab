package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"cabline/pbx"
	"cabline/pbx/store"
)

// The names of log fields. No others are used here.
const (
	logOperator = "operator"
	logSource   = "source"
	logPath     = "path"
)

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nobody is left to tell
}

// writeProblem answers with problem details (RFC 9457).
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.NewError(status, detail))
}

// read decodes a JSON body strictly, or answers with what is wrong with it.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	body.DisallowUnknownFields()
	err := body.Decode(into)
	var tooLong *http.MaxBytesError
	switch {
	case err == nil && !body.More():
		return true
	case errors.As(err, &tooLong):
		writeProblem(w, http.StatusRequestEntityTooLarge, "the body is longer than 64 KB")
	case err == nil:
		writeProblem(w, http.StatusBadRequest, "one JSON object is expected")
	default:
		writeProblem(w, http.StatusBadRequest, strings.TrimPrefix(err.Error(), "json: "))
	}
	return false
}

// refused is how an error from below is told over REST. Only what the client
// can do something about is told; the rest goes to the log.
func refused(ctx context.Context, err error) error {
	var invalid interface {
		error
		Faults() iter.Seq2[string, string]
	}
	switch {
	case errors.As(err, &invalid):
		var details []error
		for field, problem := range invalid.Faults() {
			details = append(details, &huma.ErrorDetail{Location: "body." + field, Message: problem})
		}
		return huma.Error422UnprocessableEntity("validation failed: "+invalid.Error(), details...)
	case errors.Is(err, pbx.ErrNoOrder):
		return huma.Error404NotFound("no such order")
	case errors.Is(err, store.ErrNoCDR):
		return huma.Error404NotFound("no such call")
	case errors.Is(err, store.ErrNoRecording):
		return huma.Error404NotFound("no such recording")
	case errors.Is(err, store.ErrNoNotice):
		return huma.Error404NotFound("no such notice")
	case errors.Is(err, store.ErrCursor):
		return huma.Error422UnprocessableEntity("after: "+err.Error(), &huma.ErrorDetail{Location: "query.after", Message: err.Error()})
	case errors.Is(err, pbx.ErrNotAPhone): // of an order: the request's own numbers were read before
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, pbx.ErrNotAllowed):
		return huma.Error403Forbidden(err.Error())
	case errors.Is(err, pbx.ErrShutdown), errors.Is(err, context.Canceled):
		return huma.Error503ServiceUnavailable("shutting down")
	}
	zerolog.Ctx(ctx).Error().Err(err).Msg("request")
	return huma.Error500InternalServerError("something went wrong inside; the log says what")
}

// noSuchRoute answers under /api/ and /console/, where programs ask: 404, or
// 405 where another method would do.
func (c *Console) noSuchRoute(w http.ResponseWriter, r *http.Request) {
	_, ours := c.mux.Handler(r)
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := c.mux.Handler(other); pattern != ours {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 || slices.Contains(allowed, r.Method) {
		writeProblem(w, http.StatusNotFound, "no such path: "+r.URL.Path)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, http.StatusMethodNotAllowed, r.Method+" is not for this path")
}

// serverLog is what net/http has to say: of scanners' broken handshakes at
// debug level, of a fault of ours as an error.
func serverLog(to *zerolog.Logger) *log.Logger { return log.New(serverLogWriter{to}, "", 0) }

type serverLogWriter struct{ to *zerolog.Logger }

func (w serverLogWriter) Write(line []byte) (int, error) {
	level := zerolog.DebugLevel
	if bytes.HasPrefix(line, []byte("http: panic")) {
		level = zerolog.ErrorLevel
	}
	w.to.WithLevel(level).Msg(strings.TrimSpace(string(line)))
	return len(line), nil
}
