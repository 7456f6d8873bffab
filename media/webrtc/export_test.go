package webrtc

import "time"

// Report sends a report now.
func (p *Port) Report() { p.report(time.Now()) }

// Opens tells whether the port decrypts by itself what its browser says.
func (p *Port) Opens() bool {
	p.secrets.mu.Lock()
	defer p.secrets.mu.Unlock()
	return p.secrets.opener != nil
}
