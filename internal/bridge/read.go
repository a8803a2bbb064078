package bridge

import (
	"strconv"
	"strings"

	"parley/sdp"
	"parley/xmpp/jingle"
)

// Read makes media of a session description that the party by has written. known is what either party has said in
// this call before: lines keep their contents by it, and generations are counted.
func Read(d *sdp.Description, by jingle.Party, known ...Media) (Media, error) {
	m, before := Media{By: by}, said(by, known)
	if len(d.Media) > jingle.MaxContents {
		return m, ErrTooMany
	}
	f, alive := &Foundations{}, false
	for i, sm := range d.Media {
		r := reader{m: sm, by: by, foundations: f}
		l := Line{Proto: sm.Proto, Formats: sm.Formats}
		l.Content = nameOf(i, sm, by, known, m)
		l.Gone = sm.Port == 0 || sm.Form() == sdp.Other
		if !l.Gone {
			if i < len(before.Lines) {
				l.Generation = generation(sm, before.Lines[i])
			}
			r.generation = l.Generation
			r.content(&l.Content)
			alive = true
		} else {
			l.Content.Description = &jingle.Description{Media: sm.Kind}
		}
		m.Lines = append(m.Lines, l)
	}
	m.Groups = groups(d, m)
	if !alive && len(known) == 0 {
		return m, ErrNoMedia
	}
	return m, nil
}

// nameOf is the content that line i is: the one it was, or a new one that by has made, named by a=mid.
func nameOf(i int, sm *sdp.Media, by jingle.Party, known []Media, m Media) jingle.Content {
	if l, ok := lineAt(i, known); ok {
		return jingle.Content{Creator: l.Content.Creator, Name: l.Content.Name}
	}
	c := jingle.Content{Creator: by, Name: strconv.Itoa(i)}
	if mid, ok := sm.Attribute("mid"); ok && isToken(mid) && len(mid) <= jingle.MaxText {
		c.Name = mid
	}
	for m.find(c) >= 0 || taken(c, known) {
		c.Name += "-" + strconv.Itoa(i)
	}
	return c
}

func taken(c jingle.Content, known []Media) bool {
	for _, k := range known {
		if k.find(c) >= 0 {
			return true
		}
	}
	return false
}

// generation is one more if ICE begins anew (rfc8839#4.4.1.1.1).
func generation(sm *sdp.Media, before Line) uint8 {
	ufrag, _ := sm.Either("ice-ufrag")
	pwd, _ := sm.Either("ice-pwd")
	t := before.Content.Transport
	if t == nil || t.UFrag == "" || ufrag == "" || t.UFrag == ufrag && t.Pwd == pwd {
		return before.Generation
	}
	return before.Generation + 1
}

// groups reads a=group, its mids made the names of contents. What names a line that is gone loses it.
func groups(d *sdp.Description, m Media) (all []jingle.Group) {
	names := map[string]string{}
	for i, sm := range d.Media {
		if mid, ok := sm.Attribute("mid"); ok && !m.Lines[i].Gone {
			names[mid] = m.Lines[i].Content.Name
		}
	}
	for v := range d.Values("group") {
		words := strings.Fields(v)
		if len(words) == 0 || len(all) == jingle.MaxList {
			continue
		}
		g := jingle.Group{Semantics: words[0]}
		for _, w := range words[1:] {
			if name, ok := names[w]; ok && len(g.Names) < jingle.MaxContents {
				g.Names = append(g.Names, name)
			}
		}
		if len(g.Names) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// reader reads one m= line.
type reader struct {
	m           *sdp.Media
	by          jingle.Party
	generation  uint8
	foundations *Foundations
}

func (r reader) content(c *jingle.Content) {
	c.Senders = senders(r.m.Direction(), r.by)
	c.Description = r.description()
	c.Transport = r.transport()
}

func (r reader) description() *jingle.Description {
	d := &jingle.Description{Media: r.m.Kind, Mux: r.m.Mux(), Encryption: r.encryption()}
	for _, f := range r.m.Formats {
		if p, ok := r.payload(f); ok {
			d.Payloads = append(d.Payloads, p)
		}
	}
	for _, b := range r.m.Bandwidths() {
		if b.Type != "" && strings.TrimSpace(b.Value) != "" && len(d.Bandwidths) < jingle.MaxList {
			d.Bandwidths = append(d.Bandwidths, jingle.Bandwidth{Type: b.Type, Value: strings.TrimSpace(b.Value)})
		}
	}
	d.Feedback = r.feedback("*")
	d.Extensions = r.extensions()
	_, d.Mixed = r.m.Either("extmap-allow-mixed")
	d.Sources, d.Groups = r.sources()
	return d
}

func (r reader) payload(format string) (p jingle.Payload, ok bool) {
	id, ok := sdp.PayloadType(format)
	if !ok {
		return p, false
	}
	p.ID = uint8(id)
	if c, ok := r.m.Codec(format); ok {
		p.Name, p.Rate, p.Channels = c.Name, c.Rate, c.Channels
		if p.Channels == 1 {
			p.Channels = 0
		}
		p.Parameters = parameters(c.Name, c.Fmtp)
	} else if id >= 96 {
		return p, false // xep0167#4: a dynamic one needs its name
	}
	p.PTime, p.MaxPTime = r.number("ptime"), r.number("maxptime")
	p.Feedback = r.feedback(format)
	return p, true
}

func (r reader) number(name string) int {
	v, _ := r.m.Attribute(name)
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// encryption reads a=crypto (rfc4568#9.1), as xep0167#7 has it.
func (r reader) encryption() *jingle.Encryption {
	if r.m.Form() != sdp.SDES {
		return nil
	}
	n := &jingle.Encryption{Required: true}
	for v := range r.m.Values("crypto") {
		words := strings.Fields(v)
		if len(words) < 3 || len(n.Cryptos) == jingle.MaxList {
			continue
		}
		n.Cryptos = append(n.Cryptos, jingle.Crypto{
			Tag: words[0], Suite: words[1], Keys: words[2], Session: strings.Join(words[3:], " "),
		})
	}
	return n
}

// feedback reads a=rtcp-fb of one format (rfc4585#4.2), as xep0293#5 has it.
func (r reader) feedback(format string) (f jingle.Feedback) {
	for v := range r.m.Values("rtcp-fb") {
		words := strings.Fields(v)
		if len(words) < 2 || words[0] != format || len(f.Messages) == jingle.MaxList {
			continue
		}
		if words[1] == "trr-int" && len(words) == 3 {
			if n, err := strconv.ParseUint(words[2], 10, 31); err == nil {
				f.Interval = int(n)
			}
			continue
		}
		m := jingle.FeedbackMessage{Type: words[1]}
		if len(words) > 2 {
			m.Subtype = words[2]
			for _, w := range words[3:min(len(words), 3+jingle.MaxList)] {
				m.Parameters = append(m.Parameters, pair(w, "="))
			}
		}
		f.Messages = append(f.Messages, m)
	}
	return f
}

// pair cuts a parameter.
func pair(s, at string) jingle.Parameter {
	name, value, _ := strings.Cut(s, at)
	return jingle.Parameter{Name: name, Value: value}
}

// extensions reads a=extmap (rfc8285#8), as xep0294#5 has it.
func (r reader) extensions() (all []jingle.Extension) {
	for v := range r.m.Values("extmap") {
		words := strings.Fields(v)
		if len(words) < 2 || len(all) == jingle.MaxList {
			continue
		}
		id, way, _ := strings.Cut(words[0], "/")
		n, err := strconv.ParseUint(id, 10, 16)
		if err != nil || n == 0 {
			continue
		}
		x := jingle.Extension{ID: uint16(n), URI: words[1], Senders: senders(named(way), r.by)}
		for _, w := range words[2:min(len(words), 2+jingle.MaxList)] {
			x.Parameters = append(x.Parameters, pair(w, "="))
		}
		all = append(all, x)
	}
	return all
}

// named is the direction of that name, SendRecv if there is none.
func named(s string) sdp.Direction {
	for _, d := range []sdp.Direction{sdp.SendOnly, sdp.RecvOnly, sdp.Inactive} {
		if d.String() == s {
			return d
		}
	}
	return sdp.SendRecv
}

// sources reads a=ssrc and a=ssrc-group (rfc5576#4), as xep0339#1 has them.
func (r reader) sources() (all []jingle.Source, together []jingle.SourceGroup) {
	at := map[uint32]int{}
	for v := range r.m.Values("ssrc") {
		id, attribute, ok := strings.Cut(v, " ")
		n, err := strconv.ParseUint(id, 10, 32)
		if !ok || err != nil {
			continue
		}
		i, had := at[uint32(n)]
		if !had {
			if len(all) == jingle.MaxList {
				continue
			}
			i = len(all)
			at[uint32(n)] = i
			all = append(all, jingle.Source{SSRC: uint32(n)})
		}
		if len(all[i].Parameters) < jingle.MaxList {
			all[i].Parameters = append(all[i].Parameters, pair(strings.TrimSpace(attribute), ":"))
		}
	}
	for v := range r.m.Values("ssrc-group") {
		if g, ok := sourceGroup(strings.Fields(v)); ok && len(together) < jingle.MaxList {
			together = append(together, g)
		}
	}
	return all, together
}

func sourceGroup(words []string) (g jingle.SourceGroup, ok bool) {
	if len(words) < 2 {
		return g, false
	}
	g.Semantics = words[0]
	for _, w := range words[1:] {
		if n, err := strconv.ParseUint(w, 10, 32); err == nil && len(g.SSRCs) < jingle.MaxList {
			g.SSRCs = append(g.SSRCs, uint32(n))
		}
	}
	return g, len(g.SSRCs) > 0
}
