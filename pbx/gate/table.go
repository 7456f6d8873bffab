package gate

import "time"

// halves is a map of bounded size: when its younger half is full that becomes
// the older one, and what was in the older is forgotten. What is put again is
// young again.
type halves[K comparable, V any] struct{ young, old map[K]V }

func (h *halves[K, V]) find(key K) (v V, ok bool) {
	if v, ok = h.young[key]; !ok {
		v, ok = h.old[key]
	}
	return v, ok
}

func (h *halves[K, V]) put(key K, v V) {
	if _, there := h.young[key]; !there && len(h.young) >= maxKeys/2 || h.young == nil {
		h.young, h.old = map[K]V{}, h.young
	}
	h.young[key] = v
	delete(h.old, key)
}

func (h *halves[K, V]) forget(key K) {
	delete(h.young, key)
	delete(h.old, key)
}

func (h *halves[K, V]) size() int { return len(h.young) + len(h.old) }

// table is the failures of one kind of key.
type table[K comparable] struct{ halves[K, *record] }

// record is what one key has done.
type record struct {
	failures float64 // that are not forgiven yet
	at       time.Time
	bans     int // so far
	until    time.Time
}

func (t *table[K]) banned(key K, now time.Time) bool {
	r, known := t.find(key)
	return known && now.Before(r.until)
}

// fail counts a failure; banned: a ban begins.
func (t *table[K]) fail(key K, now time.Time, l limit) (until time.Time, banned bool) {
	r, known := t.find(key)
	if !known {
		r = new(record)
	}
	t.put(key, r)
	r.failures = max(0, r.failures-now.Sub(r.at).Seconds()/l.forgiven.Seconds()) + 1
	if idle := now.Sub(r.at); idle > 2*l.longest {
		r.bans = 0
	}
	r.at = now
	if now.Before(r.until) || r.failures <= float64(l.failures-1) { // the last may be forgiven in part
		return time.Time{}, false
	}
	length := min(l.first<<min(r.bans, 16), l.longest)
	r.bans++
	r.until = now.Add(length)
	r.failures = float64(l.failures - 1) // forgiven with time, as all are
	return r.until, true
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
