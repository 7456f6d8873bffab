package sip

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cabline/media"
)

func TestKeysGoByINFOWhereTheTrunkWantsThemSo(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, func(c *Config) { c.Trunks[0].DTMF = DTMFInfo })
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	audio := wait(t, "port", b.ports)
	carrier.pickUp(invite, "far")
	leg := wait(t, "leg", done).leg
	var last int
	for range 2 { // a row of keys, and another when all was answered
		for _, key := range "1#" {
			audio.press(media.Digit(key))
		}
		for _, key := range "1#" {
			info, seq := message(""), last
			for seq == last { // it may be repeated on a busy machine
				info = carrier.want("INFO")
				if _, err := fmt.Sscanf(info.header("CSeq"), "%d INFO", &seq); err != nil || seq < last {
					t.Fatalf("CSeq %q after %d", info.header("CSeq"), last)
				}
			}
			if got := strings.TrimSpace(info.body()); got != fmt.Sprintf("Signal=%c\r\nDuration=100", key) || info.header("Content-Type") != "application/dtmf-relay" {
				t.Errorf("key %c:\n%s", key, info)
			}
			last = seq
			carrier.send(info.reply("200 OK", "", ""))
		}
	}
	_ = leg.HangUp(context.Background(), nil)
	carrier.send(carrier.want("BYE").reply("200 OK", "", ""))
}

func TestKeysDoNotGoByINFOElsewhere(t *testing.T) {
	b, carrier := startTrunk(t, answerAll, nil)
	done := b.dial(context.Background(), driver)
	invite := carrier.want("INVITE")
	if wait(t, "port", b.ports).press != nil {
		t.Error("the audio tells its keys")
	}
	carrier.send(invite.reply("486 Busy", "far", ""))
	carrier.want("ACK")
	wait(t, "end of Dial", done)
}
