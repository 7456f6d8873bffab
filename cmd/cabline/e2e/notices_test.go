//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cabline/media"
	"cabline/prompts"
)

// callsClients is a firm that calls its clients, with what is different about it.
func callsClients(rules string) string {
	return Firm + "notices: {enabled: true, line_calls: 0, line_per_second: 0, trunk_calls: 0, trunk_per_second: 0, " + rules + "}\n"
}

// journal is the state of the newest notice of an order and its steps.
func (w *world) journal(ctx context.Context, t *testing.T, order string) (state string, steps []string) {
	t.Helper()
	var found struct {
		Notices []struct {
			ID    int
			State string
		}
	}
	check(t, w.Do(ctx, http.StatusOK, http.MethodGet, "/api/v1/notices?order_id="+order, nil, &found))
	if len(found.Notices) == 0 {
		return "", nil
	}
	var one struct {
		Journal []struct{ State, What string }
	}
	check(t, w.Do(ctx, http.StatusOK, http.MethodGet, fmt.Sprintf("/api/v1/notices/%d", found.Notices[0].ID), nil, &one))
	for _, s := range one.Journal {
		steps = append(steps, s.State)
	}
	return found.Notices[0].State, steps
}

// news is what a notice ought to say.
func (w *world) news(text media.Speech) media.Speech {
	return append(slices.Clone(w.voice.Say(prompts.NoticeGreeting)), text...)
}

func TestAClientIsCalledWhenTheOrderChangesAndAnswersByAKey(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, callsClients("order_book: true")), within(t)
	id, err := w.Order(ctx, Fields{"phone": clientPhone})
	check(t, err)
	check(t, w.Change(ctx, id, Fields{"status": "arrived", "car": order()["car"], "driver_phone": driverPhone}))
	call, err := w.people.Coming(ctx)
	check(t, err)
	if call.Dialled != clientPhone || call.From != menuLine {
		t.Errorf("%s is called by %s", call.Dialled, call.From)
	}
	check(t, call.Ring())
	check(t, call.Answer())
	check(t, call.WaitTalk(ctx))
	hears(t, call, w.news(w.voice.OrderStatus(prompts.Facts{Status: "arrived", Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС"})))
	hears(t, call, w.voice.Menu(prompts.MenuDriver, prompts.MenuOperator, prompts.MenuComingOut, prompts.MenuFiveMinutes))
	pressed := time.Now()
	call.Press("3")
	hearsSince(t, call, pressed, w.voice.Say(prompts.AnswerPassedOn))
	_, byThem, err := call.WaitOver(ctx)
	check(t, err)
	if !byThem {
		t.Error("the client was not hung up on")
	}
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if cdr.Kind != "notice" || cdr.Result != "completed" || cdr.OrderID != id || !slices.Contains(cdr.Words(), "dispatch took the answer") {
		t.Errorf("CDR: %+v", cdr)
	}
	state, steps := w.journal(ctx, t, id)
	if state != "delivered" || !slices.Equal(steps, []string{"waiting", "dialling", "answered", "speaking", "delivered", "delivered"}) {
		t.Errorf("%s, journal %q", state, steps)
	}
}

func TestSixCancelsTheOrderAndOneKeepsLooking(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, callsClients("order_book: true")), within(t)
	for _, c := range []struct {
		key, status string
		reply       prompts.ID
	}{{"6", "refused", prompts.AnswerCancelled}, {"1", "new", prompts.AnswerLooking}} {
		id, err := w.Order(ctx, Fields{"phone": clientPhone, "status": "no_driver"})
		check(t, err)
		call, err := w.people.Coming(ctx)
		check(t, err)
		check(t, call.Answer())
		check(t, call.WaitTalk(ctx))
		hears(t, call, w.news(w.voice.OrderStatus(prompts.Facts{Status: "no_driver"})))
		pressed := time.Now()
		call.Press(c.key)
		hearsSince(t, call, pressed, w.voice.Say(c.reply))
		_, _, err = call.WaitOver(ctx)
		check(t, err)
		var is struct{ Status string }
		check(t, w.Do(ctx, http.StatusOK, http.MethodGet, "/api/v1/orders/"+id, nil, &is))
		if is.Status != c.status {
			t.Errorf("after %s the order is %s", c.key, is.Status)
		}
	}
}

// The client's end sees what the exchange does; kill -9 comes at each step.
func TestKill9AtAnyStepRingsOnceMoreAtMostAndTellsOnce(t *testing.T) {
	text := func(w *world) media.Speech { // long: it must not be over before we are killed in its midst
		return w.news(w.voice.OrderStatus(prompts.Facts{Status: "arrived", Color: "белый", Mark: "Лада", Model: "Веста", Plate: "А123ВС"}))
	}
	answered := func(ctx context.Context, t *testing.T, c *Call) {
		check(t, c.Answer())
		check(t, c.WaitTalk(ctx))
	}
	for name, step := range map[string]struct {
		until func(ctx context.Context, t *testing.T, w *world) *Call // the first call, if there was one
		again bool                                                    // the client is rung once more
	}{
		"when the news is posted": {func(context.Context, *testing.T, *world) *Call { return nil }, true},
		"when the phone rings": {func(ctx context.Context, t *testing.T, w *world) *Call {
			call, err := w.people.Coming(ctx)
			check(t, err)
			check(t, call.Ring())
			return call
		}, true},
		"when the client answers": {func(ctx context.Context, t *testing.T, w *world) *Call {
			call, err := w.people.Coming(ctx)
			check(t, err)
			answered(ctx, t, call)
			return call
		}, true},
		"after the first sentence": {func(ctx context.Context, t *testing.T, w *world) *Call {
			call, err := w.people.Coming(ctx)
			check(t, err)
			answered(ctx, t, call)
			hears(t, call, w.voice.Say(prompts.NoticeGreeting))
			return call
		}, true},
		"when all was heard": {func(ctx context.Context, t *testing.T, w *world) *Call {
			call, err := w.people.Coming(ctx)
			check(t, err)
			answered(ctx, t, call)
			hears(t, call, text(w))
			return call
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorldOf(t, callsClients("each: {ring_mobile: 5s}")), within(t)
			news := Fields{"order_id": "42", "status": "arrived", "version": 3, "phone": clientPhone, "car": order()["car"]}
			check(t, w.Do(ctx, http.StatusAccepted, http.MethodPost, "/api/v1/notices", news, nil))
			before := step.until(ctx, t, w)
			w.Kill(t)
			if before == nil {
				before = w.rang(t)
			}
			if before != nil {
				_ = before.Reject(487, "Request Terminated") // the carrier gives up, whatever it is to the dead
				_ = before.HangUp()
			}
			w.Restart(t)
			// Dispatch tells again, as it does when it is not sure.
			check(t, w.Do(ctx, http.StatusAccepted, http.MethodPost, "/api/v1/notices", news, nil))
			if step.again {
				call, err := w.people.Coming(ctx)
				check(t, err)
				answered(ctx, t, call)
				hears(t, call, text(w))
				check(t, call.HangUp())
			}
			until(t, "the notice is delivered", func() bool { state, _ := w.journal(ctx, t, "42"); return state == "delivered" })
			_, steps := w.journal(ctx, t, "42")
			delivered := len(slices.Compact(slices.DeleteFunc(slices.Clone(steps), func(s string) bool { return s != "delivered" })))
			dialled := len(slices.DeleteFunc(slices.Clone(steps), func(s string) bool { return s != "dialling" }))
			if delivered != 1 || dialled > 2 || !step.again && dialled != 1 {
				t.Errorf("journal %q", steps)
			}
		})
	}
}

// rang is a call that the exchange, which is dead by now, has made; nil: none.
func (w *world) rang(t *testing.T) *Call {
	t.Helper()
	// What it sent is in the phone's buffer, before what we send now.
	send(t, w.Client, w.people.Addr(), []byte("the last"))
	until(t, "the phone has read all", func() bool {
		return slices.ContainsFunc(w.people.Tape(), func(w Wire) bool { return string(w.Bytes) == "the last" })
	})
	none, cancel := context.WithCancel(t.Context())
	cancel()
	call, err := w.people.Coming(none)
	if err != nil {
		return nil
	}
	return call
}

// rss is the memory a process has, in bytes.
func rss(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(t, err)
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			check(t, err)
			return kb << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

func TestTenThousandNoticesThatWaitCostLittle(t *testing.T) {
	night := time.Now().Add(5 * time.Hour) // when clients are called
	hours := fmt.Sprintf("%02d:%02d-%02d:%02d", night.Hour(), night.Minute(), night.Add(time.Hour).Hour(), night.Minute())
	w := newWorldOf(t, strings.Replace(callsClients(`each: {keep_for: 24h, hours: "`+hours+`"}`), "Europe/Moscow", "UTC", 1))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	_, err := w.Order(ctx, order())
	check(t, err)
	before := rss(t, w.PID())
	var posts sync.WaitGroup
	const notices, posters = 10_000, 8
	for p := range posters {
		posts.Go(func() {
			for i := p; i < notices; i += posters {
				if err := w.Do(ctx, http.StatusAccepted, http.MethodPost, "/api/v1/notices", Fields{"order_id": "n" + strconv.Itoa(i), "status": "arrived",
					"version": 1, "phone": fmt.Sprintf("+7916%07d", i), "car": order()["car"]}, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	posts.Wait()
	after := rss(t, w.PID())
	t.Logf("RSS %d MB before, %d MB with %d notices waiting", before>>20, after>>20, notices)
	if after-before > 50<<20 {
		t.Errorf("%d notices that wait cost %d MB", notices, (after-before)>>20)
	}
	var found struct{ Notices []struct{ State string } }
	check(t, w.Do(ctx, http.StatusOK, http.MethodGet, "/api/v1/notices?state=waiting&limit=1000", nil, &found))
	if len(found.Notices) != 1000 {
		t.Errorf("%d wait", len(found.Notices))
	}
	// And a call is what it was.
	call, err := w.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	hears(t, call, append(w.status(), w.menu()...))
	call.Press("1")
	driver, err := w.people.Coming(ctx)
	check(t, err)
	check(t, driver.Answer())
	check(t, driver.WaitTalk(ctx))
	hearsEachOther(t, call, driver)
	check(t, call.HangUp())
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	for _, leg := range cdr.Legs {
		if leg.Audio.Lost > 0 || leg.Audio.Dropped > 0 {
			t.Errorf("%s: %+v", leg.Party, leg.Audio)
		}
	}
}

// A figure, not a limit: how long it takes from the post of news until the phone
// is called, at twenty a second.
func TestTheTimeFromNewsToTheFirstRing(t *testing.T) {
	w := newWorldOf(t, callsClients("order_book: false"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const notices = 200
	var mu sync.Mutex
	posted, took := map[string]time.Time{}, []time.Duration{}
	var rings sync.WaitGroup
	rings.Go(func() {
		for range notices {
			call, err := w.people.Coming(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			took = append(took, time.Since(posted[call.Dialled]))
			mu.Unlock()
			_ = call.Reject(603, "Decline")
		}
	})
	var posts sync.WaitGroup
	beat := time.NewTicker(time.Second / 20)
	defer beat.Stop()
	for i := range notices {
		<-beat.C
		phone := fmt.Sprintf("+7916%07d", i)
		mu.Lock()
		posted[phone] = time.Now()
		mu.Unlock()
		posts.Go(func() {
			if err := w.Do(ctx, http.StatusAccepted, http.MethodPost, "/api/v1/notices", Fields{"order_id": phone, "status": "arrived", "version": 1, "phone": phone}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	posts.Wait()
	rings.Wait()
	slices.Sort(took)
	if len(took) == notices {
		t.Logf("from news to the first ring at 20/s: p50 %v, p99 %v, at most %v", took[notices/2], took[notices*99/100], took[notices-1])
	}
}
