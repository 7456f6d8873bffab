package config

import (
	"net/netip"
	"strings"
)

// Taximaster is Такси-Мастер, asked over its TM API and answered as Oktell.
type Taximaster struct {
	URL       string             `yaml:"url"` // without a path
	TAPIKey   Secret             `yaml:"tapi_key"`
	CommonKey Secret             `yaml:"common_key"` // empty: common_api is not used
	Numbers   string             `yaml:"numbers"`
	States    []TaximasterState  `yaml:"states"`
	Answers   []TaximasterAnswer `yaml:"answers"`
	Oktell    Oktell             `yaml:"oktell"`
	TLS       TLS                `yaml:"tls"`

	Recordings string `yaml:"recordings"` // before the name of a recording's file; empty: the folder
}

// TaximasterState is what one of the firm's own states means.
type TaximasterState struct {
	ID     int    `yaml:"id"`
	Status string `yaml:"status"`
}

// TaximasterAnswer is the state an order is put into by a client's answer.
type TaximasterAnswer struct {
	Answer string `yaml:"answer"`
	State  int    `yaml:"state"`
}

// Oktell is where Такси-Мастер sends what it would send to an Oktell.
type Oktell struct {
	Listen   netip.AddrPort `yaml:"listen"` // zero: nowhere
	Login    string         `yaml:"login"`
	Password Secret         `yaml:"password"`
	Joining  string         `yaml:"joining"`
	Scripts  []OktellScript `yaml:"scripts"`
}

// OktellScript is the news a script stands for.
type OktellScript struct {
	Name   string `yaml:"name"`
	Status string `yaml:"status"`
}

func (r *reader) taximaster(t *Taximaster, env Env) {
	fromEnv(env, "CABLINE_TAXIMASTER_TAPI_KEY", &t.TAPIKey)
	fromEnv(env, "CABLINE_TAXIMASTER_COMMON_KEY", &t.CommonKey)
	fromEnv(env, "CABLINE_TAXIMASTER_OKTELL_PASSWORD", &t.Oktell.Password)
	r.url("dispatch.taximaster.url", &t.URL)
	t.URL = strings.TrimRight(t.URL, "/")
	if t.TAPIKey == "" {
		r.problem(r.at[t], "dispatch.taximaster: key missing, which requests are signed with; set it in dispatch.taximaster.tapi_key or CABLINE_TAXIMASTER_TAPI_KEY")
	}
	r.oneOf("dispatch.taximaster.numbers", &t.Numbers, []string{"national", "plain", "e164"})
	for i := range t.States {
		r.oneOf("dispatch.taximaster.states", &t.States[i].Status, statusNames())
	}
	for i := range t.Oktell.Scripts {
		r.oneOf("dispatch.taximaster.oktell.scripts", &t.Oktell.Scripts[i].Status, statusNames())
	}
	for i := range t.Answers {
		r.oneOf("dispatch.taximaster.answers", &t.Answers[i].Answer, answerNames)
	}
	unique(r, "dispatch.taximaster.states", t.States, func(s *TaximasterState) *int { return &s.ID })
	unique(r, "dispatch.taximaster.answers", t.Answers, func(a *TaximasterAnswer) *string { return &a.Answer })
	unique(r, "dispatch.taximaster.oktell.scripts", t.Oktell.Scripts, func(s *OktellScript) *string { return &s.Name })
	if o := &t.Oktell; (o.Login == "" || o.Password == "") && o.Listen.IsValid() && !o.Listen.Addr().IsLoopback() {
		r.problem(r.at[o], "dispatch.taximaster.oktell: login or password missing, without which anybody could have calls made; set them here, the password also in CABLINE_TAXIMASTER_OKTELL_PASSWORD")
	}
}
