package jingle

import (
	"math"
	"strings"

	"parley/xmpp"
)

// Transport is the ICE-UDP transport of one content (xep0176#5).
type Transport struct {
	UFrag, Pwd   string
	Candidates   []Candidate
	Complete     bool // gathering-complete, as xep0371#7 has it
	Remote       []RemoteCandidate
	Fingerprints []Fingerprint
	SCTP         *SCTP // a data channel
}

// Candidate is an address that a party may be reached at.
type Candidate struct {
	Component  uint8
	Foundation string
	Generation uint8
	ID         string
	IP         string // an address, or a name that stands for one
	Port       uint16
	Priority   uint32
	Protocol   string // udp
	Type       string // host, srflx, prflx, relay
	RelAddr    string // "" if not told
	RelPort    uint16
	Network    string // a number; "" if not told
	TCPType    string // of protocol tcp
}

// RemoteCandidate is the address that was chosen for one component (xep0176#5.7).
type RemoteCandidate struct {
	Component uint8
	IP        string
	Port      uint16
}

// Fingerprint is that of a party's certificate (xep0320#2).
type Fingerprint struct {
	Hash  string // sha-256
	Setup string // actpass, active, passive, holdconn; may be ""
	Value string // upper case, as in AB:CD
}

// SCTP says that the transport carries data channels (xep0343#3).
type SCTP struct {
	Number   uint16
	Protocol string
	Streams  uint16
}

// parseTransport reads a transport. Apps leave the pwd out where they tell of candidates alone: more says that this may be.
func parseTransport(e *xmpp.Element, more bool) (*Transport, error) {
	t := &Transport{UFrag: e.Attr("ufrag"), Pwd: e.Attr("pwd")}
	if more && t.Pwd == "" {
		t.UFrag = ""
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	for _, c := range e.Children {
		if err := t.take(c); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Check says what is wrong with the transport's ufrag and pwd.
func (t *Transport) Check() error {
	if (t.UFrag == "") != (t.Pwd == "") {
		return malformed("a transport has one of ufrag and pwd")
	}
	if !iceChars(t.UFrag, 256) || !iceChars(t.Pwd, 256) { // rfc8839#5.4
		return malformed("the ufrag or pwd has characters that it may not")
	}
	return nil
}

func (t *Transport) take(c *xmpp.Element) (err error) {
	switch c.Name {
	case xmpp.Name{Space: NSICE, Local: "candidate"}:
		return add(&t.Candidates, c, parseCandidate, MaxCandidates)
	case xmpp.Name{Space: NSICE, Local: "remote-candidate"}:
		return add(&t.Remote, c, parseRemote, MaxList)
	case xmpp.Name{Space: NSICE, Local: "gathering-complete"}:
		t.Complete = true
	case xmpp.Name{Space: NSDTLS, Local: "fingerprint"}:
		return add(&t.Fingerprints, c, parseFingerprint, MaxList)
	case xmpp.Name{Space: NSSCTP, Local: "sctpmap"}:
		t.SCTP, err = parseSCTP(c)
	}
	return err
}

// iceChars says that s has only what the tokens of ICE are made of (rfc8839#5.1).
func iceChars(s string, limit int) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/':
		default:
			return false
		}
	}
	return len(s) <= limit
}

// word says that s can stand in one field of a line.
func word(s string) bool {
	return s != "" && len(s) <= 255 && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

func parseCandidate(e *xmpp.Element) (c Candidate, err error) {
	c = Candidate{
		Foundation: e.Attr("foundation"), ID: e.Attr("id"), IP: e.Attr("ip"), Protocol: strings.ToLower(e.Attr("protocol")),
		Type: e.Attr("type"), RelAddr: e.Attr("rel-addr"), Network: e.Attr("network"), TCPType: e.Attr("tcptype"),
	}
	for _, a := range []struct {
		name  string
		limit uint64
		to    func(uint64)
	}{
		{"component", math.MaxUint8, func(n uint64) { c.Component = uint8(n) }},
		{"generation", math.MaxUint8, func(n uint64) { c.Generation = uint8(n) }},
		{"port", math.MaxUint16, func(n uint64) { c.Port = uint16(n) }},
		{"priority", math.MaxUint32, func(n uint64) { c.Priority = uint32(n) }},
		{"rel-port", math.MaxUint16, func(n uint64) { c.RelPort = uint16(n) }},
		{"network", math.MaxUint32, func(uint64) {}},
	} {
		n, err := number(e, a.name, a.limit)
		if err != nil {
			return c, err
		}
		a.to(n)
	}
	return c, c.Check()
}

// Check says what is wrong with the candidate.
func (c *Candidate) Check() error {
	switch {
	case c.Component == 0:
		return malformed("a candidate has no component")
	case c.Foundation == "" || !iceChars(c.Foundation, 32): // rfc8839#5.1
		return malformed("the foundation of a candidate is none")
	case !word(c.IP) || c.RelAddr != "" && !word(c.RelAddr):
		return malformed("the address of a candidate is none")
	case !word(c.Protocol) || !word(c.Type) || c.TCPType != "" && !word(c.TCPType):
		return malformed("a candidate has no protocol or no type")
	case len(c.ID) > MaxText:
		return malformed("the id of a candidate is too long")
	}
	return nil
}

func parseRemote(e *xmpp.Element) (r RemoteCandidate, err error) {
	component, err := number(e, "component", math.MaxUint8)
	if err != nil {
		return r, err
	}
	port, err := number(e, "port", math.MaxUint16)
	if err != nil {
		return r, err
	}
	r = RemoteCandidate{uint8(component), e.Attr("ip"), uint16(port)}
	if r.Component == 0 || !word(r.IP) {
		return r, malformed("a remote candidate has no component or no address")
	}
	return r, nil
}

func parseFingerprint(e *xmpp.Element) (Fingerprint, error) {
	f := Fingerprint{strings.ToLower(e.Attr("hash")), e.Attr("setup"), strings.ToUpper(strings.TrimSpace(e.Text))}
	return f, f.Check()
}

// Check says what is wrong with the fingerprint.
func (f Fingerprint) Check() error {
	if !word(f.Hash) || !isFingerprint(f.Value) {
		return malformed("a fingerprint is none")
	}
	switch f.Setup { // rfc4145#4
	case "", "actpass", "active", "passive", "holdconn":
		return nil
	}
	return malformed("the setup of a fingerprint is none")
}

// isFingerprint says that s is bytes with colons between them (rfc8122#5).
func isFingerprint(s string) bool {
	if len(s) > 3*64 || len(s)%3 != 2 {
		return false
	}
	for i := range len(s) {
		if i%3 == 2 && s[i] != ':' || i%3 != 2 && strings.IndexByte("0123456789ABCDEF", s[i]) < 0 {
			return false
		}
	}
	return true
}

func parseSCTP(e *xmpp.Element) (*SCTP, error) {
	port, err := number(e, "number", math.MaxUint16)
	if err != nil {
		return nil, err
	}
	streams, err := number(e, "streams", math.MaxUint16)
	if err != nil {
		return nil, err
	}
	return &SCTP{uint16(port), e.Attr("protocol"), uint16(streams)}, nil
}

func (t *Transport) append(b *xmpp.Builder) {
	b.Open("transport", NSICE).Maybe("ufrag", t.UFrag).Maybe("pwd", t.Pwd)
	for _, f := range t.Fingerprints {
		b.Open("fingerprint", NSDTLS).Attr("hash", f.Hash).Maybe("setup", f.Setup).Text(f.Value).Close()
	}
	if t.SCTP != nil {
		b.Open("sctpmap", NSSCTP).Attr("number", decimal(t.SCTP.Number)).Maybe("protocol", t.SCTP.Protocol).
			Attr("streams", decimal(t.SCTP.Streams)).Close()
	}
	for _, c := range t.Candidates {
		c.append(b)
	}
	for _, r := range t.Remote {
		b.Open("remote-candidate", "").Attr("component", decimal(r.Component)).Attr("ip", r.IP).
			Attr("port", decimal(r.Port)).Close()
	}
	if t.Complete {
		b.Open("gathering-complete", "").Close()
	}
	b.Close()
}

func (c Candidate) append(b *xmpp.Builder) {
	b.Open("candidate", "").Attr("component", decimal(c.Component)).Attr("foundation", c.Foundation).
		Attr("generation", decimal(c.Generation)).Attr("id", c.ID).Attr("ip", c.IP).Attr("port", decimal(c.Port)).
		Attr("priority", decimal(c.Priority)).Attr("protocol", c.Protocol).Attr("type", c.Type).
		Maybe("rel-addr", c.RelAddr)
	if c.RelAddr != "" {
		b.Attr("rel-port", decimal(c.RelPort))
	}
	b.Maybe("network", c.Network).Maybe("tcptype", c.TCPType).Close()
}
