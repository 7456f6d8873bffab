package selftest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"cabline/cmd/internal/telephone"
)

// A leak that is planted is found, in every part of what reaches a party.
func TestAPlantedLeakIsFoundWhereItIs(t *testing.T) {
	sip := "INVITE sip:+79260000932@carrier SIP/2.0\r\nFrom: <sip:+74950000000@pbx>;tag=1\r\nP-Asserted-Identity: <sip:+74950000000@pbx>\r\n" +
		"Subject: taxi\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n"
	for name, c := range map[string]struct {
		kind, text string
		field      string
		column     int
	}{
		"in the first line":          {"SIP", strings.Replace(sip, "@carrier", "@carrier;x=9160000417", 1), "first line", firstLines},
		"in From":                    {"SIP", strings.Replace(sip, "<sip:+7495", `"89160000417" <sip:+7495`, 1), "From", addresses},
		"in an identity, as hex":     {"SIP", strings.Replace(sip, "<sip:+74950000000@pbx>\r\nSub", "<sip:x>;y="+hex.EncodeToString([]byte("+79160000417"))+"\r\nSub", 1), "P-Asserted-Identity", identities},
		"in another header, base64":  {"SIP", strings.Replace(sip, "taxi", base64.StdEncoding.EncodeToString([]byte("79160000417")), 1), "Subject", otherHeaders},
		"the client's canary in SDP": {"SIP", strings.Replace(sip, "s=-", "s="+clientCanary, 1), "body", descriptions},
		"in RTP":                     {"RTP", "\x80\x08\x00\x01" + clientCanary, "RTP", audio},
		"in RTCP, percent-encoded":   {"RTCP", "%39%31%36%30%30%30%30%34%31%37", "RTCP", audio},
		"the client's address":       {"SIP", strings.Replace(sip, "taxi", "via 127.1.2.3", 1), "Subject", otherHeaders},
		"nothing leaks":              {"SIP", sip, "", 0},
	} {
		s := &stage{Place: Place{Client: netip.MustParseAddr("127.1.2.3"), Carrier: netip.MustParseAddrPort("127.1.2.4:5070")}}
		var r Row
		driver := func(string) string { return DriverNumber }
		s.look(&r, []telephone.Wire{{Kind: c.kind, Bytes: []byte(c.text)}}, driver, s.Client)
		switch {
		case c.field == "":
			if len(r.Leaks) != 0 {
				t.Errorf("%s: %v", name, r.Leaks)
			}
		case len(r.Leaks) == 0:
			t.Errorf("%s: not found", name)
		default:
			for _, l := range r.Leaks {
				if l.Field != c.field || l.column != c.column {
					t.Errorf("%s: found in %s, column %d", name, l.Field, l.column)
				}
			}
		}
	}
}

func TestACertificateIsOnlyGoodWhenAllWasPlayedAndNothingLeaked(t *testing.T) {
	good := Row{Flow: "answer", Looked: [fieldCount]int{5, 20, 0, 9, 1, 100}}
	leaky := Row{Flow: "busy", Leaks: []Leak{{To: "driver", Field: "Subject", column: otherHeaders, Leak: telephone.Leak{Secret: "x", As: "text"}}}}
	for name, c := range map[string]struct {
		rows []Row
		ok   bool
		says string
	}{
		"all good":           {[]Row{good}, true, "0 leaks in 135 fields"},
		"one was not needed": {[]Row{good, {Flow: "forward", Skipped: "this firm has none"}}, true, "this firm has none"},
		"a leak":             {[]Row{good, leaky}, false, "1 LEAKS of 0"},
		"one failed":         {[]Row{good, {Flow: "hold", Err: errors.New("no answer")}}, false, "NOT PROVEN: hold: no answer"},
		"nothing was played": {nil, false, "0 leaks in 0"},
	} {
		var text bytes.Buffer
		certificate := Certificate{Trunk: "carrier", Rows: c.rows}
		certificate.Write(&text)
		if certificate.OK() != c.ok || !strings.Contains(text.String(), c.says) {
			t.Errorf("%s: good %v:\n%s", name, certificate.OK(), &text)
		}
	}
}
