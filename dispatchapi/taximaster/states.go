package taximaster

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"cabline/dispatchapi/courier"
	"cabline/pbx"
)

// orderState is the data of get_order_state, as much of it as calls need.
type orderState struct {
	StateID     number  `json:"state_id"`
	StateKind   string  `json:"state_kind"`
	CarMark     string  `json:"car_mark"`
	CarModel    string  `json:"car_model"`
	CarColor    string  `json:"car_color"`
	CarNumber   string  `json:"car_number"`
	Phone       string  `json:"phone"`
	PhoneToDial string  `json:"phone_to_dial"`
	ClientName  string  `json:"client_name"`
	Source      string  `json:"source"`
	Destination string  `json:"destination"`
	Comment     string  `json:"comment"`
	TotalSum    float64 `json:"total_sum"`
}

// number is a whole number that some versions send as text.
type number int

func (n *number) UnmarshalJSON(text []byte) error {
	var as json.Number
	if err := json.Unmarshal(text, &as); err != nil {
		return err
	}
	whole, err := strconv.Atoi(as.String())
	*n = number(whole)
	return err
}

// kinds are the values of state_kind.
var kinds = map[string]pbx.Status{
	"new_order":       pbx.StatusNew,
	"driver_assigned": pbx.StatusAccepted,
	"car_at_place":    pbx.StatusArrived,
	"client_inside":   pbx.StatusInProgress,
	"finished":        pbx.StatusCompleted,
	"aborted":         pbx.StatusRefused,
}

// types are the values of state_type in get_order_states_list, coarser than kinds.
var types = map[string]pbx.Status{
	"accepted": pbx.StatusNew,
	"in_work":  pbx.StatusAccepted,
	"finished": pbx.StatusCompleted,
	"aborted":  pbx.StatusRefused,
}

// status is what a state means to clients: as the firm says by its id, else by
// its kind, else by what the list of states says of it. One that nobody knows
// is kept as it came and has no sentence.
func (s *System) status(ctx context.Context, id, kind string) pbx.Status {
	n, err := strconv.Atoi(id)
	if err == nil {
		if status, set := s.cfg.States[n]; set {
			return status
		}
	}
	if status, known := kinds[kind]; known {
		return status
	}
	if err == nil && s.cfg.CommonKey != "" {
		if status, listed := s.listed(ctx)[n]; listed {
			return status
		}
	}
	zerolog.Ctx(ctx).Warn().Str("state", courier.Line(id, courier.MaxWord)).Str("kind", courier.Line(kind, courier.MaxWord)).Msg("Такси-Мастер: a state nobody has mapped; name it in dispatch.taximaster.states")
	return pbx.Status("taximaster " + courier.Line(cmp.Or(kind, id), courier.MaxWord))
}

// The list of states holds this long; one that could not be read is asked for
// again after a moment, not by every caller.
const (
	statesHold  = time.Hour
	statesRetry = time.Minute
)

// listed is the states of get_order_states_list.
func (s *System) listed(ctx context.Context) map[int]pbx.Status {
	s.mu.Lock()
	known, hold := s.states, statesHold
	if known == nil {
		hold = statesRetry
	}
	fresh := time.Since(s.read) < hold
	if !fresh {
		s.read = time.Now() // others go on with the old list meanwhile
	}
	s.mu.Unlock()
	if fresh {
		return known
	}
	list, err := s.readStates(ctx)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("Такси-Мастер: list of order states")
		return known
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = list
	return list
}

func (s *System) readStates(ctx context.Context) (map[int]pbx.Status, error) {
	type state struct {
		ID   number `json:"id"`
		Type string `json:"state_type"`
	}
	var data map[string][]state // the papers do not agree on the list's name
	if err := s.common(ctx, "get_order_states_list", nil, &data); err != nil {
		return nil, err
	}
	list := map[int]pbx.Status{}
	for _, states := range data {
		for _, one := range states {
			if status, known := types[one.Type]; known {
				list[int(one.ID)] = status
			}
		}
	}
	return list, nil
}
