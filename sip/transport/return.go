package transport

import (
	"context"
	"net/netip"

	"parley/sip"
)

// Return looks for another way back to where a request came from over a connection that is
// gone: a new one to the address it came from and the port of its topmost Via's sent-by
// (rfc3261#18.2.2). It returns at once; found is called once, with nil if there is no way.
//
// There is none to a WebSocket (rfc7118#5), and none to a peer whose sent-by is another
// address than its own: behind a NAT, where nobody listens at that port. The address that it
// came from is the only one that is tried, or a Via could point us at anybody.
func (l *Layer) Return(gone sip.Flow, req *sip.Message, found func(sip.Flow)) {
	addr, name, ok := wayBack(gone, req)
	if !ok || !l.background(func() { found(l.redial(gone.Network(), addr, name)) }) {
		found(nil)
	}
}

// wayBack is where the sender of a request can be connected to, and under which name.
func wayBack(f sip.Flow, req *sip.Message) (addr netip.AddrPort, name string, ok bool) {
	via, ok := req.Via()
	if !ok || f.Network() != sip.TCP && f.Network() != sip.TLS {
		return addr, "", false
	}
	source := f.Remote().Addr()
	if _, err := netip.ParseAddr(via.Host); err == nil && !sentBy(via.Host, source) {
		return addr, "", false
	}
	port := via.Port
	if port == 0 {
		port = defaultPort
		if f.Network() == sip.TLS {
			port = 5061 // rfc3261#18.2.2
		}
	}
	return netip.AddrPortFrom(source, uint16(port)), via.Host, true
}

func (l *Layer) redial(network string, addr netip.AddrPort, name string) sip.Flow {
	f, err := l.Dial(context.Background(), network, addr, name) // an attempt has a time of its own
	if err != nil {
		l.log.Debug("no way back", "network", network, "remote", addr, "err", err)
		return nil
	}
	return f
}

// background runs f in a goroutine of the layer, if that is not closed.
func (l *Layer) background(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.closing {
		return false
	}
	l.running.Go(f)
	return true
}
