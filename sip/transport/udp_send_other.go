//go:build !linux

package transport

import (
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// sender sends datagrams from one socket. These kernels hardly ever let it wait for room.
type sender struct{ conn *net.UDPConn }

func (s *sender) open(conn *net.UDPConn, _ bool) error {
	s.conn = conn
	return nil
}

// send sends b to an address, from the address from if it is valid.
func (s *sender) send(b []byte, from netip.Addr, to netip.AddrPort) error {
	var oob []byte
	switch {
	case !from.IsValid():
	case from.Is4():
		oob = (&ipv4.ControlMessage{Src: from.AsSlice()}).Marshal()
	default:
		oob = (&ipv6.ControlMessage{Src: from.AsSlice()}).Marshal()
	}
	_, _, err := s.conn.WriteMsgUDPAddrPort(b, oob, to)
	return err
}
