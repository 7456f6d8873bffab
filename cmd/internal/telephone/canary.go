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
	m.Headers = append(m.Headers, []siptext.Header{
		{Name: "X-Canary", Value: canary}, {Name: "Subject", Value: canary}, {Name: "User-Agent", Value: "phone " + canary},
		{Name: "Server", Value: canary}, {Name: "Organization", Value: canary}, {Name: "Call-Info", Value: uri + ";purpose=card"},
		{Name: "P-Asserted-Identity", Value: asserted}, {Name: "P-Preferred-Identity", Value: asserted},
		{Name: "Remote-Party-ID", Value: asserted + ";party=calling"},
		{Name: "Diversion", Value: uri + ";reason=unconditional"}, {Name: "History-Info", Value: uri + ";index=1"}, {Name: "Referred-By", Value: uri},
		{Name: "Alert-Info", Value: uri}, {Name: "Error-Info", Value: uri}, {Name: "Reply-To", Value: uri}, {Name: "Geolocation", Value: uri},
		{Name: "P-Called-Party-ID", Value: uri}, {Name: "P-Charging-Vector", Value: "icid-value=" + canary + ";orig-ioi=" + canary},
		{Name: "P-Access-Network-Info", Value: "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=" + canary}, {Name: "P-Early-Media", Value: "sendrecv, " + canary},
		{Name: "Session-ID", Value: hex.EncodeToString([]byte(canary)) + "000000"}, {Name: "In-Reply-To", Value: canary + "@x"},
		{Name: "Call-Info", Value: uri + ";purpose=icon"}, {Name: "Identity", Value: base64.StdEncoding.EncodeToString([]byte(canary))}, {Name: "User-to-User", Value: hex.EncodeToString([]byte(canary)) + ";encoding=hex"},
		{Name: "Reason", Value: `Q.850;cause=16;text="` + canary + `"`}, {Name: "Warning", Value: `399 host "` + canary + `"`},
		{Name: "X-Base64", Value: base64.StdEncoding.EncodeToString([]byte(canary))},
	}...)
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
		body = strings.Replace(body, "s=-", "s="+canary+"\r\ni="+canary+"\r\nu=tel:"+canary+"\r\ne="+canary+"@x\r\np=+"+canary, 1)
		m.Body = []byte(body + "a=x-canary:" + canary + "\r\na=label:" + canary + "\r\n")
	}
}

// extend puts a canary into whatever an RTP packet has besides its sound
// (RFC 3550 §5.1): contributing sources, an extension, padding.
func extend(packet []byte, canary string) []byte {
	if canary == "" {
		return packet
	}
	words := (len(canary) + 3) / 4
	b := slices.Clone(packet[:12])
	b[0] |= 0x20 | 0x10 | 1 // padding, an extension, one contributing source
	b = append(b, packed(canary, false)[:4]...)
	b = binary.BigEndian.AppendUint16(b, 0xcab1)
	b = binary.BigEndian.AppendUint16(b, uint16(words))
	b = append(append(b, canary...), make([]byte, 4*words-len(canary))...)
	b = append(append(b, packet[12:]...), canary...)
	return append(b, byte(len(canary)+1))
}

// report is an RTCP compound with a canary in every item that describes a
// source, from CNAME to NOTE (RFC 3550 §6.5), and in a packet of an application.
func report(source uint32, canary string) []byte {
	b := []byte{0x80, 201, 0, 1}
	b = binary.BigEndian.AppendUint32(b, source)
	chunk := binary.BigEndian.AppendUint32(nil, source)
	for item := byte(1); item <= 7; item++ {
		chunk = append(append(chunk, item, byte(len(canary))), canary...)
	}
	for chunk = append(chunk, 0); len(chunk)%4 != 0; {
		chunk = append(chunk, 0)
	}
	b = append(b, 0x81, 202, 0, byte(len(chunk)/4))
	b = append(b, chunk...)
	b = append(b, 0x80, 204, 0, 6)
	b = binary.BigEndian.AppendUint32(b, source)
	return append(append(append(b, "CNRY"...), canary...), 0, 0, 0)
}

// ISUP is a part of a message as an SS7 network says who is called: packed
// decimals, the first of two in the low half (ITU-T Q.763 §3.9).
func ISUP(digits string) string {
	return "\x04\x09\x84\x10" + string(packed(digits, true)) + "\x0a"
}

// packed is digits two to an octet; without the last where their number is odd.
func packed(digits string, lowFirst bool) []byte {
	b := make([]byte, len(digits)/2)
	for i := range b {
		high, low := digits[2*i]-'0', digits[2*i+1]-'0'
		if lowFirst {
			high, low = low, high
		}
		b[i] = high<<4 | low
	}
	return b
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
	together := slices.DeleteFunc(slices.Clone(text), func(b byte) bool { return strings.IndexByte(" \t\u00a0-./()_+", b) >= 0 })
	for _, each := range s {
		switch {
		case bytes.Contains(text, each.bytes):
			leaks = append(leaks, Leak{each.secret, each.as, w})
		case each.as == asText && bytes.Contains(together, each.bytes):
			leaks = append(leaks, Leak{each.secret, "text in groups", w})
		}
	}
	return leaks
}

const asText = "text"

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
	all := map[string][]byte{asText: []byte(secret), "hex": []byte(hex.EncodeToString([]byte(secret)))}
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
		all["packed decimals"], all["packed decimals, swapped"] = packed(secret, false), packed(secret, true)
	}
	if addr, err := netip.ParseAddr(secret); err == nil {
		all["an address of four octets"] = addr.AsSlice()
	}
	return all
}
