package turn

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
)

// nonces are made of the time and whom they are for, and nothing is kept of them. A request with one shows that its source is
// where it says.
type nonces struct {
	key [32]byte
	now func() time.Time
}

// nonceTime is how long one is good. Each allocation needs a new one every hour at least (rfc8656#5).
const nonceTime = 30 * time.Minute

// nonceHead says that password algorithms are negotiated: the cookie, and the bits of security features of which that
// is the first (rfc8489#9.2).
const nonceHead = "obMatJos2" + "gAAA"

func newNonces(now func() time.Time) nonces {
	n := nonces{now: now}
	rand.Read(n.key[:])
	return n
}

func (n *nonces) make(client netip.AddrPort) string {
	return n.at(uint32(n.now().Unix()), client)
}

func (n *nonces) at(second uint32, client netip.AddrPort) string {
	addr := client.Addr().As16()
	text := binary.BigEndian.AppendUint32(nil, second)
	mac := hmac.New(sha256.New, n.key[:])
	mac.Write(text)
	mac.Write(addr[:])
	mac.Write(binary.BigEndian.AppendUint16(nil, client.Port()))
	return nonceHead + base64.RawURLEncoding.EncodeToString(append(text, mac.Sum(nil)[:8]...))
}

// good says whether a nonce is one of ours, for that client, and not too old.
func (n *nonces) good(nonce string, client netip.AddrPort) bool {
	tail, ok := strings.CutPrefix(nonce, nonceHead)
	b, err := base64.RawURLEncoding.DecodeString(tail)
	if !ok || err != nil || len(b) != 12 {
		return false
	}
	second := binary.BigEndian.Uint32(b)
	age := n.now().Unix() - int64(second)
	return age >= 0 && age <= int64(nonceTime/time.Second) && hmac.Equal([]byte(n.at(second, client)), []byte(nonce))
}
