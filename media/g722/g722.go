// Package g722 turns samples into G.722 (ITU-T, 64 kbit/s) and back. Its 8000
// samples a second are the lower of the codec's two bands, all that a telephone
// has; the upper one is left out when it is decoded and silent when it is
// encoded, so the filters that part and join the bands are not needed. It is a
// leaf: it knows nothing of packets or calls and does not log.
//
// The blocks are named as in G.722 §3 and §4.
package g722

import "math"

// Decoder hears one stream. The zero value has heard nothing.
type Decoder struct{ low band }

// Encoder says one stream. The zero value has said nothing.
type Encoder struct{ low band }

// Decode is a byte as a 16-bit linear sample of the lower band.
func (d *Decoder) Decode(b byte) int16 {
	d.low.begin()
	code := b & 0x3f // the upper band's two bits are not heard
	// INVQBL, RECONS and LIMIT: all six bits are heard …
	sample := d.low.s + d.low.det*qm6[code]>>15
	// … and four of them move the predictor: others may have lost two (§1.2).
	d.low.adapt(code >> 2)
	return int16(min(max(sample, -16384), 16383) << 1)
}

// Encode is a 16-bit linear sample as a byte.
func (e *Encoder) Encode(sample int16) byte {
	e.low.begin()
	// SUBTRA and QUANTL
	diff := saturate(int32(sample>>1) - e.low.s)
	size, codes := diff, &positive
	if diff < 0 {
		size, codes = -(diff + 1), &negative
	}
	i := 1
	for i < 30 && size >= q6[i]*e.low.det>>12 {
		i++
	}
	code := codes[i]
	e.low.adapt(code >> 2)
	return silentUpper | code
}

// silentUpper is the smallest step of the upper band.
const silentUpper = 0xc0

// band is the adaptive predictor and quantizer of the lower band; both ends of a
// stream keep the same.
type band struct {
	s, sp, sz int32    // SL: the estimate of the next sample, by the poles and the zeros
	r, p      [2]int32 // RLT and PLT, the last two
	a         [2]int32 // the poles
	d, b      [6]int32 // DLT and the zeros
	nb, det   int32    // the scale: its logarithm and itself
}

// begin gives the zero value its scale.
func (l *band) begin() {
	if l.det == 0 {
		l.det = 32
	}
}

// adapt takes four bits of a code.
func (l *band) adapt(code byte) {
	d := l.det * qm4[code] >> 15 // INVQAL
	// LOGSCL and SCALEL
	l.nb = min(max(l.nb*127>>7+wl[rl42[code]], 0), 18432)
	step := ilb[l.nb>>6&31]
	if shift := 8 - l.nb>>11; shift < 0 {
		l.det = step << -shift << 2
	} else {
		l.det = step >> shift << 2
	}
	l.predict(d)
}

// predict takes the difference there was: the filters and the next estimate.
func (l *band) predict(d int32) {
	r := saturate(l.s + d)  // RECONS
	p := saturate(l.sz + d) // PARREC
	l.movePoles(p)
	l.moveZeros(d)
	l.r[1], l.r[0] = l.r[0], r
	l.p[1], l.p[0] = l.p[0], p
	copy(l.d[1:], l.d[:5])
	l.d[0] = d
	// FILTEP, FILTEZ and PREDIC
	l.sp = saturate(l.a[0]*saturate(2*l.r[0])>>15 + l.a[1]*saturate(2*l.r[1])>>15)
	l.sz = 0
	for i := 5; i >= 0; i-- {
		l.sz = saturate(l.sz + l.b[i]*saturate(2*l.d[i])>>15)
	}
	l.s = saturate(l.sp + l.sz)
}

// movePoles is UPPOL2 and UPPOL1.
func (l *band) movePoles(p int32) {
	second := saturate(l.a[0] << 2)
	if p < 0 == (l.p[0] < 0) {
		second = min(-second, math.MaxInt16)
	}
	second = second>>7 + l.a[1]*32512>>15
	if p < 0 == (l.p[1] < 0) {
		second += 128
	} else {
		second -= 128
	}
	second = min(max(second, -12288), 12288)
	first := int32(-192)
	if p < 0 == (l.p[0] < 0) {
		first = 192
	}
	first = saturate(first + l.a[0]*32640>>15)
	most := saturate(15360 - second)
	l.a[0], l.a[1] = min(max(first, -most), most), second
}

// moveZeros is UPZERO.
func (l *band) moveZeros(d int32) {
	step := int32(128)
	if d == 0 {
		step = 0
	}
	for i := range l.b {
		move := -step
		if l.d[i] < 0 == (d < 0) {
			move = step
		}
		l.b[i] = saturate(move + l.b[i]*32640>>15)
	}
}

func saturate(v int32) int32 { return min(max(v, math.MinInt16), math.MaxInt16) }

// The tables of G.722 §5.
var (
	wl   = [8]int32{-60, -30, 58, 172, 334, 538, 1198, 3042}
	rl42 = [16]byte{0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0}
	ilb  = [32]int32{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	}
	qm4 = [16]int32{0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0}
	qm6 = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	q6 = [30]int32{
		0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714,
		786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
	}
	negative = [31]byte{0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4}
	positive = [31]byte{0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32}
)
