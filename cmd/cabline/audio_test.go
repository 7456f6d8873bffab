package main

import (
	"net/netip"
	"strings"
	"testing"

	"cabline/cmd/cabline/config"
	"cabline/media"
	"cabline/media/rtp"
	"cabline/pbx/sip"
)

func TestTheAudioOfALegIsOfferedAsItsTrunkSays(t *testing.T) {
	clock := media.NewClock()
	defer clock.Close()
	relay, err := rtp.Listen(rtp.Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	x := &exchange{relay: relay, cfg: &config.Config{RTP: config.RTP{Codecs: []string{"pcma", "pcmu"}}}}
	for _, tt := range []struct {
		name       string
		o          sip.RTPOptions
		has, lacks string // has: words, separated by spaces
	}{
		{"nothing said", sip.RTPOptions{}, "RTP/AVP telephone-event PCMA PCMU", "a=crypto"},
		{"codecs: [g722, pcma]", sip.RTPOptions{Codecs: []media.Codec{media.G722, media.PCMA}}, "G722 PCMA", "PCMU"},
		{"srtp: off, dtmf: auto", sip.RTPOptions{SRTP: sip.SRTPOff, DTMF: sip.DTMFAuto}, "RTP/AVP telephone-event", "a=crypto"},
		{"srtp: offered, dtmf: rfc4733", sip.RTPOptions{SRTP: sip.SRTPOffered, DTMF: sip.DTMFEvents}, "RTP/AVP telephone-event a=crypto", "SAVP"},
		{"srtp: required, dtmf: info", sip.RTPOptions{SRTP: sip.SRTPRequired, DTMF: sip.DTMFInfo}, "RTP/SAVP telephone-event a=crypto", "/AVP"},
		{"dtmf: inband", sip.RTPOptions{DTMF: sip.DTMFInBand}, "RTP/AVP", "telephone-event"},
	} {
		tt.o.Bind = netip.MustParseAddr("127.0.0.1")
		audio, err := x.openRTP(tt.o)
		if err != nil {
			t.Fatal(err)
		}
		offer, err := audio.Offer()
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(tt.has) {
			if !strings.Contains(string(offer), word) {
				t.Errorf("%s: no %s in\n%s", tt.name, word, offer)
			}
		}
		if strings.Contains(string(offer), tt.lacks) {
			t.Errorf("%s: %s in\n%s", tt.name, tt.lacks, offer)
		}
	}
}

func TestSymmetryIsLatching(t *testing.T) {
	for in, want := range map[sip.Symmetry]rtp.Latching{"": rtp.LatchFirst, sip.SymmetryFirst: rtp.LatchFirst, sip.SymmetryOff: rtp.LatchOff, sip.SymmetryAlways: rtp.LatchAlways} {
		if got := latching(in); got != want {
			t.Errorf("%q is %d", in, got)
		}
	}
}
