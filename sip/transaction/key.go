package transaction

import (
	"strconv"
	"strings"

	"parley/sip"
)

// serverKey is what requests of one transaction have in common (rfc3261#17.2.3). The
// Call-ID is in it too: it chooses the shard, so it has to agree with any number of shards.
type serverKey struct {
	callID string
	branch string // of the old rule: a space and all that is compared
	host   string // of the old rule: the To tag
	port   int    // of the old rule: -1
	method sip.Method
}

func (k serverKey) old() bool { return k.port < 0 }

// keyOf is the key of m as a request of the given method: an ACK or CANCEL looks for
// its INVITE.
func keyOf(m *sip.Message, via sip.Via, method sip.Method) serverKey {
	if hasCookie(via.Branch) {
		return serverKey{m.CallID(), via.Branch, strings.ToLower(via.Host), via.Port, method}
	}
	return oldKey(m, via, method)
}

// oldKey compares what RFC 2543 does. received and rport are our own additions and may
// differ between copies.
func oldKey(m *sip.Message, via sip.Via, method sip.Method) serverKey {
	seq, _ := m.CSeq()
	via.Params = via.Params.Without("received").Without("rport")
	all := " " + strings.Join([]string{
		m.Target(), m.FromTag(), strconv.FormatUint(uint64(seq), 10), via.String(),
	}, " ")
	return serverKey{m.CallID(), all, m.ToTag(), -1, method}
}

// clientKey is what a response has in common with its request (rfc3261#17.1.3).
type clientKey struct {
	branch string
	method sip.Method
}

// topVia is the topmost Via as it is written.
func topVia(m *sip.Message) string {
	for v := range m.Values(sip.HeaderVia) {
		return v
	}
	return ""
}

// cseq writes a CSeq value with another method.
func cseq(m *sip.Message, method sip.Method) string {
	seq, _ := m.CSeq()
	return strconv.FormatUint(uint64(seq), 10) + " " + string(method)
}
