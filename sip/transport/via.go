package transport

import (
	"net/netip"
	"strconv"

	"parley/sip"
)

const defaultPort = 5060

// stamp writes into the topmost Via of a request where it came from: received if sent-by is
// another address (rfc3261#18.2.1), and both received and rport if the client asks for
// rport (rfc3581#4). What the client itself wrote there does not stay.
func stamp(m *sip.Message, source netip.AddrPort) (*sip.Message, error) {
	via, ok := m.Via()
	if !ok {
		return m, nil // it breaks a rule anyway
	}
	asked, claimed := via.Params.Has("rport"), via.Params.Has("received")
	same := sentBy(via.Host, source.Addr())
	if same && !asked && !claimed {
		return m, nil
	}
	if claimed {
		via.Params = via.Params.Without("received")
	}
	if asked {
		via.Params = via.Params.With("rport", strconv.Itoa(int(source.Port())))
	}
	if asked || !same {
		via.Params = via.Params.With("received", source.Addr().WithZone("").String())
	}
	return m.Edit().SetFirst(sip.HeaderVia, via.String()).Message()
}

// sentBy says whether a Via's host is the address a. A name never is: only the address
// tells where the response must go.
func sentBy(host string, a netip.Addr) bool {
	h, err := netip.ParseAddr(host)
	return err == nil && h.Unmap() == a.WithZone("")
}

// replyTo is where a response to a request goes over UDP: to the address it came from, and
// to the source port only if the client asked for that with rport (rfc3581#4), else to
// the port in sent-by (rfc3261#18.2.2). maddr is not obeyed: it would let anyone have our
// responses sent to anyone.
func replyTo(m *sip.Message, source netip.AddrPort) netip.AddrPort {
	via, ok := m.Via()
	switch {
	case !m.IsRequest(), !ok, via.Params.Has("rport"):
		return source
	case via.Port == 0:
		return netip.AddrPortFrom(source.Addr(), defaultPort)
	default:
		return netip.AddrPortFrom(source.Addr(), uint16(via.Port))
	}
}
