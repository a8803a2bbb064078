package bridge

import (
	"net/netip"
	"strconv"
	"strings"

	"parley/sdp"
	"parley/xmpp/jingle"
)

// discard is the port of media whose address is still to come (rfc8840#4.1.1).
const discard = 9

// Describe writes the media as a session description. answer says that it answers one.
//
// Where a transport has a candidate, that is the medium's address; where it has none the address is that of o, with a
// port that stands for none: whoever anchors the media redirects it.
func (m Media) Describe(o sdp.Origin, answer bool) (*sdp.Description, error) {
	d := sdp.New(o)
	mids := m.mids()
	for _, g := range m.Groups {
		if v, ok := group(g, m, mids); ok {
			d.Add("group", v)
		}
	}
	for i, l := range m.Lines {
		if l.Gone || l.Content.Description == nil {
			if !d.RefuseAs(kind(l), proto(l), l.Formats) {
				return nil, ErrTooMany
			}
			continue
		}
		w := writer{by: m.By, answer: answer}
		if !w.line(d, l, mids[i], o) {
			return nil, ErrTooMany
		}
	}
	return d, nil
}

// kind is what m= begins with.
func kind(l Line) string {
	if l.Content.Description == nil || !isToken(l.Content.Description.Media) {
		return "application"
	}
	return l.Content.Description.Media
}

// proto is the profile of a line: the one that was read if its form still is the content's, else the one that the
// content needs. Jingle has no word for it (xep0167#4).
func proto(l Line) string {
	form, feedback := sdp.Plain, false
	if d := l.Content.Description; d != nil {
		if d.Encryption != nil && len(d.Encryption.Cryptos) > 0 {
			form = sdp.SDES
		}
		feedback = hasFeedback(d)
	}
	if t := l.Content.Transport; t != nil && len(t.Fingerprints) > 0 {
		form = sdp.DTLS
	}
	if l.Gone && l.Proto != "" || l.Proto != "" && formOf(l.Proto) == form {
		return l.Proto
	}
	if form == sdp.DTLS || !feedback {
		return form.String()
	}
	return form.String() + "F" // rfc4585#4.1
}

// formOf is the form that a profile of our own or of an offer stands for.
func formOf(proto string) sdp.Form {
	switch strings.ToUpper(proto) {
	case "RTP/AVP", "RTP/AVPF":
		return sdp.Plain
	case "RTP/SAVP", "RTP/SAVPF":
		return sdp.SDES
	case "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF":
		return sdp.DTLS
	}
	return sdp.Other
}

func hasFeedback(d *jingle.Description) bool {
	has := func(f jingle.Feedback) bool { return len(f.Messages) > 0 || f.Interval > 0 }
	for _, p := range d.Payloads {
		if has(p.Feedback) {
			return true
		}
	}
	return has(d.Feedback)
}

// mids are the names of the lines in SDP: those of the contents, where they can be and are not there yet.
func (m Media) mids() []string {
	mids, used := make([]string, len(m.Lines)), map[string]bool{}
	for i, l := range m.Lines {
		mid := l.Content.Name
		if !isToken(mid) || used[mid] {
			mid = strconv.Itoa(i)
		}
		for used[mid] {
			mid += "-" + strconv.Itoa(i)
		}
		mids[i], used[mid] = mid, true
	}
	return mids
}

// group is what a=group says (rfc5888#5).
func group(g jingle.Group, m Media, mids []string) (string, bool) {
	if !isToken(g.Semantics) {
		return "", false
	}
	words := []string{g.Semantics}
	for _, name := range g.Names {
		for i, l := range m.Lines {
			if l.Content.Name == name && !l.Gone {
				words = append(words, mids[i])
				break
			}
		}
	}
	return strings.Join(words, " "), len(words) > 1
}

// writer writes one m= line.
type writer struct {
	m      *sdp.Media
	by     jingle.Party
	answer bool
}

// line adds the line. It returns false if there are too many.
func (w writer) line(d *sdp.Description, l Line, mid string, o sdp.Origin) (ok bool) {
	c := l.Content
	codecs, formats := codecs(c.Description)
	if len(formats) == 0 {
		return d.RefuseAs(kind(l), proto(l), l.Formats)
	}
	host, port := o.Host, discard
	if t := c.Transport; t != nil {
		if at, ok := standing(t); ok {
			host, port = at.Addr(), int(at.Port())
		} else if t.UFrag != "" {
			host = netip.IPv4Unspecified()
		}
	}
	if w.m, ok = d.AddMedia(kind(l), port, proto(l), formats); !ok {
		return false
	}
	if host != o.Host {
		w.m.SetAddress(host)
	}
	w.m.Add("mid", mid)
	for _, codec := range codecs {
		w.m.AddCodec(codec)
	}
	w.description(c.Description)
	w.m.Add(direction(c.Senders, w.by).String(), "")
	w.transport(c.Transport)
	return true
}

// codecs are the payload types that SDP can say, and their formats.
func codecs(d *jingle.Description) (all []sdp.Codec, formats []string) {
	seen := [128]bool{}
	for _, p := range d.Payloads {
		if p.ID > 127 || seen[p.ID] || len(formats) == sdp.MaxFormats {
			continue
		}
		c := sdp.Static(int(p.ID))
		if p.Name != "" {
			c = sdp.Codec{Payload: int(p.ID), Name: word(p.Name), Rate: p.Rate, Channels: p.Channels}
			c.Rate = rate(c, d.Media)
		}
		if strings.Contains(c.Name, "/") || c.Name == "" && p.ID >= 96 {
			continue
		}
		seen[p.ID] = true
		c.Fmtp = fmtp(c.Name, p.Parameters)
		all, formats = append(all, c), append(formats, strconv.Itoa(int(p.ID)))
	}
	return all, formats
}

// rate is the clock rate, or the usual one where none is told.
func rate(c sdp.Codec, media string) int {
	switch s := sdp.Static(c.Payload); {
	case c.Rate > 0:
		return c.Rate
	case s.Name != "":
		return s.Rate
	case media == "video":
		return 90000
	}
	return 8000
}

func (w writer) description(d *jingle.Description) {
	var bandwidths []sdp.Bandwidth
	for _, b := range d.Bandwidths {
		bandwidths = append(bandwidths, sdp.Bandwidth{Type: word(b.Type), Value: clean(b.Value)})
	}
	w.m.SetBandwidths(bandwidths)
	w.times(d)
	if d.Mux {
		w.m.Add("rtcp-mux", "")
	}
	w.feedback("*", d.Feedback)
	for _, p := range d.Payloads {
		w.feedback(strconv.Itoa(int(p.ID)), p.Feedback)
	}
	w.extensions(d)
	w.sources(d)
	if d.Encryption != nil {
		for _, c := range d.Encryption.Cryptos {
			w.m.Add("crypto", strings.TrimSpace(word(c.Tag)+" "+word(c.Suite)+" "+word(c.Keys)+" "+clean(c.Session)))
		}
	}
}

// times writes ptime and maxptime, which SDP has once for all codecs: that of the first that has one (rfc8866#6.4).
func (w writer) times(d *jingle.Description) {
	once := func(name string, of func(jingle.Payload) int) {
		for _, p := range d.Payloads {
			if n := of(p); n > 0 {
				w.m.Add(name, strconv.Itoa(n))
				return
			}
		}
	}
	once("ptime", func(p jingle.Payload) int { return p.PTime })
	once("maxptime", func(p jingle.Payload) int { return p.MaxPTime })
}

func (w writer) feedback(format string, f jingle.Feedback) {
	for _, m := range f.Messages {
		w.m.Add("rtcp-fb", strings.Join(append([]string{format, word(m.Type)}, rest(word(m.Subtype), m.Parameters, "=")...), " "))
	}
	if f.Interval > 0 {
		w.m.Add("rtcp-fb", format+" trr-int "+strconv.Itoa(f.Interval))
	}
}

// rest are the words that may follow: one that may be empty, and parameters.
func rest(first string, all []jingle.Parameter, at string) (words []string) {
	if first != "" {
		words = append(words, first)
	}
	for _, p := range all {
		if s := join(p, at); s != "" {
			words = append(words, word(s))
		}
	}
	return words
}

func join(p jingle.Parameter, at string) string {
	if p.Value == "" {
		return p.Name
	}
	return p.Name + at + p.Value
}

func (w writer) extensions(d *jingle.Description) {
	for _, x := range d.Extensions {
		id := strconv.Itoa(int(x.ID))
		if x.Senders != jingle.Both {
			id += "/" + direction(x.Senders, w.by).String()
		}
		w.m.Add("extmap", strings.Join(append([]string{id, word(x.URI)}, rest("", x.Parameters, "=")...), " "))
	}
	if d.Mixed {
		w.m.Add("extmap-allow-mixed", "")
	}
}

func (w writer) sources(d *jingle.Description) {
	for _, g := range d.Groups {
		words := []string{word(g.Semantics)}
		for _, s := range g.SSRCs {
			words = append(words, strconv.FormatUint(uint64(s), 10))
		}
		w.m.Add("ssrc-group", strings.Join(words, " "))
	}
	for _, s := range d.Sources {
		id := strconv.FormatUint(uint64(s.SSRC), 10)
		for _, p := range s.Parameters {
			w.m.Add("ssrc", id+" "+clean(join(p, ":")))
		}
	}
}
