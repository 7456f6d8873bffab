package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
)

// autodial calls clients about news; adapters of dispatch systems post to it.
func (x *exchange) autodial(board *pbx.Switchboard) *pbx.Autodial {
	return &pbx.Autodial{Board: board, Store: x.store, Policy: noticePolicy(x.cfg), Watch: x.metrics}
}

// recent is how far back the order book tells its changes again at a start: the
// process before may have died between a change and its notice.
const recent = 15 * time.Minute

// orderChanged has a change in the order book become a notice.
func (x *exchange) orderChanged(ctx context.Context, order pbx.Order, version int, byClient bool) {
	err := x.board.Notices.Notify(ctx, pbx.Notice{OrderID: order.ID, Status: order.Status, Version: version, Order: order,
		Source: "order book", ByClient: byClient})
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("order", order.ID).Msg("notice of an order's status")
	}
}

// tellOfRecentOrders tells what the process before may not have told.
func (x *exchange) tellOfRecentOrders(ctx context.Context) {
	if err := x.orders.Recent(ctx, time.Now().Add(-recent)); err != nil && ctx.Err() == nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("orders changed before the start")
	}
}

func noticePolicy(cfg *config.Config) pbx.NoticePolicy {
	n := &cfg.Notices
	policy := pbx.NoticePolicy{
		Enabled:    n.Enabled,
		TellInCall: n.InCall == "tell",
		Zone:       cfg.Firm.Timezone,
		Pace:       pbx.Pace{LineCalls: n.LineCalls, LinePerSecond: n.LinePerSecond, TrunkCalls: n.TrunkCalls, TrunkPerSecond: n.TrunkPerSecond},
		Statuses:   map[pbx.Status]pbx.NoticeRule{},
	}
	for _, s := range n.Statuses {
		rule := pbx.NoticeRule{
			On: s.Call, Text: s.Text, Tries: s.Tries, KeepFor: s.KeepFor, Hours: pbx.Hours(s.Hours),
			RingMobile: s.RingMobile, RingLandline: s.RingLandline, NeedsKey: s.Delivered == "key", Next: s.Next,
			Again: pbx.Again{Busy: s.BusyAgain, NoAnswer: s.NoAnswerAgain, Unreachable: s.UnreachableAgain,
				Rejected: s.RejectedAgain, HungUp: s.HungUpAgain},
		}
		for _, key := range s.Menu {
			rule.Menu = append(rule.Menu, pbx.NoticeKey(key))
		}
		policy.Statuses[pbx.Status(s.Status)] = rule
	}
	return policy
}
