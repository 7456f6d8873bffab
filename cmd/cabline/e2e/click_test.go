//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cabline/pbx"
)

// clickFirm is the firm of docs/gootax.md in which nobody is called about orders.
func clickFirm(t *testing.T) string {
	return strings.NewReplacer("enabled: true", "enabled: false", "rtp:", "outgoing: {allow: [\"+7800\"]}\nrtp:").Replace(gootaxFirm(t))
}

// click opens the link of Call Url as a program would, and returns what it
// gets, of a call that begins its ID.
func (w *world) click(t *testing.T, query string) (status int, said string) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t), http.MethodGet, w.Web+"/call?"+query, nil)
	check(t, err)
	resp, err := w.http.Do(req)
	check(t, err)
	defer resp.Body.Close()
	var got struct {
		Status, Message string
		Call            string `json:"call_id"`
	}
	check(t, json.NewDecoder(resp.Body).Decode(&got))
	if (resp.StatusCode == http.StatusOK) != (got.Status == "ok" && got.Call != "") {
		t.Errorf("%s is answered %s %+v", query, resp.Status, got)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.StatusCode, got.Call
	}
	return resp.StatusCode, got.Message
}

// record waits for a call to be written down.
func (w *world) record(t *testing.T, id string) (cdr CDR) {
	t.Helper()
	until(t, "the call is written down", func() bool {
		all, err := w.CDRs(within(t))
		check(t, err)
		i := slices.IndexFunc(all, func(c CDR) bool { return c.ID == id })
		if i >= 0 {
			cdr = all[i]
		}
		return i >= 0
	})
	return cdr
}

const annasClick = "token=" + linkToken + "&operator=101&to="

func TestAClickRingsASoftphoneAndThenTheNumber(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, clickFirm(t)+"timeouts: {operator_ring: 5s}\n"), within(t)
	check(t, simulator(t, w.Web).Tell(ctx, gootaxRide(pbx.StatusAccepted)))
	anna := w.softphone(t, "anna", "udp", "", 1000)

	status, id := w.click(t, annasClick+"%2B79161234567")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, id)
	}
	if e := anna.tells("CALL_INCOMING"); !strings.HasPrefix(e.Peer, "sip:"+clientPhone+"@") {
		t.Errorf("a call from %s", e.Peer)
	}
	if n := w.rung(clientPhone); n != 0 {
		t.Errorf("the client was called %d times before the operator answered", n)
	}
	anna.do("accept", "")
	client, err := w.people.Coming(ctx)
	check(t, err)
	if client.Dialled != clientPhone || client.From != menuLine {
		t.Errorf("%s sees a call from %s", client.Dialled, client.From)
	}
	check(t, client.Ring())
	anna.hears(425)
	check(t, client.Answer())
	anna.talks(client)
	if status, said := w.click(t, annasClick+"89267654321"); status != http.StatusConflict || said != "Ваш телефон занят" {
		t.Errorf("a click in a call is answered %d %q", status, said)
	}
	check(t, client.HangUp())
	anna.tells("CALL_CLOSED")
	if cdr := w.record(t, id); cdr.Result != "completed" || cdr.To != clientPhone {
		t.Errorf("CDR: %+v", cdr)
	}

	until(t, "the operator is free again", func() bool { // their phone answers the BYE a moment later
		status, id = w.click(t, annasClick+"89267654321")
		return status == http.StatusOK
	})
	anna.tells("CALL_INCOMING")
	anna.do("hangup", "")
	if cdr := w.record(t, id); cdr.Result != "busy" { // so baresip refuses
		t.Errorf("the operator refused: %+v", cdr)
	}
	until(t, "the operator can be rung again", func() bool {
		status, id = w.click(t, annasClick+"8001234567")
		return status == http.StatusOK
	})
	anna.tells("CALL_INCOMING")
	anna.tells("CALL_CLOSED") // rung in vain for five seconds
	if cdr := w.record(t, id); cdr.Result != "no answer" {
		t.Errorf("the operator did not answer: %+v", cdr)
	}
	if n := w.rung(driverPhone) + w.rung("+78001234567"); n > 0 || w.rung(clientPhone) != 1 {
		t.Errorf("%d calls to people whose operator did not answer", n)
	}
}

func TestAClickThatMayNotBeIsRefusedInWordsAndNobodyRings(t *testing.T) {
	t.Parallel()
	w, ctx := newWorldOf(t, clickFirm(t)), within(t)
	check(t, simulator(t, w.Web).Tell(ctx, gootaxRide(pbx.StatusAccepted)))
	for name, c := range map[string]struct {
		query  string
		status int
		said   string
	}{
		"without a token":           {"operator=101&to=89161234567", 401, "В ссылке нет нашего токена"},
		"with a token for another":  {"token=token-of-the-voice&operator=101&to=89161234567", 401, "В ссылке нет нашего токена"},
		"by who is not logged in":   {annasClick + "89161234567", 409, "Ваш телефон не подключён"},
		"by somebody else's number": {"token=" + linkToken + "&operator=999&to=89161234567", 409, "Ваш телефон не подключён"},
		"to a stranger abroad":      {annasClick + "%2B442071234567", 403, "На этот номер звонить нельзя: это не клиент и не водитель действующего заказа"},
		"to what is no number":      {annasClick + "vasya", 422, "Это не номер телефона"},
		"to nobody":                 {annasClick, 422, "Это не номер телефона"},
	} {
		if status, said := w.click(t, c.query); status != c.status || said != c.said {
			t.Errorf("a click %s is answered %d %q, want %d %q", name, status, said, c.status, c.said)
		}
	}
	if tape := w.people.Tape(); len(tape) > 0 {
		t.Errorf("somebody was called: %q", tape[0].Bytes)
	}
}

// A softphone that opens links is told where the caller's card is.
func TestTheINVITEToASoftphoneNamesTheCallersCardInGootax(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, clickFirm(t))
	anna, boris := w.softphone(t, "anna", "udp", "", 1000), w.softphone(t, "boris", "udp", "", 700)
	call, err := w.client.Call(menuLine)
	check(t, err)
	anna.tells("CALL_INCOMING")
	boris.tells("CALL_INCOMING")
	told := regexp.MustCompile(`(?m)^Call-Info: <(.*)>;purpose=info`)
	until(t, "baresip has written down its INVITE", func() bool { return told.MatchString(anna.said.String()) })
	info := told.FindStringSubmatch(anna.said.String())
	id := regexp.MustCompile(`(?m)^X-Cabline-Call: (\S+)`).FindStringSubmatch(anna.said.String())
	if id == nil || info[1] != gootaxCard+"?access_token=token-of-anna&call_id="+id[1]+"&clid=79161234567&did=74950000000" {
		t.Errorf("Call-Info %q of call %q", info, id)
	}
	if info := told.FindString(boris.said.String()); info != "" {
		t.Errorf("an operator without a token in Gootax was told %s", info)
	}
	check(t, call.HangUp())
}
