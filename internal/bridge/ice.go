package bridge

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"parley/sdp"
	"parley/xmpp/jingle"
)

// Foundations numbers the foundations of one party's candidates: apps made them bytes, SDP has strings. They stay
// distinct, in the order in which they appear. A call keeps one for each party whose candidates come one by one.
type Foundations struct{ seen []string }

// Number is the number of a foundation.
func (f *Foundations) Number(foundation string) string {
	i := slices.Index(f.seen, foundation)
	if i < 0 {
		i = len(f.seen)
		if i < jingle.MaxContents*jingle.MaxCandidates {
			f.seen = append(f.seen, foundation)
		}
	}
	return strconv.Itoa(i + 1)
}

func (r reader) transport() *jingle.Transport {
	t := &jingle.Transport{}
	t.UFrag, _ = r.m.Either("ice-ufrag")
	t.Pwd, _ = r.m.Either("ice-pwd")
	if t.Check() != nil {
		t.UFrag, t.Pwd = "", "" // no app would take them
	}
	for v := range r.m.Values("candidate") {
		if c, ok := ReadCandidate(v, t.UFrag, r.generation, r.foundations); ok && len(t.Candidates) < jingle.MaxCandidates {
			t.Candidates = append(t.Candidates, c)
		}
	}
	_, t.Complete = r.m.Either("end-of-candidates")
	t.Remote = r.remote()
	if r.m.Form() == sdp.DTLS {
		t.Fingerprints = r.fingerprints()
	}
	return t
}

// remote reads a=remote-candidates (rfc8839#5.2).
func (r reader) remote() (all []jingle.RemoteCandidate) {
	v, _ := r.m.Attribute("remote-candidates")
	f := strings.Fields(v)
	for ; len(f) >= 3 && len(all) < jingle.MaxList; f = f[3:] {
		component, err := strconv.ParseUint(f[0], 10, 8)
		port, err2 := strconv.ParseUint(f[2], 10, 16)
		if err == nil && err2 == nil && component > 0 && len(f[1]) <= 255 {
			all = append(all, jingle.RemoteCandidate{Component: uint8(component), IP: f[1], Port: uint16(port)})
		}
	}
	return all
}

// fingerprints reads a=fingerprint and a=setup (rfc8122#5, rfc8842#5) as xep0320#2 has them.
func (r reader) fingerprints() (all []jingle.Fingerprint) {
	setup, _ := r.m.Either("setup")
	values := slices.Collect(r.m.Values("fingerprint"))
	if len(values) == 0 {
		v, _ := r.m.Either("fingerprint")
		values = []string{v}
	}
	for _, v := range values {
		hash, value, _ := strings.Cut(v, " ")
		f := jingle.Fingerprint{Hash: strings.ToLower(hash), Setup: setup, Value: strings.ToUpper(strings.TrimSpace(value))}
		if f.Check() == nil && len(all) < jingle.MaxList {
			all = append(all, f)
		}
	}
	return all
}

// ReadCandidate reads what a=candidate says (rfc8839#5.1). The ufrag is part of what names it in Jingle.
func ReadCandidate(v, ufrag string, generation uint8, foundations *Foundations) (c jingle.Candidate, ok bool) {
	f := strings.Fields(v)
	if len(f) < 8 || f[6] != "typ" {
		return c, false
	}
	component, err1 := strconv.ParseUint(f[1], 10, 8)
	priority, err2 := strconv.ParseUint(f[3], 10, 32)
	port, err3 := strconv.ParseUint(f[5], 10, 16)
	if err1 != nil || err2 != nil || err3 != nil || component == 0 {
		return c, false
	}
	c = jingle.Candidate{
		Component: uint8(component), Generation: generation, IP: f[4], Port: uint16(port), Priority: uint32(priority),
		Protocol: strings.ToLower(f[2]), Type: f[7], ID: candidateID(ufrag, v),
	}
	for f := f[8:]; len(f) >= 2; f = f[2:] {
		switch f[0] {
		case "raddr":
			c.RelAddr = f[1]
		case "rport":
			if n, err := strconv.ParseUint(f[1], 10, 16); err == nil {
				c.RelPort = uint16(n)
			}
		case "tcptype":
			c.TCPType = f[1]
		case "network": // xep0176#5.2
			if _, err := strconv.ParseUint(f[1], 10, 32); err == nil {
				c.Network = f[1]
			}
		}
	}
	if c.RelAddr == "" {
		c.RelPort = 0
	}
	c.Foundation = foundations.Number(f[0])
	return c, c.Check() == nil
}

// WriteCandidate is the candidate as a=candidate has it.
func WriteCandidate(c jingle.Candidate) string {
	s := fmt.Sprintf("%s %d %s %d %s %d typ %s", c.Foundation, c.Component, c.Protocol, c.Priority, c.IP, c.Port, c.Type)
	if c.RelAddr != "" {
		s += fmt.Sprintf(" raddr %s rport %d", c.RelAddr, c.RelPort)
	}
	if c.TCPType != "" {
		s += " tcptype " + c.TCPType
	}
	if c.Generation != 0 {
		s += fmt.Sprintf(" generation %d", c.Generation)
	}
	if c.Network != "" {
		s += " network " + c.Network
	}
	return s
}

// standing is the address that stands in m= and c= for those who don't speak ICE: a relayed one before a reflexive one
// before a host's, since it is the most likely to work (rfc8839#4.2.1.2). ok is false if none is told yet.
func standing(t *jingle.Transport) (at netip.AddrPort, ok bool) {
	best := -1
	for _, c := range t.Candidates {
		a, err := netip.ParseAddr(c.IP)
		if err != nil || a.Zone() != "" || c.Component != 1 || c.Protocol != "udp" || c.Port == 0 {
			continue
		}
		if rank := slices.Index([]string{"host", "prflx", "srflx", "relay"}, c.Type); rank > best {
			best, at = rank, netip.AddrPortFrom(a, c.Port)
		}
	}
	return at, best >= 0
}

func (w writer) transport(t *jingle.Transport) {
	if t == nil {
		return
	}
	if t.UFrag != "" {
		w.m.Add("ice-ufrag", t.UFrag)
		w.m.Add("ice-pwd", t.Pwd)
		if !t.Complete {
			w.m.Add("ice-options", "trickle") // rfc8840#4.1.1
		}
	}
	for _, c := range t.Candidates {
		w.m.Add("candidate", WriteCandidate(c))
	}
	if t.Complete {
		w.m.Add("end-of-candidates", "")
	}
	if len(t.Remote) > 0 {
		var parts []string
		for _, r := range t.Remote {
			parts = append(parts, fmt.Sprintf("%d %s %d", r.Component, r.IP, r.Port))
		}
		w.m.Add("remote-candidates", strings.Join(parts, " "))
	}
	setup := ""
	for _, f := range t.Fingerprints {
		w.m.Add("fingerprint", f.Hash+" "+f.Value)
		setup = f.Setup
	}
	if len(t.Fingerprints) > 0 {
		w.m.Add("setup", w.setup(setup))
	}
}

// setup is the role in DTLS. One that is not told is what the rules want (rfc8842#5.2, rfc8842#5.3).
func (w writer) setup(told string) string {
	switch {
	case told != "":
		return told
	case w.answer:
		return "active"
	}
	return "actpass"
}
