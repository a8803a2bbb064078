package transaction

import (
	"crypto/rand"
	"hash/maphash"
	"strconv"
	"strings"

	"parley/sip"
)

// cookie starts each branch that is unique by itself (rfc3261#8.1.1.7).
const cookie = "z9hG4bK"

// NewBranch is a fresh branch with the magic cookie (rfc3261#8.1.1.7), NewTag a fresh tag.
func NewBranch() string { return cookie + rand.Text() }

// NewTag is a fresh From or To tag with 65 random bits; rfc3261#19.3 asks for 32.
func NewTag() string { return rand.Text()[:13] }

// hasCookie says that a branch alone identifies a transaction of its sender.
func hasCookie(branch string) bool {
	return len(branch) > len(cookie) && strings.EqualFold(branch[:len(cookie)], cookie)
}

// statelessTag is the To tag of responses that leave no transaction behind: the same for each
// copy of a request (rfc3261#8.2.7), and recognised in the ACK that follows.
func (l *Layer) statelessTag(m *sip.Message) string {
	via, _ := m.Via()
	var h maphash.Hash
	h.SetSeed(l.seed)
	_, _ = h.WriteString(m.CallID()) // a maphash never fails
	_ = h.WriteByte(0)
	_, _ = h.WriteString(via.Branch)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(m.FromTag())
	return "s" + strconv.FormatUint(h.Sum64(), 36)
}
