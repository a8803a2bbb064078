package codec

// G.722 at 64 kbit/s (ITU-T G.722): two sub-bands of 8000 samples a second, each coded by the difference to what was
// predicted, six bits the lower and two the higher. Names and numbers are the Recommendation's; the arithmetic is in
// 16 bits with saturation, so that encoder and decoder stay in step to the bit.

func g722() Codec {
	return Codec{
		Name: "G722", Clock: 8000, Channels: 1, Payload: 9, Rates: []int{16000}, // rfc3551#4.5.2
		encoder: func(int, Options) (Encoder, error) {
			e := &g722Encoder{}
			e.low.det, e.high.det = 32, 8
			return e, nil
		},
		decoder: func(rate int) (Decoder, error) {
			d := &g722Decoder{lost: NewConcealer(rate)}
			d.low.det, d.high.det = 32, 8
			return d, nil
		},
	}
}

// g722Encoder makes an octet of two samples.
type g722Encoder struct {
	low, high subband
	history   [24]int32 // of samples, for the filter that parts the bands
}

func (e *g722Encoder) Encode(dst []byte, samples []int16) ([]byte, error) {
	if len(samples)%2 != 0 {
		return dst, ErrFrame
	}
	for i := 0; i < len(samples); i += 2 {
		copy(e.history[:], e.history[2:])
		e.history[22], e.history[23] = int32(samples[i]), int32(samples[i+1])
		even, odd := quadrature(&e.history)
		low := e.low.quantizeLow((even + odd) >> 14)
		high := e.high.quantizeHigh((even - odd) >> 14)
		dst = append(dst, high<<6|low)
	}
	return dst, nil
}

// g722Decoder makes two samples of an octet.
type g722Decoder struct {
	low, high subband
	history   [24]int32
	lost      *Concealer
}

func (d *g722Decoder) Decode(dst []int16, payload []byte) ([]int16, error) {
	from := len(dst)
	for _, code := range payload {
		low, high := d.low.restoreLow(code&0x3f), d.high.restoreHigh(code>>6)
		copy(d.history[:], d.history[2:])
		d.history[22], d.history[23] = low+high, low-high
		first, second := quadrature(&d.history)
		dst = append(dst, int16(saturate(first>>11)), int16(saturate(second>>11)))
	}
	d.lost.Heard(dst[from:])
	return dst, nil
}

// Conceal leaves the predictors as they are: they find back within some milliseconds of speech.
func (d *g722Decoder) Conceal(dst []int16, n int, _ []byte) []int16 { return d.lost.Conceal(dst, n) }

// quadrature is the mirror filter of 24 coefficients that parts the bands and joins them; the second half of the
// coefficients mirrors the first.
func quadrature(x *[24]int32) (even, odd int32) {
	c := &mirror
	for i, v := range c {
		odd += x[2*i] * v
		even += x[2*i+1] * c[11-i]
	}
	return even, odd
}

// subband predicts one band (block 4 of the Recommendation) and adapts its quantizer (block 3).
type subband struct {
	s, sz   int32    // the prediction, and the part of it by the zeros
	r, p    [2]int32 // reconstructed signal and partial signal, the last and the one before
	a       [2]int32 // coefficients of the poles
	d, b    [6]int32 // differences, and coefficients of the zeros
	nb, det int32    // logarithm of the scale, and the scale
}

func saturate(v int32) int32 { return min(max(v, -32768), 32767) }

// quantizeLow codes the lower band in six bits.
func (s *subband) quantizeLow(x int32) byte {
	difference := saturate(x - s.s)
	size := magnitude(difference)
	level := 1
	for level < 30 && size >= decisionLow[level]*s.det>>12 {
		level++
	}
	code := byte(64 - level) // negative differences: 63, 62, then 31 downwards
	if level > 2 {
		code = byte(34 - level)
	}
	if difference >= 0 {
		code = byte(62 - level)
	}
	s.adaptLow(code)
	return code
}

func magnitude(difference int32) int32 {
	if difference < 0 {
		return -(difference + 1)
	}
	return difference
}

// adaptLow follows by the four bits that a decoder always has.
func (s *subband) adaptLow(code byte) {
	four := code >> 2
	difference := s.det * restoredBy4[four&15] >> 15
	s.nb = min(max(s.nb*127>>7+scaleLow[four&15], 0), 18432)
	s.det = s.scale(8)
	s.predict(difference)
}

func (s *subband) restoreLow(code byte) int32 {
	value := min(max(s.s+s.det*restoredBy6[code&63]>>15, -16384), 16383)
	s.adaptLow(code)
	return value
}

// quantizeHigh codes the higher band in two bits.
func (s *subband) quantizeHigh(x int32) byte {
	difference := saturate(x - s.s)
	code := byte(1)
	if difference >= 0 {
		code = 3
	}
	if magnitude(difference) >= 564*s.det>>12 {
		code--
	}
	s.adaptHigh(code)
	return code
}

func (s *subband) adaptHigh(code byte) (difference int32) {
	difference = s.det * restoredBy2[code&3] >> 15
	step := int32(-214)
	if code&1 == 0 { // the outer interval
		step = 798
	}
	s.nb = min(max(s.nb*127>>7+step, 0), 22528)
	s.det = s.scale(10)
	s.predict(difference)
	return difference
}

func (s *subband) restoreHigh(code byte) int32 {
	before := s.s
	return min(max(before+s.adaptHigh(code), -16384), 16383)
}

// scale turns the logarithm into the scale.
func (s *subband) scale(most int32) int32 {
	mantissa, shift := antilog[s.nb>>6&31], most-s.nb>>11
	if shift < 0 {
		return mantissa << -shift << 2
	}
	return mantissa >> shift << 2
}

// predict takes a reconstructed difference and predicts the next sample.
func (s *subband) predict(difference int32) {
	restored, partial := saturate(s.s+difference), saturate(s.sz+difference)
	s.adaptPoles(partial)
	s.adaptZeros(difference)
	s.r[1], s.r[0] = s.r[0], restored
	s.p[1], s.p[0] = s.p[0], partial

	poles := saturate(s.a[0]*saturate(2*s.r[0])>>15 + s.a[1]*saturate(2*s.r[1])>>15)
	s.sz = 0
	for i, d := range &s.d {
		s.sz += s.b[i] * saturate(2*d) >> 15
	}
	s.sz = saturate(s.sz)
	s.s = saturate(poles + s.sz)
}

// adaptPoles moves both coefficients by the signs of the partial signal, within what is stable.
func (s *subband) adaptPoles(partial int32) {
	same, sameBefore := partial < 0 == (s.p[0] < 0), partial < 0 == (s.p[1] < 0)
	towards := min(saturate(4*s.a[0]), 32767)
	if same {
		towards = min(-towards, 32767)
	}
	second := towards>>7 + s.a[1]*32512>>15 - 128
	if sameBefore {
		second += 256
	}
	second = min(max(second, -12288), 12288)

	first := s.a[0]*32640>>15 - 192
	if same {
		first += 384
	}
	bound := saturate(15360 - second)
	s.a = [2]int32{min(max(saturate(first), -bound), bound), second}
}

func (s *subband) adaptZeros(difference int32) {
	step := int32(128)
	if difference == 0 {
		step = 0
	}
	for i, d := range &s.d {
		towards := -step
		if difference < 0 == (d < 0) {
			towards = step
		}
		s.b[i] = saturate(s.b[i]*32640>>15 + towards)
	}
	copy(s.d[1:], s.d[:5])
	s.d[0] = difference
}
