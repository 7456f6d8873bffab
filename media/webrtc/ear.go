package webrtc

import (
	"io"
	"sync"
	"time"

	"github.com/pion/rtp"

	"cabline/media"
)

// maxPacket is more than any network carries in one piece.
const maxPacket = 1500

// ear is what comes from the browser. Pion writes each decrypted packet to it,
// in its own goroutine and in its own large buffer, which is ours until Write
// returns.
type ear struct {
	digits chan<- media.Digit

	mu     sync.Mutex // also held while the sink is written to: see Plug
	sink   media.Sink
	event  uint8
	header rtp.Header
	packet media.Packet
	count  media.Stats
}

func (e *ear) plug(to media.Sink) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sink = to
}

func (e *ear) agree(event uint8) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.event = event
}

func (e *ear) stats() media.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

// Write takes one RTP packet.
func (e *ear) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.read(b) {
		e.count.Dropped++
		return len(b), nil
	}
	e.count.Received++
	e.count.LastHeard = time.Now()
	if e.sink != nil {
		e.sink.WriteRTP(&e.packet)
	}
	return len(b), nil
}

// read makes e.packet of b and reports whether it is one we have agreed on.
func (e *ear) read(b []byte) bool {
	n, err := e.header.Unmarshal(b)
	if err != nil || e.header.Version != 2 || len(b) > maxPacket {
		return false
	}
	if e.header.Padding {
		if pad := int(b[len(b)-1]); pad > 0 && pad <= len(b)-n {
			b = b[:len(b)-pad]
		}
	}
	e.packet = media.Packet{
		Buf:    b,
		Start:  n,
		Marker: e.header.Marker,
		Time:   e.header.Timestamp,
		Seq:    e.header.SequenceNumber,
		Source: e.header.SSRC,
	}
	switch pt := e.header.PayloadType; {
	case len(b) == n:
		return false
	case pt == media.PCMA.PayloadType():
		e.packet.Codec = media.PCMA
	case pt == media.PCMU.PayloadType():
		e.packet.Codec = media.PCMU
	case pt == e.event && pt != 0:
		e.packet.Event = true
	default:
		return false
	}
	return true
}

func (e *ear) heard(d media.Digit) {
	select {
	case e.digits <- d:
	default:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if to, ok := e.sink.(media.Port); ok {
		to.SendDigit(d)
	}
}

// Read has nothing to read: all has been dealt with.
func (*ear) Read([]byte) (int, error) { return 0, io.EOF }

// Close does nothing: the ear outlives pion's streams.
func (*ear) Close() error { return nil }

// deaf is the buffer of what nobody listens to.
type deaf struct{}

func (deaf) Write(b []byte) (int, error) { return len(b), nil }
func (deaf) Read([]byte) (int, error)    { return 0, io.EOF }
func (deaf) Close() error                { return nil }
