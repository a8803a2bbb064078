package sdp

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Transport is how a medium of the form DTLS is reached and proved: ICE (rfc8839) and the
// certificate of DTLS (rfc8122, rfc4145).
type Transport struct {
	Ufrag, Password string
	Fingerprints    []string // "sha-256 AA:BB:..."
	Setup           string   // "active", "passive" or "actpass"
	Lite            bool
	Source          uint32 // SSRC that is sent by, with its CNAME; written, not read
	Name            string
}

// Transport reads a medium's; what the session says holds for all of its media.
func (m *Media) Transport() Transport {
	var t Transport
	t.Ufrag, _ = m.either("ice-ufrag")
	t.Password, _ = m.either("ice-pwd")
	t.Setup, _ = m.either("setup")
	_, t.Lite = m.session.Attribute("ice-lite")
	for _, lines := range [...][]line{m.lines, m.session.lines} {
		for _, l := range lines {
			if n, v, ok := l.attribute(); ok && n == "fingerprint" {
				t.Fingerprints = append(t.Fingerprints, v)
			}
		}
		if len(t.Fingerprints) > 0 {
			break
		}
	}
	return t
}

// transportAttributes are agreed with one peer on one path, and mean nothing on another.
func transportAttributes() []string {
	return append(iceAttributes(),
		"fingerprint", "setup", "tls-id", "connection", "crypto", "identity",
		"rtcp-mux", "rtcp-mux-only", "rtcp-rsize", "rtcp-fb", "rtcp-xr", "extmap", "extmap-allow-mixed",
		"ssrc", "ssrc-group", "msid", "msid-semantic", "mid", "rid", "simulcast",
	)
}

// DropTransport leaves what is to be heard and seen, and takes away how it is carried: ICE, keys, multiplexing, feedback
// and what belongs to them.
func (d *Description) DropTransport() {
	names := transportAttributes()
	d.DropBundle()
	d.Remove(names...)
	for _, m := range d.Media {
		m.Remove(names...)
		m.dropRepair()
	}
}

// dropRepair takes away the formats that repair other formats on one path alone.
func (m *Media) dropRepair() {
	repair := []string{"red", "rtx", "ulpfec", "flexfec", "flexfec-03"}
	for _, c := range m.Codecs() {
		if !slices.Contains(repair, strings.ToLower(c.Name)) {
			continue
		}
		payload := strconv.Itoa(c.Payload)
		m.Formats = slices.DeleteFunc(m.Formats, func(f string) bool { return f == payload })
		m.lines = slices.DeleteFunc(m.lines, func(l line) bool {
			n, v, ok := l.attribute()
			f, _, _ := strings.Cut(v, " ")
			return ok && (n == "rtpmap" || n == "fmtp") && f == payload
		})
	}
}

// Secure has a medium be reached by ICE at one host candidate, its port, and be encrypted with keys by DTLS; RTP and
// RTCP share the port (rfc5761#5.1.1). The description must have been redirected to that host before.
func (m *Media) Secure(t Transport, mid string, host netip.Addr) {
	m.Add("mid", mid)
	m.Add("rtcp-mux", "")
	m.Add("ice-ufrag", t.Ufrag)
	m.Add("ice-pwd", t.Password)
	for _, f := range t.Fingerprints {
		m.Add("fingerprint", f)
	}
	m.Add("setup", t.Setup)
	m.Add("ssrc", fmt.Sprintf("%d cname:%s", t.Source, t.Name)) // rfc5576#6.1
	m.Add("msid", t.Name+" "+m.Kind)
	// rfc8839#5.1, with the highest priority there is for a host candidate (rfc8445#5.1.2.2).
	m.Add("candidate", fmt.Sprintf("1 1 udp 2130706431 %s %d typ host", host, m.Port))
	m.Add("end-of-candidates", "")
}

// Bundle says that we are ICE-lite, and that these media share what the first of them says of their
// transport (rfc9143#7.2).
func (d *Description) Bundle(mids []string) {
	d.lines = append(d.lines, line{'a', "ice-lite"})
	if len(mids) > 0 {
		d.lines = append(d.lines, line{'a', "group:BUNDLE " + strings.Join(mids, " ")})
	}
}

// Bundled are the indices of the media that the description wants to share one transport, in the order of the first
// group that says so (rfc9143#7.2).
func (d *Description) Bundled() []int {
	for v := range d.Values("group") {
		names := strings.Fields(v)
		if len(names) == 0 || names[0] != "BUNDLE" {
			continue
		}
		var all []int
		for _, name := range names[1:] {
			for i, m := range d.Media {
				if mid, ok := m.Attribute("mid"); ok && mid == name && m.Port != 0 && !slices.Contains(all, i) {
					all = append(all, i)
				}
			}
		}
		return all
	}
	return nil
}

// OfferBundled gives media that are offered only within a bundle, which have port 0 for that (rfc9143#6), the port that
// stands for one not known yet.
func (d *Description) OfferBundled() {
	for _, m := range d.Media {
		if _, only := m.Attribute("bundle-only"); only && m.Port == 0 {
			m.Port = 9
		}
	}
}
