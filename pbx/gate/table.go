package gate

import "time"

// table is the failures of one kind of key. It has two halves: when the younger
// is full it becomes the older, and what was in that is forgotten.
type table[K comparable] struct {
	limit
	young, old map[K]*record
}

// record is what one key has done.
type record struct {
	failures float64 // that are not forgiven yet
	at       time.Time
	bans     int // so far
	until    time.Time
}

func (t *table[K]) find(key K) *record {
	if r := t.young[key]; r != nil {
		return r
	}
	return t.old[key]
}

func (t *table[K]) banned(key K, now time.Time) bool {
	r := t.find(key)
	return r != nil && now.Before(r.until)
}

// fail counts a failure; banned: a ban begins.
func (t *table[K]) fail(key K, now time.Time) (until time.Time, banned bool) {
	r := t.find(key)
	if r == nil {
		r = new(record)
	}
	if t.young[key] == nil {
		if t.young == nil || len(t.young) >= maxKeys/2 {
			t.young, t.old = map[K]*record{}, t.young
		}
		t.young[key] = r
		delete(t.old, key)
	}
	r.failures = max(0, r.failures-now.Sub(r.at).Seconds()/t.forgiven.Seconds()) + 1
	if idle := now.Sub(r.at); idle > 2*t.longest {
		r.bans = 0
	}
	r.at = now
	if now.Before(r.until) || r.failures <= float64(t.failures-1) { // the last may be forgiven in part
		return time.Time{}, false
	}
	length := min(t.first<<min(r.bans, 16), t.longest)
	r.bans++
	r.until = now.Add(length)
	r.failures = float64(t.failures - 1) // forgiven with time, as all are
	return r.until, true
}

func (t *table[K]) forget(key K) {
	delete(t.young, key)
	delete(t.old, key)
}

func (t *table[K]) each(now time.Time, f func(K, time.Time)) {
	for _, half := range []map[K]*record{t.young, t.old} {
		for key, r := range half {
			if now.Before(r.until) {
				f(key, r.until)
			}
		}
	}
}
