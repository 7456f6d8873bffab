package console

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cabline/pbx"
)

// secured is every kind of route that nobody may use unasked.
var secured = []struct{ method, path, body string }{
	{"GET", "/api/v1/orders", ""},
	{"POST", "/api/v1/orders", `{"phone": "1234"}`},
	{"GET", "/api/v1/calls", ""},
	{"POST", "/api/v1/connect", `{"order_id": "1"}`},
	{"GET", "/console/api/me", ""},
	{"POST", "/console/api/me/ready", `{"ready": true}`},
	{"POST", "/console/api/logout", ""},
	{"GET", "/console/api/events", ""},
	{"GET", "/console/api/calls/c1/card", ""},
}

func TestNobodyComesInUnasked(t *testing.T) {
	h := newHouse(t)
	for name, how := range map[string][]with{
		"with nothing":              nil,
		"with a wrong cookie":       {cookie("guess"), ownPage},
		"with a wrong token":        {header("Authorization", "Bearer guess")},
		"with an empty token":       {header("Authorization", "Bearer ")},
		"with a token as a cookie":  {cookie(secret), ownPage},
		"with half the token":       {header("Authorization", "Bearer "+secret[:5])},
		"with a token as basic":     {header("Authorization", "Basic "+secret)},
		"with the token in the URL": {func(r *http.Request) { r.URL.RawQuery = "token=" + secret }},
	} {
		for _, route := range secured {
			if strings.HasPrefix(route.path, "/console") && name != "with nothing" && name != "with a wrong cookie" {
				continue
			}
			got := h.ask(route.method, route.path, route.body, append(how, from("192.0.2.1:1"))...)
			if got.status == http.StatusTooManyRequests {
				t.Fatal("the test itself was locked out")
			}
			got.isProblem(t, http.StatusUnauthorized, "")
			h.tokens = newAllowance(30, time.Second)
		}
		_ = name
	}
	if all, _ := h.book.Find(t.Context(), "", false, 1); len(all) != 0 || len(h.floor.connects) != 0 {
		t.Errorf("something was done: %v %v", all, h.floor.connects)
	}
	h.ask("GET", "/api/v1/orders", nil).isProblem(t, http.StatusUnauthorized, "log in")
}

func TestTheTokenIsNoKeyToOperatorsPages(t *testing.T) {
	h := newHouse(t)
	h.ask("GET", "/console/api/me", nil, byToken).isProblem(t, http.StatusUnauthorized, "")
}

func TestWithoutATokenInTheConfigNoTokenIsGood(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.Token = "" })
	for _, value := range []string{"Bearer ", "Bearer", "", "Bearer x"} {
		h.ask("GET", "/api/v1/orders", nil, header("Authorization", value)).isProblem(t, http.StatusUnauthorized, "")
	}
}

func TestACookieDoesNothingForStrangersPages(t *testing.T) {
	h := newHouse(t)
	anna := cookie(h.login("anna", ownPage))
	for name, tc := range map[string]struct {
		how     with
		allowed bool
	}{
		"our page":                         {ownPage, true},
		"our page, as browsers also say":   {header("Sec-Fetch-Site", "same-origin"), true},
		"another site":                     {header("Origin", "http://evil.test"), false},
		"another port":                     {header("Origin", origin+":81"), false},
		"a page that hides where it is":    {header("Origin", "null"), false},
		"another site, by fetch metadata":  {header("Sec-Fetch-Site", "cross-site"), false},
		"a sister site, by fetch metadata": {header("Sec-Fetch-Site", "same-site"), false},
		"no browser":                       {func(*http.Request) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, route := range secured {
				if route.method != "POST" || strings.HasSuffix(route.path, "logout") {
					continue
				}
				got := h.ask(route.method, route.path, route.body, anna, tc.how)
				if !tc.allowed {
					got.isProblem(t, http.StatusForbidden, "")
				} else if got.status >= 300 {
					t.Errorf("%s: %+v", route.path, got)
				}
			}
			if got := h.ask("GET", "/api/v1/orders", nil, anna, tc.how); got.status != http.StatusOK {
				t.Errorf("reading: %+v", got) // strangers' pages cannot see the answer
			}
		})
	}
	t.Run("logging in from another site", func(t *testing.T) {
		h.ask("POST", "/console/api/login", m{"login": "anna", "password": "anna's secret"}, header("Origin", "http://evil.test")).
			isProblem(t, http.StatusForbidden, "")
	})
}

func TestAnOperatorLogsIn(t *testing.T) {
	h := newHouse(t)
	got := h.ask("POST", "/console/api/login", m{"login": "anna", "password": "anna's secret"}, ownPage)
	want := m{"login": "anna", "name": "Анна", "language": "ru", "branches": []any{"Центр"}, "firm": "Такси Ромашка", "listen": false,
		"sip": m{"uri": "sip:anna@cabline", "realm": "cabline", "ha1": h.ha1("anna", "anna's secret"), "ws": "/ws"}}
	sameJSON(t, got.tree(t), want)
	made := got.header.Get("Set-Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(made, part) {
			t.Errorf("the cookie %q lacks %s", made, part)
		}
	}
	if strings.Contains(made, "Secure") {
		t.Errorf("a cookie that plain HTTP cannot send: %q", made)
	}
	anna := cookie((&http.Response{Header: got.header}).Cookies()[0].Value)
	sameJSON(t, h.ask("GET", "/console/api/me", nil, anna).tree(t), want)

	h.floor.operators = []pbx.OperatorState{{Operator: pbx.Operator{Login: "anna"}}}
	if got := h.ask("POST", "/console/api/me/ready", `{"ready": true}`, anna, ownPage); got.status != http.StatusNoContent || !h.floor.operators[0].Ready {
		t.Errorf("ready: %+v %v", got, h.floor.operators)
	}
	h.ask("POST", "/console/api/me/ready", `{}`, anna, ownPage).isProblem(t, http.StatusUnprocessableEntity, "true or false")

	if got := h.ask("POST", "/console/api/logout", nil, anna, ownPage); got.status != http.StatusNoContent || !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("log out: %+v", got)
	}
	h.ask("GET", "/console/api/me", nil, anna).isProblem(t, http.StatusUnauthorized, "")

	secure := func(r *http.Request) { r.TLS = &tls.ConnectionState{} }
	got = h.ask("POST", "/console/api/login", m{"login": "boris", "password": "boris's secret"}, secure)
	if !strings.Contains(got.header.Get("Set-Cookie"), "Secure") {
		t.Errorf("over TLS: %q", got.header.Get("Set-Cookie"))
	}
	if tree := got.tree(t); fmt.Sprint(tree["branches"]) != "[]" {
		t.Errorf("of all branches: %v", tree["branches"])
	}
}

func TestALogInIsRefused(t *testing.T) {
	h := newHouse(t)
	for name, tc := range map[string]struct {
		body   any
		status int
		says   string
	}{
		"wrong password":     {m{"login": "anna", "password": "secret"}, 401, "login or password is wrong"},
		"no password":        {m{"login": "anna"}, 401, "login or password is wrong"},
		"another's password": {m{"login": "anna", "password": "boris's secret"}, 401, "login or password is wrong"},
		"unknown login":      {m{"login": "eve", "password": "eve's secret"}, 401, "login or password is wrong"},
		"no login":           {m{}, 401, "login or password is wrong"},
		"an endless login":   {m{"login": strings.Repeat("a", 65)}, 401, "login or password is wrong"},
		"an endless body":    {m{"login": strings.Repeat("a", 64<<10)}, 413, "64 KB"},
		"garbage":            {`{"login"`, 400, ""},
		"two objects":        {`{} {}`, 400, "one JSON object"},
		"an unknown field":   {m{"user": "anna"}, 400, "user"},
	} {
		t.Run(name, func(t *testing.T) {
			got := h.ask("POST", "/console/api/login", tc.body, ownPage)
			got.isProblem(t, tc.status, tc.says)
			if got.header.Get("Set-Cookie") != "" {
				t.Error("a cookie all the same")
			}
		})
	}
}

func TestASessionEnds(t *testing.T) {
	alive := func(h *house, cookie with) bool {
		return h.ask("GET", "/console/api/me", nil, cookie).status == http.StatusOK
	}
	for name, tc := range map[string]struct {
		meanwhile func(h *house)
		alive     bool
	}{
		"not within a shift":               {func(*house) { time.Sleep(sessionIdle - time.Second) }, true},
		"after a shift of silence":         {func(*house) { time.Sleep(sessionIdle + time.Second) }, false},
		"when the operator is taken out":   {func(h *house) { h.staff.dismiss("anna") }, false},
		"when the password is changed":     {func(h *house) { h.staff.set("anna", Account{HA1: "another"}) }, false},
		"not when a colleague is":          {func(h *house) { h.staff.dismiss("boris") }, true},
		"when twenty more browsers log in": {func(h *house) { again(h, maxSessions) }, false},
		"not when nineteen more do":        {func(h *house) { again(h, maxSessions-1) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := bareHouse(t)
				anna := cookie(h.login("anna"))
				time.Sleep(time.Second)
				tc.meanwhile(h)
				if got := alive(h, anna); got != tc.alive {
					t.Errorf("alive: %v", got)
				}
			})
		})
	}
}

func again(h *house, times int) {
	for range times {
		h.login("anna")
		time.Sleep(time.Second)
	}
}

// guess tries a wrong password and says whether it was looked at.
func (h *house) guess(login, source string) (looked bool) {
	h.t.Helper()
	switch got := h.ask("POST", "/console/api/login", m{"login": login, "password": "guess"}, from(source+":1")); got.status {
	case http.StatusUnauthorized:
		return true
	case http.StatusTooManyRequests:
		if got.header.Get("Retry-After") == "" {
			h.t.Error("no Retry-After")
		}
		return false
	default:
		h.t.Fatalf("%+v", got)
		return false
	}
}

func TestPasswordsAreNotGuessed(t *testing.T) {
	const nat, home = "203.0.113.7", "198.51.100.9"
	count := func(n int, try func(i int) bool) (looked int) {
		for i := range n {
			if try(i) {
				looked++
			}
		}
		return looked
	}
	t.Run("of one login from one source", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := bareHouse(t)
			if looked := count(100, func(int) bool { return h.guess("anna", nat) }); looked != 5 {
				t.Errorf("%d guesses", looked)
			}
			if got := h.ask("POST", "/console/api/login", m{"login": "anna", "password": "anna's secret"}, from(nat+":1")); got.status != http.StatusTooManyRequests {
				t.Errorf("the right password after them: %d", got.status)
			}
			time.Sleep(time.Minute)
			h.login("anna", from(nat+":1"))
		})
	})
	t.Run("of many logins from one source", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := bareHouse(t)
			if looked := count(1000, func(i int) bool { return h.guess(fmt.Sprint("login", i), nat) }); looked != 20 {
				t.Errorf("%d guesses", looked)
			}
		})
	})
	t.Run("while those who have been here before still get in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := bareHouse(t)
			anna := h.login("anna", from(nat+":1"))
			again := h.ask("POST", "/console/api/login", m{"login": "anna", "password": "anna's secret"}, from(nat+":1"))
			device := (&http.Response{Header: again.header}).Cookies()[1].Value
			h.login("boris", from(nat+":1"))
			count(1000, func(i int) bool { return h.guess(fmt.Sprint("login", i), nat) }) // a neighbour behind the same NAT
			h.login("anna", from(nat+":1"))
			h.login("boris", from(nat+":1"))
			count(100, func(int) bool { return h.guess("anna", nat) })
			h.login("boris", from(nat+":1"))
			if got := h.ask("POST", "/console/api/login", m{"login": "anna", "password": "anna's secret"}, from(nat+":1")); got.status != http.StatusTooManyRequests {
				t.Errorf("her password may be guessed for ever: %d", got.status)
			}
			h.login("anna", from(nat+":1"), header("Cookie", deviceCookie+"="+device)) // the browser she always has
			if got := h.ask("GET", "/console/api/me", nil, cookie(anna), from(nat+":1")); got.status != http.StatusOK {
				t.Errorf("her open page: %d", got.status)
			}
		})
	})
	t.Run("and the token neither", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := bareHouse(t)
			use := func(token, source string) int {
				return h.ask("GET", "/api/v1/calls", nil, header("Authorization", "Bearer "+token), from(source+":1")).status
			}
			if looked := count(1000, func(i int) bool { return use(fmt.Sprint(i), nat) == http.StatusUnauthorized }); looked != 30 {
				t.Errorf("%d guesses", looked)
			}
			if status := use(secret, nat); status != http.StatusTooManyRequests {
				t.Errorf("the right one after them: %d", status)
			}
			if status := use(secret, home); status != http.StatusOK {
				t.Errorf("from elsewhere: %d", status)
			}
			time.Sleep(time.Second)
			if looked := count(1000, func(int) bool { return use(secret, nat) == http.StatusOK }); looked != 1000 {
				t.Errorf("only %d good requests passed", looked)
			}
		})
	})
}

func TestAFloodOfSourcesTakesLittleMemory(t *testing.T) {
	a := newAllowance(1, time.Hour)
	for i := range 3 * maxKeys {
		a.take(fmt.Sprint(i))
		if len(a.by) > maxKeys {
			t.Fatalf("%d keys", len(a.by))
		}
	}
}

func TestTheCardOfACall(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		c.CardLink = func(operator string, card pbx.Card) string {
			if card.CallID != "c1" {
				return ""
			}
			return "https://panel.example/?of=" + operator
		}
	})
	anna := cookie(h.login("anna"))
	five := 5
	h.floor.cards["c1"] = pbx.Card{CallID: "c1", Phone: "+79161234567", Party: pbx.RoleClient, Line: "+74950000000", Branch: "Центр", Tariff: "Стандарт",
		Order: &pbx.Order{ID: "42", Status: pbx.StatusAccepted, Phone: "+79161234567", ETA: &five, Created: noon, Updated: noon}}
	h.floor.cards["c2"] = pbx.Card{CallID: "c2", Line: "+74950000000"}
	card := h.ask("GET", "/console/api/calls/c1/card", nil, anna).tree(t)
	order := card["order"].(m)
	if order["id"] != "42" || order["eta_minutes"] != 5.0 || order["status"] != "accepted" {
		t.Errorf("order: %v", order)
	}
	sameJSON(t, card, m{"call_id": "c1", "phone": "+79161234567", "line": "+74950000000", "branch": "Центр", "tariff": "Стандарт", "link": "https://panel.example/?of=anna", "party": "client"}, "order")
	sameJSON(t, h.ask("GET", "/console/api/calls/c2/card", nil, anna).tree(t),
		m{"call_id": "c2", "phone": "", "line": "+74950000000", "branch": "", "tariff": "", "order": nil, "link": "", "party": ""})
	h.ask("GET", "/console/api/calls/c3/card", nil, anna).isProblem(t, http.StatusNotFound, "")
}
