// Package pbx is the exchange itself: its words and its stories.
//
// The words: [Call], [Leg], [Endpoint], [Line], [Operator], [Queue], [Order],
// [CDR], [Phone]. The stories are what happens to a call, each one a plain
// function that blocks, read from top to bottom, run by one goroutine that owns
// its [Call]:
//
//	inbound.go   a client calls: the order, the menu, the driver or an operator
//	callback.go  a client or driver calls who wants the other one of the order
//	connect.go   client and driver are joined on request of the dispatch system
//	forward.go   a line that goes straight to a number
//	outgoing.go  an operator calls out
//	callto.go    an operator asks for a call by a click elsewhere
//	transfer.go  an operator hands the other party on
//
// The package knows no SIP, no WebRTC, no SQL and no HTTP: legs come from a
// [Dialer] or arrive by [Switchboard.Incoming]; orders come from [Dispatch];
// what must survive goes to [Store]. It logs one line per call, with the logger
// in the context.
package pbx
