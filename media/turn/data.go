package turn

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// Sizes of what stands before relayed data.
const (
	channelHeader = 4
	headroom      = 48    // a Data indication with an IPv6 peer
	maxDatagram   = 65507 // what UDP over IPv4 carries
	slotSize      = headroom + maxDatagram + 4
)

// isChannel says whether a message of a client is channel data (rfc8656#12.4).
func isChannel(b []byte) bool { return len(b) >= channelHeader && b[0]>>6 == 1 }

// fromChannel sends channel data of the client on to its peer.
func (s *Server) fromChannel(a *allocation, b []byte, now time.Time) {
	n := int(binary.BigEndian.Uint16(b[2:]))
	c := a.paths().numbered(binary.BigEndian.Uint16(b), now.UnixNano())
	if c == nil || len(b)-channelHeader < n {
		return
	}
	s.up(a, b[channelHeader:channelHeader+n], c.target, now, false)
}

// up sends what is the client's.
func (s *Server) up(a *allocation, b []byte, to netip.AddrPort, now time.Time, whole bool) {
	if !a.up.allow(now, len(b), s.limits.Load().Bandwidth) || a.relay.socket.send(b, to, whole) != nil {
		a.dropped.Add(1)
		return
	}
	a.packets.Add(1)
	a.bytes.Add(uint64(len(b)))
}

// sendIndication is data for a peer without a channel (rfc8656#11.3). It is not authenticated.
func (s *Server) sendIndication(a *allocation, m *stun.Message, now time.Time) {
	data, err := m.Get(stun.AttrData)
	raw, missing := m.Get(stun.AttrXORPeerAddress)
	if err != nil || missing != nil {
		return
	}
	for _, t := range m.Attributes {
		if t.Type.Required() && !knownInSend(t.Type) {
			return
		}
	}
	peer, ok := xorAddress(raw, m.TransactionID)
	if !ok || !a.paths().permitted(peer.Addr(), now.UnixNano()) || peer.Addr().Is6() != a.six {
		return
	}
	if target, ok := s.peers.target(peer); ok {
		s.up(a, data, target, now, m.Contains(stun.AttrDontFragment))
	}
}

func knownInSend(t stun.AttrType) bool {
	return t == stun.AttrData || t == stun.AttrXORPeerAddress || t == stun.AttrDontFragment && canForbidFragments
}

// down makes what goes to the client of a datagram that came for it: n bytes in slot after headroom. Nil: nothing goes.
func (s *Server) down(a *allocation, slot []byte, n int, from netip.AddrPort, now time.Time) []byte {
	from = s.peers.shown(from)
	t, p := now.UnixNano(), a.paths()
	if !p.permitted(from.Addr(), t) { // rfc8656#11.5
		return nil
	}
	if !a.down.allow(now, n, s.limits.Load().Bandwidth) {
		a.dropped.Add(1)
		return nil
	}
	a.packets.Add(1)
	a.bytes.Add(uint64(n))
	if c := p.to(from, t); c != nil {
		return channelData(slot, n, c.number, a.client.padded())
	}
	return dataIndication(slot, n, from)
}

// channelData writes the header before n bytes after headroom (rfc8656#12.4). Over a stream it ends on a multiple of four.
func channelData(slot []byte, n int, number uint16, padded bool) []byte {
	b := slot[headroom-channelHeader:]
	binary.BigEndian.PutUint16(b, number)
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	end := channelHeader + n
	if padded {
		for ; end%4 != 0; end++ {
			b[end] = 0
		}
	}
	return b[:end]
}

// dataIndication writes a Data indication around n bytes after headroom (rfc8656#11.6).
func dataIndication(slot []byte, n int, from netip.AddrPort) []byte {
	var id [12]byte
	rand.Read(id[:])
	peer := appendXORAddress(nil, from, id)
	start := headroom - 20 - 4 - len(peer) - 4
	end := headroom + n
	for ; end%4 != 0; end++ {
		slot[end] = 0
	}
	b := slot[start:start]
	b = binary.BigEndian.AppendUint16(b, stun.NewType(stun.MethodData, stun.ClassIndication).Value())
	b = binary.BigEndian.AppendUint16(b, uint16(end-start-20))
	b = binary.BigEndian.AppendUint32(b, cookie)
	b = append(b, id[:]...)
	b = appendHeader(b, stun.AttrXORPeerAddress, len(peer))
	b = append(b, peer...)
	appendHeader(b, stun.AttrData, n)
	return slot[start:end]
}

func appendHeader(b []byte, t stun.AttrType, n int) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, t.Value()), uint16(n))
}
