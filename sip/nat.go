package sip

import "net/netip"

// BehindNAT says whether a peer seems to be behind a NAT: its Via or Contact names another place than the one its
// request came from, and it is not just one that sends from another port than it listens on, as some desk phones do.
// One that has learned its outer address writes it into Contact, but hardly ever into Via. A name can't tell, but of
// a browser.
func BehindNAT(contact URI, via Via, network string, source netip.AddrPort) bool {
	if by, err := netip.ParseAddr(via.Host); err == nil && by.Unmap() != source.Addr().Unmap().WithZone("") {
		return true // rfc3261#18.2.1
	}
	addr, err := netip.ParseAddr(contact.Host)
	if err != nil {
		return network == WS || network == WSS
	}
	if addr.Unmap() != source.Addr().Unmap() {
		return true
	}
	if network != UDP || contact.port() == source.Port() {
		return false // connections come from any port
	}
	// The Contact has the right address and another port. A phone on this side of any NAT knows its own ports; one
	// beyond has learned its public address, but not the port that its packets to us get. It asks for
	// answers to where it sends from (rfc3581#4), which one that listens elsewhere can't.
	return via.Params.Has("rport") && !knowsItself(via, source)
}

// knowsItself says that no NAT was on the way: the sender's own address arrived, or one that no NAT gives.
func knowsItself(via Via, source netip.AddrPort) bool {
	own := source.Addr().Unmap()
	if own.IsPrivate() || own.IsLoopback() || own.IsLinkLocalUnicast() {
		return true
	}
	addr, err := netip.ParseAddr(via.Host)
	return err == nil && addr.Unmap() == own && via.Port == int(source.Port())
}

// port is the URI's port, or the default one.
func (u URI) port() uint16 {
	if u.Port > 0 && u.Port < 1<<16 {
		return uint16(u.Port)
	}
	return 5060
}
