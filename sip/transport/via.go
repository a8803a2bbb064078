package transport

import (
	"net/netip"
	"strconv"
	"strings"

	"parley/sip"
)

const defaultPort = 5060

// stamp writes into the topmost Via of a request where it came from.
func stamp(m *sip.Message, source netip.AddrPort) (*sip.Message, error) {
	via, ok := m.Via()
	if !ok {
		return m, nil // it breaks a rule anyway
	}
	if via, changed := mark(via, source); changed {
		return m.Edit().SetFirst(sip.HeaderVia, via.String()).Message()
	}
	return m, nil
}

// mark sets received if sent-by is another address (rfc3261#18.2.1), and both received and
// rport if the client asks for rport (rfc3581#4). What the client itself wrote there
// does not stay.
func mark(via sip.Via, source netip.AddrPort) (marked sip.Via, changed bool) {
	asked, claimed := via.Params.Has("rport"), via.Params.Has("received")
	same := sentBy(via.Host, source.Addr())
	if claimed {
		via.Params = via.Params.Without("received")
	}
	if asked {
		via.Params = via.Params.With("rport", strconv.Itoa(int(source.Port())))
	}
	if asked || !same {
		via.Params = via.Params.With("received", source.Addr().WithZone("").String())
	}
	return via, asked || claimed || !same
}

// stampText does the work of stamp on a request that is not parsed yet, so that it need not
// be parsed twice. It is for messages as they usually are, and leaves all others, and
// what is wrong, to stamp: done is false.
func stampText(text string, source netip.AddrPort) (stamped string, done bool) {
	first := strings.TrimLeft(text, "\r\n") // keep-alives before it are passed over
	if len(first) < 4 || strings.EqualFold(first[:4], "SIP/") {
		return text, true // a response
	}
	from, to, ok := firstVia(text)
	if !ok {
		return text, false
	}
	via, err := sip.ParseVia(text[from:to])
	if err != nil {
		return text, false
	}
	via, changed := mark(via, source)
	if !changed {
		return text, true
	}
	return text[:from] + via.String() + text[to:], true
}

// firstVia finds where the topmost Via value stands; not ok means that it takes a parser to
// know: there are continued lines or quotes, or there is none.
func firstVia(text string) (from, to int, ok bool) {
	at, ok := nextLine(text, 0)
	for ; ok; at, ok = nextLine(text, at) {
		line := text[at:]
		if line == "" || line[0] == ' ' || line[0] == '\t' || line[0] == '\r' {
			return 0, 0, false
		}
		name, _, _ := strings.Cut(line[:min(len(line), 20)], ":")
		name = strings.TrimRight(name, " \t")
		if !strings.EqualFold(name, "Via") && !strings.EqualFold(name, "v") {
			continue
		}
		from = at + strings.IndexByte(line, ':') + 1
		end, ok := nextLine(text, at)
		if !ok || end == len(text) || text[end] == ' ' || text[end] == '\t' {
			return 0, 0, false
		}
		value := text[from : end-2]
		if comma := strings.IndexByte(value, ','); comma >= 0 {
			value = value[:comma]
		}
		from += len(value) - len(strings.TrimLeft(value, " \t"))
		value = strings.Trim(value, " \t")
		return from, from + len(value), !strings.ContainsAny(value, "\"\r")
	}
	return 0, 0, false
}

// nextLine is where the line after the one at a place begins; not ok if that does not end
// in CRLF.
func nextLine(text string, at int) (next int, ok bool) {
	n := strings.IndexByte(text[at:], '\n')
	return at + n + 1, n > 0 && text[at+n-1] == '\r'
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
