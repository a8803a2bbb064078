package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// Renumber has a medium's formats be those of numbers alone, by the payload types that these give them: to one peer a
// codec may have another than to the other.
func (m *Media) Renumber(numbers map[int]int) {
	kept := m.Formats[:0:0]
	for _, f := range m.Formats {
		if n, ok := renumbered(f, numbers); ok {
			kept = append(kept, n)
		}
	}
	m.Formats = kept
	m.lines = slices.DeleteFunc(m.lines, func(l line) bool {
		f, ok := l.format()
		if !ok || f == "*" {
			return false
		}
		_, kept := renumbered(f, numbers)
		return !kept
	})
	for i, l := range m.lines {
		f, ok := l.format()
		if !ok || f == "*" {
			continue
		}
		n, _ := renumbered(f, numbers)
		m.lines[i].value = strings.Replace(l.value, ":"+f, ":"+n, 1)
	}
}

func renumbered(format string, numbers map[int]int) (string, bool) {
	n, ok := PayloadType(format)
	if !ok {
		return "", false
	}
	n, ok = numbers[n]
	return strconv.Itoa(n), ok
}

// format is the one that an attribute speaks of.
func (l line) format() (string, bool) {
	n, v, ok := l.attribute()
	if !ok || n != "rtpmap" && n != "fmtp" && n != "rtcp-fb" {
		return "", false
	}
	f, _, _ := strings.Cut(v, " ")
	return f, true
}

// Matches says that two ends mean the same by a codec, its parameters included as far as they tell streams
// apart: for H.264 the packetization mode and the profile (rfc6184#8.2.2).
func (c Codec) Matches(o Codec) bool {
	if !c.Same(o) {
		return false
	}
	switch strings.ToUpper(c.Name) {
	case "H264":
		return c.mode() == o.mode() && c.profile() == o.profile()
	case "VP9":
		return orZero(c.Parameter("profile-id")) == orZero(o.Parameter("profile-id"))
	}
	return true
}

// Resembles says that two codecs are one but for the profile: there are phones that look no closer.
func (c Codec) Resembles(o Codec) bool {
	return c.Same(o) && (!strings.EqualFold(c.Name, "H264") || c.mode() == o.mode())
}

func (c Codec) mode() string { return orZero(c.Parameter("packetization-mode")) }

func orZero(v string) string {
	if v == "" {
		return "0"
	}
	return v
}

// profile is the H.264 profile without the level: constrained baseline has several names (rfc6184#8.1).
func (c Codec) profile() string {
	id := strings.ToLower(c.Parameter("profile-level-id"))
	if len(id) != 6 {
		return "baseline"
	}
	constraints, err := strconv.ParseUint(id[2:4], 16, 8)
	switch {
	case err != nil:
		return id
	case id[:2] == "42" && constraints&0x40 == 0:
		return "baseline"
	case id[:2] == "42", id[:2] == "4d" && constraints&0x80 != 0, id[:2] == "58" && constraints&0xc0 == 0xc0:
		return "constrained baseline"
	}
	return id[:4]
}

// Parameter finds a parameter of the codec by its name, whose case doesn't count.
func (c Codec) Parameter(name string) string {
	for p := range strings.SplitSeq(c.Fmtp, ";") {
		n, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
