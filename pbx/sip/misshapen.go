package sip

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"cabline/pbx/gate"
)

// What sipgo's parser cannot read it drops without a word. Whoever sent it is
// owed an answer (RFC 4475 §3.1.2), so requests are looked at before.

// misshapen says what answers a request that cannot be read; 0: it can be, or it
// is no request. Of a stream only the head is there.
func misshapen(message []byte, isStream bool) (code int) {
	head, body, ended := bytes.Cut(message, blankLine)
	first, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if bytes.HasPrefix(first, []byte("SIP/")) || !bytes.Contains(first, []byte(" SIP/")) {
		return 0
	}
	if code := misshapenLine(first); code != 0 || !ended {
		return max(code, wire.StatusBadRequest)
	}
	lengths := 0
	for name, value := range fields(rest) {
		ok := true
		switch name {
		case "via":
			ok = !emptyParameter(value)
		case "to", "from", "contact":
			ok = address(value)
		case "cseq":
			number := bytes.TrimLeft(value, " \t\r\n")
			number = number[:max(bytes.IndexAny(number, " \t\r\n"), 0)]
			_, err := strconv.ParseUint(string(number), 10, 31) // RFC 3261 §8.1.1.5
			ok = err == nil
		case "content-length":
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 32)
			lengths++ // two leave no way to tell where the next message begins (RFC 4475 §3.3.9)
			ok = err == nil && lengths == 1 && (isStream || n <= uint64(len(body)))
		}
		if !ok {
			return wire.StatusBadRequest
		}
	}
	if isStream && lengths == 0 { // RFC 3261 §18.3
		return wire.StatusBadRequest
	}
	return 0
}

// misshapenLine looks at a request line (RFC 3261 §25.1): three words with one
// blank between them.
func misshapenLine(line []byte) int {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	uri, version, _ := bytes.Cut(rest, []byte(" "))
	if len(method) == 0 || len(uri) == 0 || uri[0] == '<' || len(version) == 0 || bytes.IndexByte(version, ' ') >= 0 {
		return wire.StatusBadRequest
	}
	scheme, rest, found := bytes.Cut(uri, []byte(":"))
	if !found {
		return wire.StatusBadRequest
	}
	if bytes.ContainsAny(scheme, ".+-") && len(bytes.Trim(bytes.ToLower(scheme), "abcdefghijklmnopqrstuvwxyz0123456789.+-")) == 0 {
		return 416 // RFC 3986 §3.1 lets a scheme look so; sipgo does not
	}
	if bytes.EqualFold(scheme, []byte("sip")) || bytes.EqualFold(scheme, []byte("sips")) {
		host := rest[bytes.LastIndexByte(rest, '@')+1:]
		if end := bytes.IndexAny(host, ";?"); end >= 0 {
			host = host[:end]
		}
		if !bytes.HasPrefix(host, []byte("[")) && bytes.Count(host, []byte(":")) > 1 {
			return wire.StatusBadRequest // RFC 5118 §4.2: IPv6 without its brackets
		}
	}
	return 0
}

// emptyParameter finds what lacks between two separators of a Via.
func emptyParameter(via []byte) bool {
	last := byte(',')
	for _, c := range via {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case ',', ';':
			if last == ',' || last == ';' {
				return true
			}
		}
		last = c
	}
	return last == ','
}

// address says whether the quotes of an address are closed, and no blank stands
// within its brackets.
func address(value []byte) bool {
	quoted, inside := false, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !inside:
			quoted = !quoted
		case quoted:
		case c == '<':
			inside = true
		case c == '>':
			inside = false
		case inside && (c == ' ' || c == '\t'):
			return false
		}
	}
	return !quoted
}

// fields are the header fields of a head without its first line: the names in
// full, of those that matter, and the values as they stand, folded or not.
func fields(head []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for len(head) > 0 {
			end := 0
			for {
				n := bytes.Index(head[end:], []byte("\r\n"))
				if n < 0 {
					end = len(head)
					break
				}
				if end += n; end+2 >= len(head) || head[end+2] != ' ' && head[end+2] != '\t' {
					break
				}
				end += 2
			}
			name, value, _ := bytes.Cut(head[:end], []byte(":"))
			if !yield(longName(name), value) {
				return
			}
			head = head[min(end+2, len(head)):]
		}
	}
}

// longNames are the headers that matter here, with their compact forms.
var longNames = []struct {
	long    string
	compact byte
}{{"via", 'v'}, {"to", 't'}, {"from", 'f'}, {"contact", 'm'}, {"call-id", 'i'}, {"cseq", 0}, {"content-length", 'l'}}

// longName is the name of one of them; empty: it is another.
func longName(name []byte) string {
	name = bytes.TrimSpace(name)
	for _, n := range longNames {
		if len(name) == 1 && name[0]|0x20 == n.compact || len(name) == len(n.long) && strings.EqualFold(string(name), n.long) {
			return n.long
		}
	}
	return ""
}

// rebuffs says whether a message is a request that cannot be read, and what answers it;
// nil: nothing does. A fault of ours in looking at what strangers send must not end the
// goroutine that reads for all.
func (s *Server) rebuffs(message []byte, isStream bool, from netip.AddrPort) (answer []byte, unfit bool) {
	defer func() {
		if fault := recover(); fault != nil {
			s.work.fault(fault)
			answer, unfit = nil, true
		}
	}()
	if isStream && !begins(message) {
		return nil, true
	}
	code := misshapen(message, isStream)
	if code == 0 {
		if isStream {
			s.rehearse(message)
		}
		return nil, false
	}
	return s.rebuff(message, code, from), true
}

// rehearse has sipgo read a message where a panic of its ends no more than that, or its
// connection: sipgo reads streams on goroutines of its own, and one there would end the
// exchange. It costs a second reading, which UDP is spared: see readUDP.
func (s *Server) rehearse(message []byte) { _, _ = s.cfg.parser.ParseSIP(message) }

// begins says whether this is the beginning of a message at all. In a stream, what
// is none follows one whose length was wrong: sipgo would close the connection
// before that one is answered.
func begins(message []byte) bool {
	first, _, _ := bytes.Cut(message, []byte("\r\n"))
	return bytes.HasPrefix(first, []byte("SIP/")) || bytes.Contains(first, []byte(" SIP/"))
}

// rebuff is the answer to a request that is not read; nil: it gets none,
// because it is an ACK or no request, because nothing in it says what an answer belongs to, or
// because its sender has asked too much.
func (s *Server) rebuff(message []byte, code int, from netip.AddrPort) []byte {
	if bytes.HasPrefix(message, []byte("ACK ")) || bytes.HasPrefix(message, []byte("SIP/")) || !s.mayAsk(from.Addr().Unmap()) {
		return nil
	}
	head, _, _ := bytes.Cut(message, blankLine)
	_, head, _ = bytes.Cut(head, []byte("\r\n"))
	answer := fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", code, phrase(code))
	seen := map[string]bool{}
	for name, value := range fields(head) {
		title, ok := repeatedIn400[name]
		if !ok || name != "via" && seen[name] {
			continue
		}
		text := strings.Join(strings.Fields(string(value)), " ")
		if !clean(text) {
			return nil
		}
		if seen[name] = true; name == "to" && !strings.Contains(text, "tag=") {
			text += ";tag=" + newTag()
		}
		answer = fmt.Appendf(answer, "%s: %s\r\n", title, text)
	}
	if len(seen) != len(repeatedIn400) {
		return nil
	}
	if code == wire.StatusServiceUnavailable {
		answer = fmt.Appendf(answer, "%s\r\n", retryAfter())
	}
	return append(answer, "Content-Length: 0\r\n\r\n"...)
}

// repeatedIn400 is what an answer repeats of its request (RFC 3261 §8.2.6.2).
var repeatedIn400 = map[string]string{"via": "Via", "from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}

// mayAsk is welcome for what cannot be read.
func (s *Server) mayAsk(from netip.Addr) bool {
	for _, t := range s.trunks {
		if t.calls(from) {
			return true
		}
	}
	who := gate.Visitor{Source: from}
	if s.cfg.Gate.Closed(who) || !s.strangers.allow(s.cfg.Gate.Key(who)) {
		s.dropped.Add(1)
		return false
	}
	return true
}
