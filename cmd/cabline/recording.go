package main

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"cabline/pbx/recordings"
)

// keepRecordings makes ready what is recorded, and what was.
func (x *exchange) keepRecordings() *recordings.Recordings {
	cfg := x.cfg.Recording
	set := recordings.Config{Folder: x.cfg.Recordings(), Keep: cfg.Keep, Drivers: cfg.WithDrivers, Operators: cfg.WithOperators,
		Index: x.store, URL: x.recordingURL, Watch: x.metrics}
	if x.dispatch.outbox != nil {
		set.Outbox = x.dispatch.outbox
	}
	return recordings.New(set)
}

// recordingURL is where a recording is fetched with the token, by the name
// browsers use; without one and on all addresses, by the one in SIP.
func (x *exchange) recordingURL(callID string, number int) string {
	web := x.cfg.Web
	host := web.Domain
	if host == "" {
		at := web.Listen.Addr.Addr()
		if at.IsUnspecified() && x.cfg.SIP.Public.IsValid() {
			at = x.cfg.SIP.Public
		} else if at.IsUnspecified() {
			at = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		host = at.String()
	}
	scheme, usual := "https", uint16(443)
	if !web.Listen.Secure {
		scheme, usual = "http", 80
	}
	if port := web.Listen.Addr.Port(); port != usual {
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + host + "/api/v1/calls/" + callID + "/recordings/" + strconv.Itoa(number)
}
