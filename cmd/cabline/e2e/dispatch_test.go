//go:build e2e

package e2e

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"cabline/prompts"
)

// The order book is gone under the exchange's feet: the look-up fails, and the
// client is greeted and waits for a human like anybody.
func TestADispatchSystemThatFailsCostsTheMenuNotTheCall(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	w, ctx := newWorldOf(t, strings.Replace(Firm, "data: ./data", "data: "+data, 1)), within(t)
	_, err := w.Order(ctx, order())
	check(t, err)
	db, err := sql.Open("sqlite3", filepath.Join(data, "cabline.db")+"?_busy_timeout=5000")
	check(t, err)
	_, err = db.ExecContext(ctx, "PRAGMA foreign_keys = OFF; DROP TABLE orders")
	check(t, err)
	check(t, db.Close())

	call, err := w.client.Call(menuLine)
	check(t, err)
	check(t, call.WaitTalk(ctx))
	hears(t, call, append(w.voice.Say(prompts.Greeting), w.voice.Say(prompts.ConnectingOperator)...))
	check(t, call.HangUp())
	cdr, err := w.WaitCDR(ctx, clientPhone)
	check(t, err)
	if want := []string{"look up order", "order look-up: failed", "look-up of a driver's orders: failed", "wait for operator", "ended: hung up"}; !slices.Equal(cdr.Words(), want) {
		t.Errorf("steps %q, want %q", cdr.Words(), want)
	}
}
