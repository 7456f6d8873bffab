// Package prompts holds what the voice says.
package prompts

// ID names a prompt.
type ID string

// The prompts which the stories of pbx say. (Written by the lead so that pbx
// compiles: owner A replaces this file and keeps the names.)
const (
	Greeting           ID = "greeting"
	Invalid            ID = "invalid"
	ConnectingDriver   ID = "connecting_driver"
	ConnectingOperator ID = "connecting_operator"
	ConnectingClient   ID = "connecting_client"
	DriverBusy         ID = "driver_busy"
	DriverNoAnswer     ID = "driver_no_answer"
	DriverUnreachable  ID = "driver_unreachable"
	PleaseWait         ID = "please_wait"
	Sorry              ID = "sorry"
	MenuDriver         ID = "menu_driver"
	MenuOperator       ID = "menu_operator"
	MenuRepeat         ID = "menu_repeat"
)

// Facts are what is known of an order.
type Facts struct {
	Status                    string
	Color, Mark, Model, Plate string
	Minutes                   *int // to arrival; nil: not known
	Price                     int  // whole roubles; 0: not known
}
