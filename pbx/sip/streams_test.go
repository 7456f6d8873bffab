package sip

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// onStreams runs a test over TCP and over TLS.
func onStreams(t *testing.T, test func(t *testing.T, b *bench, p *phone)) {
	for network, open := range map[string]func(*bench) *phone{"TCP": (*bench).tcpPhone, "TLS": (*bench).tlsPhone} {
		t.Run(network, func(t *testing.T) {
			b := start(t, answerAll, overTLS)
			test(t, b, open(b))
		})
	}
}

func TestMessagesInPiecesAndGluedTogetherAreRead(t *testing.T) {
	onStreams(t, func(t *testing.T, b *bench, p *phone) {
		k := p.newTalk("79161234567", "74950000000")
		k.seq, k.branch = 1, "z9hG4bKpieces1"
		first := crlf(k.text("OPTIONS", ""))
		k.seq, k.branch = 2, "z9hG4bKpieces2"
		both := first + crlf(k.text("OPTIONS", "Content-Type: text/plain\n\nbody"))
		for _, piece := range []struct {
			text    string
			answers bool
		}{
			{both[:10], false}, {both[10 : len(first)-3], false}, {both[len(first)-3 : len(first)+20], true}, {both[len(first)+20:], true},
		} {
			if err := p.write([]byte(piece.text)); err != nil {
				t.Fatal(err)
			}
			if piece.answers {
				p.want("SIP/2.0 200")
			} else {
				p.silent(5 * time.Millisecond)
			}
		}
	})
}

func TestACallOfMessagesThatComeByteByByte(t *testing.T) {
	onStreams(t, func(t *testing.T, b *bench, p *phone) {
		whole := p.write
		p.write = func(m []byte) error {
			for i := range m {
				if err := whole(m[i : i+1]); err != nil {
					return err
				}
			}
			return nil
		}
		k := p.newTalk("79161234567", "74950000000")
		k.call()
		k.bye()
	})
}

// RFC 5626 §4.4.1: two line ends ask, one answers.
func TestAPhoneThatAsksByBlankLinesForASignOfLifeGetsOne(t *testing.T) {
	const ping = "\r\n\r\n"
	for name, c := range map[string]struct {
		pieces func(message string) []string
		pongs  int
	}{
		"alone":                          {func(m string) []string { return []string{ping, m} }, 1},
		"in pieces":                      {func(m string) []string { return []string{"\r", "\n\r", "\n", m} }, 1},
		"two at once":                    {func(m string) []string { return []string{ping + ping, m} }, 2},
		"together with the next message": {func(m string) []string { return []string{ping + m} }, 1},
		"together with the last message": {func(m string) []string {
			return []string{strings.NewReplacer("CSeq: 1 ", "CSeq: 2 ", "Kping", "Kpong").Replace(m) + ping, m}
		}, 1},
		"a line end is no question": {func(m string) []string { return []string{"\r\n", m} }, 0},
		"nor are those of messages": {func(m string) []string { return []string{"\r\n" + m[:len(m)-2], m[len(m)-2:]} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, nil)
			conn, err := net.Dial("tcp4", b.tcpAddr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			k := (&phone{t: t, network: "TCP", self: conn.LocalAddr().String()}).newTalk("1", "2")
			k.seq, k.branch = 1, "z9hG4bKping"
			last := crlf(k.text("OPTIONS", "Content-Type: text/plain\n\n\r\n\r\nbody\r\n\r\n"))
			for _, piece := range c.pieces(last) {
				if _, err := conn.Write([]byte(piece)); err != nil {
					t.Fatal(err)
				}
			}
			answers := 1 + strings.Count(name, "last message")
			if got := pongsAmong(t, conn, answers); got != c.pongs {
				t.Errorf("%d signs of life, want %d", got, c.pongs)
			}
		})
	}
}

// pongsAmong counts the line ends among so many answers without a body.
func pongsAmong(t *testing.T, conn net.Conn, answers int) (pongs int) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(forAMoment))
	var got strings.Builder
	for buf := make([]byte, 1); strings.Count(got.String(), "Supported: timer\r\n\r\n") < answers; {
		if _, err := io.ReadFull(conn, buf); err != nil {
			t.Fatal(err, got.String())
		}
		got.Write(buf)
	}
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // for one too many
	rest, _ := io.ReadAll(conn)
	lines := strings.Split(got.String()+string(rest), "\r\n")
	for _, line := range lines[:len(lines)-1] {
		if line == "" {
			pongs++
		}
	}
	return pongs - answers
}
