package relay

import (
	"maps"
	"slices"

	"parley/sdp"
)

// numbering is which codec a leg means by each payload type of a medium.
type numbering map[int]sdp.Codec

// match is a codec's payload type in an offer as it came, and in the offer that was made of it.
type match struct {
	codec     sdp.Codec
	came, put int
}

// ours stands for came where the codec was added to the offer.
const ours = -1

// numbered gives the numbering of a medium of a leg.
func (l *leg) numbered(medium int) numbering {
	for len(l.numbers) <= medium {
		l.numbers = append(l.numbers, numbering{})
	}
	return l.numbers[medium]
}

// says remembers the payload types that a leg uses in a description.
func (l *leg) says(d *sdp.Description) {
	for i, m := range d.Media {
		for _, c := range m.Codecs() {
			l.numbered(i)[c.Payload] = c
		}
	}
}

// number chooses a payload type towards a leg: the one that it knows for the codec, else that of the other side if it
// is free. On a transport that media share no two of them may use one (rfc9143#10.1.1).
func (l *leg) number(medium int, c sdp.Codec) int {
	mine := l.numbered(medium)
	if known, ok := mine[c.Payload]; ok && known.Matches(c) {
		return c.Payload
	}
	for _, payload := range slices.Sorted(maps.Keys(mine)) {
		if mine[payload].Matches(c) {
			return payload
		}
	}
	if !l.taken(c.Payload) {
		return c.Payload
	}
	for payload := range 127 - 35 + 1 { // the dynamic ones, from the top; below 96 there are more (rfc3551#3)
		if p := 127 - payload; (p < 64 || p > 95) && !l.taken(p) { // 64 to 95 look like RTCP (rfc5761#4)
			return p
		}
	}
	return -1
}

func (l *leg) taken(payload int) bool {
	return slices.ContainsFunc(l.numbers, func(n numbering) bool { _, ok := n[payload]; return ok })
}

// offer gives an offer's medium the payload types of the leg that it goes to, and says which is which.
func (l *leg) offer(medium int, m *sdp.Media) []match {
	var all []match
	numbers := map[int]int{}
	for _, c := range m.Codecs() {
		n := l.number(medium, c)
		if n < 0 {
			continue
		}
		all = append(all, match{c, c.Payload, n})
		numbers[c.Payload] = n
		c.Payload = n
		l.numbered(medium)[n] = c
	}
	m.Renumber(numbers)
	return all
}

// keep says the same of an offer's medium that goes to the leg with the payload types that it has.
func (l *leg) keep(medium int, m *sdp.Media) []match {
	var all []match
	for _, c := range m.Codecs() {
		all = append(all, match{c, c.Payload, c.Payload})
		l.numbered(medium)[c.Payload] = c
	}
	return all
}

// back gives an answer's medium the payload types of the leg that made the offer. forth is what packets of who made the
// offer become, and reverse those of who answers: each is sent what it has asked for (rfc3264#5.1, rfc3264#6.1).
func back(offered []match, m *sdp.Media) (forth, reverse *types) {
	forth, reverse = &types{}, &types{}
	numbers := map[int]int{}
	for _, c := range m.Codecs() {
		if o, ok := meant(offered, c); ok && o.came != ours {
			numbers[c.Payload] = o.came
			forth.set(o.came, c.Payload)
			reverse.set(o.put, o.came)
		}
	}
	for answered, came := range numbers { // some send what they have asked for
		if !reverse.has(answered) {
			reverse.set(answered, came)
		}
	}
	for _, o := range offered { // and some another profile's number
		for _, c := range m.Codecs() {
			if came, ok := numbers[c.Payload]; ok && !reverse.has(o.put) && o.codec.Resembles(c) {
				reverse.set(o.put, came)
			}
		}
	}
	m.Renumber(numbers)
	return forth, reverse
}

// meant finds what an answer's codec was in the offer: by what it is, its number counting among equals, or by the number
// alone where an end has parameters of its own.
func meant(offered []match, c sdp.Codec) (match, bool) {
	var best match
	points := 0
	for _, o := range offered {
		n := 0
		switch {
		case o.codec.Matches(c):
			n = 3
		case o.put == c.Payload && o.codec.Same(c):
			n = 1
		}
		if n > 0 && o.put == c.Payload {
			n++
		}
		if n > points {
			best, points = o, n
		}
	}
	return best, points > 0
}

// types is what each payload type becomes on its way; 0 for one that doesn't pass, else one more than it.
type types [128]uint8

func (t *types) set(from, to int)     { t[from&0x7f] = uint8(to&0x7f) + 1 }
func (t *types) unset(payload int)    { t[payload&0x7f] = 0 }
func (t *types) has(payload int) bool { return t[payload&0x7f] != 0 }

// becomes is the payload type of an RTP packet on the other side.
func (t *types) becomes(b []byte) (payload uint8, ok bool) {
	n := t[b[1]&0x7f]
	return n - 1, n != 0
}
