// Package sip speaks SIP: it receives and places the legs of calls over trunks
// (UDP, TCP, TLS), with softphones and with browsers (RFC 7118), and keeps the
// register of who is logged in where.
//
// sipgo parses, transports and runs transactions; dialogs are ours. The
// goroutines: one reads each socket, one lives for each message while it is
// dealt with (sipgo's), one for each incoming call runs its story, one waits
// for the answer to each request we send, one keeps each trunk registered,
// one asks whether it is up and one asks the DNS where it is. A leg's state is guarded by its own
// lock; no lock is held while another leg, the register or the exchange is
// called.
//
// Every message that leaves is built here from the leg's own fields: nothing
// of one leg can reach the other. The package knows nothing of orders, menus
// or queues, and of audio only that a port makes and reads SDP. It logs what a
// person must act on, registrations, and messages at trace level.
package sip
