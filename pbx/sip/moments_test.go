package sip

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

// A refresh goes after half the session, and one that stays away ends the call a
// third of the session before its end, but not more than 32 s (RFC 4028 §10).
func TestTheMomentsOfASession(t *testing.T) {
	const (
		refreshed = "session refresh unanswered" // by us, whom nobody answers here
		missed    = "session expired"
	)
	for name, c := range map[string]struct {
		theyCall bool
		expires  string // in their INVITE or 200
		at       time.Duration
		why      string
	}{
		"they call for 90 s, we refresh":             {true, "90", 45 * time.Second, refreshed},
		"they call for 90 s and refresh":             {true, "90;refresher=uac", 60 * time.Second, missed},
		"they call for half an hour, we refresh":     {true, "1800;refresher=uas", 15 * time.Minute, refreshed},
		"they call for half an hour and refresh":     {true, "1800;refresher=uac", 30*time.Minute - 32*time.Second, missed},
		"they call for a second":                     {true, "1", 45 * time.Second, refreshed},
		"they call for a second and refresh":         {true, "1;refresher=uac", 60 * time.Second, missed},
		"they call for ever":                         {true, "", 0, ""},
		"we call for 90 s and refresh":               {false, "90;refresher=uac", 45 * time.Second, refreshed},
		"we call for 90 s, they refresh":             {false, "90;refresher=uas", 60 * time.Second, missed},
		"we call for half an hour and refresh":       {false, "1800", 15 * time.Minute, refreshed},
		"we call for half an hour, they refresh":     {false, "1800;refresher=uas", 30*time.Minute - 32*time.Second, missed},
		"we call, and they want a second":            {false, "1", 45 * time.Second, refreshed},
		"we call, and they want to refresh each 1 s": {false, "1;refresher=uas", 60 * time.Second, missed},
		"we call for ever":                           {false, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{register: newRegistrar(nil)}
				s.legs.init()
				l := s.newLeg(t.Context(), party{}, dialog{path: path{network: "UDP", flow: "nowhere"}}, newPort("rtp"))
				l.state = up
				var theirs wire.Message = wire.NewResponse(200, "OK")
				if c.theyCall {
					theirs = wire.NewRequest(wire.INVITE, wire.Uri{})
				}
				if c.expires != "" {
					theirs.AppendHeader(wire.NewHeader("Session-Expires", c.expires))
				}
				began := time.Now()
				l.mu.Lock()
				if c.theyCall {
					l.agree(theirs.(*wire.Request))
				} else {
					l.agreed(theirs.(*wire.Response))
				}
				l.mu.Unlock()
				select {
				case <-l.ctx.Done():
					if took, why := time.Since(began), context.Cause(l.ctx).Error(); took != c.at || !strings.HasPrefix(why, c.why) {
						t.Errorf("after %v: %s", took, why)
					}
				case <-time.After(24 * time.Hour):
					if c.at != 0 {
						t.Error("it goes on")
					}
					_ = l.HangUp(t.Context(), errHangUp)
				}
				synctest.Wait()
			})
		})
	}
}
