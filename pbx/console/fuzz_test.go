package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzJSON sends bodies to every route that takes one. None is a fault of ours,
// and none writes a header of the answer.
func FuzzJSON(f *testing.F) {
	routes := []struct{ method, path string }{
		{"POST", "/api/v1/orders"}, {"PATCH", "/api/v1/orders/1"}, {"POST", "/api/v1/connect"}, {"POST", "/console/api/login"}, {"POST", "/console/api/me/ready"},
	}
	for i, body := range []string{
		`{"phone": "+79161234567", "status": "accepted", "car": {"plate": "А123ВС77"}, "eta_minutes": 5}`, `{"eta_minutes": null, "status": "done"}`,
		`{"order_id": "1"}`, `{"login": "anna\r\nX-Evil: 1", "password": "\u0000"}`, `{"ready": true}`, `[]`, `{"phone": 1e999}`, `{"phone": "`, "\x00", `{"a":{"a":{"a":{}}}}`,
	} {
		f.Add(uint8(i), body)
	}
	h := newHouse(f)
	anna := cookie(h.login("anna"))
	f.Fuzz(func(t *testing.T, route uint8, body string) {
		h.t = t
		r := routes[int(route)%len(routes)]
		how := []with{byToken}
		if strings.HasPrefix(r.path, "/console") {
			how = []with{anna, ownPage}
		}
		got := h.ask(r.method, r.path, body, how...)
		if got.status >= 500 && !(r.path == "/api/v1/connect" && got.status == http.StatusServiceUnavailable) {
			t.Errorf("%s %s %q: %d %s", r.method, r.path, body, got.status, got.body)
		}
		if got.body != "" && !json.Valid([]byte(got.body)) {
			t.Errorf("%q is answered with %q", body, got.body)
		}
		for name, values := range got.header {
			if value := strings.Join(values, ""); strings.ContainsAny(name+value, "\r\n\x00") || strings.HasPrefix(name, "X-Evil") {
				t.Errorf("header %q: %q", name, value)
			}
		}
	})
}
