package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// IsEvents says that a codec is telephone-event (rfc4733#2.4).
func (c Codec) IsEvents() bool { return c.isEvents() }

// Offer adds a codec behind the others. Its payload type is the one it has if that is free, or another of the dynamic ones; ok
// is false if none is.
func (m *Media) Offer(c Codec) (payload int, ok bool) {
	if len(m.Formats) >= MaxFormats {
		return 0, false
	}
	if !m.free(c.Payload) {
		c.Payload = 96 // rfc3551#6
		for c.Payload <= 127 && !m.free(c.Payload) {
			c.Payload++
		}
		if c.Payload > 127 {
			return 0, false
		}
	}
	m.Formats = append(m.Formats, strconv.Itoa(c.Payload))
	m.AddCodec(c)
	return c.Payload, true
}

func (m *Media) free(payload int) bool { return !slices.Contains(m.Formats, strconv.Itoa(payload)) }

// Drop takes formats away, with what is said of them.
func (m *Media) Drop(unwanted func(Codec) bool) {
	var gone []string
	for _, c := range m.Codecs() {
		if unwanted(c) {
			gone = append(gone, strconv.Itoa(c.Payload))
		}
	}
	m.Formats = slices.DeleteFunc(m.Formats, func(f string) bool { return slices.Contains(gone, f) })
	m.lines = slices.DeleteFunc(m.lines, func(l line) bool {
		n, v, ok := l.attribute()
		f, _, _ := strings.Cut(v, " ")
		return ok && (n == "rtpmap" || n == "fmtp" || n == "rtcp-fb") && slices.Contains(gone, f)
	})
}

// Rare says that a telephone's offer of audio has no G.711, which every telephone has (rfc3551#6).
func (d *Description) Rare() bool {
	audio := false
	for _, m := range d.Media {
		if form := m.Form(); m.Kind != "audio" || m.Port == 0 || form == Other || form == DTLS {
			continue
		}
		audio = true
		for _, c := range m.Codecs() {
			if strings.EqualFold(c.Name, "PCMU") || strings.EqualFold(c.Name, "PCMA") {
				return false
			}
		}
	}
	return audio
}
