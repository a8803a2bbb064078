package sdp

import (
	"net/netip"
	"strconv"
	"strings"
)

// Form is a way to carry RTP. Two ends of different forms can't talk directly.
type Form int

// The forms.
const (
	Other         Form = iota // not RTP, or none that is known
	Plain                     // RTP/AVP and RTP/AVPF
	SDES                      // RTP/SAVP and RTP/SAVPF with keys in the description (rfc4568)
	DTLS                      // UDP/TLS/RTP/SAVP and SAVPF, keys by DTLS (rfc5764)
	Opportunistic             // RTP/AVP with keys in the description: SDES or plain, as who answers likes (rfc8643)
)

// String names the form by the profile that stands for it; "" for Other.
func (f Form) String() string {
	if f == Opportunistic {
		return "RTP/AVP a=crypto"
	}
	return f.Profile()
}

// FormOf is the form of that name, or of a profile with RTCP feedback; Other for any that is none.
func FormOf(name string) Form {
	switch name {
	case "RTP/AVPF":
		return Plain
	case "RTP/SAVPF":
		return SDES
	}
	for _, f := range []Form{Plain, SDES, DTLS, Opportunistic} {
		if f.String() == name {
			return f
		}
	}
	return Other
}

// Profile is the form's profile as an m= line has it; "" for Other.
func (f Form) Profile() string {
	switch f {
	case Plain, Opportunistic:
		return "RTP/AVP"
	case SDES:
		return "RTP/SAVP"
	case DTLS:
		return "UDP/TLS/RTP/SAVPF"
	}
	return ""
}

// Secure says that the form always encrypts.
func (f Form) Secure() bool { return f == SDES || f == DTLS }

// Form is the form of one medium.
func (m *Media) Form() Form {
	switch strings.ToUpper(m.Proto) {
	case "RTP/AVP", "RTP/AVPF":
		if len(m.Cryptos()) > 0 {
			return Opportunistic
		}
		return Plain
	case "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF":
		return DTLS
	case "RTP/SAVP", "RTP/SAVPF":
		if _, ok := m.Attribute("crypto"); ok {
			return SDES
		}
		if _, ok := m.either("fingerprint"); ok { // rfc5763#5, as it was written before rfc8842
			return DTLS
		}
		return SDES
	}
	return Other
}

// Form is the form of the first RTP medium that is not refused.
func (d *Description) Form() Form {
	for _, m := range d.Media {
		if f := m.Form(); f != Other && m.Port != 0 {
			return f
		}
	}
	return Other
}

// HasICE says that the description offers to connect by ICE (rfc8839#4).
func (d *Description) HasICE() bool {
	if _, ok := d.Attribute("ice-ufrag"); ok {
		return true
	}
	for _, m := range d.Media {
		if _, ok := m.Attribute("ice-ufrag"); ok {
			return true
		}
	}
	return false
}

// Direction says who sends, seen from the one who wrote the description.
type Direction int

// The directions (rfc8866#6.7).
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

func (d Direction) String() string {
	return [...]string{"sendrecv", "sendonly", "recvonly", "inactive"}[d]
}

// Sends and Receives are the two halves of a direction.
func (d Direction) Sends() bool    { return d == SendRecv || d == SendOnly }
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

// Reverse is the same direction seen from the other end: the most that an answer may
// say (rfc3264#6.1).
func (d Direction) Reverse() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	}
	return d
}

// And is what is left of d if only what other allows may flow.
func (d Direction) And(other Direction) Direction {
	return direction(d.Sends() && other.Sends(), d.Receives() && other.Receives())
}

func direction(sends, receives bool) Direction {
	switch {
	case sends && receives:
		return SendRecv
	case sends:
		return SendOnly
	case receives:
		return RecvOnly
	}
	return Inactive
}

// Direction reads the medium's direction. The address 0.0.0.0 is the old way to say that
// nothing is to be sent there (rfc3264#8.4); beside ICE it says that candidates are still to
// come (rfc8840#4.1.1).
func (m *Media) Direction() Direction {
	d := SendRecv
	for _, lines := range [...][]line{m.session.lines, m.lines} {
		for _, l := range lines {
			if x, ok := l.direction(); ok {
				d = x
			}
		}
	}
	_, ice := m.either("ice-ufrag")
	if a := m.host(); a.IsValid() && a.IsUnspecified() && !ice && !m.ice {
		d = direction(d.Sends(), false)
	}
	return d
}

func (l line) direction() (Direction, bool) {
	for d := SendRecv; d <= Inactive; d++ {
		if l.kind == 'a' && l.value == d.String() {
			return d, true
		}
	}
	return 0, false
}

// SetDirection states the medium's direction.
func (m *Media) SetDirection(d Direction) {
	m.Remove(SendRecv.String(), SendOnly.String(), RecvOnly.String(), Inactive.String())
	m.Add(d.String(), "")
}

// Address is where the medium is wanted. The address is invalid if the description
// has none or a name instead, the port 0 if the medium is refused.
func (m *Media) Address() netip.AddrPort {
	return netip.AddrPortFrom(m.host(), uint16(m.Port))
}

func (m *Media) host() netip.Addr {
	c, ok := first(m.lines, 'c')
	if !ok {
		c, ok = first(m.session.lines, 'c')
	}
	if !ok {
		return netip.Addr{}
	}
	return connection(c)
}

// connection reads "IN IP4 192.0.2.7", a multicast address's TTL left out (rfc8866#5.7).
func connection(c string) netip.Addr {
	f := strings.Fields(c)
	if len(f) != 3 {
		return netip.Addr{}
	}
	host, _, _ := strings.Cut(f[2], "/")
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}
	}
	return a.Unmap()
}

// RTCP is where the medium's RTCP is wanted: a=rtcp (rfc3605), the same port with
// rtcp-mux (rfc5761), or the next one.
func (m *Media) RTCP() netip.AddrPort {
	a := m.Address()
	if a.Port() == 0 {
		return a
	}
	if v, ok := m.Attribute("rtcp"); ok {
		port, rest, _ := strings.Cut(v, " ")
		if n, ok := number(port, 65535); ok && n > 0 {
			host := a.Addr()
			if other := connection(rest); other.IsValid() {
				host = other
			}
			return netip.AddrPortFrom(host, uint16(n))
		}
	}
	if m.Mux() || a.Port() == 65535 {
		return a
	}
	return netip.AddrPortFrom(a.Addr(), a.Port()+1)
}

// Mux says that RTP and RTCP share a port (rfc5761).
func (m *Media) Mux() bool {
	_, ok := m.Attribute("rtcp-mux")
	return ok
}

// Refuse makes the medium one that is not wanted (rfc3264#6).
func (m *Media) Refuse() {
	m.Port, m.count, m.lines = 0, 0, nil
	if len(m.Formats) == 0 {
		m.Formats = []string{"0"}
	}
}

// Codec is one entry of a medium's format list.
type Codec struct {
	Payload  int    // RTP payload type
	Name     string // "PCMU", "opus"
	Rate     int
	Channels int    // 0 and 1 are the same
	Fmtp     string // parameters, as written
}

// Same says that two codecs are one, whatever their payload types and parameters.
func (c Codec) Same(o Codec) bool {
	return strings.EqualFold(c.Name, o.Name) && c.Rate == o.Rate && max(c.Channels, 1) == max(o.Channels, 1)
}

// rtpmap is the codec as a=rtpmap has it.
func (c Codec) rtpmap() string {
	s := strconv.Itoa(c.Payload) + " " + c.Name + "/" + strconv.Itoa(c.Rate)
	if c.Channels > 1 {
		s += "/" + strconv.Itoa(c.Channels)
	}
	return s
}

// static are the payload types that need no rtpmap (rfc3551#6) and are still met.
func static(payload int) Codec {
	c := Codec{Payload: payload, Rate: 8000, Channels: 1}
	switch payload {
	case 0:
		c.Name = "PCMU"
	case 3:
		c.Name = "GSM"
	case 4:
		c.Name = "G723"
	case 8:
		c.Name = "PCMA"
	case 9:
		c.Name = "G722"
	case 13:
		c.Name = "CN"
	case 15:
		c.Name = "G728"
	case 18:
		c.Name = "G729"
	default:
		return Codec{Payload: payload}
	}
	return c
}

// Codecs lists the medium's codecs in the order of preference. What has no name is left out.
func (m *Media) Codecs() []Codec {
	var codecs []Codec
	for _, f := range m.Formats {
		payload, ok := number(f, 127)
		if !ok {
			continue
		}
		c := static(payload)
		if v, ok := m.of("rtpmap", f); ok {
			if named, ok := readRtpmap(payload, v); ok {
				c = named
			}
		}
		if c.Name == "" {
			continue
		}
		c.Fmtp, _ = m.of("fmtp", f)
		codecs = append(codecs, c)
	}
	return codecs
}

// of finds "a=name:format value".
func (m *Media) of(name, format string) (string, bool) {
	for _, l := range m.lines {
		if n, v, ok := l.attribute(); ok && n == name {
			if f, rest, ok := strings.Cut(v, " "); ok && f == format {
				return strings.TrimSpace(rest), true
			}
		}
	}
	return "", false
}

// readRtpmap reads "opus/48000/2" (rfc8866#6.6).
func readRtpmap(payload int, v string) (Codec, bool) {
	parts := strings.Split(v, "/")
	if len(parts) < 2 || parts[0] == "" {
		return Codec{}, false
	}
	rate, ok := number(parts[1], 1<<30)
	c := Codec{Payload: payload, Name: parts[0], Rate: rate, Channels: 1}
	if !ok || rate == 0 {
		return Codec{}, false
	}
	if len(parts) > 2 {
		if n, ok := number(parts[2], 255); ok && n > 0 {
			c.Channels = n
		}
	}
	return c, true
}
