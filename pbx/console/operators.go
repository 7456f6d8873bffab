package console

import (
	"cmp"
	"crypto/md5" // RFC 2617's digest, not our choice
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"cabline/pbx"
	"cabline/pbx/gate"
)

// routeOperators is what the operators' pages ask for.
func (c *Console) routeOperators() {
	c.mux.HandleFunc("POST /console/api/login", c.login)
	c.mux.HandleFunc("POST /console/api/logout", c.asOperator(c.logout))
	c.mux.HandleFunc("GET /console/api/me", c.asOperator(c.me))
	c.mux.HandleFunc("POST /console/api/me/ready", c.asOperator(c.ready))
	c.mux.HandleFunc("GET /console/api/calls/{id}/card", c.asOperator(c.card))
	c.mux.HandleFunc("GET /console/api/events", c.asOperator(c.events))
}

func (c *Console) asOperator(answer func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, no := c.operator(r)
		if no != nil {
			no.write(w)
			return
		}
		answer(w, r, who)
	}
}

// maxLogin bounds logins, in bytes: they are keys of maps, and logged.
const maxLogin = 64

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if c.origin.Check(r) != nil {
		(&refusal{http.StatusForbidden, "only our own pages may log in"}).write(w)
		return
	}
	var given struct {
		Login    string `json:"login"`
		Password string `json:"password"`
	}
	if !read(w, r, &given) {
		return
	}
	source := sourceOf(r)
	log := zerolog.Ctx(r.Context()).With().Stringer(logSource, source).Str(logOperator, given.Login[:min(len(given.Login), maxLogin)]).Logger()
	if len(given.Login) > maxLogin {
		writeProblem(w, http.StatusUnauthorized, "login or password is wrong")
		return
	}
	visitor := gate.Visitor{Source: source, Login: given.Login, Device: deviceOf(r)}
	if c.Gate.Closed(visitor) {
		(&refusal{http.StatusTooManyRequests, "too many wrong passwords; wait some minutes"}).write(w)
		return
	}
	account, known := c.Accounts(given.Login)
	// An unknown login takes the same path, so that time does not tell it.
	if !same(c.ha1(given.Login, given.Password), strings.ToLower(account.HA1)) || !known {
		log.Warn().Msg("wrong login or password")
		for _, ban := range c.Gate.Failed(visitor) {
			zerolog.Ctx(r.Context()).Warn().EmbedObject(ban).Msg("banned for wrong passwords")
		}
		writeProblem(w, http.StatusUnauthorized, "login or password is wrong")
		return
	}
	visitor.Device = cmp.Or(visitor.Device, rand.Text())
	c.Gate.Passed(visitor)
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: c.sessions.begin(given.Login, account.HA1), Path: "/",
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	http.SetCookie(w, &http.Cookie{
		Name: deviceCookie, Value: visitor.Device, Path: "/console/api/login", MaxAge: int(deviceLife.Seconds()),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	log.Info().Msg("operator logged in")
	writeJSON(w, http.StatusOK, c.describe(given.Login, account))
}

// A browser in which an operator has logged in is known again by this cookie, so
// that it is not shut out by who guesses at the same login from beside it. It
// opens nothing by itself.
const (
	deviceCookie = "cabline_device"
	deviceLife   = 365 * 24 * time.Hour
	maxDevice    = 64
)

func deviceOf(r *http.Request) string {
	cookie, err := r.Cookie(deviceCookie)
	if err != nil || len(cookie.Value) > maxDevice {
		return ""
	}
	return cookie.Value
}

func (c *Console) ha1(login, password string) string {
	sum := md5.Sum([]byte(login + ":" + c.Realm + ":" + password))
	return hex.EncodeToString(sum[:])
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request, who *session) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.sessions.finish(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	zerolog.Ctx(r.Context()).Info().Str(logOperator, who.login).Msg("operator logged out")
	w.WriteHeader(http.StatusNoContent)
}

// meJSON is what a page needs to work for an operator and to log their
// webphone in.
type meJSON struct {
	Login    string   `json:"login"`
	Name     string   `json:"name"`
	Language string   `json:"language"`
	Branches []string `json:"branches"`
	Firm     string   `json:"firm"`
	Listen   bool     `json:"listen"` // to recordings
	SIP      sipJSON  `json:"sip"`
}

type sipJSON struct {
	URI   string `json:"uri"`
	Realm string `json:"realm"`
	HA1   string `json:"ha1"`
	WS    string `json:"ws"`
}

func (c *Console) describe(login string, account Account) meJSON {
	return meJSON{
		Login: login, Name: account.Name, Language: c.Language, Branches: listed(account.Branches), Firm: c.Firm, Listen: c.Recordings != nil && c.Listen,
		SIP: sipJSON{URI: "sip:" + login + "@" + c.Domain, Realm: c.Realm, HA1: account.HA1, WS: "/ws"},
	}
}

func (c *Console) me(w http.ResponseWriter, _ *http.Request, who *session) {
	account, _ := c.Accounts(who.login)
	writeJSON(w, http.StatusOK, c.describe(who.login, account))
}

func (c *Console) ready(w http.ResponseWriter, r *http.Request, who *session) {
	var want struct {
		Ready *bool `json:"ready"`
	}
	if !read(w, r, &want) {
		return
	}
	if want.Ready == nil {
		writeProblem(w, http.StatusUnprocessableEntity, "ready: true or false is expected")
		return
	}
	c.Desk.SetReady(who.login, *want.Ready)
	w.WriteHeader(http.StatusNoContent)
}

type cardJSON struct {
	CallID string     `json:"call_id"`
	Phone  string     `json:"phone"`
	Party  string     `json:"party"` // whose: client, or driver
	Line   string     `json:"line"`
	Branch string     `json:"branch"`
	Tariff string     `json:"tariff"`
	Order  *orderJSON `json:"order"`
	Link   string     `json:"link"` // the card in the dispatch system; empty: none
}

func (c *Console) card(w http.ResponseWriter, r *http.Request, who *session) {
	card, found := c.Calls.Card(r.PathValue("id"))
	if !found {
		writeProblem(w, http.StatusNotFound, "no such call in progress")
		return
	}
	shown := c.toOperators().card(card)
	if c.CardLink != nil && c.Aliases == nil { // the link has the number in it
		shown.Link = c.CardLink(who.login, card)
	}
	writeJSON(w, http.StatusOK, shown)
}

func (show numbers) card(card pbx.Card) cardJSON {
	shown := cardJSON{CallID: card.CallID, Phone: show.of(card.Phone), Party: string(card.Party), Line: card.Line.Dialable(), Branch: card.Branch, Tariff: card.Tariff}
	if card.Order != nil {
		order := show.order(*card.Order)
		shown.Order = &order
	}
	return shown
}

// listed is a list that is [] in JSON, never null.
func listed[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
