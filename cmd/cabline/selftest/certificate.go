package selftest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
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

// Leak is a secret that reached the other party.
type Leak struct {
	To     string // client, driver or target
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
	fieldCount
)

var columns = [fieldCount]string{"first lines", "From, To, Contact …", "identities", "other headers", "SDP, bodies", "RTP, RTCP"}

// Play plays every flow and looks at all that reached the parties.
func Play(ctx context.Context, trunk string, at Place, x Exchange) (c Certificate, err error) {
	c.Trunk, c.At = trunk, at
	s, err := setUp(ctx, at, x)
	if err == nil {
		for i, f := range flows {
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
	if f.needs != nil && !f.needs(s.Place) {
		r.Skipped = "this firm has none"
		return r
	}
	client, people := len(s.client.Tape()), len(s.people.Tape())
	play, stop := context.WithTimeoutCause(ctx, flowTime, fmt.Errorf("not within %v", flowTime))
	defer stop()
	r.Err = errors.Join(f.play(play, s), s.Idle(play))
	s.look(&r, s.client.Tape()[client:], s.client.Party, s.Carrier.Addr())
	s.look(&r, s.people.Tape()[people:], s.people.Party, s.Client)
	if r.Err == nil && r.Looked[firstLines] == 0 {
		r.Err = errors.New("nothing reached the parties, which proves nothing")
	}
	return r
}

// look searches what reached a phone. party is who is there in a call, other
// the address of the other phone.
func (s *stage) look(r *Row, tape []telephone.Wire, party func(callID string) string, other netip.Addr) {
	searches := map[string]telephone.Search{}
	for _, w := range tape {
		if w.Out {
			continue
		}
		who := party(w.Call)
		search := searches[who]
		if search == nil {
			secrets := append(Secrets(who, s.Place), other.String())
			search = telephone.NewSearch(secrets...)
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

// shortest is a number that can be told from others in a message.
const shortest = 8

// Secrets is what who is at a number may not learn: the others' numbers,
// whatever stands before them, and the canaries they put everywhere.
func Secrets(who string, at Place) (all []string) {
	for number, canary := range map[string]string{ClientNumber: clientCanary, DriverNumber: driverCanary, at.Target: targetCanary} {
		if len(number) > shortest && !telephone.SameNumber(who, number) {
			all = append(all, number[2:], canary) // +7 and 8 are not looked for
		}
	}
	return all
}

func roleOf(who string, at Place) string {
	switch {
	case telephone.SameNumber(who, ClientNumber):
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

// maxShown is how many leaks of one flow are written out.
const maxShown = 5

// Write prints the certificate.
func (c Certificate) Write(to io.Writer) {
	fmt.Fprintf(to, "trunk %q, %s: exchange %s, client %s, carrier %s\n\n%-34s", c.Trunk, time.Now().Format("2006-01-02 15:04"),
		c.At.SIP, c.At.Client, c.At.Carrier, "flow")
	for _, column := range columns {
		fmt.Fprintf(to, "%20s", column)
	}
	fmt.Fprintln(to)
	var looked, leaks int
	for _, r := range c.Rows {
		fmt.Fprintf(to, "%-34s", r.Flow)
		switch {
		case r.Skipped != "":
			fmt.Fprintf(to, "%20s", r.Skipped)
		default:
			for field := range columns {
				fmt.Fprintf(to, "%20s", r.cell(field))
				looked += r.Looked[field]
			}
		}
		fmt.Fprintln(to)
		leaks += len(r.Leaks)
	}
	fmt.Fprintf(to, "\n%d leaks in %d fields and packets that reached the parties\n", leaks, looked)
	for _, r := range c.Rows {
		if r.Err != nil {
			fmt.Fprintf(to, "NOT PROVEN: %s: %v\n", r.Flow, r.Err)
		}
		for i, l := range r.Leaks {
			if i == maxShown {
				fmt.Fprintf(to, "LEAK: %s: and %d more\n", r.Flow, len(r.Leaks)-i)
				break
			}
			fmt.Fprintf(to, "LEAK: %s: the %s is told %s as %s in %s: %.200q\n", r.Flow, l.To, l.Secret, l.As, l.Field, l.Wire.Bytes)
		}
	}
}

// cell is how many were looked at, and how many leaked.
func (r Row) cell(field int) string {
	leaks := 0
	for _, l := range r.Leaks {
		if l.column == field {
			leaks++
		}
	}
	if leaks > 0 {
		return fmt.Sprintf("%d LEAKS of %d", leaks, r.Looked[field])
	}
	return fmt.Sprintf("0 of %d", r.Looked[field])
}
