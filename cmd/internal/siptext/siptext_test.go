package siptext

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const invite = "INVITE sip:+74950000001@127.0.0.11 SIP/2.0\r\n" +
	"v: SIP/2.0/UDP 127.0.0.2:5062;rport;branch=z9hG4bKabc\r\n" +
	"Via: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKold\r\n" +
	"f: \"A; B\" <sip:+79160000000@127.0.0.2;tag=no>;tag=from1\r\n" +
	"To: <sip:+74950000001@127.0.0.11>\r\n" +
	"i: one@two\r\nCSeq: 7 INVITE\r\nSubject: long\r\n  line\r\nContent-Length: 4\r\n\r\nbodyand more"

func TestARequestIsReadWithCompactAndFoldedHeaders(t *testing.T) {
	m, err := Parse([]byte(invite))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{m.Method(), m.RequestURI(), m.Branch(), m.Value("Call-ID"), Tag(m.Value("From")), URI(m.Value("From")),
		User(URI(m.Value("To"))), m.Value("subject"), string(m.Body)}
	want := []string{"INVITE", "sip:+74950000001@127.0.0.11", "z9hG4bKabc", "one@two", "from1", "sip:+79160000000@127.0.0.2;tag=no",
		"+74950000001", "long line", "body"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if m.CSeq() != 7 || len(m.Values("Via")) != 2 {
		t.Errorf("CSeq %d, %d Vias", m.CSeq(), len(m.Values("Via")))
	}
}

func TestAResponseCarriesWhatTheRequestDemands(t *testing.T) {
	req, _ := Parse([]byte(invite))
	m, err := Parse(Response(req, 180, "Ringing", "to1").Add("Contact", "<sip:x@127.0.0.3>").Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if m.Status() != 180 || m.IsRequest() || m.Method() != "INVITE" || Tag(m.Value("To")) != "to1" || len(m.Values("Via")) != 2 {
		t.Errorf("got %+v", m)
	}
	again := Response(m, 200, "OK", "to2")
	if Tag(again.Value("To")) != "to1" {
		t.Error("a second tag was added to To")
	}
}

func TestMessagesAreCutFromAStream(t *testing.T) {
	one := Request("OPTIONS", "sip:a@b", Header{"CSeq", "1 OPTIONS"}).WithBody("text/plain", []byte("12345")).Bytes()
	r := bufio.NewReader(strings.NewReader("\r\n\r\n" + string(one) + string(one)))
	for range 2 {
		m, raw, err := Read(r)
		if err != nil || string(m.Body) != "12345" || string(raw) != string(one) {
			t.Fatalf("%v %q", err, raw)
		}
	}
}

func TestJunkIsRefused(t *testing.T) {
	for name, junk := range map[string]string{
		"nothing":              "",
		"no end of headers":    "INVITE sip:a SIP/2.0\r\nA: b\r\n",
		"not SIP":              "GET / HTTP/1.1\r\n\r\n",
		"status out of range":  "SIP/2.0 999 What\r\n\r\n",
		"header without colon": "INVITE sip:a SIP/2.0\r\nwhat\r\n\r\n",
		"folded first header":  "INVITE sip:a SIP/2.0\r\n a: b\r\n\r\n",
	} {
		if _, err := Parse([]byte(junk)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestADescriptionComesBackAsItWent(t *testing.T) {
	for _, a := range []Audio{
		{Addr: netip.MustParseAddrPort("127.0.0.2:4000"), Types: []uint8{8, 0}, Event: 101, Direction: "sendrecv"},
		{Addr: netip.MustParseAddrPort("127.0.0.3:4002"), Types: []uint8{0}, Direction: "sendonly"},
	} {
		got, err := ParseSDP(a.SDP(1))
		if diff := cmp.Diff(a, got, cmpopts.EquateComparable(netip.AddrPort{})); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
	if _, err := ParseSDP([]byte("v=0\r\nm=video 5 RTP/AVP 8\r\n")); err == nil {
		t.Error("a description without audio was accepted")
	}
}
