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

// maxHead is how long a head may be, in bytes; sipgo takes no more either.
const maxHead = 65535

// pass takes the blank lines out of what was read and counts the pings in them.
// A head is held back until it is whole: sipgo would close the connection at the
// first line it cannot read, before the request could be answered.
func (l *lull) pass(read []byte) (messages []byte, pings int) {
	for len(read) > 0 && !l.spoilt {
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
			var head []byte
			head, read = l.enter(read)
			messages = append(messages, head...)
		}
	}
	return messages, pings
}

var blankLine = []byte("\r\n\r\n")

// enter takes what belongs to the head of a message. The head comes back when it
// is whole and can be read.
func (l *lull) enter(read []byte) (head, rest []byte) {
	before := len(l.head)
	l.head = append(l.head, read...)
	searched := max(before-len(blankLine), 0)
	end := bytes.Index(l.head[searched:], blankLine)
	if end < 0 {
		l.spoilt = len(l.head) > maxHead
		return nil, nil
	}
	end += searched + len(blankLine)
	head, l.head = l.head[:end], l.head[:0]
	l.body = contentLength(string(head))
	if l.spoilt = l.look != nil && !l.look(head); l.spoilt {
		head = nil
	}
	return head, read[end-before:]
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
