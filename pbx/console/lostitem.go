package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cabline/pbx"
)

// lostItemJSON is whether client and driver of a ride reach each other.
type lostItemJSON struct {
	OrderID string     `json:"order_id"`
	Until   *time.Time `json:"until" doc:"Until then the client who calls the firm is joined with the driver, and the driver with the client; null: they are not"`
}

func (c *Console) routeLostItems(api huma.API) {
	huma.Register(api, c.operation("lost-item", http.MethodPut, "/orders/{id}/lost-item",
		"Let client and driver of a ride reach each other by calling the firm, for something was left in the car; or no longer",
		http.StatusNotFound, http.StatusConflict), c.lostItem)
}

func (c *Console) lostItem(ctx context.Context, in *struct {
	ID   string `path:"id" maxLength:"40"`
	Body struct {
		Open bool `json:"open" doc:"false: no longer"`
	}
}) (*struct{ Body lostItemJSON }, error) {
	out := &struct{ Body lostItemJSON }{lostItemJSON{OrderID: in.ID}}
	if !in.Body.Open {
		if err := c.LostItems.CloseLostItem(ctx, in.ID); err != nil {
			return nil, refused(ctx, err)
		}
		return out, nil
	}
	window, err := c.LostItems.OpenLostItem(ctx, in.ID)
	switch {
	case errors.Is(err, pbx.ErrNoParty):
		return nil, huma.Error409Conflict(pbx.ErrNoParty.Error())
	case err != nil:
		return nil, refused(ctx, err)
	}
	out.Body.Until = when(window.Until)
	return out, nil
}
