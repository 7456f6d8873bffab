package console

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cabline/pbx"
)

// cdrJSON is a call: over, or as it stands. Times that never were are null.
type cdrJSON struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind" enum:"inbound,connect,forward,outgoing,notice"`
	Line     string     `json:"line" doc:"The firm's number"`
	From     string     `json:"from" doc:"Who called, or the client of a connect; empty: withheld"`
	To       string     `json:"to" doc:"Who was meant: the driver, the number dialled"`
	OrderID  string     `json:"order_id" doc:"Empty: none"`
	Branch   string     `json:"branch"`
	Started  time.Time  `json:"started"`
	Answered *time.Time `json:"answered"`
	Ended    *time.Time `json:"ended"`
	Waited   float64    `json:"waited_seconds" doc:"In line for an operator"`
	Talked   float64    `json:"talked_seconds" doc:"Joined with another person"`
	State    string     `json:"state" enum:"looking_up,in_menu,calling_client,calling_driver,waiting,calling_target,talking,ended"`
	Result   string     `json:"result" doc:"One word for what happened; empty while the call goes on" example:"completed"`
	Steps    []stepJSON `json:"steps" nullable:"false" doc:"What happened, in order"`
	Legs     []legJSON  `json:"legs" nullable:"false" doc:"Each party's own connection"`
}

type stepJSON struct {
	At   time.Time `json:"at"`
	What string    `json:"what" example:"dial driver"`
}

type legJSON struct {
	ID       string     `json:"id" doc:"The SIP Call-ID"`
	Party    string     `json:"party" enum:"client,driver,operator,target"`
	Number   string     `json:"number" doc:"Empty for operators"`
	Operator string     `json:"operator" doc:"The login; empty for numbers"`
	Trunk    string     `json:"trunk"`
	Started  *time.Time `json:"started"`
	Answered *time.Time `json:"answered"`
	Ended    *time.Time `json:"ended"`
	Cause    string     `json:"cause" example:"busy"`
	Code     int        `json:"code" doc:"The SIP status that ended the set-up, 200 when answered, 0: none yet" example:"486"`
	Audio    audioJSON  `json:"audio"`
}

type audioJSON struct {
	Codec    string  `json:"codec" doc:"As in SDP; empty: none was agreed on" example:"PCMA"`
	Received uint64  `json:"received" doc:"RTP packets from the party"`
	Sent     uint64  `json:"sent"`
	Lost     uint64  `json:"lost" doc:"Gaps in what the party sent"`
	Late     uint64  `json:"late" doc:"Packets that came after one said later"`
	TooLate  uint64  `json:"too_late" doc:"Packets that came later than a usual jitter buffer waits"`
	Dropped  uint64  `json:"dropped" doc:"Packets of strangers, or broken"`
	JitterMS float64 `json:"jitter_ms" doc:"On average"`

	PeerLost     uint64  `json:"peer_lost" doc:"Packets to the party that did not reach it, by its reports"`
	PeerJitterMS float64 `json:"peer_jitter_ms"`
	RoundTripMS  float64 `json:"round_trip_ms" doc:"0: not known"`

	MOS     *float64 `json:"mos" doc:"How what comes from the party sounded, 1 to 4.4 by the E-model; null: nothing came"`
	PeerMOS *float64 `json:"peer_mos" doc:"How the party hears what we send, by its reports; null: it sent none"`
	Mute    bool     `json:"mute" doc:"The party sent packets, and silence in all of them"`
	Unheard bool     `json:"unheard" doc:"For ten seconds and longer nothing came from the party, which did not hold"`
}

func showAudio(l pbx.LegRecord) audioJSON {
	a := l.Audio
	ms := func(d time.Duration) float64 { return seconds(d) * 1000 }
	rating := func(mos float64) *float64 {
		if mos == 0 {
			return nil
		}
		mos = math.Round(mos*100) / 100
		return &mos
	}
	return audioJSON{
		Codec: a.Codec, Received: a.Received, Sent: a.Sent, Lost: a.Lost, Late: a.Late, TooLate: a.TooLate, Dropped: a.Dropped, JitterMS: ms(a.Jitter),
		PeerLost: a.PeerLost, PeerJitterMS: ms(a.PeerJitter), RoundTripMS: ms(a.RoundTrip),
		MOS: rating(a.MOS()), PeerMOS: rating(a.PeerMOS()), Mute: a.Mute(), Unheard: l.Unheard(),
	}
}

func (show numbers) cdr(cdr pbx.CDR) cdrJSON {
	shown := cdrJSON{
		ID: cdr.ID, Kind: string(cdr.Kind), Line: cdr.Line.Dialable(), From: show.of(cdr.From), To: show.of(cdr.To),
		OrderID: cdr.OrderID, Branch: cdr.Branch, Started: cdr.Started.UTC(), Answered: when(cdr.Answered), Ended: when(cdr.Ended),
		Waited: seconds(cdr.Waited), Talked: seconds(cdr.Talked), State: string(cdr.State), Result: cdr.Result,
		Steps: []stepJSON{}, Legs: []legJSON{},
	}
	for _, s := range cdr.Steps {
		shown.Steps = append(shown.Steps, stepJSON{At: s.At.UTC(), What: s.What})
	}
	for _, l := range cdr.Legs {
		shown.Legs = append(shown.Legs, legJSON{
			ID: show.callID(l.ID), Party: string(l.Party), Number: show.of(l.Number), Operator: l.Operator, Trunk: l.Trunk,
			Started: when(l.Started), Answered: when(l.Answered), Ended: when(l.Ended), Cause: l.Cause, Code: l.Code,
			Audio: showAudio(l),
		})
	}
	return shown
}

func (show numbers) cdrs(all []pbx.CDR) []cdrJSON {
	shown := []cdrJSON{}
	for _, cdr := range all {
		shown = append(shown, show.cdr(cdr))
	}
	return shown
}

// seconds with milliseconds.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (c *Console) routeCalls(api huma.API) {
	connect := c.operation("connect", http.MethodPost, "/connect",
		"Call a client, then a driver, and join them; by order, or by two numbers", http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable)
	connect.DefaultStatus = http.StatusAccepted
	huma.Register(api, connect, c.connect)
	huma.Register(api, c.operation("read-connect", http.MethodGet, "/connect/{id}", "How a connect goes on, or went", http.StatusNotFound), c.readConnect)
	huma.Register(api, c.operation("live-calls", http.MethodGet, "/calls", "The calls in progress, oldest first"), c.liveCalls)
	huma.Register(api, c.operation("cdrs", http.MethodGet, "/cdrs", "The calls that are over"), c.cdrs)
}

type connectJSON struct {
	OrderID string `json:"order_id,omitempty" maxLength:"40" doc:"Join the client and the driver of this order …"`
	Client  string `json:"client,omitempty" maxLength:"64" doc:"… or these two numbers" example:"+79161234567"`
	Driver  string `json:"driver,omitempty" maxLength:"64" example:"+79035550001"`
	Line    string `json:"line,omitempty" maxLength:"64" doc:"The firm's number both see; left out: the order's, or the firm's first"`
}

type connectedJSON struct {
	ID     string   `json:"id" doc:"Of the call"`
	State  string   `json:"state" enum:"looking_up,in_menu,calling_client,calling_driver,waiting,calling_target,talking,ended" doc:"waiting: the driver was not reached, the client waits for an operator"`
	Result string   `json:"result" doc:"Empty while it goes on" example:"completed"`
	CDR    *cdrJSON `json:"cdr" doc:"The whole call, as it stands"`
}

type connectAnswer struct {
	Body struct {
		ID    string `json:"id" doc:"Of the call; it is also in /connect/{id}, /calls and /cdrs"`
		State string `json:"state" enum:"calling_client"`
	}
}

func (c *Console) connect(ctx context.Context, in *struct{ Body connectJSON }) (*connectAnswer, error) {
	want, err := c.readConnectRequest(in.Body)
	if err != nil {
		return nil, err
	}
	id, err := c.Calls.Connect(ctx, want)
	if err != nil {
		return nil, refused(ctx, err)
	}
	out := &connectAnswer{}
	out.Body.ID, out.Body.State = id, string(pbx.StateCallingClient)
	return out, nil
}

func (c *Console) readConnectRequest(in connectJSON) (pbx.ConnectRequest, error) {
	want := pbx.ConnectRequest{OrderID: in.OrderID}
	numbers := in.Client != "" || in.Driver != ""
	if (in.OrderID != "") == numbers {
		return want, huma.Error422UnprocessableEntity("either order_id, or client and driver")
	}
	for _, n := range []struct {
		field, text string
		into        *pbx.Phone
		needed      bool
	}{
		{"client", in.Client, &want.Client, numbers},
		{"driver", in.Driver, &want.Driver, numbers},
		{"line", in.Line, &want.Line, false},
	} {
		if n.text == "" && !n.needed {
			continue
		}
		number, err := pbx.ParsePhone(c.number(n.text), c.Country)
		if err != nil {
			return want, huma.Error422UnprocessableEntity(n.field+": "+err.Error(), &huma.ErrorDetail{Location: "body." + n.field, Message: err.Error()})
		}
		*n.into = number
	}
	return want, nil
}

func (c *Console) readConnect(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"40"`
}) (*struct{ Body connectedJSON }, error) {
	cdr, live := c.Calls.Call(in.ID)
	if !live { // it is removed from there only when it is written down
		var err error
		if cdr, err = c.CDRs.CDR(ctx, in.ID); err != nil {
			return nil, refused(ctx, err)
		}
	}
	if cdr.Kind != pbx.KindConnect {
		return nil, huma.Error404NotFound("no such call")
	}
	shown := c.numbersFor(ctx).cdr(cdr)
	return &struct{ Body connectedJSON }{connectedJSON{ID: cdr.ID, State: string(cdr.State), Result: cdr.Result, CDR: &shown}}, nil
}

type callsAnswer struct {
	Body struct {
		Calls []cdrJSON `json:"calls" nullable:"false"`
	}
}

func (c *Console) liveCalls(ctx context.Context, _ *struct{}) (*callsAnswer, error) {
	out := &callsAnswer{}
	out.Body.Calls = c.numbersFor(ctx).cdrs(c.Calls.Live())
	return out, nil
}

type cdrsAnswer struct {
	Body struct {
		CDRs []cdrJSON `json:"cdrs" nullable:"false"`
		Next string    `json:"next" doc:"Give this as after to read on, now or when more calls have ended"`
	}
}

func (c *Console) cdrs(ctx context.Context, in *struct {
	Since  time.Time `query:"since" doc:"Only calls that ended then or later"`
	After  string    `query:"after" maxLength:"40" doc:"The next of an earlier answer"`
	Newest bool      `query:"newest" doc:"The newest first; left out: in the order they were written down"`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*cdrsAnswer, error) {
	page, next, err := c.CDRs.CDRs(ctx, in.Since, in.After, in.Newest, in.Limit)
	if err != nil {
		return nil, refused(ctx, err)
	}
	out := &cdrsAnswer{}
	out.Body.CDRs, out.Body.Next = c.numbersFor(ctx).cdrs(page), next
	return out, nil
}
