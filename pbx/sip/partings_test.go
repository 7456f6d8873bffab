package sip

import (
	"context"
	"testing"
	"time"

	"cabline/pbx"
)

func TestAPageRingsAgainOnlyWhenItKnowsThatTheCallBeforeIsOver(t *testing.T) {
	for name, talks := range map[string]bool{"after a talk": true, "after it rang": false} {
		t.Run(name, func(t *testing.T) {
			b := start(t, answerAll, nil)
			page := b.page()
			page.account("anna").register("Expires: 600\n")
			ctx, giveUp := context.WithCancel(context.Background())
			legs := make(chan pbx.Leg)
			dial := func(ctx context.Context) {
				leg, err := b.Dial(ctx, pbx.Endpoint{Operator: "anna"})
				if err != nil {
					leg = nil
				}
				legs <- leg
			}
			go dial(ctx)
			invite := page.want("INVITE")
			page.send(invite.reply("180 Ringing", "page", ""))
			over := "CANCEL"
			if talks {
				over = "BYE"
				page.send(invite.reply("200 OK", "page", "Contact: <sip:x@"+page.self+";transport=ws>\n"+sdpOffer))
				page.want("ACK")
				_ = wait(t, "leg", legs).HangUp(ctx, nil)
			}
			giveUp()
			if !talks {
				wait(t, "end of Dial", legs)
			}
			go dial(context.Background())
			last := page.want(over)
			page.silent(100 * time.Millisecond)
			page.send(last.reply("200 OK", "", ""))
			if !talks {
				page.send(invite.reply("487 Request Terminated", "page", ""))
				page.want("ACK")
			}
			second := page.want("INVITE")
			page.send(second.reply("486 Busy Here", "page", ""))
			page.want("ACK")
			wait(t, "end of the second Dial", legs)
		})
	}
}
