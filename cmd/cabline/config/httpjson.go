package config

import (
	"net/http"
	"regexp"
	"slices"

	"cabline/pbx"
)

// Placeholders are the names that may stand in braces in a template.
var Placeholders = []string{"phone", "line", "order_id", "call_id", "kind", "answer"}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// HTTPJSON is any dispatch system that speaks JSON over HTTP.
type HTTPJSON struct {
	Numbers  string           `yaml:"numbers"`
	Retries  int              `yaml:"retries"`
	Secret   Secret           `yaml:"secret"` // of what it posts to us; empty: nothing is taken
	Auth     HTTPAuth         `yaml:"auth"`
	ByPhone  HTTPRequest      `yaml:"by_phone"`
	ByDriver HTTPRequest      `yaml:"by_driver"`
	ByID     HTTPRequest      `yaml:"by_id"`
	Order    OrderPaths       `yaml:"order"`
	Statuses []TheirStatus    `yaml:"statuses"`
	Answers  []HTTPJSONAnswer `yaml:"answers"`
	Events   HTTPJSONEvents   `yaml:"events"`
	TLS      TLS              `yaml:"tls"`
}

// HTTPAuth is how requests prove to come from us.
type HTTPAuth struct {
	Kind    string `yaml:"kind"`
	Name    string `yaml:"name"`
	Login   string `yaml:"login"`
	Secret  Secret `yaml:"secret"`
	InQuery bool   `yaml:"in_query"`
}

// HTTPRequest is something asked; its texts are templates.
type HTTPRequest struct {
	URL     string       `yaml:"url"` // empty: not asked
	Method  string       `yaml:"method"`
	Headers []HTTPHeader `yaml:"headers"`
	Body    string       `yaml:"body"`
	Within  string       `yaml:"within"`
	OK      string       `yaml:"ok"`
}

// HTTPHeader is one header of a request.
type HTTPHeader struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// OrderPaths are where an order's fields are in JSON.
type OrderPaths struct {
	ID         string `yaml:"id"`
	Status     string `yaml:"status"`
	Version    string `yaml:"version"`
	Phone      string `yaml:"phone"`
	ClientName string `yaml:"client_name"`
	Line       string `yaml:"line"`
	Branch     string `yaml:"branch"`
	Tariff     string `yaml:"tariff"`
	Pickup     string `yaml:"pickup"`
	Dropoff    string `yaml:"dropoff"`
	Comment    string `yaml:"comment"`
	Minutes    string `yaml:"minutes"`
	Color      string `yaml:"color"`
	Mark       string `yaml:"mark"`
	Model      string `yaml:"model"`
	Plate      string `yaml:"plate"`
	Price      string `yaml:"price"`
	Driver     string `yaml:"driver"`
	TakenBy    string `yaml:"taken_by"`
}

// HTTPJSONAnswer is how the system is told a client's answer.
type HTTPJSONAnswer struct {
	Answer  string      `yaml:"answer"`
	Request HTTPRequest `yaml:"request"`
}

// HTTPJSONEvents is how the system is told of calls.
type HTTPJSONEvents struct {
	Kinds   []string    `yaml:"kinds"` // empty: all
	Mask    bool        `yaml:"mask_numbers"`
	Request HTTPRequest `yaml:"request"`
}

func (r *reader) httpJSON(h *HTTPJSON, env Env) {
	const at = "dispatch.httpjson"
	fromEnv(env, "CABLINE_HTTPJSON_SECRET", &h.Secret)
	fromEnv(env, "CABLINE_HTTPJSON_AUTH_SECRET", &h.Auth.Secret)
	r.oneOf(at+".numbers", &h.Numbers, []string{"e164", "plain", "national"})
	if h.Retries < 0 || h.Retries > 5 {
		r.problem(r.at[&h.Retries], "%s.retries: %d; want 0 to 5", at, h.Retries)
	}
	r.httpAuth(at+".auth", &h.Auth)
	r.httpRequest(at+".by_phone", &h.ByPhone)
	r.httpRequest(at+".by_driver", &h.ByDriver)
	r.httpRequest(at+".by_id", &h.ByID)
	r.httpRequest(at+".events.request", &h.Events.Request)
	if h.ByPhone.URL == "" {
		r.problem(r.at[h], "%s: by_phone.url missing, where the order of a caller is asked for", at)
	}
	if h.Order.ID == "" || h.Order.Status == "" {
		r.problem(r.at[h], "%s: order.id and order.status missing, where in an answer these are", at)
	}
	r.theirStatuses(at+".statuses", h.Statuses)
	for i := range h.Answers {
		r.oneOf(at+".answers", &h.Answers[i].Answer, answerNames)
		r.httpRequest(at+".answers.request", &h.Answers[i].Request)
	}
	unique(r, at+".answers", h.Answers, func(a *HTTPJSONAnswer) *string { return &a.Answer })
	for i := range h.Events.Kinds {
		r.oneOf(at+".events.kinds", &h.Events.Kinds[i], eventNames())
	}
}

func (r *reader) httpAuth(name string, a *HTTPAuth) {
	r.oneOf(name+".kind", &a.Kind, []string{"none", "bearer", "header", "basic", "hmac", "md5"})
	switch {
	case a.Kind == "none":
	case a.Secret == "":
		r.problem(r.at[a], "%s: secret missing; set it in %s.secret or CABLINE_HTTPJSON_AUTH_SECRET", name, name)
	case a.Name == "" && slices.Contains([]string{"header", "hmac", "md5"}, a.Kind):
		r.problem(r.at[a], "%s: name missing, of the header for %s", name, a.Kind)
	}
}

// httpRequest looks at the templates.
func (r *reader) httpRequest(name string, q *HTTPRequest) {
	if q.URL == "" {
		return
	}
	filled := placeholder.ReplaceAllString(q.URL, "1")
	r.at[&filled] = r.at[&q.URL]
	r.url(name+".url", &filled)
	texts := []*string{&q.URL, &q.Body}
	for i := range q.Headers {
		texts = append(texts, &q.Headers[i].Value)
	}
	for _, text := range texts {
		for _, found := range placeholder.FindAllStringSubmatch(*text, -1) {
			if !slices.Contains(Placeholders, found[1]) {
				r.problem(r.at[text], "%s: unknown {%s}; %s", name, found[1], suggest(found[1], Placeholders))
			}
		}
	}
	if q.Method != "" {
		r.oneOf(name+".method", &q.Method, []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete})
	}
}

func statusNames() (names []string) {
	for _, s := range pbx.Statuses {
		names = append(names, string(s))
	}
	return names
}

func eventNames() (names []string) {
	for _, k := range pbx.EventKinds {
		names = append(names, string(k))
	}
	return names
}

var answerNames = []string{string(pbx.AnswerComingOut), string(pbx.AnswerFiveMinutes), string(pbx.AnswerCancel), string(pbx.AnswerKeepLooking)}
