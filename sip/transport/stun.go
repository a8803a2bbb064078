package transport

import (
	"encoding/binary"
	"net/netip"
)

// The little of STUN (RFC 5389) that keep-alives over UDP need (rfc5626#3.5.2).
const (
	stunHeader         = 20
	stunCookie         = 0x2112A442
	stunBinding        = 0x0001
	stunSuccess        = 0x0101
	stunXORMapped      = 0x0020
	stunIPv4, stunIPv6 = 1, 2
)

// isSTUN says whether b is a STUN message; a SIP message never begins with two zero bits
// and has the cookie there.
func isSTUN(b []byte) bool {
	return len(b) >= stunHeader && b[0]&0xC0 == 0 && binary.BigEndian.Uint32(b[4:]) == stunCookie
}

// bindingResponse answers a Binding request with the address it came from; nil if b is
// something else. Attributes of the request are of no meaning to a keep-alive.
func bindingResponse(b []byte, source netip.AddrPort) []byte {
	if binary.BigEndian.Uint16(b) != stunBinding || int(binary.BigEndian.Uint16(b[2:]))+stunHeader != len(b) || len(b)%4 != 0 {
		return nil
	}
	ip, family := source.Addr().AsSlice(), uint16(stunIPv4)
	if source.Addr().Is6() {
		family = stunIPv6
	}
	resp := make([]byte, 0, stunHeader+8+len(ip))
	resp = binary.BigEndian.AppendUint16(resp, stunSuccess)
	resp = binary.BigEndian.AppendUint16(resp, uint16(8+len(ip)))
	resp = append(resp, b[4:stunHeader]...) // cookie and transaction
	resp = binary.BigEndian.AppendUint16(resp, stunXORMapped)
	resp = binary.BigEndian.AppendUint16(resp, uint16(4+len(ip)))
	resp = binary.BigEndian.AppendUint16(resp, family)
	resp = binary.BigEndian.AppendUint16(resp, source.Port()^uint16(stunCookie>>16)) // rfc5389#15.2
	for i := range ip {
		ip[i] ^= b[4+i]
	}
	return append(resp, ip...)
}
