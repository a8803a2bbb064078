package transport

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// family is the network name net wants for addr: the host "" is every address, "0.0.0.0"
// every IPv4 one alone and "::" every IPv6 one alone, so that both can be listened on.
func family(base, addr string) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("transport: listen address %q: %w", addr, err)
	}
	ip, _ := netip.ParseAddr(host) // of a name or "": none
	switch {
	case !ip.IsValid():
		return base, nil
	case ip.Unmap().Is4():
		return base + "4", nil
	default:
		return base + "6", nil
	}
}

// addrPort reads the address of a socket, an IPv4 one always in its short form.
func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return unmap(a.AddrPort())
	case *net.UDPAddr:
		return unmap(a.AddrPort())
	case nil:
		return netip.AddrPort{}
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return unmap(p)
}

func unmap(p netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

func joinHostPort(host string, port uint16) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(int(port)))
}
