package console

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// routeREST is /api/v1: what dispatch systems use, and the pages too. Every
// route is registered with huma, which checks requests against the same schemas
// it describes them with in /api/openapi.json.
func (c *Console) routeREST() {
	api := humago.New(c.mux, restConfig(c.Version))
	c.routeOrders(api)
	c.routeCalls(api)
	if c.Notices != nil {
		c.routeNotices(api)
	}
	c.routeLostItems(api)
	if c.Recordings != nil {
		c.routeRecordings(api)
	}
	document, err := json.MarshalIndent(api.OpenAPI(), "", "  ")
	if err != nil {
		panic(err) // it is made of our own types
	}
	c.mux.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		_, _ = w.Write(document)
	})
}

func restConfig(version string) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Cabline",
				Version: version,
				Description: "The telephone exchange of a taxi firm: its order book, its calls, and calls on request.\n\n" +
					"Telephone numbers are taken as people write them and given in E.164 (`+79161234567`). " +
					"Times are RFC 3339 in UTC. Errors are problem details (RFC 9457).",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":   {Type: "http", Scheme: "bearer", Description: "The token of the section `dispatch` in the exchange's config."},
					"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "An operator who has logged in. Requests that change things must come from the exchange's own pages."},
				},
			},
		},
		Formats:                      huma.DefaultFormats,
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{briefly},
	}
}

// maxFaults bounds what is told of a bad request.
const maxFaults = 20

// briefly leaves out of a problem what the client sent: huma would send a body
// of ten thousand unknown fields back ten thousand times.
func briefly(_ huma.Context, _ string, answer any) (any, error) {
	problem, bad := answer.(*huma.ErrorModel)
	if !bad {
		return answer, nil
	}
	brief := *problem
	brief.Errors = nil
	for _, fault := range problem.Errors[:min(len(problem.Errors), maxFaults)] {
		brief.Errors = append(brief.Errors, &huma.ErrorDetail{Message: fault.Message, Location: fault.Location})
	}
	return &brief, nil
}

// schemaName names a schema for those who read the document: orderJSON is Order.
func schemaName(t reflect.Type, hint string) string {
	switch name := huma.DefaultSchemaNamer(t, hint); name {
	case "ErrorModel":
		return "Problem"
	case "ErrorDetail":
		return "Fault"
	default:
		return strings.TrimSuffix(name, "JSON")
	}
}

// operation is what all operations have in common. fails are the statuses it
// answers with besides those that all do.
func (c *Console) operation(id, method, path, summary string, fails ...int) huma.Operation {
	op := huma.Operation{
		OperationID:     id,
		Method:          method,
		Path:            "/api/v1" + path,
		Summary:         summary,
		MaxBodyBytes:    maxBody,
		BodyReadTimeout: 10 * time.Second,
		Middlewares:     huma.Middlewares{c.admitREST},
		Security:        []map[string][]string{{"token": {}}, {"session": {}}},
		Errors:          append(fails, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusUnprocessableEntity),
	}
	if !safe(method) {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusForbidden, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return op
}

// patch is a field of a JSON merge patch (RFC 7396): absent, null, or a value.
type patch[T any] struct {
	sent, null bool
	value      T
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *patch[T]) UnmarshalJSON(data []byte) error {
	p.sent, p.null = true, string(data) == "null"
	if p.null {
		return nil
	}
	return json.Unmarshal(data, &p.value)
}

// Schema implements huma.SchemaProvider: the value's schema, or null.
func (p patch[T]) Schema(r huma.Registry) *huma.Schema {
	schema := *r.Schema(reflect.TypeFor[T](), false, "")
	schema.Nullable = true
	return &schema
}

// to writes the field over ours: null clears it.
func (p patch[T]) to(ours *T) {
	if p.sent {
		*ours = p.value
	}
}
