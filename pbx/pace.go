package pbx

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace keeps notices from taking the lines that callers need.
type pace struct {
	Pace
	mu    sync.Mutex
	lines map[Phone]*flow
	trunk map[string]*flow
}

// flow is the calls over one line or trunk.
type flow struct {
	calls int
	rate  *rate.Limiter
}

// most is how many calls are begun in one go where nothing bounds them.
const most = 100

func newPace(p Pace) pace {
	return pace{Pace: p, lines: map[Phone]*flow{}, trunk: map[string]*flow{}}
}

// flows are the line's and its trunk's. The lock is held.
func (p *pace) flows(line Line) (ofLine, ofTrunk *flow) {
	ofLine, ofTrunk = p.lines[line.Number], p.trunk[line.Trunk]
	if ofLine == nil {
		ofLine = newFlow(p.LinePerSecond)
		p.lines[line.Number] = ofLine
	}
	if ofTrunk == nil {
		ofTrunk = newFlow(p.TrunkPerSecond)
		p.trunk[line.Trunk] = ofTrunk
	}
	return ofLine, ofTrunk
}

func newFlow(perSecond int) *flow {
	f := &flow{rate: rate.NewLimiter(rate.Inf, 0)}
	if perSecond > 0 {
		f.rate = rate.NewLimiter(rate.Limit(perSecond), perSecond)
	}
	return f
}

// room is how many calls may begin on a line now; wait is when to ask again if
// none may because too many have begun of late.
func (p *pace) room(line Line, now time.Time) (room int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ofLine, ofTrunk := p.flows(line)
	room, wait = most, longestRest
	for _, f := range []struct {
		*flow
		limit int
	}{{ofLine, p.LineCalls}, {ofTrunk, p.TrunkCalls}} {
		if f.limit > 0 {
			room = min(room, max(0, f.limit-f.calls))
		}
		if f.rate.Limit() == rate.Inf {
			continue
		}
		tokens := f.rate.TokensAt(now)
		if tokens < 1 {
			wait = min(wait, time.Duration((1-tokens)/float64(f.rate.Limit())*float64(time.Second))+time.Millisecond)
		}
		room = min(room, max(0, int(tokens)))
	}
	return room, wait
}

func (p *pace) begin(line Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ofLine, ofTrunk := p.flows(line)
	for _, f := range []*flow{ofLine, ofTrunk} {
		f.calls++
		f.rate.Allow()
	}
}

func (p *pace) end(line Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ofLine, ofTrunk := p.flows(line)
	ofLine.calls--
	ofTrunk.calls--
}
