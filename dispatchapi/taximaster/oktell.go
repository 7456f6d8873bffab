package taximaster

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
)

// patience is how long Такси-Мастер waits for us: it wants a quick 200.
const patience = 2 * time.Second

// Oktell is the exchange as Такси-Мастер knows exchanges. Fill in the fields.
type Oktell struct {
	System          *System
	Login, Password string                // of the basic authentication asked for; empty: none is
	Joining         string                // the script that joins client and driver
	Scripts         map[string]pbx.Status // by the names of scripts: the news to call the client about

	Notices pbx.Noticeboard
	Connect func(ctx context.Context, want pbx.ConnectRequest) (id string, err error)
}

// ServeHTTP answers what Такси-Мастер sends to an Oktell:
//
//	GET /execsvcscript?name=…&startparam1=<client>&startparam2=<second number>&startparam3=<callback state>&startparam4=<order>
//	GET /execsvcscriptplain?…
//
// The script named Joining joins startparam1 and startparam2. Every other one
// is news of an order to call the client about. It answers 200 also where it
// did nothing, with startresult other than 0.
func (o *Oktell) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !o.admits(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="Oktell"`)
		http.Error(w, "login or password wrong", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	}
	var answer func(io.Writer, string, error)
	switch r.URL.Path {
	case "/execsvcscript":
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		answer = answerXML
	case "/execsvcscriptplain":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		answer = answerPlain
	default:
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	done, err := o.run(ctx, asked(w, r))
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("query", courier.Masked(r.Form.Encode()[:min(len(r.Form.Encode()), 2000)])).Msg("Такси-Мастер asks for what we cannot do")
	}
	answer(w, done, err)
}

// admits compares hashes, so that the time says nothing about a password.
func (o *Oktell) admits(r *http.Request) bool {
	if o.Login == "" && o.Password == "" {
		return true
	}
	login, password, _ := r.BasicAuth()
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return same(login, o.Login)&same(password, o.Password) == 1
}

// asked is the parameters, of the address and of a form, in UTF-8.
func asked(w http.ResponseWriter, r *http.Request) url.Values {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	_ = r.ParseForm() // what could be read is used; what is missing is said by name
	for name, values := range r.Form {
		for i, v := range values {
			_, text := courier.UTF8("", []byte(v))
			r.Form[name][i] = string(text)
		}
	}
	return r.Form
}

// run does what a script of that name would do, and returns what it did.
func (o *Oktell) run(ctx context.Context, q url.Values) (string, error) {
	name, order := q.Get("name"), q.Get("startparam4")
	client, err := pbx.ParsePhone(q.Get("startparam1"), o.System.cfg.Country)
	if err != nil {
		return "", fmt.Errorf("startparam1: %w", err)
	}
	if name == o.Joining {
		driver, err := pbx.ParsePhone(q.Get("startparam2"), o.System.cfg.Country)
		if err != nil {
			return "", fmt.Errorf("startparam2: %w", err)
		}
		return o.Connect(ctx, pbx.ConnectRequest{Client: client, Driver: driver})
	}
	if n, err := strconv.Atoi(order); err != nil || n <= 0 {
		return "", fmt.Errorf("startparam4: order %.20q", order)
	}
	news := pbx.Notice{OrderID: order, Order: pbx.Order{ID: order, Phone: client}, Source: source, At: time.Now()}
	if status, named := o.Scripts[name]; named {
		news.Status = status
	} else { // the order itself knows what there is to tell
		found, err := o.System.Order(ctx, order)
		if err != nil {
			return "", fmt.Errorf("script %.100q is not in dispatch.taximaster.scripts, and %w", name, err)
		}
		news.Status, news.Order = found.Status, *found
		news.Order.Phone = client
	}
	news.Order.Status = news.Status
	state, _ := strconv.Atoi(q.Get("startparam3"))
	if news.Version, err = o.System.cfg.DB.NewsVersion(ctx, source, order, news.Status, state); err != nil {
		return "", err
	}
	if err := o.Notices.Notify(ctx, news); err != nil {
		return "", err
	}
	return order, nil
}

// answerXML is the answer of execsvcscript.
func answerXML(w io.Writer, returned string, err error) {
	started, result := 1, 0
	if err != nil {
		started, result = 0, 1
	}
	type simple struct {
		Key   string `xml:"key,attr"`
		Value int    `xml:"value,attr"`
	}
	type cdata struct {
		Key  string `xml:"key,attr"`
		Text string `xml:",cdata"`
	}
	type set struct {
		Name   string   `xml:"name,attr"`
		Simple []simple `xml:"property_simple"`
		CData  cdata    `xml:"property_cdata"`
	}
	type data struct {
		Name  string `xml:"name,attr"`
		Count int    `xml:"count,attr"`
		Set   set    `xml:"property_set"`
	}
	answer := struct {
		XMLName xml.Name `xml:"oktellxmlmapper"`
		Version string   `xml:"version,attr"`
		Data    data     `xml:"data"`
	}{Version: "80710", Data: data{Name: "result", Count: 1, Set: set{Name: "execsvcscript",
		Simple: []simple{{"started", started}, {"startresult", result}}, CData: cdata{"returnvalue", returned}}}}
	_ = xml.NewEncoder(w).Encode(answer) // whoever went away needs no answer
}

// answerPlain is the answer of execsvcscriptplain: what the script returned.
func answerPlain(w io.Writer, returned string, err error) {
	if err != nil {
		returned = "-1"
	}
	_, _ = io.WriteString(w, returned)
}
