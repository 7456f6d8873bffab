package console

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cabline/pbx"
	"cabline/pbx/store"
)

// Notices are the news for clients, and the clients who want none; store.Store
// has them.
type Notices interface {
	Notice(ctx context.Context, id int64) (pbx.NoticeRecord, []pbx.NoticeStep, error)
	Notices(ctx context.Context, wanted store.NoticeQuery) ([]pbx.NoticeRecord, error)
	LastSteps(ctx context.Context, ids []int64) (map[int64]string, error)
	CountNotices(ctx context.Context) (waiting, inHand int, err error)
	OptOuts(ctx context.Context, after pbx.Phone, limit int) ([]store.OptOut, error)
	AddOptOut(ctx context.Context, o store.OptOut) error
	RemoveOptOut(ctx context.Context, phone pbx.Phone) error
}

// noticeJSON is a notice as it stands.
type noticeJSON struct {
	ID      int64      `json:"id"`
	OrderID string     `json:"order_id"`
	Status  string     `json:"status" doc:"Of the order; the dispatch system may have its own" example:"arrived"`
	Version int        `json:"version" doc:"Grows with every change of the order's status"`
	Phone   string     `json:"phone" doc:"The client's"`
	Line    string     `json:"line" doc:"The firm's number it is told from"`
	Source  string     `json:"source" doc:"Who told us" example:"order book"`
	At      time.Time  `json:"at" doc:"When the news reached us"`
	State   string     `json:"state" enum:"waiting,dialling,answered,speaking,delivered,busy,no_answer,rejected,unreachable,hung_up,superseded,dropped,failed"`
	Why     string     `json:"why" doc:"The last line of its journal" example:"no calls about this status"`
	Due     *time.Time `json:"due" doc:"Of one that waits: not to be called before"`
	Tries   int        `json:"tries" doc:"Calls begun"`
	CallID  string     `json:"call_id" doc:"Of the last call made for it, or in which it was told; empty: none yet"`
	Answer  string     `json:"answer" enum:",coming_out,five_minutes,cancel,keep_looking" doc:"What the client said by a key; empty: nothing"`
	Machine bool       `json:"machine" doc:"A machine's greeting was heard"`
	Ended   *time.Time `json:"ended"`
}

func (show numbers) notice(r pbx.NoticeRecord, why string) noticeJSON {
	return noticeJSON{ID: r.ID, OrderID: r.OrderID, Status: string(r.Status), Version: r.Version, Phone: show.of(r.Order.Phone), Line: r.Line.Dialable(),
		Source: r.Source, At: r.At.UTC(), State: string(r.State), Why: why, Due: when(r.Due), Tries: r.Tries, CallID: r.CallID, Answer: string(r.Answer),
		Machine: r.Machine, Ended: when(r.Ended)}
}

// newNoticeJSON is news that a dispatch system tells us over our own REST.
type newNoticeJSON struct {
	OrderID string    `json:"order_id" minLength:"1" maxLength:"100" doc:"Order, status and version name the notice: the same one told twice is one call"`
	Status  string    `json:"status" minLength:"1" maxLength:"64" doc:"new, accepted, arrived … or one of the dispatch system's own that the config knows" example:"arrived"`
	Version int       `json:"version,omitempty" minimum:"0" doc:"The greater is the newer. Left out: any other status than the order's last is newer, and the same one is no news"`
	Phone   string    `json:"phone" minLength:"1" maxLength:"64" doc:"The client's" example:"+79161234567"`
	Line    string    `json:"line,omitempty" maxLength:"64" doc:"The firm's number the order came by"`
	ETA     *int      `json:"eta_minutes,omitempty" minimum:"0" maximum:"1440"`
	Car     noticeCar `json:"car,omitempty"`
	Price   int       `json:"price,omitempty" minimum:"0" maximum:"10000000"`
	Driver  string    `json:"driver_phone,omitempty" maxLength:"64"`
}

type noticeCar struct {
	Color string `json:"color,omitempty" maxLength:"40"`
	Mark  string `json:"mark,omitempty" maxLength:"40"`
	Model string `json:"model,omitempty" maxLength:"40"`
	Plate string `json:"plate,omitempty" maxLength:"16"`
}

func (c *Console) routeNotices(api huma.API) {
	post := c.operation("post-notice", http.MethodPost, "/notices",
		"Tell a client how their order stands. Answered when the notice is stored: from then on it is the exchange's")
	post.DefaultStatus = http.StatusAccepted
	huma.Register(api, post, c.postNotice)
	huma.Register(api, c.operation("find-notices", http.MethodGet, "/notices", "The notices, newest first"), c.findNotices)
	huma.Register(api, c.operation("read-notice", http.MethodGet, "/notices/{id}", "A notice and its journal", http.StatusNotFound), c.readNotice)
	huma.Register(api, c.operation("opt-outs", http.MethodGet, "/opt-outs", "The clients who want no calls, by number"), c.optOuts)
	huma.Register(api, c.operation("opt-out", http.MethodPost, "/opt-outs", "Note that a client wants no calls, or wants them again"), c.optOut)
}

// phones reads the numbers of a request; those left out stay empty.
func (c *Console) phones(fields ...phoneField) error {
	for _, f := range fields {
		if f.text == "" {
			continue
		}
		number, err := pbx.ParsePhone(c.number(f.text), c.Country)
		if err != nil {
			return huma.Error422UnprocessableEntity(f.name+": "+err.Error(), &huma.ErrorDetail{Location: f.name, Message: err.Error()})
		}
		*f.into = number
	}
	return nil
}

type phoneField struct {
	name, text string
	into       *pbx.Phone
}

type acceptedAnswer struct {
	Body struct {
		OrderID string `json:"order_id"`
		Status  string `json:"status"`
	}
}

func (c *Console) postNotice(ctx context.Context, in *struct{ Body newNoticeJSON }) (*acceptedAnswer, error) {
	b := in.Body
	order := pbx.Order{ID: b.OrderID, Status: pbx.Status(b.Status), ETA: b.ETA, Car: pbx.Car(b.Car), Price: b.Price}
	if err := c.phones(phoneField{"body.phone", b.Phone, &order.Phone}, phoneField{"body.line", b.Line, &order.Line},
		phoneField{"body.driver_phone", b.Driver, &order.Driver}); err != nil {
		return nil, err
	}
	err := c.Noticeboard.Notify(ctx, pbx.Notice{OrderID: b.OrderID, Status: order.Status, Version: b.Version, Order: order, Source: "REST"})
	if err != nil {
		return nil, refused(ctx, err)
	}
	out := &acceptedAnswer{}
	out.Body.OrderID, out.Body.Status = b.OrderID, b.Status
	return out, nil
}

type noticesAnswer struct {
	Body struct {
		Notices []noticeJSON `json:"notices" nullable:"false"`
	}
}

func (c *Console) findNotices(ctx context.Context, in *struct {
	OrderID string `query:"order_id" maxLength:"100"`
	Phone   string `query:"phone" maxLength:"64" doc:"For this client only"`
	State   string `query:"state" enum:"waiting,dialling,answered,speaking,delivered,busy,no_answer,rejected,unreachable,hung_up,superseded,dropped,failed"`
	Before  int64  `query:"before" minimum:"0" doc:"Only those with a lower ID: to read on"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*noticesAnswer, error) {
	wanted := store.NoticeQuery{OrderID: in.OrderID, State: pbx.NoticeState(in.State), Before: in.Before, Limit: in.Limit}
	if err := c.phones(phoneField{"query.phone", in.Phone, &wanted.Phone}); err != nil {
		return nil, err
	}
	found, err := c.Notices.Notices(ctx, wanted)
	if err != nil {
		return nil, refused(ctx, err)
	}
	ids := make([]int64, len(found))
	for i, r := range found {
		ids[i] = r.ID
	}
	why, err := c.Notices.LastSteps(ctx, ids)
	if err != nil {
		return nil, refused(ctx, err)
	}
	out := &noticesAnswer{}
	out.Body.Notices = []noticeJSON{}
	show := c.numbersFor(ctx)
	for _, r := range found {
		out.Body.Notices = append(out.Body.Notices, show.notice(r, why[r.ID]))
	}
	return out, nil
}

type noticeAnswer struct {
	Body struct {
		Notice  noticeJSON       `json:"notice"`
		Journal []noticeStepJSON `json:"journal" nullable:"false" doc:"Each step is written down before it is taken"`
	}
}

type noticeStepJSON struct {
	At    time.Time `json:"at"`
	State string    `json:"state"`
	What  string    `json:"what" example:"the client answered"`
}

func (c *Console) readNotice(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*noticeAnswer, error) {
	r, steps, err := c.Notices.Notice(ctx, in.ID)
	if err != nil {
		return nil, refused(ctx, err)
	}
	out := &noticeAnswer{}
	out.Body.Journal = []noticeStepJSON{}
	why := ""
	for _, s := range steps {
		why = s.What
		out.Body.Journal = append(out.Body.Journal, noticeStepJSON{s.At, string(s.State), s.What})
	}
	out.Body.Notice = c.numbersFor(ctx).notice(r, why)
	return out, nil
}

type optOutJSON struct {
	Phone string    `json:"phone"`
	Since time.Time `json:"since"`
	Note  string    `json:"note"`
}

type optOutsAnswer struct {
	Body struct {
		OptOuts []optOutJSON `json:"opt_outs" nullable:"false"`
	}
}

func (c *Console) optOuts(ctx context.Context, in *struct {
	After string `query:"after" maxLength:"64" doc:"The last number of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*optOutsAnswer, error) {
	found, err := c.Notices.OptOuts(ctx, pbx.Phone(c.number(in.After)), in.Limit)
	if err != nil {
		return nil, refused(ctx, err)
	}
	out := &optOutsAnswer{}
	out.Body.OptOuts = []optOutJSON{}
	show := c.numbersFor(ctx)
	for _, o := range found {
		out.Body.OptOuts = append(out.Body.OptOuts, optOutJSON{show.of(o.Phone), o.Since, o.Note})
	}
	return out, nil
}

type optOutAnswer struct {
	Body struct {
		Phone string `json:"phone"`
		Calls bool   `json:"calls"`
	}
}

func (c *Console) optOut(ctx context.Context, in *struct {
	Body struct {
		Phone string `json:"phone" minLength:"1" maxLength:"64" example:"+79161234567"`
		Calls bool   `json:"calls,omitempty" doc:"true: the client wants calls again"`
		Note  string `json:"note,omitempty" maxLength:"200" doc:"Who noted it, and why"`
	}
}) (*optOutAnswer, error) {
	out := &optOutAnswer{}
	var phone pbx.Phone
	err := c.phones(phoneField{"body.phone", in.Body.Phone, &phone})
	if err != nil {
		return nil, err
	}
	if in.Body.Calls {
		err = c.Notices.RemoveOptOut(ctx, phone)
	} else {
		err = c.Notices.AddOptOut(ctx, store.OptOut{Phone: phone, Since: time.Now(), Note: in.Body.Note})
	}
	if err != nil {
		return nil, refused(ctx, err)
	}
	out.Body.Phone, out.Body.Calls = c.numbersFor(ctx).of(phone), in.Body.Calls
	return out, nil
}
