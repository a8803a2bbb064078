package sdp

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Origin is what a description says of who made it.
type Origin struct {
	Host netip.Addr
	// ID and Version are those of o=, as in Local.
	ID, Version uint64
}

// New makes a description without media.
func New(o Origin) *Description {
	return Local{Host: o.Host, ID: o.ID, Version: o.Version}.describe()
}

// AddMedia adds a medium, which is filled afterwards. ok is false if there are too many.
func (d *Description) AddMedia(kind string, port int, proto string, formats []string) (m *Media, ok bool) {
	if len(d.Media) == MaxMedia || len(formats) > MaxFormats {
		return nil, false
	}
	m = &Media{Kind: kind, Port: port, Proto: proto, Formats: formats, session: d}
	d.Media = append(d.Media, m)
	return m, true
}

// Add adds an attribute of the session; an empty value makes it a flag.
func (d *Description) Add(name, value string) {
	if value != "" {
		name += ":" + value
	}
	d.lines = append(d.lines, line{'a', name})
}

// SetAddress states where the medium is wanted, its port aside.
func (m *Media) SetAddress(host netip.Addr) {
	m.dropConnection()
	m.lines = append([]line{{'c', "IN " + family(host) + " " + host.String()}}, m.lines...)
}

// Bandwidth is what a b= line says (rfc8866#5.8).
type Bandwidth struct{ Type, Value string }

// Bandwidths are those of the medium.
func (m *Media) Bandwidths() (all []Bandwidth) {
	for _, l := range m.lines {
		if kind, value, ok := strings.Cut(l.value, ":"); ok && l.kind == 'b' {
			all = append(all, Bandwidth{kind, value})
		}
	}
	return all
}

// SetBandwidths puts the medium's b= lines where they belong, behind its c= line.
func (m *Media) SetBandwidths(all []Bandwidth) {
	m.lines = slices.DeleteFunc(m.lines, func(l line) bool { return l.kind == 'b' })
	at := 0
	for at < len(m.lines) && (m.lines[at].kind == 'i' || m.lines[at].kind == 'c') {
		at++
	}
	for i, b := range all {
		m.lines = slices.Insert(m.lines, at+i, line{'b', b.Type + ":" + b.Value})
	}
}

// Values are the values of all attributes of that name, in their order.
func (m *Media) Values(name string) iter.Seq[string] { return values(m.lines, name) }

// Values are the values of all attributes of the session of that name, in their order.
func (d *Description) Values(name string) iter.Seq[string] { return values(d.lines, name) }

func values(lines []line, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, l := range lines {
			if n, v, ok := l.attribute(); ok && n == name && !yield(v) {
				return
			}
		}
	}
}

// Either finds an attribute of the medium, or else of the session.
func (m *Media) Either(name string) (value string, ok bool) { return m.either(name) }

// Static is the codec that a payload type stands for where no rtpmap says so (rfc3551#6); its Name is "" if there is none.
func Static(payload int) Codec { return static(payload) }

// Codec finds the codec of one format. ok is false if it is no payload type, or none that has a name.
func (m *Media) Codec(format string) (c Codec, ok bool) {
	one := *m
	one.Formats = []string{format}
	all := one.Codecs()
	if len(all) == 0 {
		return Codec{}, false
	}
	return all[0], true
}

// AddCodec adds what the description says of a codec that is among the formats already.
func (m *Media) AddCodec(c Codec) {
	if c.Name != "" {
		m.Add("rtpmap", c.rtpmap())
	}
	if c.Fmtp != "" {
		m.Add("fmtp", fmt.Sprintf("%d %s", c.Payload, c.Fmtp))
	}
}

// RefuseAs adds a medium that is not wanted in the place of one of that kind (rfc3264#6).
func (d *Description) RefuseAs(kind, proto string, formats []string) bool {
	m, ok := d.AddMedia(kind, 0, proto, slices.Clone(formats))
	if ok {
		m.Refuse()
	}
	return ok
}

// PayloadType reads a format that is one.
func PayloadType(format string) (payload int, ok bool) {
	n, ok := number(format, 127)
	return n, ok && strconv.Itoa(n) == format
}
