package media

import (
	"math"
	"sync"
	"time"

	"cabline/media/g711"
)

// Greeting listens to a party who was called and tells a machine's greeting from
// a person: a machine speaks on without waiting, a person says a word and
// listens. It is a Sink, to be plugged into the party's port.
type Greeting struct {
	law     Transcoder
	mu      sync.Mutex
	speech  time.Duration // of what is being said now, its breaths included
	quiet   time.Duration // since the last sound
	longest time.Duration
	floor   float64 // energy of the line when nobody speaks

	tone  float64 // cosine of the frequency of a pure tone that lasts
	toned time.Duration
	beep  bool
}

// What a machine's greeting is. People who answer a taxi's call say «алло, да,
// слушаю» and wait.
const (
	longGreeting = 4 * time.Second
	breath       = 500 * time.Millisecond
	shortestBeep = 180 * time.Millisecond
	leastSpeech  = 3e5 // mean square of a sample: some -35 dBm0
	overFloor    = 6   // energy of speech above the line's own
)

// NewGreeting returns a Greeting that has heard nothing.
func NewGreeting() *Greeting { return &Greeting{floor: leastSpeech} }

// Machine says whether what was heard so far is a machine's greeting.
func (g *Greeting) Machine() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.beep || max(g.longest, g.speech) >= longGreeting
}

// WriteRTP implements Sink.
func (g *Greeting) WriteRTP(p *Packet) {
	if p.Event || len(p.Payload()) == 0 {
		return
	}
	g.law.Turn(p, PCMA, g.hear)
}

// hear takes a packet of A-law.
func (g *Greeting) hear(p *Packet) {
	decode := g711.DecodeALaw
	var square, middle, errors float64
	var before, last float64
	samples := p.Payload()
	// x[n+1] + x[n-1] is 2·cos(ω)·x[n] for a pure tone and for nothing else.
	var product, centre float64
	for i, b := range samples {
		x := float64(decode(b))
		square += x * x
		if i >= 2 {
			product += (x + before) * last
			centre += last * last
		}
		before, last = last, x
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	length := time.Duration(len(samples)) * time.Second / Rate
	g.voice(square/float64(len(samples)), length)
	if centre == 0 {
		return
	}
	c := product / centre
	before, last = 0, 0
	for i, b := range samples {
		x := float64(decode(b))
		if i >= 2 {
			e := x + before - c*last
			errors += e * e
			middle += x * x
		}
		before, last = last, x
	}
	g.whistle(c/2, errors < 0.02*middle && square/float64(len(samples)) > leastSpeech, length)
}

// voice follows who speaks for how long.
func (g *Greeting) voice(energy float64, length time.Duration) {
	if energy > max(leastSpeech, overFloor*g.floor) {
		g.speech += g.quiet + length
		g.quiet = 0
		return
	}
	// Down at once, up slowly: the faint sounds of speech are not the line's.
	pace := 1.0 / 16
	if energy > g.floor {
		pace = 1.0 / 256
	}
	g.floor += (energy - g.floor) * pace
	if g.speech == 0 {
		return
	}
	if g.quiet += length; g.quiet > breath {
		g.longest = max(g.longest, g.speech)
		g.speech, g.quiet = 0, 0
	}
}

// whistle follows a tone that does not change.
func (g *Greeting) whistle(cosine float64, pure bool, length time.Duration) {
	if !pure || math.Abs(cosine-g.tone) > 0.04 {
		g.tone, g.toned = cosine, 0
		if pure {
			g.toned = length
		}
		return
	}
	g.toned += length
	if g.toned >= shortestBeep {
		g.beep = true
	}
}
