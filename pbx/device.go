package pbx

import (
	"context"
	"time"
)

// Device is a phone or a page that an operator is logged in with (RFC 3261
// §10.3), as it is remembered beyond the end of the program.
type Device struct {
	Login    string
	Contact  string // a SIP URI
	Instance string // +sip.instance and reg-id; empty: the contact tells it from others
	Network  string // UDP, TCP, TLS or WS
	Source   string // host:port it was seen at
	Local    string // host:port of ours that it came to
	CallID   string // of its REGISTERs
	Seq      uint32 // of the last one
	Agent    string
	Expires  time.Time // past: it is gone, but was here
}

// Devices remembers devices.
type Devices interface {
	// KeepDevices writes down all the devices that an operator has now. Those it
	// had before are gone, which is remembered of the last ones for a while.
	KeepDevices(ctx context.Context, login string, now time.Time, devices []Device) error
	// KeptDevices are the devices of all operators, with those that are gone.
	KeptDevices(ctx context.Context) ([]Device, error)
}
