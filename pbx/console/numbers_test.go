package console

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
)

const (
	clientNumber = "+79161234567"
	driverNumber = "+79267654321"
)

// masked is a house whose operators see no numbers.
func masked(c *Config) { c.Aliases = pbx.NewAliases(secret) }

// tells says whether an answer has one of the numbers in it, however written.
func tells(text string) bool {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		if strings.ContainsRune(" -()+", r) {
			return -1
		}
		return 'x'
	}, text)
	return strings.Contains(digits, clientNumber[2:]) || strings.Contains(digits, driverNumber[2:])
}

func TestWhereTheOwnerSaysSoOperatorsSeeNumbersMaskedAndTheTokenSeesThemWhole(t *testing.T) {
	h := newHouse(t, masked)
	anna := cookie(h.login("anna"))
	order, err := h.book.Create(t.Context(), pbx.Order{Phone: clientNumber, Driver: driverNumber, Status: pbx.StatusAccepted})
	if err != nil {
		t.Fatal(err)
	}
	call := pbx.CDR{ID: "k1", Kind: pbx.KindConnect, Line: "+74950000000", From: clientNumber, To: driverNumber, OrderID: order.ID, Started: noon, Ended: noon,
		Legs: []pbx.LegRecord{{ID: "call-79161234567@carrier", Party: pbx.RoleClient, Number: clientNumber}, {Party: pbx.RoleDriver, Number: driverNumber}}}
	if err := h.db.SaveCDR(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	h.floor.live = []pbx.CDR{call}
	h.floor.cards["k1"] = pbx.Card{CallID: "k1", Phone: clientNumber, Line: "+74950000000", Order: order}
	for _, path := range []string{"/api/v1/orders", "/api/v1/orders?phone=%2B79161234567", "/api/v1/orders/" + order.ID, "/api/v1/cdrs", "/api/v1/calls", "/api/v1/connect/k1"} {
		got := h.ask("GET", path, nil, anna)
		if got.status != http.StatusOK || tells(got.body) || !strings.Contains(got.body, "+7***4567~") || !strings.Contains(got.body, "+7***4321~") {
			t.Errorf("an operator who asks for %s gets %d %s", path, got.status, got.body)
		}
		if whole := h.ask("GET", path, nil, byToken); !strings.Contains(whole.body, clientNumber) || !strings.Contains(whole.body, driverNumber) {
			t.Errorf("the token that asks for %s gets %s", path, whole.body)
		}
	}
	h.ask("POST", "/api/v1/notices", m{"order_id": "42", "status": "arrived", "phone": clientNumber}, byToken)
	h.ask("POST", "/api/v1/opt-outs", m{"phone": clientNumber}, byToken)
	for _, path := range []string{"/api/v1/notices", "/api/v1/notices/1", "/api/v1/notices?phone=%2B79161234567", "/api/v1/opt-outs"} {
		if got := h.ask("GET", path, nil, anna); got.status != http.StatusOK || tells(got.body) || !strings.Contains(got.body, "+7***4567~") {
			t.Errorf("an operator who asks for %s gets %d %s", path, got.status, got.body)
		}
		if whole := h.ask("GET", path, nil, byToken); !strings.Contains(whole.body, clientNumber) {
			t.Errorf("the token that asks for %s gets %s", path, whole.body)
		}
	}
	if got := h.ask("GET", "/console/api/calls/k1/card", nil, anna); got.status != http.StatusOK || tells(got.body) || !strings.Contains(got.body, "+74950000000") {
		t.Errorf("the card: %s", got.body)
	}
	if got := h.ask("PATCH", "/api/v1/orders/"+order.ID, `{"eta_minutes": 3}`, anna, ownPage); got.status != http.StatusOK || tells(got.body) {
		t.Errorf("a changed order: %s", got.body)
	}
}

// TestNumbersAreShownInOnePlace reads this package's own source: a number that
// is written whole elsewhere would be whole for everybody. The firm's own are.
func TestNumbersAreShownInOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	whole := regexp.MustCompile(`(\w+)\.Dialable\b`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") || name == "numbers.go" {
			continue
		}
		for _, found := range whole.FindAllStringSubmatch(string(text), -1) {
			if found[1] != "Line" {
				t.Errorf("%s: %s; let numbers.of write it", name, found[0])
			}
		}
	}
}

func TestOperatorsWorkWithNumbersTheyDoNotSee(t *testing.T) {
	h := newHouse(t, masked)
	anna := cookie(h.login("anna"))
	h.floor.cards["c1"] = pbx.Card{CallID: "c1", Phone: clientNumber}
	alias := h.ask("GET", "/console/api/calls/c1/card", nil, anna).tree(t)["phone"]

	got := h.ask("POST", "/api/v1/orders", m{"phone": alias, "driver_phone": h.Aliases.Of(driverNumber)}, anna, ownPage)
	if got.status != http.StatusCreated || got.tree(t)["phone"] != alias || tells(got.body) {
		t.Fatalf("a new order for the caller: %+v", got)
	}
	id := got.tree(t)["id"].(string)
	if order, err := h.book.Order(t.Context(), id); err != nil || order.Phone != clientNumber || order.Driver != driverNumber {
		t.Errorf("in the book: %+v %v", order, err)
	}
	if got := h.ask("PATCH", "/api/v1/orders/"+id, m{"driver_phone": alias, "phone": h.Aliases.Of(driverNumber)}, anna, ownPage); got.status != http.StatusOK {
		t.Errorf("changed: %+v", got)
	}
	if order, err := h.book.Order(t.Context(), id); err != nil || order.Driver != clientNumber || order.Phone != driverNumber {
		t.Errorf("changed in the book: %+v %v", order, err)
	}
	if got := h.ask("GET", "/api/v1/orders?phone="+strings.ReplaceAll(h.Aliases.Of(driverNumber), "+", "%2B"), nil, anna); !strings.Contains(got.body, `"id":"`+id+`"`) {
		t.Errorf("looked for: %s", got.body)
	}
	if got := h.ask("POST", "/api/v1/connect", m{"client": alias, "driver": h.Aliases.Of(driverNumber)}, anna, ownPage); got.status != http.StatusAccepted ||
		h.floor.connects[0].Client != clientNumber || h.floor.connects[0].Driver != driverNumber {
		t.Errorf("joined: %+v %+v", got, h.floor.connects)
	}
	forged := h.ask("POST", "/api/v1/orders", m{"phone": "+7***4567~AAAAAAAAAAAAAAAAAAAAAAAAAA"}, anna, ownPage)
	forged.isProblem(t, http.StatusUnprocessableEntity, "not a telephone number")
}

func TestTheQueueIsMaskedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := bareHouse(t, masked)
		h.floor.waiting = []pbx.Waiting{{CallID: "c1", Phone: clientNumber, Line: "+74950000000", Since: time.Now()}}
		p, stop := h.listen(h.login("anna"))
		defer stop()
		synctest.Wait()
		if got := p.take(); tells(got) || !strings.Contains(got, "+7***4567~") {
			t.Errorf("the events: %s", got)
		}
	})
}

// lostItems is what the switchboard does with windows.
func (f *floor) OpenLostItem(_ context.Context, id string) (pbx.Window, error) {
	if f.refuse != nil {
		return pbx.Window{}, f.refuse
	}
	f.lost = append(f.lost, id)
	return pbx.Window{OrderID: id, Opened: noon, Until: noon.Add(24 * time.Hour)}, nil
}

func (f *floor) CloseLostItem(context.Context, string) error {
	f.lost = nil
	return f.refuse
}

func TestAnOperatorOpensALostItemWindow(t *testing.T) {
	h := newHouse(t)
	anna := cookie(h.login("anna"))
	sameJSON(t, h.ask("PUT", "/api/v1/orders/42/lost-item", m{"open": true}, anna, ownPage).tree(t), m{"order_id": "42", "until": "2026-11-23T12:00:00Z"})
	if len(h.floor.lost) != 1 {
		t.Errorf("open: %v", h.floor.lost)
	}
	sameJSON(t, h.ask("PUT", "/api/v1/orders/42/lost-item", m{"open": false}, byToken).tree(t), m{"order_id": "42", "until": nil})
	if len(h.floor.lost) != 0 {
		t.Errorf("open: %v", h.floor.lost)
	}
	h.floor.refuse = pbx.ErrNoParty
	h.ask("PUT", "/api/v1/orders/42/lost-item", m{"open": true}, byToken).isProblem(t, http.StatusConflict, "no driver")
	h.ask("PUT", "/api/v1/orders/42/lost-item", m{"open": true}, cookie("no session"), ownPage).isProblem(t, http.StatusUnauthorized, "")
}
