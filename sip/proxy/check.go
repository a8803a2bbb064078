package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"slices"
	"strings"

	"parley/sip"
	"parley/sip/transaction"
)

// Check judges by rfc3261#16.3 whether a request as it was received may be forwarded; nil
// says that it may. The syntax is sip's Validate to judge, credentials are the caller's, and so
// are the OPTIONS that a Max-Forwards of 0 addresses to us. Refuse tells the peer.
func (p *Proxy) Check(req *sip.Message) *sip.Violation {
	if !forwardable(req.Target()) {
		return &sip.Violation{Status: 416, Reason: "Unsupported URI Scheme", Detail: "Request-URI " + req.Target()}
	}
	if n, ok := req.Number(sip.HeaderMaxForwards); ok && n == 0 {
		return &sip.Violation{Status: 483, Reason: "Too Many Hops", Detail: "Max-Forwards is 0"}
	}
	if p.looped(req) {
		return &sip.Violation{Status: 482, Reason: "Loop Detected", Detail: "our own Via with the same request"}
	}
	if tags := p.unsupported(req); len(tags) > 0 {
		return &sip.Violation{Status: 420, Reason: "Bad Extension", Detail: "Proxy-Require " + strings.Join(tags, ", ")}
	}
	if n, ok := req.Number(sip.HeaderMaxBreadth); ok && n == 0 { // rfc5393#5.3.3
		return &sip.Violation{Status: 440, Reason: "Max-Breadth Exceeded", Detail: "Max-Breadth is 0"}
	}
	return nil
}

// Refuse answers a request with what Check found.
func (p *Proxy) Refuse(s *transaction.Server, v *sip.Violation) {
	b := s.Request().Response(v.Status, v.Reason).ToTag(transaction.NewTag())
	if v.Status == 420 {
		for _, tag := range p.unsupported(s.Request()) { // rfc3261#16.3
			b.Add(sip.HeaderUnsupported, tag)
		}
	}
	resp, err := b.Message()
	if err != nil {
		p.log.Error("response can't be made", "call", s.Request().CallID(), "status", v.Status, "error", err)
		return
	}
	s.Respond(resp)
}

// forwardable says whether a Request-URI is of a scheme that we know (rfc3261#16.3).
func forwardable(uri string) bool {
	scheme, _, ok := strings.Cut(uri, ":")
	return ok && (strings.EqualFold(scheme, "sip") || strings.EqualFold(scheme, "sips") || strings.EqualFold(scheme, "tel"))
}

// unsupported are the option tags of Proxy-Require that are not ours.
func (p *Proxy) unsupported(req *sip.Message) (tags []string) {
	for tag := range req.Values(sip.HeaderProxyRequire) {
		known := slices.ContainsFunc(p.extensions, func(e string) bool { return strings.EqualFold(e, tag) })
		if !known && tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}

// looped says whether a request was here before and comes back with nothing changed that
// matters to where it goes (rfc5393#4.2). Our mark in a Via is a keyed hash, so it is
// found without knowing under which names we put Vias in, and nobody else can make one.
func (p *Proxy) looped(req *sip.Message) bool {
	mark := p.mark(req)
	for via := range req.Values(sip.HeaderVia) {
		if strings.Contains(via, mark) {
			return true
		}
	}
	return false
}

// mark is the second part of the branch of a Via that we add (rfc5393#4.2): a hash over what
// decides where the request as received goes. Two that rfc3261#16.6 counts among it are not, or
// no loop would ever be found: the topmost Via is another one each time round, and
// credentials are taken away by whom they are for.
func (p *Proxy) mark(req *sip.Message) string {
	var h maphash.Hash
	h.SetSeed(p.seed)
	field := func(s string) {
		_, _ = h.WriteString(s) // never fails
		_ = h.WriteByte(0)
	}
	field(req.Target())
	for v := range req.Values(sip.HeaderRoute) {
		field(v)
	}
	field(req.CallID())
	field(req.FromTag())
	field(req.ToTag())
	field(req.Get(sip.HeaderCSeq))
	field(req.Get(sip.HeaderProxyRequire))
	return markText(h.Sum64())
}

// markText writes a hash as it stands in a branch.
func markText(sum uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], sum)
	var text [17]byte
	text[0] = '-'
	hex.Encode(text[1:], b[:])
	return string(text[:])
}
