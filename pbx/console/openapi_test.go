package console

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/go-cmp/cmp"

	"cabline/pbx"
)

// document is the OpenAPI document, checked to be the one that is served.
func document(t *testing.T, h *house) *huma.OpenAPI {
	t.Helper()
	api := humago.New(http.NewServeMux(), restConfig(h.Version))
	h.routeOrders(api)
	h.routeCalls(api)
	h.routeNotices(api)
	h.routeLostItems(api)
	h.routeRecordings(api)
	got := h.ask("GET", "/api/openapi.json", nil)
	if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "application/vnd.oai.openapi+json") {
		t.Fatalf("%+v", got)
	}
	ours, err := json.Marshal(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	var want m
	if err := json.Unmarshal(ours, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.tree(t)); diff != "" {
		t.Fatalf("another document is served:\n%s", diff)
	}
	return api.OpenAPI()
}

// operations is every method and path of the document.
func operations(doc *huma.OpenAPI) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PATCH": item.Patch, "PUT": item.Put, "DELETE": item.Delete} {
			if op != nil {
				all[method+" "+path] = op
			}
		}
	}
	return all
}

// TestTheDocumentIsTrue asks every documented operation, well and badly, and
// holds every answer against the document: its status, its content type, its
// schema. In the end every documented answer must have been seen.
func TestTheDocumentIsTrue(t *testing.T) {
	h := newHouse(t)
	h.floor.live = []pbx.CDR{aCall("live", noon)}
	for _, cdr := range []pbx.CDR{aCall("over", noon), {ID: "bare", Kind: pbx.KindConnect, Started: noon, Ended: noon, Result: "busy"}} {
		if err := h.db.SaveCDR(t.Context(), cdr); err != nil {
			t.Fatal(err)
		}
	}
	doc := document(t, h)
	ops := operations(doc)
	seen := map[string]bool{}
	send := func(op, path string, body any, how ...with) {
		t.Helper()
		method, _, _ := strings.Cut(op, " ")
		got := h.ask(method, path, body, how...)
		checkAnswer(t, doc, ops[op], op, got)
		seen[op+" "+strconv.Itoa(got.status)] = true
	}

	send("POST /api/v1/orders", "/api/v1/orders", `{"phone": "1234", "eta_minutes": 5, "price": 1, "car": {"plate": "A1"}}`, byToken)
	send("POST /api/v1/orders", "/api/v1/orders", `{"phone": "1234"}`, byToken)
	send("POST /api/v1/orders", "/api/v1/orders", `{"phone": "letters"}`, byToken)
	send("PATCH /api/v1/orders/{id}", "/api/v1/orders/1", `{"status": "arrived"}`, byToken)
	send("PATCH /api/v1/orders/{id}", "/api/v1/orders/9", `{"status": "arrived"}`, byToken)
	send("GET /api/v1/orders/{id}", "/api/v1/orders/1", nil, byToken)
	send("GET /api/v1/orders/{id}", "/api/v1/orders/9", nil, byToken)
	send("GET /api/v1/orders", "/api/v1/orders", nil, byToken)
	send("POST /api/v1/connect", "/api/v1/connect", `{"order_id": "1"}`, byToken)
	send("GET /api/v1/connect/{id}", "/api/v1/connect/c1", nil, byToken)
	send("GET /api/v1/connect/{id}", "/api/v1/connect/bare", nil, byToken)
	send("GET /api/v1/connect/{id}", "/api/v1/connect/none", nil, byToken)
	send("GET /api/v1/calls", "/api/v1/calls", nil, byToken)
	send("GET /api/v1/cdrs", "/api/v1/cdrs", nil, byToken)
	send("POST /api/v1/notices", "/api/v1/notices", `{"order_id": "42", "status": "arrived", "phone": "89161234567", "car": {"plate": "A1"}}`, byToken)
	send("POST /api/v1/notices", "/api/v1/notices", `{"order_id": "42", "status": "arrived", "phone": "letters"}`, byToken)
	send("GET /api/v1/notices", "/api/v1/notices", nil, byToken)
	send("GET /api/v1/notices/{id}", "/api/v1/notices/1", nil, byToken)
	send("GET /api/v1/notices/{id}", "/api/v1/notices/9", nil, byToken)
	h.record("over", 1)
	send("GET /api/v1/calls/{id}/recordings", "/api/v1/calls/over/recordings", nil, byToken)
	send("GET /api/v1/calls/{id}/recordings/{number}", "/api/v1/calls/over/recordings/1", nil, byToken)
	send("GET /api/v1/calls/{id}/recordings/{number}", "/api/v1/calls/over/recordings/1", nil, byToken, header("Range", "bytes=10-19"))
	send("GET /api/v1/calls/{id}/recordings/{number}", "/api/v1/calls/over/recordings/2", nil, byToken)
	send("POST /api/v1/opt-outs", "/api/v1/opt-outs", `{"phone": "89161234567"}`, byToken)
	send("GET /api/v1/opt-outs", "/api/v1/opt-outs", nil, byToken)
	for _, err := range []error{pbx.ErrNoOrder, pbx.ErrNotAPhone, pbx.ErrShutdown, errBroken} {
		h.floor.refuse = err
		send("POST /api/v1/connect", "/api/v1/connect", `{"order_id": "1"}`, byToken)
	}
	for _, err := range []error{nil, pbx.ErrNoOrder, pbx.ErrNoParty, errBroken} {
		h.floor.refuse = err
		send("PUT /api/v1/orders/{id}/lost-item", "/api/v1/orders/1/lost-item", `{"open": true}`, byToken)
	}

	// What all operations have in common.
	anna := h.login("anna", ownPage)
	send("GET /api/v1/calls/{id}/recordings", "/api/v1/calls/over/recordings", nil, cookie(anna))
	send("GET /api/v1/calls/{id}/recordings/{number}", "/api/v1/calls/over/recordings/1", nil, cookie(anna))
	stranger := from("198.51.100.1:1")
	for op := range ops {
		method, path, _ := strings.Cut(op, " ")
		path = strings.NewReplacer("{id}", "1", "{number}", "1").Replace(path)
		send(op, path, nil)
		send(op, path+"?nonsense=1", `{}`, byToken)
		if method != "GET" {
			send(op, path, `{"garbage`, byToken)
			send(op, path, strings.Repeat(" ", maxBody), byToken)
			send(op, path, `{}`, byToken, header("Content-Type", "text/plain"))
			send(op, path, `{}`, cookie(anna), header("Origin", "http://evil.test"))
		}
	}
	for range 31 {
		h.ask("GET", "/api/v1/calls", nil, header("Authorization", "Bearer wrong"), stranger)
	}
	for op := range ops {
		method, path, _ := strings.Cut(op, " ")
		send(op, path, nil, header("Authorization", "Bearer wrong"), stranger)
		_ = method
	}
	_ = h.db.Close()
	for op, broken := range map[string]string{
		"GET /api/v1/orders": "", "GET /api/v1/orders/{id}": "", "PATCH /api/v1/orders/{id}": `{}`, "POST /api/v1/orders": `{"phone": "1234"}`,
		"GET /api/v1/cdrs": "", "GET /api/v1/connect/{id}": "",
		"GET /api/v1/calls/{id}/recordings": "", "GET /api/v1/calls/{id}/recordings/{number}": "",
		"GET /api/v1/notices": "", "GET /api/v1/notices/{id}": "", "POST /api/v1/notices": `{"order_id": "43", "status": "arrived", "phone": "1234"}`,
		"GET /api/v1/opt-outs": "", "POST /api/v1/opt-outs": `{"phone": "1234"}`,
	} {
		_, path, _ := strings.Cut(op, " ")
		send(op, strings.NewReplacer("{id}", "1", "{number}", "1").Replace(path), broken, byToken)
	}

	for op, described := range ops {
		for status := range described.Responses {
			switch status {
			case "408": // takes a slow client and ten seconds
			case "500":
				if op == "GET /api/v1/calls" { // from memory
					continue
				}
				fallthrough
			default:
				if !seen[op+" "+status] {
					t.Errorf("%s is documented to answer %s and never did", op, status)
				}
			}
		}
	}
}

func checkAnswer(t *testing.T, doc *huma.OpenAPI, op *huma.Operation, name string, got answer) {
	t.Helper()
	if op == nil {
		t.Fatalf("%s is not documented", name)
	}
	response := op.Responses[strconv.Itoa(got.status)]
	if response == nil {
		t.Errorf("%s answered %d, which is not documented: %s", name, got.status, got.body)
		return
	}
	kind, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	media := response.Content[kind]
	if media == nil {
		t.Errorf("%s answered %d with %q, which is not documented", name, got.status, kind)
		return
	}
	if media.Schema.Format == "binary" {
		return
	}
	var body any
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Errorf("%s answered %d with %q: %v", name, got.status, got.body, err)
		return
	}
	result := &huma.ValidateResult{}
	huma.Validate(doc.Components.Schemas, media.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, body, result)
	for _, fault := range result.Errors {
		t.Errorf("%s answered %d against its schema: %v\n%s", name, got.status, fault, got.body)
	}
}

func TestTheDocumentNamesEveryRouteAndStatus(t *testing.T) {
	h := newHouse(t)
	doc := document(t, h)
	var documented []string
	for op, described := range operations(doc) {
		documented = append(documented, op)
		if described.Summary == "" || len(described.Security) != 2 {
			t.Errorf("%s: %+v", op, described)
		}
	}
	slices.Sort(documented)
	want := []string{"GET /api/v1/calls", "GET /api/v1/calls/{id}/recordings", "GET /api/v1/calls/{id}/recordings/{number}", "GET /api/v1/cdrs", "GET /api/v1/connect/{id}", "GET /api/v1/notices", "GET /api/v1/notices/{id}",
		"GET /api/v1/opt-outs", "GET /api/v1/orders", "GET /api/v1/orders/{id}",
		"PATCH /api/v1/orders/{id}", "POST /api/v1/connect", "POST /api/v1/notices", "POST /api/v1/opt-outs", "POST /api/v1/orders", "PUT /api/v1/orders/{id}/lost-item"}
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Error(diff)
	}
	// The document and the exchange have the same statuses, in the same order.
	for _, schema := range []string{"Order", "NewOrder", "OrderPatch"} {
		found := doc.Components.Schemas.Map()[schema]
		if found == nil {
			t.Fatalf("no schema %s", schema)
		}
		var statuses []pbx.Status
		for _, s := range found.Properties["status"].Enum {
			statuses = append(statuses, pbx.Status(s.(string)))
		}
		if diff := cmp.Diff(pbx.Statuses, statuses); diff != "" {
			t.Errorf("%s: %s", schema, diff)
		}
	}
}

// TestNoRouteUnderAPIBypassesTheDocument reads this package's own source: a
// pattern below /api/v1 that is given to the mux by hand would have no schema.
func TestNoRouteUnderAPIBypassesTheDocument(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && strings.Contains(text.Value, "/api/v") && text.Value != `"/api/v1"` {
				t.Errorf("%s has the route %s; register it with operation", name, text.Value)
			}
			return true
		})
	}
}
