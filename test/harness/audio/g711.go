package audio

// μ-law as ITU-T G.711 has it, with 16-bit samples on the linear side.

const (
	muBias = 0x84
	muClip = 32635
)

func muEncode(s int16) byte {
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, muClip) + muBias
	exponent := 7
	for mask := 0x4000; v&mask == 0 && exponent > 0; mask >>= 1 {
		exponent--
	}
	mantissa := v >> (exponent + 3) & 0x0f
	return ^(sign | byte(exponent<<4) | byte(mantissa))
}

func muDecode(b byte) int16 {
	b = ^b
	exponent := int(b >> 4 & 7)
	v := (int(b&0x0f)<<3 + muBias) << exponent
	v -= muBias
	if b&0x80 != 0 {
		v = -v
	}
	return int16(v)
}
