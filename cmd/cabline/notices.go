package main

import (
	"cabline/pbx"
)

// autodial calls clients about news; adapters of dispatch systems post to it.
func (x *exchange) autodial(board *pbx.Switchboard) *pbx.Autodial {
	return &pbx.Autodial{
		Board:  board,
		Store:  x.store,
		Policy: pbx.NoticePolicy{Zone: x.cfg.Firm.Timezone},
	}
}
