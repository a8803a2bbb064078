package audio

// μ-law and A-law as ITU-T G.711 has them, with 16-bit samples on the linear side.

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

// law is one of the two, with its payload type (rfc3551#6).
type law struct {
	payload byte
	name    string
	encode  func(int16) byte
	decode  func(byte) int16
}

var (
	muLaw = law{0, "PCMU", muEncode, muDecode}
	aLaw  = law{8, "PCMA", aEncode, aDecode}
)

// Every second bit of A-law is inverted on the wire.
const aInverted = 0x55

func aEncode(s int16) byte {
	v, sign := int(s)>>4, byte(0x80)
	if v < 0 {
		v, sign = ^v, 0
	}
	// Twelve bits: segments of sixteen steps, each but the second twice as coarse as the one before.
	exponent := 0
	for v > 0x1f {
		v >>= 1
		exponent++
	}
	if v > 0x0f {
		exponent++
	}
	return (sign | byte(exponent<<4) | byte(v&0x0f)) ^ aInverted
}

func aDecode(b byte) int16 {
	b ^= aInverted
	exponent, v := int(b>>4&7), int(b&0x0f)<<4+8
	if exponent > 0 {
		v = (v + 0x100) << (exponent - 1)
	}
	if b&0x80 == 0 {
		v = -v
	}
	return int16(v)
}
