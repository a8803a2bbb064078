package turn

import (
	"bytes"

	"github.com/pion/stun/v3"
)

// proof is what a request has proved.
type proof struct {
	name, account string
	expired       bool
	integrity     integrity // by which it was, and the answer is
	key           []byte
}

// The password algorithms of RFC 8489 (section 18.5).
const (
	algorithmMD5    = 1
	algorithmSHA256 = 2
)

// algorithms is PASSWORD-ALGORITHMS as we offer it, the better first (rfc8489#14.11).
func algorithms() []byte { return []byte{0, algorithmSHA256, 0, 0, 0, algorithmMD5, 0, 0} }

// authenticate is the long-term credential mechanism (rfc8489#9.2.4). If it says no, the answer has gone.
func (q *request) authenticate() bool {
	if !q.Contains(stun.AttrMessageIntegrity) && !q.Contains(stun.AttrMessageIntegritySHA256) {
		q.challenge(stun.CodeUnauthorized)
		return false
	}
	name, err1 := q.Get(stun.AttrUsername)
	realm, err2 := q.Get(stun.AttrRealm)
	nonce, err3 := q.Get(stun.AttrNonce)
	sha, ok := q.algorithm()
	if err1 != nil || err2 != nil || err3 != nil || !ok || len(name) > 508 {
		q.counts.unproved.Add(1)
		q.refuse(stun.CodeBadRequest)
		return false
	}
	c := q.cfg.Credentials
	p := &proof{name: string(name)}
	p.account, p.expired, ok = c.account(p.name)
	if ok && string(realm) == c.Realm {
		p.key = c.key(p.name, sha)
		one, two := integrities()
		if p.integrity = one; q.Contains(two.attribute) {
			p.integrity = two
		}
		ok = p.integrity.proves(q.Message, p.key)
	} else {
		ok = false
	}
	switch {
	case !ok:
		q.counts.unproved.Add(1)
		q.challenge(stun.CodeUnauthorized)
	case !q.nonces.good(string(nonce), q.remote()):
		q.challenge(stun.CodeStaleNonce)
	default:
		q.proof = p
		return true
	}
	return false
}

// algorithm is the one that the client has chosen; not ok if he was led to a worse one, or has chosen none of ours.
func (q *request) algorithm() (sha, ok bool) {
	list, err1 := q.Get(stun.AttrPasswordAlgorithms)
	chosen, err2 := q.Get(stun.AttrPasswordAlgorithm)
	if err1 != nil && err2 != nil {
		return false, true // he does not know of it
	}
	if err1 != nil || err2 != nil || !bytes.Equal(list, algorithms()) || len(chosen) != 4 || chosen[0] != 0 {
		return false, false
	}
	return chosen[1] == algorithmSHA256, chosen[1] == algorithmSHA256 || chosen[1] == algorithmMD5
}

// challenge says what is needed.
func (q *request) challenge(code stun.ErrorCode) {
	r := q.failure(code)
	r.Add(stun.AttrRealm, []byte(q.cfg.Credentials.Realm))
	r.Add(stun.AttrNonce, []byte(q.nonces.make(q.remote())))
	r.Add(stun.AttrPasswordAlgorithms, algorithms())
	q.send(r)
}
