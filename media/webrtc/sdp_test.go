package webrtc

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"cabline/media"
)

// chromeOffer is as JsSIP sends it from Chrome, with a name in each field that
// has room for one.
const chromeOffer = `v=0
o=anna-79991112233 4611731400430051336 2 IN IP4 10.1.2.3
s=79991112233
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS 79991112233
m=audio 50312 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 10.1.2.3
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:79991112233 1 udp 2113937151 10.1.2.3 50312 typ host generation 0 network-cost 999
a=candidate:2 1 udp 1677729535 192.0.2.7 50312 typ srflx raddr 10.1.2.3 rport 50312 generation 0
a=candidate:3 1 udp 2113937151 4f1e-79991112233.local 50313 typ host
a=candidate:4 1 tcp 1518280447 10.1.2.3 9 typ host tcptype active generation 0
a=candidate:5 2 udp 2113937150 10.1.2.3 50314 typ host
a=candidate:6 1 udp 2113937150 2001:db8::7 50314 typ host
a=ice-ufrag:EsAw
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
a=ice-options:trickle
a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:79991112233 79991112233
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:1001 cname:79991112233
a=ssrc:1001 msid:79991112233 79991112233
`

// refused are two more sections which Chrome may offer.
const refused = `m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=mid:1
a=sendrecv
a=rtpmap:96 VP8/90000
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:2
a=sctp-port:5000
`

func crlf(sdp string) []byte { return []byte(strings.ReplaceAll(sdp, "\n", "\r\n")) }

func TestAnOfferIsRead(t *testing.T) {
	r, err := readRemote(crlf(chromeOffer))
	if err != nil {
		t.Fatal(err)
	}
	const udp = webrtc.ICEProtocolUDP
	want := &remote{
		sections:    []section{{kind: "audio", proto: "UDP/TLS/RTP/SAVPF", format: "111", mid: "0"}},
		bundled:     true,
		codecs:      []media.Codec{media.G722, media.PCMU, media.PCMA, media.Opus},
		opus:        111,
		event:       126,
		fullEvent:   110,
		direction:   sendrecv,
		ufrag:       "EsAw",
		pwd:         "P2uYro0UCOQ4zxjKXaWCBui1",
		fingerprint: "sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F",
		setup:       "actpass",
		candidates: []webrtc.ICECandidate{
			{Foundation: "0", Component: 1, Protocol: udp, Priority: 2113937151, Address: "10.1.2.3", Port: 50312, Typ: webrtc.ICECandidateTypeHost},
			{Foundation: "1", Component: 1, Protocol: udp, Priority: 1677729535, Address: "192.0.2.7", Port: 50312, Typ: webrtc.ICECandidateTypeSrflx},
			{Foundation: "2", Component: 1, Protocol: udp, Priority: 2113937150, Address: "2001:db8::7", Port: 50314, Typ: webrtc.ICECandidateTypeHost},
		},
	}
	if d := cmp.Diff(want, r, cmp.AllowUnexported(remote{}, section{}), cmpopts.IgnoreUnexported(webrtc.ICECandidate{})); d != "" {
		t.Error(d)
	}
}

func TestOffersAreReadWhateverTheirForm(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string
		check    func(*remote) bool
	}{
		{"hold is seen", "a=sendrecv", "a=sendonly", func(r *remote) bool { return r.direction == sendonly }},
		{"full hold is seen", "a=sendrecv", "a=inactive", func(r *remote) bool { return r.direction == inactive }},
		{"without a direction it is both ways", "a=sendrecv\n", "", func(r *remote) bool { return r.direction == sendrecv }},
		{"the direction of the audio itself counts before the session's", "t=0 0\n", "t=0 0\na=recvonly\n", func(r *remote) bool { return r.direction == sendrecv }},
		{"a telephone-event for Opus alone is none", "a=rtpmap:126 telephone-event/8000\n", "", func(r *remote) bool { return r.event == 0 && r.fullEvent == 110 }},
		{"Opus under another number is found by its name", "111", "96", func(r *remote) bool { return r.opus == 96 }},
		{"Opus of one channel is none", "opus/48000/2", "opus/48000", func(r *remote) bool { return r.opus == 0 }},
		{"a telephone-event that is not listed is none", " 110 126", " 110", func(r *remote) bool { return r.event == 0 }},
		{"an early telephone-event is found too", "126", "101", func(r *remote) bool { return r.event == 101 }},
		{"without a setup either side may begin", "a=setup:actpass\n", "", func(r *remote) bool { return r.setup == "actpass" }},
		{"a stronger fingerprint is taken after a weak one", "a=fingerprint:sha-256", "a=fingerprint:sha-1 00:01\na=fingerprint:SHA-256", func(r *remote) bool { return strings.HasPrefix(r.fingerprint, "SHA-256 D2") }},
		{"video before the audio is passed over", "m=audio", "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\nm=audio", func(r *remote) bool { return r.audio == 1 && len(r.sections) == 2 }},
		{"a refused audio is passed over", "m=audio", "m=audio 0 UDP/TLS/RTP/SAVPF 8\na=mid:v\nm=audio", func(r *remote) bool { return r.audio == 1 }},
		{"without BUNDLE it is read too", "a=group:BUNDLE 0\n", "", func(r *remote) bool { return !r.bundled }},
		{"lines may end in LF alone", "\r\n", "\n", func(r *remote) bool { return r.ufrag == "EsAw" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(chromeOffer, tt.old, tt.new, -1)
			r, err := readRemote([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestBadOffersAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string
		want     error // nil: any
	}{
		{"no certificate", "a=fingerprint", "a=x", ErrNoFingerprint},
		{"a broken hash", "a=fingerprint:sha-256", "a=fingerprint:sha-1", ErrNoFingerprint},
		{"a short fingerprint", "D2:FA:", "", ErrNoFingerprint},
		{"a fingerprint of no bytes", "D2:FA", "D2:+A", ErrNoFingerprint},
		{"no ICE user", "a=ice-ufrag", "a=x", ErrNoICE},
		{"a short ICE password", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1", "a=ice-pwd:short", ErrNoICE},
		{"an ICE password with a space", "a=ice-pwd:P2uY", "a=ice-pwd:P2 Y", ErrNoICE},
		{"none of the codecs", " 111 63 9 0 8 13", " 63 13", ErrNoCodec},
		{"no audio", "m=audio", "m=video", ErrNoAudio},
		{"plain RTP", "UDP/TLS/RTP/SAVPF", "RTP/AVP", ErrNoAudio},
		{"audio switched off", "m=audio 50312", "m=audio 0", ErrNoAudio},
		{"a setup that waits", "a=setup:actpass", "a=setup:holdconn", nil},
		{"an id that is no token", "a=mid:0", "a=mid:0 a", nil},
		{"no SDP", chromeOffer, "hello", nil},
		{"nothing", chromeOffer, "", nil},
		{"too long a text", "s=79991112233", "s=" + strings.Repeat("x", maxSDP), nil},
		{"too many lines", "a=rtcp-mux\n", strings.Repeat("a=x\n", maxLines), nil},
		{"too many media", "m=audio", strings.Repeat("m=video 9 UDP/TLS/RTP/SAVPF 96\n", maxMedia) + "m=audio", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := readRemote(crlf(strings.Replace(chromeOffer, tt.old, tt.new, 1)))
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error is %v; read %+v", err, r)
			}
		})
	}
}

func TestManyCandidatesAreCutOff(t *testing.T) {
	var flood strings.Builder
	for i := range 500 {
		fmt.Fprintf(&flood, "a=candidate:%d 1 udp 1 10.0.0.1 %d typ host\n", i, i+1)
	}
	r, err := readRemote(crlf(strings.Replace(chromeOffer, "a=rtcp-mux\n", flood.String(), 1)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.candidates) != maxCandidates {
		t.Errorf("%d candidates taken", len(r.candidates))
	}
}

func TestBadCandidatesAreLeftOut(t *testing.T) {
	for name, c := range map[string]string{
		"names are not looked up":    "1 1 udp 1 example.invalid 5000 typ host",
		"no port":                    "1 1 udp 1 10.0.0.1 0 typ host",
		"a port too high":            "1 1 udp 1 10.0.0.1 65536 typ host",
		"a priority too high":        "1 1 udp 4294967296 10.0.0.1 5000 typ host",
		"a zone":                     "1 1 udp 1 fe80::1%eth0 5000 typ host",
		"no address":                 "1 1 udp 1 0.0.0.0 5000 typ host",
		"a group":                    "1 1 udp 1 224.0.0.1 5000 typ host",
		"an unknown type":            "1 1 udp 1 10.0.0.1 5000 typ wormhole",
		"another keyword":            "1 1 udp 1 10.0.0.1 5000 type host",
		"a candidate that ends soon": "1 1 udp 1",
		"an empty one":               "",
	} {
		if got, ok := candidate(c, 0); ok {
			t.Errorf("%s: %q became %v", name, c, got)
		}
	}
}

func testLocal() local {
	l := newLocal(4242, "sha-256 00:01", []media.Codec{media.PCMA, media.PCMU})
	l.session, l.ufrag, l.pwd = 77, "ourfrag", "ourpassword"
	l.candidates = []string{"1 1 udp 99 192.0.2.1 7000 typ host"}
	return l
}

func TestAnAnswerTakesTheAudioAndRefusesTheRest(t *testing.T) {
	r, err := readRemote(crlf(chromeOffer + refused))
	if err != nil {
		t.Fatal(err)
	}
	l := testLocal()
	l.agree(r)
	want := crlf(`v=0
o=- 77 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
m=audio 9 UDP/TLS/RTP/SAVPF 8 0 126
c=IN IP4 0.0.0.0
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:126 telephone-event/8000
a=fmtp:126 0-15
a=ptime:20
a=rtcp-mux
a=mid:0
a=sendrecv
a=msid:cabline audio
a=ssrc:4242 cname:cabline
a=setup:passive
a=fingerprint:sha-256 00:01
a=ice-ufrag:ourfrag
a=ice-pwd:ourpassword
a=candidate:1 1 udp 99 192.0.2.1 7000 typ host
a=end-of-candidates
m=video 0 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=inactive
a=mid:1
m=application 0 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=inactive
a=mid:2
`)
	if d := cmp.Diff(string(want), string(l.write(r.direction.seen(), "passive"))); d != "" {
		t.Error(d)
	}
}

func TestNothingOfTheBrowsersNamesIsRepeated(t *testing.T) {
	r, err := readRemote(crlf(chromeOffer))
	if err != nil {
		t.Fatal(err)
	}
	l := testLocal()
	l.agree(r)
	if sdp := string(l.write(sendrecv, "passive")); strings.Contains(sdp, "79991112233") {
		t.Errorf("our answer has the canary:\n%s", sdp)
	}
}

func TestDirectionsAreMirrored(t *testing.T) {
	for d, want := range map[direction]direction{sendrecv: sendrecv, sendonly: recvonly, recvonly: sendonly, inactive: inactive} {
		if d.seen() != want {
			t.Errorf("%s is seen as %s", d, d.seen())
		}
	}
}

// FuzzReadRemote feeds strangers' SDP: whatever is accepted must make candidates that
// pion takes, and an answer that is well formed and of as many media.
func FuzzReadRemote(f *testing.F) {
	f.Add(crlf(chromeOffer))
	f.Add(crlf(chromeOffer + refused))
	f.Add([]byte("v=0\r\no=- 0 0 IN IP4 0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := testLocal()
		r, err := l.read(text)
		if err != nil {
			return
		}
		l.agree(r)
		for _, c := range r.candidates {
			if _, err := c.ToICE(); err != nil {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if n := sections(t, string(l.write(r.direction.seen(), "passive"))); n != len(r.sections) {
			t.Errorf("%d media answered with %d", len(r.sections), n)
		}
	})
}

// sections counts the media of an SDP, which must be well formed.
func sections(t *testing.T, text string) int {
	t.Helper()
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(text); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return len(desc.MediaDescriptions)
}
