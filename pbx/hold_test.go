package pbx_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cabline/media"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

// A client and an operator who talk; story is what happens in it.
func talkToAnna(t *testing.T, story func(s *scene)) *scene {
	t.Helper()
	s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
	s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, func(*pbxtest.Leg) {
		time.Sleep(10 * time.Second)
		story(s)
	})
	s.board.SetOnline("anna", true)
	s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79035550000", To: ourLine, Trunk: "carrier"})
	return s
}

func TestAPartyOnHoldHearsMusicUntilTheOtherResumes(t *testing.T) {
	for name, tc := range map[string]struct {
		holder func(s *scene) *pbxtest.Leg
		other  func(s *scene) *pbxtest.Leg
		steps  []string
	}{
		"the operator holds": {func(s *scene) *pbxtest.Leg { return s.anna }, func(s *scene) *pbxtest.Leg { return s.client },
			[]string{"operator holds", "operator goes on"}},
		"the client holds": {func(s *scene) *pbxtest.Leg { return s.client }, func(s *scene) *pbxtest.Leg { return s.anna },
			[]string{"client holds", "client goes on"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := talkToAnna(t, func(s *scene) {
					holder, other := tc.holder(s), tc.other(s)
					heard := len(other.Port.Said())
					holder.Hold(true)
					time.Sleep(3 * time.Second)
					holder.Port.Say("what is said in the room")
					time.Sleep(2 * time.Second)
					holder.Hold(false)
					synctest.Wait()
					holder.Port.Say("here I am")
					if said := strings.Join(other.Port.Said()[heard:], " "); said != "music music music here I am" {
						t.Errorf("on hold they heard %q", said)
					}
					s.client.Leave()
				})
				if met := s.client.Port.Met(); len(met) != 2 || met[0] != media.Sink(s.anna.Port) || met[1] != met[0] {
					t.Errorf("the client met %v", met)
				}
				cdr := s.cdr(t)
				if got := steps(cdr); !slices.Equal(got[len(got)-3:len(got)-1], tc.steps) || cdr.Result != "completed" {
					t.Errorf("%q: %q", cdr.Result, got)
				}
			})
		})
	}
}

func TestAHoldOf25MinutesDoesNotEndTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := talkToAnna(t, func(s *scene) {
			s.anna.Hold(true)
			s.anna.Port.Fade()   // a softphone sends nothing
			s.client.Port.Fade() // and the client's network neither, while nobody speaks
			time.Sleep(25 * time.Minute)
			s.anna.Hold(false)
			s.anna.Port.Return()
			s.client.Port.Return()
			synctest.Wait()
			hear(t, s.anna, s.client)
			time.Sleep(10 * time.Second)
			s.anna.Leave()
		})
		if cdr := s.cdr(t); cdr.Result != "completed" || cdr.Talked != 25*time.Minute+20*time.Second {
			t.Errorf("%q after %v of talk", cdr.Result, cdr.Talked)
		}
	})
}

func TestWhereBothHoldNobodyHearsAnythingAndTheFirstToResumeHearsMusic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talkToAnna(t, func(s *scene) {
			s.anna.Hold(true)
			synctest.Wait()
			s.client.Hold(true)
			synctest.Wait()
			heard := len(s.client.Port.Said())
			time.Sleep(time.Minute)
			if said := s.client.Port.Said()[heard:]; len(said) != 0 {
				t.Errorf("the client heard %q", said)
			}
			s.client.Hold(false)
			time.Sleep(time.Second)
			if said := s.client.Port.Said()[heard:]; !slices.Equal(said, []string{"music"}) {
				t.Errorf("the client heard %q", said)
			}
			s.client.Leave()
		})
	})
}

func TestAPhoneThatHoldsAThousandTimesDoesNotFillTheCDR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := talkToAnna(t, func(s *scene) {
			for i := range 1000 {
				s.client.Hold(i%2 == 0)
				synctest.Wait()
			}
			s.client.Leave()
		})
		if n := len(s.cdr(t).Steps); n > 110 {
			t.Errorf("%d steps", n)
		}
	})
}
