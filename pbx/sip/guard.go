package sip

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx"
)

// The guard is the last step before the wire. Messages are built from what a
// leg may show, so it has nothing to do; should something of another party get
// into one all the same, whoever built it, the guard keeps it from leaving.

// errTold is why a message did not leave.
var errTold = errors.New("a number that this party may not learn was in it")

// maxAlarms is how often one leg may fill the log; all of them are counted.
const maxAlarms = 10

// hidden is what the party of one leg may not learn.
type hidden struct {
	secrets []secret
	alarms  atomic.Int32
}

// cut is a field that was not sent, or because of which a message was not.
type cut struct {
	field  string
	number pbx.Phone
}

// Hide implements pbx.Leg.
func (l *Leg) Hide(numbers ...pbx.Phone) { l.hidden.Store(hide(l.number, numbers)) }

// hide is nil where there is nothing to be hidden. A party knows its own number
// and what is part of it.
func hide(own pbx.Phone, numbers []pbx.Phone) *hidden {
	h := &hidden{}
	for _, number := range numbers {
		s, ok := secretOf(number)
		if ok && !strings.Contains(own.Dialable(), string(s.digits)) && !slices.ContainsFunc(h.secrets, s.same) {
			h.secrets = append(h.secrets, s)
		}
	}
	if len(h.secrets) == 0 {
		return nil
	}
	return h
}

// guard returns a message as it may leave, which is nearly always as it came.
func (s *Server) guard(message []byte) (kept []byte, err error) {
	defer s.work.caught(&err) // whoever's timer it is that sends
	h := s.legs.hides(localTag(message))
	if h == nil || h.in(message) == nil {
		return message, nil
	}
	kept, cuts, err := h.mend(message)
	for _, c := range cuts {
		s.alarm(h, message, c, err == nil)
	}
	return kept, err
}

// alarm tells of a fault of ours that would have told a party what is hidden
// from it.
func (s *Server) alarm(h *hidden, message []byte, c cut, sent bool) {
	if s.cfg.Alarm != nil {
		s.cfg.Alarm(sent)
	}
	log := s.log.logger.Load()
	if log == nil || h.alarms.Add(1) > maxAlarms {
		return
	}
	log.Error().Str("call_id", truncate(string(valueOf(message, "Call-ID", "i")), 100)).Str("message", kindOf(message)).
		Str("field", truncate(c.field, 40)).Stringer("number", c.number).Bool("sent", sent).
		Msg("masking alarm: a party was about to learn a number that is hidden from it")
}

// mend leaves out of a message what the party may not learn and the message can
// do without. What the party itself has told us it knows: it is repeated.
func (h *hidden) mend(message []byte) (kept []byte, cuts []cut, err error) {
	head, body, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	body, cuts = h.mendBody(body, bytes.EqualFold(valueOf(message, "Content-Type", "c"), []byte("application/sdp")))
	if cuts != nil && body == nil {
		return nil, cuts, errTold
	}
	length := cuts != nil
	known := repeated(message)
	var name string
	for i, line := range bytes.Split(head, []byte("\r\n")) {
		if i > 0 && len(line) > 0 && line[0] != ' ' && line[0] != '\t' { // else of the header before, RFC 3261 §7.3.1
			name = fieldName(line)
		}
		if length && name == "content-length" {
			line = strconv.AppendInt([]byte("Content-Length: "), int64(len(body)), 10)
		}
		if found := h.in(line); found != nil && !slices.Contains(known, name) {
			cuts = append(cuts, cut{fieldIn(name), found.phone})
			if line = h.mendLine(name, line); line == nil {
				return nil, cuts, errTold
			}
		}
		if len(line) > 0 {
			kept = append(append(kept, line...), "\r\n"...)
		}
	}
	return append(append(kept, "\r\n"...), body...), cuts, nil
}

func fieldIn(name string) string {
	if name == "" {
		return "first line"
	}
	return name
}

// mendLine is what may be sent of a line: nothing, less, or nil where the
// message is none without it.
func (h *hidden) mendLine(name string, line []byte) []byte {
	switch name {
	case "": // a reason phrase may be empty (RFC 3261 §25.1)
		if isResponse(line) && len(line) > len("SIP/2.0 200 ") {
			line = line[:len("SIP/2.0 200 ")]
			break
		}
		return nil
	case "from", "to", "contact": // the name before an address is for eyes
		at := bytes.IndexByte(line, '<')
		colon := bytes.IndexByte(line, ':')
		if at < 0 || colon > at {
			return nil
		}
		line = slices.Concat(line[:colon+1], []byte(" "), line[at:])
	case "via", "f", "t", "m", "v", "i", "call-id", "cseq", "max-forwards", "content-type", "content-length", "route", "record-route",
		"require", "proxy-require", "rseq", "rack", "refer-to", "event", "subscription-state", "session-expires", "replaces",
		"authorization", "proxy-authorization":
		return nil
	default:
		return []byte{}
	}
	if h.in(line) != nil {
		return nil
	}
	return line
}

// mendBody leaves out of a session description the lines that are no part of
// the session (RFC 8866 §5). nil: the body can not be sent.
func (h *hidden) mendBody(body []byte, sdp bool) (kept []byte, cuts []cut) {
	found := h.in(body)
	if found == nil {
		return body, nil
	}
	if !sdp {
		return nil, []cut{{"body", found.phone}}
	}
	for line := range bytes.Lines(body) {
		found := h.in(line)
		if found == nil {
			kept = append(kept, line...)
			continue
		}
		cuts = append(cuts, cut{"body " + string(line[:1]) + "=", found.phone})
		switch line[0] {
		case 'i', 'u', 'e', 'p', 'a':
		case 's':
			kept = append(kept, "s=-\r\n"...)
		default:
			return nil, cuts
		}
	}
	if cuts == nil { // it goes over the ends of lines
		return nil, []cut{{"body", found.phone}}
	}
	return kept, cuts
}

// repeated are the fields of a message in which we say to a party what it has
// said to us: in a response what RFC 3261 §8.2.6.2 has us copy, in a request
// of a dialog the names and addresses that made the dialog (§12.2.1.1).
func repeated(message []byte) []string {
	switch {
	case isResponse(message):
		return []string{"via", "from", "to", "call-id", "cseq", "record-route", "timestamp"}
	case bytes.Contains(valueOf(message, "To", "t"), []byte(";tag=")):
		return []string{"", "route", "from", "to", "call-id"}
	}
	return nil
}

func isResponse(message []byte) bool { return bytes.HasPrefix(message, []byte("SIP/2.0 ")) }

// kindOf names a message by its method, and a response by its code too.
func kindOf(message []byte) string {
	_, method, _ := bytes.Cut(valueOf(message, "CSeq", ""), []byte(" "))
	if !isResponse(message) {
		return truncate(string(method), 20)
	}
	return string(message[len("SIP/2.0 "):min(len(message), len("SIP/2.0 200"))]) + " to " + truncate(string(method), 20)
}

// localTag is the tag by which we know the leg of a message we send.
func localTag(message []byte) []byte {
	long, compact := "From", "f"
	if isResponse(message) {
		long, compact = "To", "t"
	}
	_, tag, _ := bytes.Cut(valueOf(message, long, compact), []byte(";tag="))
	if end := bytes.IndexByte(tag, ';'); end >= 0 {
		tag = tag[:end]
	}
	return tag
}

// valueOf is the value of the first header with a name, nil where there is none.
func valueOf(message []byte, long, compact string) []byte {
	for {
		_, rest, more := bytes.Cut(message, []byte("\r\n"))
		if !more || bytes.HasPrefix(rest, []byte("\r\n")) {
			return nil
		}
		message = rest
		colon := bytes.IndexByte(rest, ':')
		if colon < 0 {
			continue
		}
		name := bytes.TrimRight(rest[:colon], " \t")
		if len(name) != len(long) && len(name) != len(compact) || !strings.EqualFold(string(name), long) && !strings.EqualFold(string(name), compact) {
			continue
		}
		value, _, _ := bytes.Cut(rest[colon+1:], []byte("\r\n"))
		return bytes.TrimSpace(value)
	}
}

func fieldName(line []byte) string {
	name, _, _ := bytes.Cut(line, []byte(":"))
	return wire.HeaderToLower(string(bytes.TrimSpace(name)))
}
