package pbx_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cabline/internal/lacking"
	"cabline/media"
	"cabline/pbx"
	"cabline/pbx/pbxtest"
	"cabline/pbx/store"
	"cabline/prompts"
)

// A process of its own tells one notice and kills itself at a step: a write to
// the database, before or after it, or something that happens at the client's end.
// The next process goes on with the same database, until the notice is over.
const (
	envDatabase = "CABLINE_TEST_NOTICE_DATABASE"
	envKillAt   = "CABLINE_TEST_NOTICE_KILL_AT" // "write 3", "written 3", "end 5"; empty: never
)

func TestMain(m *testing.M) {
	if path := os.Getenv(envDatabase); path != "" {
		tellUntilKilled(path, os.Getenv(envKillAt))
		return
	}
	os.Exit(m.Run())
}

// doom counts what happens, writes it to a file that outlives the process, and
// kills the process when it comes to the step.
type doom struct {
	at   string
	file *os.File

	mu   sync.Mutex
	seen map[string]int
}

func (d *doom) step(kind, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[kind]++
	if _, err := fmt.Fprintf(d.file, "%s %d %s\n", kind, d.seen[kind], what); err != nil {
		panic(err)
	}
	if d.at == fmt.Sprintf("%s %d", kind, d.seen[kind]) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
}

// mortal is a store that may be the last thing its process touches.
type mortal struct {
	*store.Store
	doom *doom
}

func (m mortal) AcceptNotice(ctx context.Context, r pbx.NoticeRecord, why string) (pbx.NoticeRecord, bool, error) {
	m.doom.step("write", "accept")
	defer m.doom.step("written", "accept")
	return m.Store.AcceptNotice(ctx, r, why)
}

func (m mortal) MoveNotice(ctx context.Context, from pbx.NoticeState, r pbx.NoticeRecord, what string) (bool, error) {
	m.doom.step("write", string(r.State))
	defer m.doom.step("written", string(r.State))
	return m.Store.MoveNotice(ctx, from, r, what)
}

func (m mortal) ReportedNotice(ctx context.Context, id int64) error {
	m.doom.step("write", "reported")
	defer m.doom.step("written", "reported")
	return m.Store.ReportedNotice(ctx, id)
}

// ear is the client's end: it writes down each clip that was heard to its end.
type ear struct {
	*pbxtest.Port
	heard func(clip string)
}

func (e ear) Play(ctx context.Context, what media.Speech) error {
	for _, clip := range what {
		if err := e.Port.Play(ctx, media.Speech{clip}); err != nil {
			return err
		}
		e.heard(clip.Name)
	}
	return nil
}

type earedLeg struct {
	*pbxtest.Leg
	ear ear
}

func (l earedLeg) Audio() media.Port { return l.ear }

// brief is a voice for tests in real time: 60 ms a sentence.
type brief struct{ pbxtest.Voice }

func (b brief) OrderStatus(f prompts.Facts) media.Speech {
	return b.Say(prompts.ID("order " + f.Status))
}

func (brief) Say(id prompts.ID) media.Speech {
	return media.Speech{{Name: string(id), ALaw: make([]byte, 60*media.Rate/1000)}}
}

func tellUntilKilled(path, at string) {
	file, err := os.OpenFile(path+".log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	db, err := store.Open(path)
	if err != nil {
		panic(err)
	}
	d := &doom{at: at, file: file, seen: map[string]int{}}
	order := pbx.Order{ID: "42", Status: pbx.StatusAccepted, Phone: clientPhone, Line: ourLine}
	board := &pbx.Switchboard{
		Dispatch: pbxtest.Orders{clientPhone: &order}, Store: &pbxtest.Store{}, Limits: pbx.Limits{KeyWait: 40 * time.Millisecond},
		Voices: map[string]pbx.Voice{"ru": brief{}}, Language: "ru", Lines: []pbx.Line{{Number: ourLine, Trunk: "carrier"}},
		Dialer: &pbxtest.Dialer{Phones: map[string]func(context.Context) (pbx.Leg, error){clientPhone.Dialable(): func(ctx context.Context) (pbx.Leg, error) {
			d.step("end", "ring")
			leg := pbxtest.NewLeg(clientPhone)
			answered, err := pbxtest.Answers(30*time.Millisecond, leg, nil)(ctx)
			if err != nil {
				return nil, err
			}
			d.step("end", "answer")
			return earedLeg{answered.(*pbxtest.Leg), ear{leg.Port, func(clip string) { d.step("end", "heard "+clip) }}}, nil
		}}},
	}
	rule := usual(pbx.KeyOperator)
	rule.RingMobile = 200 * time.Millisecond
	board.Notices = &pbx.Autodial{Board: board, Store: mortal{db, d}, Policy: pbx.NoticePolicy{Enabled: true, Zone: time.UTC,
		Statuses: map[pbx.Status]pbx.NoticeRule{pbx.StatusAccepted: rule}}}
	ctx, end := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { board.Serve(ctx) })
	// Dispatch tells again what it got no answer for.
	if err := board.Notices.Notify(ctx, pbx.Notice{OrderID: "42", Status: order.Status, Version: 1, Order: order}); err != nil {
		panic(err)
	}
	for unreported := true; unreported; time.Sleep(5 * time.Millisecond) {
		all, err := db.Notices(ctx, store.NoticeQuery{Limit: 1})
		if err != nil {
			panic(err)
		}
		left, err := db.UnreportedNotices(ctx, 1)
		if err != nil {
			panic(err)
		}
		unreported = !all[0].State.Over() || len(left) > 0 || len(board.Live()) > 0
	}
	end()
	serving.Wait()
	d.step("over", "")
}

// life is one process: what it did until it was over, or killed.
func life(t *testing.T, path, killAt string) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envDatabase+"="+path, envKillAt+"="+killAt)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("%v\n%s", err, out)
	}
	return true
}

// lives counts what the client's end saw of all processes.
func lives(t *testing.T, path string) (rings, deliveries int, steps []string) {
	t.Helper()
	text, err := os.ReadFile(path + ".log")
	if err != nil {
		t.Fatal(err)
	}
	whole := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		steps = append(steps, line)
		_, what, _ := strings.Cut(strings.TrimPrefix(line, "end "), " ")
		switch {
		case !strings.HasPrefix(line, "end "):
		case what == "ring":
			rings, whole = rings+1, false
		case (what == "heard order accepted, the last word" || what == "heard menu_operator") && !whole: // the menu comes after it
			deliveries, whole = deliveries+1, true
		}
	}
	return rings, deliveries, steps
}

func TestKilledAtEveryStepANoticeRingsTwiceAtMostAndIsDeliveredOnce(t *testing.T) {
	lacking.Patience(t, "some seventy processes")
	unharmed := filepath.Join(t.TempDir(), "cabline.db")
	if life(t, unharmed, "") {
		t.Fatal("killed by nobody")
	}
	_, _, steps := lives(t, unharmed)
	places := 0
	for _, step := range steps {
		kind, n, _ := strings.Cut(step, " ")
		n, what, _ := strings.Cut(n, " ")
		if kind == "over" {
			continue
		}
		places++
		t.Run(kind+" "+n+" "+what, func(t *testing.T) {
			t.Parallel()
			for _, again := range []string{"", kind + " " + n} { // once, and in the process after it too
				path := filepath.Join(t.TempDir(), strconv.Quote(again)+".db")
				if !life(t, path, kind+" "+n) {
					t.Fatal("lived on")
				}
				life(t, path, again)
				if life(t, path, "") {
					t.Fatal("killed by nobody")
				}
				afterwards(t, path)
			}
		})
	}
	if places < 20 {
		t.Errorf("%d steps: %q", places, steps)
	}
}

func afterwards(t *testing.T, path string) {
	t.Helper()
	rings, deliveries, steps := lives(t, path)
	if rings > 2 || deliveries > 1 {
		t.Errorf("%d rings, %d deliveries:\n%s", rings, deliveries, strings.Join(steps, "\n"))
	}
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	r, journal, err := db.Notice(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	delivered := 0
	for _, s := range journal {
		if s.State == pbx.NoticeDelivered {
			delivered++
		}
	}
	if !r.State.Over() || delivered > 1 || (r.State == pbx.NoticeDelivered) != (delivered == 1) || deliveries > delivered || r.State == pbx.NoticeFailed && !r.Interrupted {
		t.Errorf("%s, journal %+v, %d deliveries", r.State, journal, deliveries)
	}
}
