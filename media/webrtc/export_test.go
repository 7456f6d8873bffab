package webrtc

import "time"

// Report sends a report now.
func (p *Port) Report() { p.report(time.Now()) }
