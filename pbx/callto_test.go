package pbx_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
	"cabline/pbx/pbxtest"
)

func TestAClickRingsTheOperatorsPhoneFirstAndThenTheNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
		s.dialer.Phones["anna"] = pbxtest.Answers(3*time.Second, s.anna, nil)
		s.dialer.Phones[clientPhone.Dialable()] = pbxtest.Answers(9*time.Second, s.client, func(l *pbxtest.Leg) { time.Sleep(20 * time.Second); l.Leave() })
		s.board.SetOnline("anna", true)
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan struct{})
		go func() { s.board.Serve(ctx); close(served) }()
		id, err := s.board.CallTo(ctx, "anna", clientPhone)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.board.CallTo(ctx, "anna", clientPhone); !errors.Is(err, pbx.ErrBusy) {
			t.Errorf("a second click while it rings: %v, want %v", err, pbx.ErrBusy)
		}
		time.Sleep(time.Minute)
		stop()
		<-served
		var cdr pbx.CDR
		for _, c := range s.store.CDRs() {
			if c.ID == id {
				cdr = c
			}
		}
		want := []string{"operator anna asks for a call", "dial operator", "operator answered", "dial target", "target answered", "talk to target", "ended: completed"}
		if got := steps(cdr); !slices.Equal(got, want) || cdr.Kind != pbx.KindOutgoing || cdr.To != clientPhone || cdr.Talked != 20*time.Second {
			t.Errorf("CDR %+v", cdr)
		}
		if said := strings.Join(s.anna.Port.Said(), " "); said != "ringback ringback" {
			t.Errorf("anna heard %q", said)
		}
		dialed := s.dialer.Dialed()
		if len(dialed) != 2 || dialed[0].Operator != "anna" || dialed[0].From != clientPhone || dialed[1].Number != clientPhone || dialed[1].From != ourLine {
			t.Errorf("dialled %+v", dialed)
		}
		if anna := s.board.Operators()[0]; anna.State != "free" {
			t.Errorf("anna is %s afterwards", anna.State)
		}
	})
}

func TestAClickIsNoOpenDialler(t *testing.T) {
	for name, tc := range map[string]struct {
		operator string
		online   bool
		to       pbx.Phone
		want     error
	}{
		"a stranger abroad":                    {"anna", true, "+33123456789", pbx.ErrNotAllowed},
		"an operator who does not exist":       {"mallory", true, clientPhone, pbx.ErrUnreachable},
		"an operator who is not logged in":     {"anna", false, clientPhone, pbx.ErrUnreachable},
		"the driver of an order":               {"anna", true, driverPhone, nil},
		"a number with an allowed beginning":   {"anna", true, "+78001234567", nil},
		"an operator, nobody being logged in ": {"", false, clientPhone, pbx.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){"anna": pbxtest.Refuses(pbx.ErrBusy)})
				s.board.SetOnline("anna", tc.online)
				ctx, stop := context.WithCancel(t.Context())
				served := make(chan struct{})
				go func() { s.board.Serve(ctx); close(served) }()
				if _, err := s.board.CallTo(ctx, tc.operator, tc.to); !errors.Is(err, tc.want) {
					t.Errorf("%v, want %v", err, tc.want)
				}
				stop()
				<-served
				for _, to := range s.dialer.Dialed() {
					if to.Operator == "" {
						t.Errorf("dialled %v though the operator did not answer", to.Number)
					}
				}
			})
		})
	}
}

func TestAnOperatorsPhoneIsGivenTheLinkToTheCallersCard(t *testing.T) {
	for name, masked := range map[string]bool{"": false, "but not where operators see no numbers": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(map[string]func(context.Context) (pbx.Leg, error){})
				s.dialer.Phones["anna"] = pbxtest.Answers(time.Second, s.anna, (*pbxtest.Leg).Leave)
				s.board.Masking.Operators = masked
				s.board.CardLink = func(operator string, card pbx.Card) string {
					return "https://panel.example/card?" + operator + "&" + card.Phone.Dialable() + "&" + card.Line.Dialable()
				}
				s.board.SetOnline("anna", true)
				s.board.Incoming(t.Context(), s.client, pbx.Arrival{From: "+79035550000", To: ourLine, Trunk: "carrier"})
				want := "https://panel.example/card?anna&+79035550000&" + ourLine.Dialable()
				if masked {
					want = ""
				}
				if dialed := s.dialer.Dialed(); len(dialed) != 1 || dialed[0].Link != want {
					t.Errorf("dialled %+v", dialed)
				}
			})
		})
	}
}
