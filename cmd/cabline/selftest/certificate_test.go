package selftest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cabline/cmd/internal/telephone"
)

// A leak that is planted is found, in every part of what reaches a party, an
// operator or the log.
func TestAPlantedLeakIsFoundWhereItIs(t *testing.T) {
	sip := "INVITE sip:+79260000932@carrier SIP/2.0\r\nFrom: <sip:+74950000000@pbx>;tag=1\r\nP-Asserted-Identity: <sip:+74950000000@pbx>\r\n" +
		"Subject: taxi\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n"
	const page = "page /api/v1/cdrs"
	for name, c := range map[string]struct {
		who, kind, text string
		field           string
		column          int
	}{
		"in the first line":          {DriverNumber, "SIP", strings.Replace(sip, "@carrier", "@carrier;x=9160000417", 1), "first line", firstLines},
		"in From":                    {DriverNumber, "SIP", strings.Replace(sip, "<sip:+7495", `"89160000417" <sip:+7495`, 1), "From", addresses},
		"in an identity, as hex":     {DriverNumber, "SIP", strings.Replace(sip, "<sip:+74950000000@pbx>\r\nSub", "<sip:x>;y="+hex.EncodeToString([]byte("+79160000417"))+"\r\nSub", 1), "P-Asserted-Identity", identities},
		"in another header, base64":  {DriverNumber, "SIP", strings.Replace(sip, "taxi", base64.StdEncoding.EncodeToString([]byte("79160000417")), 1), "Subject", otherHeaders},
		"the client's canary in SDP": {DriverNumber, "SIP", strings.Replace(sip, "s=-", "s="+clientCanary, 1), "body", descriptions},
		"an operator's canary":       {DriverNumber, "SIP", strings.Replace(sip, "s=-", "s="+Anna, 1), "body", descriptions},
		"the next client's number":   {ClientNumber, "SIP", strings.NewReplacer("taxi", "8 916 000-05-28", DriverNumber, ClientNumber).Replace(sip), "Subject", otherHeaders},
		"in RTP":                     {DriverNumber, "RTP", "\x80\x08\x00\x01" + clientCanary, "RTP", audio},
		"in RTCP, percent-encoded":   {DriverNumber, "RTCP", "%39%31%36%30%30%30%30%34%31%37", "RTCP", audio},
		"as SS7 writes it":           {DriverNumber, "SIP", sip + telephone.ISUP("9160000417"), "body", descriptions},
		"the client's address":       {DriverNumber, "SIP", strings.Replace(sip, "taxi", "via 127.1.2.3", 1), "Subject", otherHeaders},
		"on an operator's phone":     {Anna, "SIP", strings.Replace(sip, "sip:+79260000932", "sip:"+Anna, 1) + "i=+79160000417\r\n", "body", descriptions},
		"in an operator's RTCP":      {Anna, "RTCP", driverCanary, "RTCP", audio},
		"on a page":                  {Anna, page, `{"from":"+79160000417"}`, "/api/v1/cdrs", pages},
		"on a page, with spaces":     {Anna, page, `<a>8 (926) 000-09-32</a>`, "/api/v1/cdrs", pages},
		"the other one's, by canary": {Boris, page, `{"name":"` + driverCanary + `"}`, "/api/v1/cdrs", pages},
		"in the log":                 {logWire, logWire, "{\"a\":1}\n{\"busy\":\"89260000932\"}\n", "log", logged},
		"nothing leaks":              {DriverNumber, "SIP", sip, "", 0},
		"nothing on a page":          {Anna, page, `{"from":"+7***0417~ABCD","operator":"` + Anna + `"}`, "", 0},
		"what a network said":        {logWire, logWire, driverCanary, "", 0},
	} {
		s := &stage{Place: Place{Client: netip.MustParseAddr("127.1.2.3"), Carrier: netip.MustParseAddrPort("127.1.2.4:5070")}}
		var r Row
		s.look(&r, []telephone.Wire{{Kind: c.kind, Bytes: []byte(c.text)}}, func(string) string { return c.who }, s.Client.String())
		switch {
		case c.field == "":
			if len(r.Leaks) != 0 {
				t.Errorf("%s: %v", name, r.Leaks)
			}
		case len(r.Leaks) == 0:
			t.Errorf("%s: not found", name)
		default:
			for _, l := range r.Leaks {
				if l.Field != c.field || l.column != c.column || l.To == "unknown" {
					t.Errorf("%s: found in %s, column %d, of %s", name, l.Field, l.column, l.To)
				}
			}
		}
	}
}

func TestACertificateIsOnlyGoodWhenAllWasPlayedAndNothingLeaked(t *testing.T) {
	good := Row{Flow: "answer", Looked: [fieldCount]int{5, 20, 0, 9, 1, 100, 4, 1}}
	leaky := Row{Flow: "busy", Leaks: []Leak{{To: "driver", Field: "Subject", column: otherHeaders, Leak: telephone.Leak{Secret: "x", As: "text"}}}}
	for name, c := range map[string]struct {
		rows []Row
		ok   bool
		says string
	}{
		"all good":           {[]Row{good}, true, "0 leaks in 140 fields"},
		"one was not needed": {[]Row{good, {Flow: "forward", Skipped: "this firm has none"}}, true, "this firm has none"},
		"a leak":             {[]Row{good, leaky}, false, "1 LEAKS of 0"},
		"one failed":         {[]Row{good, {Flow: "hold", Err: errors.New("no answer")}}, false, "NOT PROVEN: hold: no answer"},
		"nothing was played": {nil, false, "0 leaks in 0"},
	} {
		var text bytes.Buffer
		certificate := Certificate{Trunk: "carrier", Rows: c.rows}
		certificate.Write(&text, "en")
		if certificate.OK() != c.ok || !strings.Contains(text.String(), c.says) {
			t.Errorf("%s: good %v:\n%s", name, certificate.OK(), &text)
		}
	}
}

// Whoever reads Russian gets all of it in Russian.
func TestACertificateIsInTheOwnersLanguage(t *testing.T) {
	same := []string{"re-INVITE", "INFO, NOTIFY, MESSAGE, OPTIONS", "From, To…", "RTP, RTCP"}
	phrases := slices.Clone(columns[:])
	for _, f := range flows {
		phrases = append(phrases, f.name)
		if f.lacks != nil {
			phrases = append(phrases, f.lacks(Place{Told: true}), f.lacks(Place{}))
		}
	}
	for _, phrase := range append(phrases, "client", "driver", "target", "operator", "log", "unknown") {
		if said := Tongue("ru").Say(phrase); phrase != "" && (said == phrase) != slices.Contains(same, phrase) {
			t.Errorf("%q is said as %q", phrase, said)
		}
		if said := Tongue("en").Say(phrase); said != phrase {
			t.Errorf("%q is said in English as %q", phrase, said)
		}
	}
	verb := regexp.MustCompile(`%[.\d]*[a-z]`)
	for english, other := range russian {
		if !slices.Equal(verb.FindAllString(english, -1), verb.FindAllString(other, -1)) {
			t.Errorf("%q has other values in it than %q", other, english)
		}
	}
	var text bytes.Buffer
	leak := Leak{To: "driver", Field: "Subject", column: otherHeaders, Leak: telephone.Leak{Secret: "x", As: "text"}}
	Certificate{Trunk: "mtt", Rows: []Row{{Flow: "busy", Leaks: []Leak{leak}}, {Flow: "hold", Err: errors.New("no answer")}}}.Write(&text, "ru")
	for _, want := range []string{"занято", "УТЕЧЕК 1 из 0", "УТЕЧКА: занято: водителю, в Subject: x", "НЕ ДОКАЗАНО: удержание: no answer", "утечек: 1"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
}
