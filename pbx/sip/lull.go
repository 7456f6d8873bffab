package sip

import (
	"bytes"
	"strconv"
	"strings"
)

// lull looks for the blank lines between the messages of a stream: two of them
// ask for a sign of life, which is one (RFC 5626 §4.4.1). sipgo answers those
// that arrive alone, and a phone that gets no answer to one that came along with
// a message hangs up.
type lull struct {
	head []byte // of the message that is being read, as far as it has come
	body int    // bytes of it that are still to come
	ends int    // of lines, since the last message

	look   func(head []byte) (ok bool) // at the head of each message; nil: all are good
	spoilt bool                        // one was not: the rest of the stream is of no use
}

// maxHead is what is kept of a message to find its end, in bytes; sipgo takes no
// more either.
const maxHead = 65535

// pass takes the blank lines out of what was read, in place, and counts the
// pings in them.
func (l *lull) pass(read []byte) (messages []byte, pings int) {
	messages = read[:0]
	for len(read) > 0 {
		switch {
		case l.body > 0:
			n := min(l.body, len(read))
			messages, read, l.body = append(messages, read[:n]...), read[n:], l.body-n
		case len(l.head) == 0 && (read[0] == '\r' || read[0] == '\n'):
			if read[0] == '\n' {
				l.ends++
			}
			if l.ends == 2 {
				pings, l.ends = pings+1, 0
			}
			read = read[1:]
		default:
			l.ends = 0
			n := l.enter(read)
			if l.spoilt {
				return messages, pings
			}
			messages, read = append(messages, read[:n]...), read[n:]
		}
	}
	return messages, pings
}

var blankLine = []byte("\r\n\r\n")

// enter takes what belongs to the head of a message, and returns how much that is.
func (l *lull) enter(read []byte) int {
	before := len(l.head)
	l.head = append(l.head, read...)
	end := bytes.Index(l.head[max(before-len(blankLine), 0):], blankLine)
	if end < 0 {
		if len(l.head) > maxHead { // sipgo closes the connection
			l.head = l.head[:1]
		}
		return len(read)
	}
	end += max(before-len(blankLine), 0) + len(blankLine)
	l.body = contentLength(string(l.head[:end]))
	l.spoilt = l.look != nil && !l.look(l.head[:end])
	l.head = l.head[:0]
	return end - before
}

// contentLength reads the length of the body out of the head of a message.
func contentLength(head string) (n int) {
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "content-length", "l":
			n, _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return max(n, 0)
}
