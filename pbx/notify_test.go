package pbx_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cabline/media"
	"cabline/media/g711"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
	"cabline/prompts"
)

// taker is a dispatch system that takes clients' answers.
type taker struct {
	mu  sync.Mutex
	got []string
	do  func(ctx context.Context) error
}

func (a *taker) ClientAnswered(ctx context.Context, order string, said pbx.ClientAnswer) error {
	a.mu.Lock()
	a.got = append(a.got, order+" "+string(said))
	a.mu.Unlock()
	if a.do == nil {
		return nil
	}
	return a.do(ctx)
}

func TestAKeyDoesWhatItSays(t *testing.T) {
	refuses := func(context.Context) error { return errors.Join(errors.New("too late"), pbx.ErrAnswerRefused) }
	fails := func(context.Context) error { return errors.New("502") }
	hangs := func(context.Context) error { time.Sleep(10 * time.Minute); return nil }
	breaks := func(context.Context) error { panic("adapter") }
	operator := []string{"connecting_operator", "ringback"}
	for name, c := range map[string]struct {
		status  pbx.Status
		keys    string
		taker   *taker // nil: dispatch takes none
		outbox  bool
		told    []string // dispatch, by the taker
		left    []string // dispatch, by the outbox
		after   []string // what is said when the key is pressed
		result  string
		journal string // the last step
		wait    time.Duration
	}{
		"1 is the driver":           {status: "accepted", keys: "1", after: []string{"connecting_driver", "ringback"}, journal: "delivered: key: driver"},
		"2 is the operator":         {status: "accepted", keys: "2", after: operator, journal: "delivered: key: operator"},
		"0 is the operator, always": {status: "driver_refused", keys: "0", after: operator, journal: "delivered: key: operator"},
		"3: I am coming out": {status: "arrived", keys: "3", taker: &taker{}, told: []string{"42 coming_out"},
			after: []string{"answer_passed_on"}, journal: "delivered: answer: coming_out"},
		"4: five more minutes": {status: "arrived", keys: "4", taker: &taker{}, told: []string{"42 five_minutes"},
			after: []string{"answer_passed_on"}, journal: "delivered: answer: five_minutes"},
		"6 cancels": {status: "accepted", keys: "6", taker: &taker{}, told: []string{"42 cancel"},
			after: []string{"answer_cancelled"}, journal: "delivered: answer: cancel"},
		"no car found, 1 keeps looking": {status: "no_driver", keys: "1", taker: &taker{}, told: []string{"42 keep_looking"},
			after: []string{"answer_looking"}, journal: "delivered: answer: keep_looking"},
		"no car found, 6 cancels": {status: "no_driver", keys: "6", taker: &taker{}, told: []string{"42 cancel"},
			after: []string{"answer_cancelled"}, journal: "delivered: answer: cancel"},
		"dispatch refuses to cancel: the client hears so and gets an operator": {status: "accepted", keys: "6", taker: &taker{do: refuses},
			told: []string{"42 cancel"}, after: append([]string{"answer_refused"}, operator...), journal: "delivered: answer: cancel"},
		"dispatch is down: it is told later": {status: "accepted", keys: "6", taker: &taker{do: fails}, outbox: true,
			told: []string{"42 cancel"}, left: []string{"42 cancel"}, after: []string{"answer_passed_on"}, journal: "delivered: answer: cancel"},
		"dispatch breaks: it is told later": {status: "accepted", keys: "6", taker: &taker{do: breaks}, outbox: true,
			told: []string{"42 cancel"}, left: []string{"42 cancel"}, after: []string{"answer_passed_on"}, journal: "delivered: answer: cancel"},
		"dispatch hangs: it is told later, and the client waits three seconds": {status: "accepted", keys: "6", taker: &taker{do: hangs}, outbox: true,
			told: []string{"42 cancel"}, left: []string{"42 cancel"}, after: []string{"answer_passed_on"}, journal: "delivered: answer: cancel", wait: 3 * time.Second},
		"dispatch takes no answers: it finds them in its outbox": {status: "arrived", keys: "3", outbox: true,
			left: []string{"42 coming_out"}, after: []string{"answer_passed_on"}, journal: "delivered: answer: coming_out"},
		"nobody takes answers at all: an operator does": {status: "arrived", keys: "3", after: operator, journal: "delivered: answer: coming_out"},
		"a key that the status does not offer is none": {status: "accepted", keys: "3", taker: &taker{},
			after: []string{"invalid", "notice_greeting", "order accepted", "order accepted, the last word", "menu_driver", "menu_operator", "menu_cancel", "silence"}, journal: "delivered: heard"},
		"9 says it again": {status: "driver_refused", keys: "9",
			after: []string{"notice_greeting", "order driver_refused", "order driver_refused, the last word", "menu_operator", "menu_cancel", "silence",
				"notice_greeting", "order driver_refused", "menu_operator", "menu_cancel", "silence"}, journal: "delivered: heard"},
	} {
		t.Run(name, func(t *testing.T) {
			runAutodial(t, func(t *testing.T, a *autodial) {
				if c.taker != nil {
					a.Answers = c.taker
				}
				if !c.outbox {
					a.Outbox = nil
				}
				a.board.SetOnline("anna", true)
				a.dialer.Phones["anna"] = pbxtest.Answers(4*time.Second, a.anna, func(l *pbxtest.Leg) { time.Sleep(time.Minute); l.Leave() })
				a.dialer.Phones[driverPhone.Dialable()] = pbxtest.Answers(4*time.Second, a.driver, func(l *pbxtest.Leg) { time.Sleep(time.Minute); l.Leave() })
				legs := a.clientAnswers(3*time.Second, func(_ int, l *pbxtest.Leg) { time.Sleep(time.Second); l.Press(c.keys) })
				a.news(t, c.status, 1)
				time.Sleep(30 * time.Minute)
				synctest.Wait()
				leg := legs()[0]
				if said := leg.Port.Said(); len(said) < 2 || !slices.Equal(said[2:], c.after) {
					t.Errorf("after the key it was said\n got %q\nwant %q", said[2:], c.after)
				}
				if c.taker != nil && !slices.Equal(c.taker.got, c.told) {
					t.Errorf("dispatch was told %q, want %q", c.taker.got, c.told)
				}
				var left []string
				for _, e := range a.posted.events {
					if e.Kind == pbx.EventClientAnswer {
						left = append(left, e.OrderID+" "+string(e.Answer))
					}
				}
				if !slices.Equal(left, c.left) {
					t.Errorf("left for dispatch %q, want %q", left, c.left)
				}
				if journal := a.journal(t, 1); journal[len(journal)-1] != c.journal {
					t.Errorf("journal %q, want %q at its end", journal, c.journal)
				}
				a.wantStates(t, string(c.status)+" delivered")
				if c.wait > 0 {
					for _, s := range a.store.CDRs()[0].Steps {
						if s.What == "answer left for dispatch: timeout" {
							return
						}
					}
					t.Errorf("steps %q", steps(a.store.CDRs()[0]))
				}
			})
		})
	}
}

func TestOperatorsSeeAClientsAnswerForTenMinutesAndAreToldWhenItGoes(t *testing.T) {
	runAutodial(t, func(t *testing.T, a *autodial) {
		a.Answers = &taker{}
		a.clientAnswers(3*time.Second, func(_ int, l *pbxtest.Leg) { time.Sleep(time.Second); l.Press("3") })
		a.news(t, "arrived", 1)
		time.Sleep(5 * time.Minute)
		said := a.board.Said()
		if len(said) != 1 || said[0].Answer != pbx.AnswerComingOut || said[0].OrderID != "42" || said[0].Phone != clientPhone {
			t.Fatalf("said %+v", said)
		}
		goes := a.board.Changed()
		<-goes
		if since := time.Since(said[0].At); len(a.board.Said()) > 0 || since != 10*time.Minute {
			t.Errorf("after %s there is %+v", since, a.board.Said())
		}
	})
}

func TestANoticeIsACallOfItsOwnKind(t *testing.T) {
	runAutodial(t, func(t *testing.T, a *autodial) {
		a.clientAnswers(3*time.Second, nil)
		a.news(t, pbx.StatusAccepted, 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		cdr := a.cdr(t)
		want := []string{"notice: accepted, call 1", "dial client", "client answered", "say: accepted", "no key pressed", "ended: completed"}
		if got := steps(cdr); !slices.Equal(got, want) {
			t.Errorf("steps\n got %q\nwant %q", got, want)
		}
		if cdr.Kind != pbx.KindNotice || cdr.From != clientPhone || cdr.OrderID != "42" || cdr.Line != ourLine || cdr.Branch != "Центр" || cdr.Result != "completed" {
			t.Errorf("%+v", cdr)
		}
	})
}

// long is a voice whose texts of orders last fifteen seconds.
type long struct{ pbxtest.Voice }

func (long) OrderStatus(f prompts.Facts) media.Speech {
	return media.Speech{{Name: "order " + f.Status, ALaw: make([]byte, 15*media.Rate)}}
}

func TestAShortTextIsSaidTwiceALongOneOnce(t *testing.T) {
	for name, c := range map[string]struct {
		voice pbx.Voice
		times int
	}{"short": {pbxtest.Voice{}, 2}, "long": {long{}, 1}} {
		t.Run(name, func(t *testing.T) {
			runAutodial(t, func(t *testing.T, a *autodial) {
				a.board.Voices["ru"] = c.voice
				legs := a.clientAnswers(time.Second, nil)
				a.news(t, pbx.StatusArrived, 1)
				time.Sleep(time.Hour)
				synctest.Wait()
				said := 0
				for _, clip := range legs()[0].Port.Said() {
					if clip == "order arrived" {
						said++
					}
				}
				if said != c.times {
					t.Errorf("said %d times, want %d", said, c.times)
				}
			})
		})
	}
}

// sounds sends audio to whoever listens to a party, as the party's phone would.
func sounds(l *pbxtest.Leg, length time.Duration, sample func(i int) float64) {
	packet := media.Packet{Buf: make([]byte, media.HeaderSize+media.FrameSize, 256), Start: media.HeaderSize}
	for i := 0; i < int(length*media.Rate/time.Second); i += media.FrameSize {
		for j := range media.FrameSize {
			packet.Buf[media.HeaderSize+j] = g711.EncodeALaw(int16(sample(i + j)))
		}
		if met := l.Port.Met(); len(met) > 0 {
			met[len(met)-1].WriteRTP(&packet)
		}
		time.Sleep(media.FrameTime)
	}
}

func speech(i int) float64 {
	x := float64(i) / media.Rate
	return 6000 * (math.Sin(2*math.Pi*130*x) + math.Sin(2*math.Pi*390*x+1) + math.Sin(2*math.Pi*1170*x)) / 3 * (1.2 + math.Sin(2*math.Pi*3*x))
}

func hush(int) float64 { return 0 }

func beep(i int) float64 { return 8000 * math.Sin(2*math.Pi*1000*float64(i)/media.Rate) }

// Nothing waits for a verdict on who answered: the first word comes when it
// comes, and what was there is known when the call is over.
func TestAMachineIsRecognisedAfterTheFact(t *testing.T) {
	for name, c := range map[string]struct {
		talks   func(l *pbxtest.Leg)
		machine bool
		next    string
	}{
		"a greeting without a pause, then a beep": {func(l *pbxtest.Leg) {
			time.Sleep(500 * time.Millisecond)
			sounds(l, 5*time.Second, speech)
			sounds(l, 300*time.Millisecond, beep)
			sounds(l, 20*time.Second, hush)
		}, true, "sms"},
		"a beep alone": {func(l *pbxtest.Leg) {
			time.Sleep(500 * time.Millisecond)
			sounds(l, 300*time.Millisecond, beep)
			sounds(l, 20*time.Second, hush)
		}, true, "sms"},
		"a person: a word, and they listen": {func(l *pbxtest.Leg) {
			time.Sleep(500 * time.Millisecond)
			sounds(l, 700*time.Millisecond, speech)
			sounds(l, 3*time.Second, hush)
			sounds(l, 900*time.Millisecond, speech)
			sounds(l, 10*time.Second, hush)
		}, false, ""},
		"a person who talks on, and presses a key": {func(l *pbxtest.Leg) {
			time.Sleep(500 * time.Millisecond)
			sounds(l, 6*time.Second, speech)
			l.Press("3")
		}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			runAutodial(t, func(t *testing.T, a *autodial) {
				a.Answers = &taker{}
				legs := a.clientAnswers(time.Second, func(_ int, l *pbxtest.Leg) { c.talks(l) })
				a.news(t, pbx.StatusArrived, 1)
				time.Sleep(time.Hour)
				synctest.Wait()
				if said := legs()[0].Port.Said(); !slices.Equal(said[:3], []string{"silence", "notice_greeting", "order arrived"}) {
					t.Errorf("said %q", said)
				}
				r, _, err := a.db.Notice(t.Context(), 1)
				if err != nil || r.State != pbx.NoticeDelivered || r.Machine != c.machine {
					t.Errorf("%v: %+v", err, r)
				}
				if inJournal := strings.Contains(strings.Join(a.journal(t, 1), "\n"), "a machine's greeting was heard"); inJournal != c.machine {
					t.Errorf("journal %q", a.journal(t, 1))
				}
				last := a.posted.events[len(a.posted.events)-1].Notice
				if last == nil {
					last = a.posted.events[len(a.posted.events)-2].Notice
				}
				if last.Machine != c.machine || last.Next != c.next || last.Outcome != "delivered" {
					t.Errorf("dispatch was told %+v", last)
				}
			})
		})
	}
}

// The order of an event about the delivery and one about an answer does not matter
// to the tests above; that both are the notice's does to dispatch.
func TestEventsOfANoticeAreUnderItsOwnID(t *testing.T) {
	runAutodial(t, func(t *testing.T, a *autodial) {
		a.clientAnswers(time.Second, func(_ int, l *pbxtest.Leg) { l.Press("3") })
		a.news(t, pbx.StatusArrived, 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		var kinds []pbx.EventKind
		for _, e := range a.posted.events {
			kinds = append(kinds, e.Kind)
			if e.CallID != "notice-1" || e.OrderID != "42" || e.At.IsZero() {
				t.Errorf("%+v", e)
			}
		}
		if !slices.Equal(kinds, []pbx.EventKind{pbx.EventNotice, pbx.EventClientAnswer, pbx.EventNotice}) {
			t.Errorf("events %q", kinds)
		}
	})
}

func TestWhoWantsNoMoreCallsSaysSoByAKey(t *testing.T) {
	withKey := func(a *autodial) { a.Policy.Statuses[pbx.StatusArrived] = usual(pbx.KeyOperator, pbx.KeyOptOut) }
	runAutodial(t, func(t *testing.T, a *autodial) {
		legs := a.clientAnswers(3*time.Second, func(_ int, l *pbxtest.Leg) { time.Sleep(time.Second); l.Press("8") })
		a.news(t, pbx.StatusArrived, 1)
		time.Sleep(time.Minute)
		a.news(t, pbx.StatusNoDriver, 2)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if n := len(legs()); n != 1 {
			t.Fatalf("the client was called %d times", n)
		}
		if said := legs()[0].Port.Said(); said[len(said)-1] != "answer_opted_out" {
			t.Errorf("said %q", said)
		}
		if journal := a.journal(t, 1); journal[len(journal)-1] != "delivered: wants no more notices" {
			t.Errorf("journal %q", journal)
		}
		all, err := a.db.OptOuts(t.Context(), "", 10)
		if err != nil || len(all) != 1 || all[0].Phone != clientPhone || all[0].Note != "by key, notice arrived of order 42" {
			t.Errorf("%+v, %v", all, err)
		}
		a.wantStates(t, "arrived delivered", "no_driver dropped")
	}, withKey)
}
