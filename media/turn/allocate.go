package turn

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// What STUN names for TURN that the library does not.
const (
	attrAdditionalAddressFamily stun.AttrType = 0x8000 // rfc8656#18.11
	attrAddressErrorCode        stun.AttrType = 0x8001 // rfc8656#18.12

	familyIPv4 = 1
	familyIPv6 = 2
	protoUDP   = 17
)

// allocate gives a relayed address (rfc8656#7.2).
func (q *request) allocate() {
	if a := q.allocation(); a != nil {
		if a.request == q.TransactionID && a.name == q.proof.name {
			q.reply(a.answer)
			return
		}
		q.refuse(stun.CodeAllocMismatch)
		return
	}
	if q.proof.expired {
		q.challengeExpired()
		return
	}
	w, code := q.wish()
	if code != 0 {
		q.refuse(code)
		return
	}
	q.aside(func() { q.decide(w) })
}

// aside does what may take a while where it holds up nobody else's packets. What is too much is left to the client, who
// asks again.
func (q *request) aside(f func()) {
	select {
	case q.looking <- struct{}{}:
		q.running.Go(func() {
			defer func() { <-q.looking }()
			f()
		})
	default:
		q.counts.unanswered.Add(1)
	}
}

// decide gives an allocation if the account is there.
func (q *request) decide(w wish) {
	exists, err := q.cfg.Exists(q.ctx, q.proof.account)
	if err != nil {
		q.log.Error("can't look up who asks for a relay", "account", q.proof.account, "err", err)
		q.refuse(stun.CodeServerError)
		return
	}
	if !exists {
		q.counts.refused.Add(1)
		q.warn("a relay is refused: the account is gone", "account", q.proof.account, "client", q.remote())
		q.refuse(stun.CodeForbidden)
		return
	}
	q.give(w)
}

// challengeExpired has the client come back with newer credentials.
func (q *request) challengeExpired() {
	q.counts.unproved.Add(1)
	q.log.Debug("a relay is refused: the credentials have expired", "account", q.proof.account, "client", q.remote())
	q.proof = nil
	q.challenge(stun.CodeUnauthorized)
}

// wish is what an Allocate asks for.
type wish struct {
	how
	token    string
	lifetime time.Duration
	both     bool // an IPv6 address besides, which we don't give
}

// wish reads it; the code is not 0 if it is wrong.
func (q *request) wish() (w wish, code stun.ErrorCode) {
	transport, err := q.Get(stun.AttrRequestedTransport)
	if err != nil || len(transport) != 4 {
		return w, stun.CodeBadRequest
	}
	if transport[0] != protoUDP {
		return w, stun.CodeUnsupportedTransProto
	}
	even, hasEven := q.attribute(stun.AttrEvenPort)
	token, hasToken := q.attribute(stun.AttrReservationToken)
	family, hasFamily := q.attribute(stun.AttrRequestedAddressFamily)
	more, hasMore := q.attribute(attrAdditionalAddressFamily)
	w.even, w.both, w.token = hasEven, hasMore, string(token)
	w.next = hasEven && len(even) == 1 && even[0]&0x80 != 0
	switch {
	case hasEven && len(even) != 1, hasToken && len(token) != 8, hasFamily && len(family) != 4, hasMore && len(more) != 4,
		hasToken && (hasEven || hasFamily || hasMore), hasMore && (hasFamily || more[0] != familyIPv6 || w.next):
		return w, stun.CodeBadRequest
	case hasFamily && family[0] != familyIPv4 && family[0] != familyIPv6:
		return w, stun.CodeAddrFamilyNotSupported
	}
	w.six = hasFamily && family[0] == familyIPv6
	if _, ok := q.ports.family(w.six); !ok {
		return w, stun.CodeAddrFamilyNotSupported
	}
	w.lifetime, code = q.lifetime()
	return w, code
}

func (q *request) attribute(t stun.AttrType) ([]byte, bool) {
	v, err := q.Get(t)
	return v, err == nil
}

// lifetime is what is granted of what is asked for.
func (q *request) lifetime() (time.Duration, stun.ErrorCode) {
	v, asked := q.attribute(stun.AttrLifetime)
	if !asked {
		return defaultLifetime, 0
	}
	if len(v) != 4 {
		return 0, stun.CodeBadRequest
	}
	d := time.Duration(binary.BigEndian.Uint32(v)) * time.Second
	if q.Type.Method == stun.MethodRefresh && d == 0 {
		return 0, 0
	}
	return min(max(d, defaultLifetime), q.limits.Load().Lifetime), 0
}

// give makes the allocation.
func (q *request) give(w wish) {
	first, second, code := q.open(w)
	if code != 0 {
		q.counts.refused.Add(1)
		q.refuse(code)
		return
	}
	a := &allocation{
		account: q.proof.account, name: q.proof.name, client: q.link, relay: first, six: w.six, made: q.now, request: q.TransactionID,
	}
	a.expires.Store(q.now.Add(w.lifetime).UnixNano())
	r := q.success()
	r.Add(stun.AttrXORRelayedAddress, appendXORAddress(nil, first.public, q.TransactionID))
	r.Add(stun.AttrLifetime, seconds(w.lifetime))
	r.Add(stun.AttrXORMappedAddress, appendXORAddress(nil, q.remote(), q.TransactionID))
	if second != nil {
		r.Add(stun.AttrReservationToken, []byte(q.reserve(second)))
	}
	if w.both {
		r.Add(attrAddressErrorCode, []byte{familyIPv6, 0, 4, 40}) // rfc8656#7.2
	}
	q.proof.integrity.add(r, q.proof.key)
	a.answer = r.Raw
	if !q.begin(a) {
		return
	}
	q.reply(a.answer)
	q.log.Debug("a relay is given", "account", a.account, "client", q.remote(), "relayed", first.public)
}

// begin puts an allocation in its place.
func (q *request) begin(a *allocation) bool {
	if !q.enter(a) {
		q.ports.release(a.relay)
		return false
	}
	q.counts.allocated.Add(1)
	if err := q.relays().add(a); err != nil {
		q.log.Error("can't read a relayed address", "relayed", a.relay.public, "err", err)
		q.end(a, "it can't be read")
		return false
	}
	return true
}

// enter makes an allocation the client's, unless a retransmission was faster or the server is closed.
func (q *request) enter(a *allocation) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || !q.bind(a) {
		q.giveBack(a.account)
		return false
	}
	q.allocations[a] = struct{}{}
	return true
}

// open finds the relayed address: one that was reserved, or a new one. What it gives is counted.
func (q *request) open(w wish) (first, second *relay, code stun.ErrorCode) {
	if w.token != "" {
		return q.reserved(w.token)
	}
	n := 1
	if w.next {
		n = 2
	}
	if code := q.admit(n); code != 0 {
		return nil, nil, code
	}
	first, second, err := q.ports.take(w.how)
	if err == nil {
		return first, second, 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for range n {
		q.giveBack(q.proof.account)
	}
	if errors.Is(err, errPorts) {
		q.warn("a relay is refused: no port is free", "account", q.proof.account, "ports", q.cfg.Low, "to", q.cfg.High)
	} else {
		q.log.Error("can't open a relayed address", "err", err)
	}
	return nil, nil, stun.CodeInsufficientCapacity
}

// admit counts n allocations of the account, unless it or all have too many.
func (q *request) admit(n int) stun.ErrorCode {
	limits := q.limits.Load()
	q.mu.Lock()
	defer q.mu.Unlock()
	switch account := q.proof.account; {
	case len(q.allocations)+len(q.reservations)+n > limits.Allocations:
		q.warn("a relay is refused: there are too many in all", "account", account, "limit", limits.Allocations)
		return stun.CodeInsufficientCapacity
	case q.perAccount[account]+n > limits.PerAccount:
		q.warn("a relay is refused: the account has too many", "account", account, "limit", limits.PerAccount)
		return stun.CodeAllocQuotaReached
	default:
		q.perAccount[account] += n
	}
	return 0
}

// reserve keeps a relayed address for the one who shows the token.
func (q *request) reserve(r *relay) (token string) {
	var b [8]byte
	rand.Read(b[:])
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reservations[string(b[:])] = &reservation{relay: r, account: q.proof.account, expires: q.now.Add(reservationTime)}
	return string(b[:])
}

// reserved takes one. It stays counted, now as an allocation.
func (q *request) reserved(token string) (*relay, *relay, stun.ErrorCode) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r, ok := q.reservations[token]
	if !ok || r.account != q.proof.account || q.now.After(r.expires) {
		return nil, nil, stun.CodeInsufficientCapacity
	}
	delete(q.reservations, token)
	return r.relay, nil, 0
}

func seconds(d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(d/time.Second))
}

// mine is the client's allocation, if it is that of the name (rfc8656#5).
func (q *request) mine() *allocation {
	a := q.allocation()
	switch {
	case a == nil || a.expired(q.now):
		q.refuse(stun.CodeAllocMismatch)
		return nil
	case a.name != q.proof.name && a.account != q.proof.account:
		q.refuse(stun.CodeWrongCredentials)
		return nil
	}
	return a
}

// refresh prolongs an allocation, or ends it (rfc8656#8.2).
func (q *request) refresh() {
	a := q.mine()
	if a == nil {
		return
	}
	if family, ok := q.attribute(stun.AttrRequestedAddressFamily); ok && (len(family) != 4 || (family[0] == familyIPv6) != a.six) {
		q.refuse(stun.CodePeerAddrFamilyMismatch)
		return
	}
	d, code := q.lifetime()
	if code != 0 {
		q.refuse(code)
		return
	}
	if d == 0 {
		q.end(a, "the client ended it")
	} else {
		a.expires.Store(q.now.Add(d).UnixNano())
	}
	r := q.success()
	r.Add(stun.AttrLifetime, seconds(d))
	q.send(r)
}

// createPermission lets peers send (rfc8656#10.2).
func (q *request) createPermission() {
	a := q.mine()
	if a == nil {
		return
	}
	var addrs []netip.Addr
	for _, attribute := range q.Attributes {
		if attribute.Type != stun.AttrXORPeerAddress {
			continue
		}
		peer, ok := xorAddress(attribute.Value, q.TransactionID)
		switch {
		case !ok:
			q.refuse(stun.CodeBadRequest)
			return
		case peer.Addr().Is6() != a.six:
			q.refuse(stun.CodePeerAddrFamilyMismatch)
			return
		case !q.peers.permits(peer.Addr()):
			q.forbid(peer)
			return
		}
		addrs = append(addrs, peer.Addr())
	}
	switch {
	case len(addrs) == 0:
		q.refuse(stun.CodeBadRequest)
	case !a.permit(q.now, addrs...):
		q.refuse(stun.CodeInsufficientCapacity)
	default:
		q.send(q.success())
	}
}

func (q *request) forbid(peer netip.AddrPort) {
	q.counts.refused.Add(1)
	q.log.Debug("a relay may not talk to that peer", "account", q.proof.account, "peer", peer)
	q.refuse(stun.CodeForbidden)
}

// channelBind gives a peer a number (rfc8656#12.2).
func (q *request) channelBind() {
	a := q.mine()
	if a == nil {
		return
	}
	number, ok := q.attribute(stun.AttrChannelNumber)
	raw, has := q.attribute(stun.AttrXORPeerAddress)
	// rfc8656#12 has 0x4000 to 0x4FFF, but clients of RFC 5766 take up to 0x7FFF, and here nothing else could be meant.
	if !ok || !has || len(number) != 4 || number[0]>>6 != 1 {
		q.refuse(stun.CodeBadRequest)
		return
	}
	peer, ok := xorAddress(raw, q.TransactionID)
	if !ok {
		q.refuse(stun.CodeBadRequest)
		return
	}
	if peer.Addr().Is6() != a.six {
		q.refuse(stun.CodePeerAddrFamilyMismatch)
		return
	}
	target, ok := q.peers.target(peer)
	if !ok {
		q.forbid(peer)
		return
	}
	switch a.bind(q.now, binary.BigEndian.Uint16(number), peer, target) {
	case boundWell:
		q.send(q.success())
	case boundOtherwise:
		q.refuse(stun.CodeBadRequest)
	case boundTooMany:
		q.refuse(stun.CodeInsufficientCapacity)
	}
}
