package main

import (
	"cabline/cmd/cabline/config"
	"cabline/pbx"
)

// autodial calls clients about news; adapters of dispatch systems post to it.
func (x *exchange) autodial(board *pbx.Switchboard) *pbx.Autodial {
	return &pbx.Autodial{Board: board, Store: x.store, Policy: noticePolicy(x.cfg)}
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
