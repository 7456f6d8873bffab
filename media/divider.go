package media

// Divider makes times of packets, 8000 a second, out of RTP timestamps of a
// codec that counts faster, as Opus does, so that only the two ends of a call
// need to know of it. It is for one source or a few in turn; the zero value is
// ready.
type Divider struct {
	last uint32
	full int64 // the timestamp, never turning over
}

// Divide is the time of a timestamp that counts so many a second.
func (d *Divider) Divide(stamp uint32, clock int) uint32 {
	const far = 6 << 50 // no source counts back to where division would round the other way
	d.full += int64(int32(stamp - d.last))
	d.last = stamp
	return uint32((d.full + far) / int64(clock/Rate))
}
