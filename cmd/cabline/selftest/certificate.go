package selftest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cabline/cmd/internal/siptext"
	"cabline/cmd/internal/telephone"
)

// Certificate is what was looked at and what was found.
type Certificate struct {
	Trunk string
	At    Place
	Rows  []Row
}

// Row is one flow.
type Row struct {
	Flow    string
	Skipped string // why it was not played; empty: it was
	Looked  [fieldCount]int
	Leaks   []Leak
	Err     error // it could not be played as it goes, and so proves nothing
}

// Leak is a secret that reached who may not learn it.
type Leak struct {
	To     string // client, driver, target, operator or log
	Field  string
	column int
	telephone.Leak
}

// The parts of what reaches a party.
const (
	firstLines = iota
	addresses
	identities
	otherHeaders
	descriptions
	audio
	pages
	logged
	fieldCount
)

var columns = [fieldCount]string{"first lines", "From, To…", "identities", "other headers", "SDP, bodies", "RTP, RTCP", "pages", "log"}

// Play plays every flow, or only those named, and looks at all that reached the
// parties.
func Play(ctx context.Context, trunk string, at Place, x Exchange, only ...string) (c Certificate, err error) {
	c.Trunk, c.At = trunk, at
	s, err := setUp(ctx, at, x)
	if err == nil {
		for i, f := range flows {
			if len(only) > 0 && !slices.Contains(only, f.name) {
				continue
			}
			row := s.row(ctx, f)
			if c.Rows = append(c.Rows, row); i == 0 && row.Err != nil {
				break // where a plain call does not go, none does
			}
		}
		err = x.Become(ctx, s.order, "completed") // the parties may have another order on another trunk
	}
	return c, errors.Join(err, s.close())
}

// flowTime is far more than any flow needs.
const flowTime = 45 * time.Second

// row plays one flow.
func (s *stage) row(ctx context.Context, f flow) Row {
	r := Row{Flow: f.name}
	if f.lacks != nil {
		if r.Skipped = f.lacks(s.Place); r.Skipped != "" {
			return r
		}
	}
	play, stop := context.WithTimeoutCause(ctx, flowTime, fmt.Errorf("not within %v", flowTime))
	defer stop()
	r.Err = f.run(play, s)
	for _, w := range s.watches {
		tape := w.tape()
		s.look(&r, tape[w.looked:], w.party, w.secrets...)
		w.looked = len(tape)
	}
	s.look(&r, []telephone.Wire{{Kind: logWire, Bytes: s.Logged()}}, func(string) string { return logWire })
	if r.Err == nil && r.Looked[firstLines]+r.Looked[pages] == 0 {
		r.Err = errors.New("nothing reached the parties, which proves nothing")
	}
	return r
}

// watch is one place where things arrive.
type watch struct {
	tape    func() []telephone.Wire
	party   func(callID string) string // who is there
	secrets []string                   // besides those of who is there
	looked  int                        // entries of the tape
}

// look searches what reached somebody. party is who it was; hidden is what they
// may not learn besides.
func (s *stage) look(r *Row, tape []telephone.Wire, party func(callID string) string, hidden ...string) {
	searches := map[string]telephone.Search{}
	for _, w := range tape {
		if w.Out {
			continue
		}
		who := party(w.Call)
		search := searches[who]
		if search == nil {
			search = telephone.NewSearch(append(Secrets(who, s.Place), hidden...)...)
			searches[who] = search
		}
		for _, p := range pieces(w) {
			r.Looked[p.field]++
			for _, leak := range search.In(telephone.Wire{At: w.At, Kind: w.Kind, Call: w.Call, Bytes: p.text}) {
				r.Leaks = append(r.Leaks, Leak{roleOf(who, s.Place), p.name, p.field, leak})
			}
		}
	}
}

// logWire is the kind of what was written into the log, and who reads it.
const logWire = "log"

// Secrets is what somebody, known by a number or a login, may not learn: the
// others' numbers, whatever stands before them, and the canaries they put
// everywhere. The log may know what a network said, but no number.
func Secrets(who string, at Place) (all []string) {
	for number, canary := range at.canaries() {
		if telephone.SameNumber(who, number) {
			continue
		}
		all = append(all, number[2:]) // +7 and 8 are not looked for
		if who != logWire {
			all = append(all, canary)
		}
	}
	if who != logWire && !slices.Contains([]string{Anna, Boris}, who) {
		all = append(all, deskCanary)
	}
	return all
}

func roleOf(who string, at Place) string {
	switch {
	case who == logWire:
		return logWire
	case who == Anna, who == Boris:
		return "operator"
	case telephone.SameNumber(who, ClientNumber), telephone.SameNumber(who, secondNumber):
		return "client"
	case telephone.SameNumber(who, DriverNumber):
		return "driver"
	case telephone.SameNumber(who, at.Target):
		return "target"
	}
	return "unknown"
}

// piece is a part of what reached a party.
type piece struct {
	field int
	name  string
	text  []byte
}

// pieces takes what passed apart. What is no SIP is one piece.
func pieces(w telephone.Wire) []piece {
	if path, page := strings.CutPrefix(w.Kind, pageWire); page {
		return []piece{{pages, path, w.Bytes}}
	}
	if w.Kind == logWire {
		var lines []piece
		for line := range bytes.Lines(w.Bytes) {
			lines = append(lines, piece{logged, logWire, line})
		}
		return lines
	}
	m, err := siptext.Parse(w.Bytes)
	if w.Kind != "SIP" || err != nil {
		return []piece{{audio, w.Kind, w.Bytes}}
	}
	all := []piece{{firstLines, "first line", []byte(m.Start)}}
	for _, h := range m.Headers {
		all = append(all, piece{columnOf(h.Name), h.Name, []byte(h.Name + ": " + h.Value)})
	}
	if len(m.Body) > 0 {
		all = append(all, piece{descriptions, "body", m.Body})
	}
	return all
}

func columnOf(header string) int {
	switch strings.ToLower(header) {
	case "via", "v", "from", "f", "to", "t", "contact", "m", "call-id", "i", "cseq", "route", "record-route", "max-forwards":
		return addresses
	case "p-asserted-identity", "p-preferred-identity", "remote-party-id", "diversion", "history-info", "referred-by", "identity", "privacy", "p-called-party-id":
		return identities
	}
	return otherHeaders
}

// OK says whether every flow was played and nothing leaked.
func (c Certificate) OK() bool {
	for _, r := range c.Rows {
		if r.Err != nil || len(r.Leaks) > 0 {
			return false
		}
	}
	return len(c.Rows) > 0
}
