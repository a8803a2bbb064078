package sdp

import (
	"net/netip"
	"strconv"
	"strings"
)

// iceAttributes are those of RFC 8839, and of what was agreed on a path that ICE found.
func iceAttributes() []string {
	return []string{
		"candidate", "remote-candidates", "end-of-candidates", "ice-ufrag", "ice-pwd",
		"ice-options", "ice-lite", "ice-pacing", "ice-mismatch",
	}
}

// DropICE takes ICE out of the description. A relay stands in the path: what ICE would find
// is another one.
func (d *Description) DropICE() {
	names := iceAttributes()
	for _, m := range d.Media {
		_, had := m.either("ice-ufrag")
		m.ice = m.ice || had
	}
	d.Remove(names...)
	for _, m := range d.Media {
		m.Remove(names...)
	}
}

// DropBundle takes away that media share a port (rfc9143): each keeps its own.
func (d *Description) DropBundle() {
	kept := d.lines[:0]
	for _, l := range d.lines {
		if n, v, ok := l.attribute(); ok && n == "group" && strings.HasPrefix(v, "BUNDLE") {
			continue
		}
		kept = append(kept, l)
	}
	d.lines = kept
	for _, m := range d.Media {
		m.Remove("bundle-only")
	}
}

// Redirect has the description name other addresses: host throughout, and for each
// medium that is wanted the ports that place gives for its index. A medium for
// which it gives port 0 is refused.
//
// Media held by the address 0.0.0.0 become held by direction, since their address is a
// real one now.
func (d *Description) Redirect(host netip.Addr, place func(i int, m *Media) (rtp, rtcp uint16)) {
	for i, m := range d.Media {
		if m.Port == 0 {
			m.dropConnection()
			continue
		}
		rtp, rtcp := place(i, m)
		if rtp == 0 {
			m.Refuse()
			continue
		}
		m.SetDirection(m.Direction())
		m.dropConnection()
		m.Port, m.count = int(rtp), 0
		m.Remove("rtcp")
		if rtcp != 0 && rtcp != rtp+1 && !m.Mux() {
			m.Add("rtcp", strconv.Itoa(int(rtcp)))
		}
	}
	d.setHost(host)
}

func (m *Media) dropConnection() {
	kept := m.lines[:0]
	for _, l := range m.lines {
		if l.kind != 'c' {
			kept = append(kept, l)
		}
	}
	m.lines = kept
}

// setHost writes the address into o= and the session's c=.
func (d *Description) setHost(host netip.Addr) {
	c := "IN " + family(host) + " " + host.String()
	lines, had := make([]line, 0, len(d.lines)+1), false
	at := 0 // behind the last line that c= follows (rfc8866#5)
	for _, l := range d.lines {
		switch l.kind {
		case 'o':
			f := strings.Fields(l.value)
			l.value = strings.Join(f[:3], " ") + " " + c
		case 'c':
			if had {
				continue
			}
			l.value, had = c, true
		}
		lines = append(lines, l)
		if strings.IndexByte("vosiuep", l.kind) >= 0 {
			at = len(lines)
		}
	}
	if !had {
		lines = append(lines[:at], append([]line{{'c', c}}, lines[at:]...)...)
	}
	d.lines = lines
}

func family(a netip.Addr) string {
	if a.Is6() && !a.Is4In6() {
		return "IP6"
	}
	return "IP4"
}
