package telephone

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"cabline/cmd/internal/siptext"
)

// A canary is digits which a phone puts wherever a party can put something:
// headers, tags, session descriptions, RTP header extensions, RTCP. They must
// not come out at the other end of a call whose parties are hidden from each
// other.

// canary is what the party of a call puts everywhere; p.mu is held.
func (p *Phone) canary(c *Call) string {
	if c == nil {
		return p.opt.Canary
	}
	for number, canary := range p.opt.Canaries {
		if SameNumber(number, c.Party()) {
			return canary
		}
	}
	return p.opt.Canary
}

// SameNumber compares numbers however a trunk writes them: +7916…, 7916…, 8916….
func SameNumber(a, b string) bool {
	const national = 10
	return a == b || len(a) >= national && len(b) >= national && a[len(a)-national:] == b[len(b)-national:]
}

// Party is the number of who is at the phone in a call.
func (c *Call) Party() string {
	if c.placed {
		return c.From
	}
	return c.Dialled
}

// Party is the number of who is at the phone in the call with a Call-ID; empty:
// there was no such call.
func (p *Phone) Party(callID string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.calls[callID]; c != nil {
		return c.Party()
	}
	return ""
}

// mark puts the canary into a message about to leave; p.mu is held.
func (p *Phone) mark(m *siptext.Message) {
	canary := p.canary(p.calls[m.Value("Call-ID")])
	if canary == "" || m.Value("X-Canary") != "" {
		return
	}
	uri := fmt.Sprintf("<sip:%s@%s>", canary, p.self.Addr())
	asserted := uri // a network may say who calls (RFC 3325), and is believed: so it says the same
	if p.opt.Number != "" {
		asserted = fmt.Sprintf("%q <sip:%s@%s>", canary, p.opt.Number, p.self.Addr())
	}
	for _, h := range []siptext.Header{
		{Name: "X-Canary", Value: canary}, {Name: "Subject", Value: canary}, {Name: "User-Agent", Value: "phone " + canary},
		{Name: "Server", Value: canary}, {Name: "Organization", Value: canary}, {Name: "Call-Info", Value: uri + ";purpose=card"},
		{Name: "P-Asserted-Identity", Value: asserted}, {Name: "P-Preferred-Identity", Value: asserted},
		{Name: "Remote-Party-ID", Value: asserted + ";party=calling"},
		{Name: "Diversion", Value: uri + ";reason=unconditional"}, {Name: "History-Info", Value: uri + ";index=1"}, {Name: "Referred-By", Value: uri},
		{Name: "Alert-Info", Value: uri}, {Name: "User-to-User", Value: hex.EncodeToString([]byte(canary)) + ";encoding=hex"},
		{Name: "Reason", Value: `Q.850;cause=16;text="` + canary + `"`}, {Name: "Warning", Value: `399 host "` + canary + `"`},
		{Name: "X-Base64", Value: base64.StdEncoding.EncodeToString([]byte(canary))},
	} {
		m.Headers = append(m.Headers, h)
	}
	for i, h := range m.Headers {
		if h.Name == "From" && m.IsRequest() && h.Value[0] == '<' {
			m.Headers[i].Value = `"` + canary + `" ` + h.Value
		}
		if h.Name == "Contact" {
			m.Headers[i].Value = strings.Replace(h.Value, "<sip:", "<sip:"+canary+"@", 1) + ";x=" + canary
		}
	}
	if len(m.Body) > 0 {
		body := strings.Replace(string(m.Body), "o=- ", "o="+canary+" ", 1)
		body = strings.Replace(body, "s=-", "s="+canary+"\r\ni="+canary, 1)
		m.Body = []byte(body + "a=x-canary:" + canary + "\r\na=label:" + canary + "\r\n")
	}
}

// extend puts a canary into an extension of an RTP packet (RFC 3550 §5.3.1).
func extend(packet []byte, canary string) []byte {
	if canary == "" {
		return packet
	}
	words := (len(canary) + 3) / 4
	b := slices.Clone(packet[:12])
	b[0] |= 0x10
	b = binary.BigEndian.AppendUint16(b, 0xcab1)
	b = binary.BigEndian.AppendUint16(b, uint16(words))
	b = append(b, make([]byte, 4*words)...)
	copy(b[16:], canary)
	return append(b, packet[12:]...)
}

// report is an RTCP compound with a canary as CNAME, NAME and PHONE
// (RFC 3550 §6.5) and as a goodbye's reason.
func report(source uint32, canary string) []byte {
	b := []byte{0x80, 201, 0, 1}
	b = binary.BigEndian.AppendUint32(b, source)
	chunk := binary.BigEndian.AppendUint32(nil, source)
	for _, item := range []byte{1, 2, 4} {
		chunk = append(append(chunk, item, byte(len(canary))), canary...)
	}
	for chunk = append(chunk, 0); len(chunk)%4 != 0; {
		chunk = append(chunk, 0)
	}
	b = append(b, 0x81, 202, 0, byte(len(chunk)/4))
	return append(b, chunk...)
}

// Leak is a secret that was seen where it must not be.
type Leak struct {
	Secret string
	As     string // in which writing
	Wire   Wire
}

func (l Leak) String() string {
	return fmt.Sprintf("%s as %s in %s:\n%.1500q", l.Secret, l.As, l.Wire.Kind, l.Wire.Bytes)
}

// Leaks looks for secrets, digits or addresses, in all that reached a phone, in
// every writing somebody could think of.
func (p *Phone) Leaks(secrets ...string) (leaks []Leak) {
	search := NewSearch(secrets...)
	for _, w := range p.Tape() {
		if !w.Out {
			leaks = append(leaks, search.In(w)...)
		}
	}
	return leaks
}

// Search looks for secrets in every writing somebody could think of.
type Search []writing

type writing struct {
	secret, as string
	bytes      []byte
}

// NewSearch prepares to look for digits or addresses.
func NewSearch(secrets ...string) (s Search) {
	for _, secret := range secrets {
		for as, bytesOf := range writings(secret) {
			s = append(s, writing{secret, as, lower(bytesOf)})
		}
	}
	return s
}

// In is what is found in something that passed.
func (s Search) In(w Wire) (leaks []Leak) {
	text := lower(w.Bytes)
	for _, each := range s {
		if bytes.Contains(text, each.bytes) {
			leaks = append(leaks, Leak{each.secret, each.as, w})
		}
	}
	return leaks
}

// lower has letters small and all other bytes as they are: bytes.ToLower takes
// those of packed decimals for broken UTF-8, which is all alike.
func lower(text []byte) []byte {
	small := bytes.Clone(text)
	for i, b := range small {
		if 'A' <= b && b <= 'Z' {
			small[i] += 'a' - 'A'
		}
	}
	return small
}

func writings(secret string) map[string][]byte {
	all := map[string][]byte{"text": []byte(secret), "hex": []byte(hex.EncodeToString([]byte(secret)))}
	var wide, percent, spaced []byte
	backwards := []byte(secret)
	slices.Reverse(backwards)
	all["text backwards"] = backwards
	for i := range len(secret) {
		wide = append(wide, 0, secret[i])
		percent = fmt.Appendf(percent, "%%%02x", secret[i])
		spaced = append(spaced, secret[i], '-')
	}
	all["UTF-16"], all["percent-encoding"], all["digits with dashes"] = wide, percent, spaced[:len(spaced)-1]
	for shift := range 3 { // base64 has three alignments; its first and last letters depend on the neighbours
		code := base64.StdEncoding.EncodeToString(append(make([]byte, shift), secret...))
		code = strings.TrimRight(code, "=")
		if inner := code[min(len(code), []int{0, 2, 3}[shift]) : len(code)-1]; len(inner) > 8 {
			all[fmt.Sprintf("base64, shifted by %d", shift)] = []byte(inner)
		}
	}
	if digits := strings.Trim(secret, "0123456789") == ""; digits && len(secret) >= 10 {
		even := secret[:len(secret)/2*2]
		packed, swapped := make([]byte, len(even)/2), make([]byte, len(even)/2)
		for i := range packed {
			high, low := even[2*i]-'0', even[2*i+1]-'0'
			packed[i], swapped[i] = high<<4|low, low<<4|high
		}
		all["packed decimals"], all["packed decimals, swapped"] = packed, swapped
	}
	if addr, err := netip.ParseAddr(secret); err == nil {
		all["an address of four octets"] = addr.AsSlice()
	}
	return all
}
