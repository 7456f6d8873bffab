package webrtc

import "encoding/binary"

// Messages of the handshake (RFC 6347 §4.3.2).
const (
	messageHeader      = 12 // type, length, sequence number, offset and length of the piece
	clientHello        = 1
	serverHello        = 2
	helloVerifyRequest = 3
)

// message is the type of the message with which a datagram begins; 0: none, or a
// secret one.
func message(b []byte) byte {
	if len(b) < recordHeader+messageHeader || b[0] != handshake || b[3]|b[4] != 0 {
		return 0
	}
	return b[recordHeader]
}

// hello is a ClientHello, or a piece of one.
type hello struct {
	seq, length uint32   // of the whole message
	begins      bool     // it is its first piece
	random      [32]byte // the client's, if so
}

// readHello is false for all else.
func readHello(b []byte) (said hello, ok bool) {
	if message(b) != clientHello {
		return said, false
	}
	b = b[recordHeader:]
	said.length = binary.BigEndian.Uint32(b[0:]) & 0xffffff
	said.seq = uint32(binary.BigEndian.Uint16(b[4:]))
	if offset := binary.BigEndian.Uint32(b[5:]) & 0xffffff; offset > 0 {
		return said, true
	}
	const before = messageHeader + 2 // the version of DTLS
	if len(b) < before+len(said.random) {
		return said, false
	}
	said.begins = true
	copy(said.random[:], b[before:])
	return said, true
}
