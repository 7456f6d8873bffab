package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cabline/cmd/internal/siptext"
)

// recording is a web side that has a call written down, on its second page.
func recording(t *testing.T, callID string) web {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/calls", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"calls":[]}`) })
	mux.HandleFunc("GET /api/v1/cdrs", func(w http.ResponseWriter, r *http.Request) {
		since, err := time.Parse(time.RFC3339Nano, r.FormValue("since"))
		if err != nil || time.Since(since) > time.Minute {
			t.Errorf("since %q", r.FormValue("since"))
		}
		switch r.FormValue("after") {
		case "":
			fmt.Fprint(w, `{"cdrs":[{"id":"another","legs":[{"id":"x"}]}],"next":"p2"}`)
		case "p2":
			fmt.Fprintf(w, `{"next":"p3","cdrs":[{"id":"call-1","kind":"forward","state":"ended","result":"unreachable","steps":[{"at":"2026-11-22T11:59:00.25Z","what":"dial target"}],
				"legs":[{"id":%q,"party":"client","cause":"unreachable","code":404,"started":"2026-11-22T11:59:00Z","ended":null}]}]}`, callID)
		default:
			fmt.Fprintf(w, `{"cdrs":[],"next":%q}`, r.FormValue("after"))
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return web{URL: s.URL, Token: "secret"}
}

func TestACallThatFailedIsTracedInTheExchangesRecords(t *testing.T) {
	lost := []lostCall{{CallID: "a@cabload", Why: "404 Not Found", At: time.Now().UTC()}, {CallID: "b@cabload", Why: "no answer to BYE", At: time.Now().UTC()}}
	recording(t, "a@cabload").recall(t.Context(), lost)
	for i, want := range []string{
		"404 Not Found, Call-ID a@cabload\n  forward call-1, ended: \"unreachable\"\n  11:59:00.250 dial target\n  client 11:59:00.000 to -: 404, unreachable; Call-ID a@cabload\n",
		"no answer to BYE, Call-ID b@cabload; the exchange has no record of it\n",
	} {
		if got := lost[i].String(); !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want %q at its end", got, want)
		}
	}
}

func TestAnINVITEThatComesAgainIsToldAgainThatItRings(t *testing.T) {
	c, err := openCallee(netip.MustParseAddrPort("127.0.0.1:0"), 8)
	if err != nil {
		t.Fatal(err)
	}
	c.behave = func() manners { return manners{ring: time.Hour} }
	c.start()
	defer c.close()
	pbx, err := openDesk(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 10)
	pbx.sweep = func(time.Time) {}
	pbx.take = func(m *siptext.Message, _ netip.AddrPort) { heard <- m.Start + " " + m.Value("To") }
	pbx.start()
	defer pbx.close()
	invite := siptext.Request("INVITE", "sip:driver@"+c.self.String(),
		siptext.Header{Name: "Via", Value: "SIP/2.0/UDP " + pbx.self.String() + ";branch=z9hG4bK1"},
		siptext.Header{Name: "From", Value: "<sip:100@pbx>;tag=1"}, siptext.Header{Name: "To", Value: "<sip:driver@x>"},
		siptext.Header{Name: "Call-ID", Value: "1"}, siptext.Header{Name: "CSeq", Value: "1 INVITE"},
		siptext.Header{Name: "Contact", Value: "<sip:" + pbx.self.String() + ">"}).
		WithBody("application/sdp", siptext.Audio{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Types: []uint8{8}, Event: 101}.SDP(1))
	var rings []string
	for range 2 {
		pbx.send(invite.Bytes(), c.self)
		select {
		case said := <-heard:
			rings = append(rings, said)
		case <-time.After(time.Minute):
			t.Fatal("no answer after ", rings)
		}
	}
	if rings[0] != rings[1] || !strings.HasPrefix(rings[0], "SIP/2.0 180") {
		t.Errorf("got %q", rings)
	}
}

func TestAnEndKnowsForHowLongItStoodStill(t *testing.T) {
	d, err := openDesk(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	sweeps := 0
	swept := make(chan struct{})
	d.sweep = func(time.Time) {
		switch sweeps++; sweeps {
		case 1:
			for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
			}
		case 2:
			close(swept)
		}
	}
	d.start()
	<-swept
	d.close()
	if stood := time.Duration(d.stood.Load()); stood < 50*time.Millisecond {
		t.Errorf("stood still for %s", stood)
	}
}
