package turn

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"net/netip"

	"github.com/pion/stun/v3"
)

const cookie = 0x2112A442

// xorAddress reads an XOR-MAPPED-ADDRESS and its like (rfc8489#14.2).
func xorAddress(v []byte, id [12]byte) (netip.AddrPort, bool) {
	if len(v) < 8 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ cookie>>16
	mask := append(binary.BigEndian.AppendUint32(nil, cookie), id[:]...)
	var raw [16]byte
	n := 4
	if v[1] == 2 {
		n = 16
	}
	if v[1] != 1 && v[1] != 2 || len(v) != 4+n {
		return netip.AddrPort{}, false
	}
	for i := range n {
		raw[i] = v[4+i] ^ mask[i]
	}
	addr, ok := netip.AddrFromSlice(raw[:n])
	return netip.AddrPortFrom(addr, port), ok && !addr.Is4In6()
}

func appendXORAddress(b []byte, a netip.AddrPort, id [12]byte) []byte {
	family, addr := byte(1), a.Addr().Unmap()
	if addr.Is6() {
		family = 2
	}
	b = append(b, 0, family)
	b = binary.BigEndian.AppendUint16(b, a.Port()^cookie>>16)
	mask := append(binary.BigEndian.AppendUint32(nil, cookie), id[:]...)
	for i, x := range addr.AsSlice() {
		b = append(b, x^mask[i])
	}
	return b
}

// integrity is one of the two attributes that prove a message.
type integrity struct {
	attribute stun.AttrType
	hash      func() hash.Hash
	size      int
}

func integrities() (one, two integrity) {
	return integrity{stun.AttrMessageIntegrity, sha1.New, sha1.Size}, // rfc8489#14.5
		integrity{stun.AttrMessageIntegritySHA256, sha256.New, sha256.Size} // rfc8489#14.6
}

// sum is that of a message up to the attribute, which begins at offset at, as if the message ended with it.
func (i integrity) sum(raw []byte, at int, key []byte) []byte {
	mac := hmac.New(i.hash, key)
	mac.Write(raw[:2])
	mac.Write(binary.BigEndian.AppendUint16(nil, uint16(at-20+4+i.size)))
	mac.Write(raw[4:at])
	return mac.Sum(nil)
}

// proves says whether the message has the attribute, and it is what key makes.
func (i integrity) proves(m *stun.Message, key []byte) bool {
	at := 20
	for _, a := range m.Attributes {
		if a.Type == i.attribute {
			return len(a.Value) == i.size && hmac.Equal(a.Value, i.sum(m.Raw, at, key))
		}
		at += 4 + (int(a.Length)+3)&^3
	}
	return false
}

func (i integrity) add(m *stun.Message, key []byte) {
	m.Add(i.attribute, i.sum(m.Raw, len(m.Raw), key))
}

// decode reads a message. Attributes after its integrity are not proved, and left out (rfc8489#14.5).
func decode(b []byte, m *stun.Message) error {
	m.Raw = b
	if err := m.Decode(); err != nil {
		return err
	}
	if 20+int(m.Length) != len(b) || len(b)%4 != 0 {
		return errors.New("turn: a message and something else")
	}
	for i, a := range m.Attributes {
		if a.Type == stun.AttrMessageIntegrity || a.Type == stun.AttrMessageIntegritySHA256 {
			m.Attributes = append(m.Attributes[:i+1], proofs(m.Attributes[i+1:])...)
			break
		}
	}
	return nil
}

// proofs are the attributes that may come after an integrity.
func proofs(list stun.Attributes) (out stun.Attributes) {
	for _, a := range list {
		if a.Type == stun.AttrMessageIntegritySHA256 && len(out) == 0 || a.Type == stun.AttrFingerprint {
			out = append(out, a)
		}
	}
	return out
}

// errFrame says that a stream is not one of TURN.
var errFrame = errors.New("turn: no message of TURN")

// frame is how long the first message of a stream is, padding and all; 0: there is too little to tell.
func frame(b []byte) (int, error) {
	if len(b) < 4 {
		return 0, nil
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	switch b[0] >> 6 {
	case 1: // rfc8656#12.5
		return channelHeader + (n+3)&^3, nil
	case 0:
		if n%4 == 0 && (len(b) < 8 || binary.BigEndian.Uint32(b[4:]) == cookie) {
			return 20 + n, nil
		}
	}
	return 0, errFrame
}
