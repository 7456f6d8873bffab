package sip

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"cabline/internal/lacking"
	"cabline/internal/otherhost"
	"cabline/pbx"
)

// wireVar says whom the carrier on the other host talks to: its address and ours.
const wireVar = "CABLINE_TEST_WIRE"

// longNonce makes the INVITE that proves the password longer than a packet.
var longNonce = strings.Repeat("0123456789abcdef", 60)

// TestCarrierOnAnotherHost is the other host's program. It calls with a long
// INVITE, is called, asks for the password, and says how long the INVITEs were.
func TestCarrierOnAnotherHost(t *testing.T) {
	there, server, _ := strings.Cut(lacking.Errand(t, wireVar), " ")
	p := newPhoneAt(t, there)
	p.peer.Store(net.UDPAddrFromAddrPort(netip.MustParseAddrPort(server)))
	k := p.newTalk("79161234567", "74950000000")
	long := "Subject: " + strings.Repeat("long ", 400) + "\n" + sdpOffer
	k.request("INVITE", long)
	theirs := len(crlf(k.text("INVITE", long)))
	k.enter(k.want("SIP/2.0 200", "SIP/2.0 1"))
	k.request("ACK", "")
	k.bye()

	p = p.once()
	first := p.want("INVITE")
	p.send(first.reply("401 Who", "a", `WWW-Authenticate: Digest realm="carrier.test", nonce="`+longNonce+`", qop="auth"`+"\n"))
	p.want("ACK")
	again := p.want("INVITE")
	knowsPassword(t, again, "Authorization", "login", "carrier.test", "pass word")
	p.send(again.reply("200 OK", "b", "Contact: <sip:gw@"+p.self+">\n"+sdpOffer))
	p.want("ACK")
	p.send(p.want("BYE").reply("200 OK", "", ""))
	fmt.Printf("\nlengths %d %d\n", theirs, len(again))
}

// An INVITE that no packet takes whole goes in IP fragments (DESIGN.md), over the
// usual wire of Ethernet and over the narrowest of IPv6, and comes in them too.
func TestALongINVITEGoesAndComesInFragments(t *testing.T) {
	for name, at := range map[string]func(*testing.T, otherhost.Host) otherhost.Host{
		"over IPv4, with an MTU of 1500": func(_ *testing.T, h otherhost.Host) otherhost.Host { return h },
		"over IPv6, with an MTU of 1280": func(t *testing.T, h otherhost.Host) otherhost.Host { return h.Over6(t) },
	} {
		t.Run(name, func(t *testing.T) {
			h := at(t, otherhost.New(t))
			carrier := netip.AddrPortFrom(h.There, 5060) // its host has no other
			b := startAlone(t, answerAll, func(c *Config) {
				withPassword(c)
				c.Listen = []Listen{{"udp", netip.AddrPortFrom(h.Here, 0)}}
				c.Trunks[0].From, c.Trunks[0].Target = []netip.Prefix{netip.PrefixFrom(h.There, h.There.BitLen())}, carrier.String()
			}, nil)
			seen := capture(t, h)
			called := make(chan error, 1)
			go func() { called <- b.callsBack() }()
			lengths := strings.Fields(h.Run(t, "TestCarrierOnAnotherHost", wireVar, carrier.String()+" "+b.addr, "lengths "))
			if err := wait(t, "end of the call", called); err != nil {
				t.Error(err)
			}
			packets := seen()
			for i, from := range []netip.Addr{h.There, h.Here} {
				length, err := strconv.Atoi(lengths[i])
				if err != nil || length < 1500 {
					t.Fatalf("the INVITE of %s has %s bytes", from, lengths[i])
				}
				if !wholeIn(packets[from], length) {
					t.Errorf("an INVITE of %d bytes came from %s in these fragments: %v", length, from, packets[from])
				}
			}
		})
	}
}

// callsBack waits for the end of the call that comes, and makes one.
func (b *bench) callsBack() error {
	<-(<-b.legs).Context().Done()
	leg, err := b.Dial(context.Background(), pbx.Endpoint{Number: "+79161234567", Trunk: "carrier"})
	if err != nil {
		return err
	}
	return leg.HangUp(context.Background(), nil)
}

// fragment is a part of a datagram, as tshark tells it.
type fragment struct {
	at, size int // in the datagram
	more     bool
}

// wholeIn says whether a message of that length is there in parts: the first has the UDP header, the last nothing behind it.
func wholeIn(all []fragment, length int) bool {
	for i, f := range all {
		if f.at != 0 || !f.more {
			continue
		}
		end := f.size
		for _, next := range all[i+1:] {
			if next.at != end {
				break
			}
			if end += next.size; !next.more {
				if end == length+8 {
					return true
				}
				break
			}
		}
	}
	return false
}

// capture has tshark listen in on the wire to another host; seen ends that, and
// tells the fragments by their sender. It returns when tshark listens.
func capture(t *testing.T, h otherhost.Host) (seen func() map[netip.Addr][]fragment) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), lacking.Command(t, "tshark"), "-i", h.Wire, "-n", "-l", "-Q", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
		"-T", "fields", "-E", "separator=,", "-E", "occurrence=f", "-e", "udp.dstport", "-e", "ip.src", "-e", "ip.flags.mf", "-e", "ip.frag_offset", "-e", "ip.len",
		"-e", "ipv6.src", "-e", "ipv6.fraghdr.more", "-e", "ipv6.fraghdr.offset", "-e", "ipv6.plen")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := make(chan string, 10000)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			lines <- in.Text()
		}
	}()
	var all []string
	probe := func(port string) { // nobody's; what is sent there shows how far the capture is
		conn, err := net.Dial("udp", net.JoinHostPort(h.There.String(), port))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		until(t, "tshark tells what is sent", func() bool {
			_, _ = conn.Write([]byte("here"))
			for {
				select {
				case line, on := <-lines:
					if !on {
						t.Fatal("tshark has ended")
					}
					all = append(all, line)
					if strings.HasPrefix(line, port+",") {
						return true
					}
				case <-time.After(50 * time.Millisecond):
					return false
				}
			}
		})
	}
	probe("9")
	return func() map[netip.Addr][]fragment {
		probe("10")
		return fragmentsIn(t, all)
	}
}

// fragmentsIn reads tshark's lines. Offsets count eight bytes (RFC 791 §3.1, RFC
// 8200 §4.5); the headers are those of IPv4 without options and of the fragment.
func fragmentsIn(t *testing.T, lines []string) map[netip.Addr][]fragment {
	t.Helper()
	found := map[netip.Addr][]fragment{}
	for _, line := range lines {
		f := strings.Split(line, ",")
		number := func(i int) int { n, _ := strconv.Atoi(f[i]); return n }
		switch {
		case len(f) != 9:
			t.Fatalf("tshark says %q", line)
		case f[1] != "" && (isTrue(f[2]) || number(3) > 0):
			from := netip.MustParseAddr(f[1])
			found[from] = append(found[from], fragment{at: 8 * number(3), size: number(4) - 20, more: isTrue(f[2])})
		case f[5] != "" && f[6] != "":
			from := netip.MustParseAddr(f[5])
			found[from] = append(found[from], fragment{at: 8 * number(7), size: number(8) - 8, more: isTrue(f[6])})
		}
	}
	return found
}

// isTrue reads a flag as one tshark or another writes it.
func isTrue(flag string) bool { return flag == "1" || flag == "True" }
