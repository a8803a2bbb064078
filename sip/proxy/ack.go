package proxy

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"

	"parley/sip"
)

// ErrHops is that an ACK had no hops left; ACKs have no answer, so it just ends here.
var ErrHops = errors.New("proxy: too many hops")

// ForwardACK passes the ACK for a 2xx on to a flow. It belongs to no transaction, so it goes
// statelessly (rfc3261#16.11): the same ACK always gets the same branch. ack is as
// Preprocess left it; edit, which may be nil, makes further changes: the credentials
// of the INVITE are in its ACK too.
func (p *Proxy) ForwardACK(ack *sip.Message, to sip.Flow, edit func(*sip.Builder)) error {
	hops, ok := hopsLeft(ack, p.hops)
	if !ok {
		return ErrHops
	}
	b := ack.Edit()
	if err := setRoutes(b, ack, &Target{URI: ack.Target()}); err != nil {
		return err
	}
	b.Set(sip.HeaderMaxForwards, strconv.FormatUint(uint64(hops), 10))
	if edit != nil {
		edit(b)
	}
	b.Prepend(sip.HeaderVia, via(to, "z9hG4bK", p.ackMark(ack)))
	m, err := b.Message()
	if err != nil {
		return fmt.Errorf("proxy: forward ACK: %w", err)
	}
	if err := to.Send(m); err != nil {
		return fmt.Errorf("proxy: forward ACK: %w", err)
	}
	return nil
}

// hopsLeft is the Max-Forwards that a request goes on with; ok is false if it may not go on.
func hopsLeft(req *sip.Message, fallback uint32) (n uint32, ok bool) {
	n, has := req.Number(sip.HeaderMaxForwards)
	if !has {
		return fallback, true
	}
	if n == 0 {
		return 0, false
	}
	return n - 1, true
}

// ackMark tells ACKs apart and is the same for each retransmission of one (rfc3261#16.11).
func (p *Proxy) ackMark(ack *sip.Message) string {
	var h maphash.Hash
	h.SetSeed(p.seed)
	for _, s := range [...]string{
		ack.Get(sip.HeaderVia), ack.Target(), ack.CallID(), ack.FromTag(), ack.ToTag(), ack.Get(sip.HeaderCSeq),
	} {
		_, _ = h.WriteString(s) // never fails
		_ = h.WriteByte(0)
	}
	return markText(h.Sum64())
}
