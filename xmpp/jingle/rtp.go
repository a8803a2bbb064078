package jingle

import (
	"math"
	"strings"

	"parley/xmpp"
)

// Description is an RTP session as one party offers it (xep0167#4).
type Description struct {
	Media      string // audio, video
	SSRC       uint32 // 0 if not told
	Payloads   []Payload
	Bandwidths []Bandwidth
	Mux        bool // RTP and RTCP on one port
	Encryption *Encryption
	Feedback   Feedback // for all payloads
	Extensions []Extension
	Mixed      bool // extmap-allow-mixed (xep0294#3)
	Sources    []Source
	Groups     []SourceGroup
}

// Payload is a codec with its payload type.
type Payload struct {
	ID         uint8
	Name       string // may be "" for a static one
	Rate       int    // 0 if not told
	Channels   int    // 0 and 1 are the same
	PTime      int    // 0 if not told
	MaxPTime   int
	Parameters []Parameter
	Feedback   Feedback
}

// Parameter is a name and a value, either of which may be "".
type Parameter struct{ Name, Value string }

// Bandwidth is what b= is in a session description.
type Bandwidth struct{ Type, Value string }

// Encryption is SRTP with its keys in the description (xep0167#7).
type Encryption struct {
	Required bool
	Cryptos  []Crypto
}

// Crypto is what a=crypto says.
type Crypto struct{ Tag, Suite, Keys, Session string }

func parseDescription(e *xmpp.Element) (d *Description, err error) {
	d = &Description{Media: e.Attr("media")}
	if d.Media == "" {
		return nil, malformed("a description has no media") // xep0167#4
	}
	ssrc, err := number(e, "ssrc", math.MaxUint32)
	if err != nil {
		return nil, err
	}
	d.SSRC = uint32(ssrc)
	for _, c := range e.Children {
		if err := d.take(c); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Description) take(c *xmpp.Element) (err error) {
	switch c.Name {
	case xmpp.Name{Space: NSRTP, Local: "payload-type"}:
		return add(&d.Payloads, c, parsePayload, MaxPayloads)
	case xmpp.Name{Space: NSRTP, Local: "bandwidth"}:
		return add(&d.Bandwidths, c, parseBandwidth, MaxList)
	case xmpp.Name{Space: NSRTP, Local: "rtcp-mux"}:
		d.Mux = true
	case xmpp.Name{Space: NSRTP, Local: "encryption"}:
		d.Encryption, err = parseEncryption(c)
		return err
	case xmpp.Name{Space: NSExtension, Local: "rtp-hdrext"}:
		return add(&d.Extensions, c, parseExtension, MaxList)
	case xmpp.Name{Space: NSExtension, Local: "extmap-allow-mixed"}:
		d.Mixed = true
	case xmpp.Name{Space: NSSource, Local: "source"}:
		return add(&d.Sources, c, parseSource, MaxList)
	case xmpp.Name{Space: NSSource, Local: "ssrc-group"}:
		return add(&d.Groups, c, parseSourceGroup, MaxList)
	}
	return d.Feedback.take(c)
}

// add reads one more of a list that has a bound.
func add[T any](list *[]T, e *xmpp.Element, parse func(*xmpp.Element) (T, error), limit int) error {
	if len(*list) == limit {
		return tooMany("elements " + e.Local)
	}
	v, err := parse(e)
	if err == nil {
		*list = append(*list, v)
	}
	return err
}

func parsePayload(e *xmpp.Element) (p Payload, err error) {
	if _, ok := e.Lookup("id"); !ok {
		return p, malformed("a payload type has no id")
	}
	p.Name = e.Attr("name")
	for _, a := range []struct {
		name  string
		limit uint64
		to    func(uint64)
	}{
		{"id", 127, func(n uint64) { p.ID = uint8(n) }},
		{"clockrate", math.MaxInt32, func(n uint64) { p.Rate = int(n) }},
		{"channels", math.MaxUint8, func(n uint64) { p.Channels = int(n) }},
		{"ptime", math.MaxUint16, func(n uint64) { p.PTime = int(n) }},
		{"maxptime", math.MaxUint16, func(n uint64) { p.MaxPTime = int(n) }},
	} {
		n, err := number(e, a.name, a.limit)
		if err != nil {
			return p, err
		}
		a.to(n)
	}
	for _, c := range e.Children {
		if c.Space == NSRTP && c.Local == "parameter" {
			err = add(&p.Parameters, c, parseParameter, MaxList)
		} else {
			err = p.Feedback.take(c)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func parseParameter(e *xmpp.Element) (Parameter, error) {
	return Parameter{e.Attr("name"), e.Attr("value")}, nil
}

// parameters reads the children of that name in the element's own namespace.
func parameters(e *xmpp.Element) (list []Parameter, err error) {
	for _, c := range e.Children {
		if c.Space != e.Space || c.Local != "parameter" {
			continue
		}
		if err = add(&list, c, parseParameter, MaxList); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func parseBandwidth(e *xmpp.Element) (Bandwidth, error) {
	b := Bandwidth{e.Attr("type"), strings.TrimSpace(e.Text)}
	if b.Type == "" || b.Value == "" {
		return b, malformed("a bandwidth has no type or no value")
	}
	return b, nil
}

func parseEncryption(e *xmpp.Element) (*Encryption, error) {
	required := e.Attr("required")
	n := &Encryption{Required: required == "1" || required == "true"}
	for _, c := range e.Children {
		if c.Space != NSRTP || c.Local != "crypto" {
			continue
		}
		if err := add(&n.Cryptos, c, parseCrypto, MaxList); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func parseCrypto(e *xmpp.Element) (Crypto, error) {
	c := Crypto{e.Attr("tag"), e.Attr("crypto-suite"), e.Attr("key-params"), e.Attr("session-params")}
	if c.Tag == "" || c.Suite == "" || c.Keys == "" {
		return c, malformed("a crypto lacks its tag, its suite or its keys")
	}
	return c, nil
}

func (d *Description) append(b *xmpp.Builder) {
	b.Open("description", NSRTP).Attr("media", d.Media)
	if d.SSRC != 0 {
		b.Attr("ssrc", decimal(d.SSRC))
	}
	for _, p := range d.Payloads {
		p.append(b)
	}
	if d.Mux {
		b.Open("rtcp-mux", "").Close()
	}
	if d.Encryption != nil {
		d.Encryption.append(b)
	}
	for _, w := range d.Bandwidths {
		b.Open("bandwidth", "").Attr("type", w.Type).Text(w.Value).Close()
	}
	d.Feedback.append(b)
	for _, x := range d.Extensions {
		x.append(b)
	}
	if d.Mixed {
		b.Open("extmap-allow-mixed", NSExtension).Close()
	}
	for _, g := range d.Groups {
		g.append(b)
	}
	for _, s := range d.Sources {
		s.append(b, NSSource)
	}
	b.Close()
}

func (p Payload) append(b *xmpp.Builder) {
	b.Open("payload-type", "").Attr("id", decimal(p.ID)).Maybe("name", p.Name)
	maybe(b, "clockrate", p.Rate)
	maybe(b, "channels", p.Channels)
	maybe(b, "ptime", p.PTime)
	maybe(b, "maxptime", p.MaxPTime)
	appendParameters(b, p.Parameters)
	p.Feedback.append(b)
	b.Close()
}

func maybe(b *xmpp.Builder, name string, n int) {
	if n > 0 {
		b.Attr(name, decimal(n))
	}
}

func appendParameters(b *xmpp.Builder, list []Parameter) {
	for _, p := range list {
		b.Open("parameter", "").Attr("name", p.Name).Maybe("value", p.Value).Close()
	}
}

func (n *Encryption) append(b *xmpp.Builder) {
	b.Open("encryption", "")
	if n.Required {
		b.Attr("required", "1")
	}
	for _, c := range n.Cryptos {
		b.Open("crypto", "").Attr("tag", c.Tag).Attr("crypto-suite", c.Suite).Attr("key-params", c.Keys).
			Maybe("session-params", c.Session).Close()
	}
	b.Close()
}
