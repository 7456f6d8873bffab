package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"cabline/cmd/internal/siptext"
	"cabline/cmd/internal/telephone"
)

// Frame is a datagram or a part of a stream as it was on the wire.
type Frame struct {
	From, To netip.AddrPort
	Stream   bool   // of TCP
	Payload  []byte // of UDP or TCP
}

var errCapture = errors.New("no capture of Ethernet in pcap's format")

// ReadCapture reads a capture file (pcap, little-endian, Ethernet, as tshark
// writes it with -F pcap on the loopback). What is not IPv4 over UDP or TCP is
// left out.
func ReadCapture(r io.Reader) (frames []Frame, err error) {
	var head [24]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	if magic := binary.LittleEndian.Uint32(head[:]); magic != 0xa1b2c3d4 && magic != 0xa1b23c4d || binary.LittleEndian.Uint32(head[20:]) != 1 {
		return nil, errCapture
	}
	for {
		var record [16]byte
		switch _, err := io.ReadFull(r, record[:]); {
		case cut(err):
			return frames, nil
		case err != nil:
			return nil, fmt.Errorf("capture: %w", err)
		}
		size := binary.LittleEndian.Uint32(record[8:])
		if size > 1<<18 {
			return nil, errCapture
		}
		packet := make([]byte, size)
		switch _, err := io.ReadFull(r, packet); {
		case cut(err):
			return frames, nil
		case err != nil:
			return nil, fmt.Errorf("capture: %w", err)
		}
		if f, ok := frameOf(packet); ok {
			frames = append(frames, f)
		}
	}
}

// cut is whether a capture ends here, perhaps with the half record of one that was
// stopped. Any other error would pass for silence on the wire.
func cut(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func frameOf(packet []byte) (f Frame, ok bool) {
	if len(packet) < 14+20 || binary.BigEndian.Uint16(packet[12:]) != 0x0800 {
		return f, false
	}
	ip := packet[14:]
	headers := int(ip[0]&15) * 4
	if len(ip) < headers+8 {
		return f, false
	}
	transport := ip[headers:]
	if total := int(binary.BigEndian.Uint16(ip[2:])); total >= headers && total <= len(ip) {
		transport = ip[headers:total]
	}
	port := func(at int) uint16 { return binary.BigEndian.Uint16(transport[at:]) }
	f.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), port(0))
	f.To = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), port(2))
	switch {
	case ip[9] == 17:
		f.Payload = transport[8:]
	case ip[9] == 6 && len(transport) >= 20 && len(transport) >= int(transport[12]>>4)*4:
		f.Stream, f.Payload = true, transport[int(transport[12]>>4)*4:]
	default:
		return f, false
	}
	return f, true
}

// Oracle looks through a capture for what a party must not learn.
type Oracle struct {
	Exchange netip.Addr
	// Secrets is what the party at a number may not learn; of nobody known: what
	// nobody may.
	Secrets func(party string) []string
	// Desks are operators' browsers, who is there by their addresses.
	Desks map[netip.Addr]string

	calls    map[string]string         // who is at the other end, by Call-ID
	ports    map[netip.AddrPort]string // and by where their audio goes
	searches map[string]telephone.Search
	ends     map[[2]netip.AddrPort][]byte // of the streams so far
}

// Finding is a secret in a frame that the exchange sent.
type Finding struct {
	Frame
	Party, Secret, As string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s learns %s as %s, from %s to %s: %.300q", f.Party, f.Secret, f.As, f.From, f.To, f.Payload)
}

// Search looks at every frame that left the exchange. It returns how many there
// were, by party.
func (o *Oracle) Search(frames []Frame) (found []Finding, looked map[string]int) {
	o.calls, o.ports, o.searches = map[string]string{}, map[netip.AddrPort]string{}, map[string]telephone.Search{}
	o.ends = map[[2]netip.AddrPort][]byte{}
	looked = map[string]int{}
	for _, f := range frames {
		m, err := siptext.Parse(f.Payload)
		sip := err == nil && m.Value("Call-ID") != ""
		if sip {
			o.learn(m, f)
		}
		if f.From.Addr() != o.Exchange {
			continue
		}
		party := o.ports[f.To]
		switch desk, there := o.Desks[f.To.Addr()]; {
		case there:
			party = desk
		case sip:
			party = o.calls[m.Value("Call-ID")]
		}
		looked[party]++
		if f.Stream && len(f.Payload) > 0 {
			f.Payload = o.join(f)
		}
		found = append(found, o.searched(f, party)...)
	}
	return found, looked
}

func (o *Oracle) searched(f Frame, party string) (found []Finding) {
	search, known := o.searches[party]
	if !known {
		search = telephone.NewSearch(o.Secrets(party)...)
		o.searches[party] = search
	}
	for _, leak := range search.In(telephone.Wire{Bytes: f.Payload}) {
		found = append(found, Finding{f, party, leak.Secret, leak.As})
	}
	return found
}

// overlap is how much of a segment is looked at again with the next one: more
// than a number takes in any writing.
const overlap = 64

// join is a segment behind the end of the one before it.
func (o *Oracle) join(f Frame) []byte {
	way := [2]netip.AddrPort{f.From, f.To}
	joined := append(o.ends[way], f.Payload...)
	o.ends[way] = slices.Clone(joined[max(0, len(joined)-overlap):])
	return joined
}

// learn notes whose call a message belongs to, and where their audio goes.
func (o *Oracle) learn(m *siptext.Message, f Frame) {
	id := m.Value("Call-ID")
	outgoing := f.From.Addr() == o.Exchange
	if m.IsRequest() && m.Method() == "INVITE" && o.calls[id] == "" {
		who := siptext.User(siptext.URI(m.Value("From")))
		if outgoing {
			who = siptext.User(m.RequestURI())
		}
		o.calls[id] = who
	}
	if sdp, err := siptext.ParseSDP(m.Body); err == nil && !outgoing && sdp.Addr.IsValid() {
		o.ports[sdp.Addr] = o.calls[id]
		o.ports[netip.AddrPortFrom(sdp.Addr.Addr(), sdp.Addr.Port()+1)] = o.calls[id] // RTCP
	}
}
