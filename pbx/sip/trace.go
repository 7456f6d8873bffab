package sip

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	wire "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"
)

// libraryLog writes sipgo's log at trace level, and little of it: at its own
// levels a scanner's junk would be printed whole, as an error.
type libraryLog struct {
	logger *atomic.Pointer[zerolog.Logger] // nil until Serve
	attrs  []slog.Attr
}

func (h *libraryLog) Enabled(context.Context, slog.Level) bool {
	l := h.logger.Load()
	return l != nil && l.GetLevel() <= zerolog.TraceLevel && zerolog.GlobalLevel() <= zerolog.TraceLevel
}

func (h *libraryLog) Handle(ctx context.Context, r slog.Record) error {
	brief := slog.NewRecord(r.Time, slog.LevelDebug-1, truncate(r.Message, 200), 0)
	brief.AddAttrs(h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		brief.AddAttrs(slog.String(a.Key, truncate(fmt.Sprint(a.Value), 100)))
		return true
	})
	return zerolog.NewSlogHandler(*h.logger.Load()).Handle(ctx, brief)
}

func (h *libraryLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &libraryLog{logger: h.logger, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *libraryLog) WithGroup(string) slog.Handler { return h }

// trace notes that a message came, without the numbers in it.
func (s *Server) trace(msg wire.Message) {
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	event := s.log.logger.Load().Trace().Str("source", msg.Source()).Str("transport", msg.Transport())
	if id := msg.CallID(); id != nil {
		event.Str("call_id", truncate(string(*id), 100))
	}
	if seq := msg.CSeq(); seq != nil {
		event.Uint32("cseq", seq.SeqNo).Str("method", truncate(string(seq.MethodName), 20))
	}
	if res, ok := msg.(*wire.Response); ok {
		event.Int("code", res.StatusCode)
	}
	event.Msg("SIP received")
}
