package pbx

import (
	"context"
	"time"
)

// Notice is one piece of news that a client is called about: their order has
// come to a status. OrderID, Status and Version name it for good: the same one
// told ten times is one call.
type Notice struct {
	OrderID string
	Status  Status
	Version int   // grows with every change of the order's status; the greater is the newer
	Order   Order // as it was when the news came; where Dispatch can be asked, it is asked again
	Source  string
	At      time.Time // when the news reached us
}

// Noticeboard takes news for clients; adapters of dispatch systems post to it.
type Noticeboard interface {
	// Notify returns when the notice is stored: from then on it is ours. One
	// that is known already is no error and changes nothing.
	Notify(ctx context.Context, n Notice) error
}

// ClientAnswer is what a client said by a key about an order.
type ClientAnswer string

// The answers a menu may offer.
const (
	AnswerComingOut   ClientAnswer = "coming_out"   // 3: I am coming out
	AnswerFiveMinutes ClientAnswer = "five_minutes" // 4: five more minutes
	AnswerCancel      ClientAnswer = "cancel"       // 6: cancel the order
	AnswerKeepLooking ClientAnswer = "keep_looking" // 1, where no car was found
)

// AnswerTaker is a dispatch system that can be told a client's answer while
// the client waits. One that refuses a cancellation says so with an error, and
// the client is not told that it was cancelled.
type AnswerTaker interface {
	ClientAnswered(ctx context.Context, orderID string, answer ClientAnswer) error
}
