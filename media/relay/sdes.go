package relay

import (
	"bytes"
	"errors"
	"sync/atomic"
	"time"

	"parley/media/srtp"
	"parley/sdp"
)

var errCrypto = errors.New("relay: no key of a suite that is known")

// suite is one of rfc4568#6.2, rfc6188#2 and rfc7714#14.2 by its name.
type suite struct {
	name string
	is   srtp.Suite
}

// suites are what is offered, the cheapest first; what has a short tag comes last.
func suites() []suite {
	return []suite{
		{"AEAD_AES_128_GCM", srtp.AES128GCM}, {"AEAD_AES_256_GCM", srtp.AES256GCM},
		{"AES_CM_128_HMAC_SHA1_80", srtp.AES128CM80}, {"AES_256_CM_HMAC_SHA1_80", srtp.AES256CM80},
		{"AES_CM_128_HMAC_SHA1_32", srtp.AES128CM32},
	}
}

func suiteOf(name string) (srtp.Suite, bool) {
	switch name {
	case "AES_256_CM_HMAC_SHA1_32":
		return srtp.AES256CM32, true
	case "AES_CM_256_HMAC_SHA1_80": // as it is written by some
		return srtp.AES256CM80, true
	}
	for _, s := range suites() {
		if s.name == name {
			return s.is, true
		}
	}
	return 0, false
}

// usable are the lines that we have a suite for, their keys as long as that wants.
func usable(m *sdp.Media) []sdp.Crypto {
	var all []sdp.Crypto
	for _, c := range m.Cryptos() {
		s, ok := suiteOf(c.Suite)
		if !ok {
			continue
		}
		if _, err := srtp.NewKey(s, c.Key); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// fades is how long packets under the key before are still understood: they may be on their way.
const fades = 5 * time.Second

// sdes is what one end has agreed on with its peer (rfc4568). It belongs to the anchor's lock, but for what is atomic.
type sdes struct {
	offered []sdp.Crypto // ours, by tag, as the peer was offered them last
	ours    sdp.Crypto   // in use; Suite is "" where nothing is encrypted
	theirs  sdp.Crypto
	in      atomic.Pointer[openers]
	out     atomic.Pointer[srtp.Sealer]
}

// openers decrypt: by the key in use and, for a while, by the one before.
type openers struct {
	now, before *srtp.Opener
	until       time.Time
}

// offer is what we offer. What is agreed on comes first and stays as it is, so that a stream goes on under its key.
func (s *sdes) offer() []sdp.Crypto {
	var all []sdp.Crypto
	if s.ours.Suite != "" {
		all = append(all, s.ours)
	}
	for _, suite := range suites() {
		if suite.name != s.ours.Suite {
			all = append(all, sdp.Crypto{Suite: suite.name, Key: s.fresh(suite)})
		}
	}
	for i := range all {
		all[i].Tag = i + 1
	}
	s.offered = all
	return all
}

// fresh is the key of a suite that was offered and not taken, or a new one.
func (s *sdes) fresh(want suite) sdp.Secret {
	for _, c := range s.offered {
		if c.Suite == want.name {
			return c.Key
		}
	}
	return srtp.RandomKey(want.is)
}

// answered takes the peer's answer to our offer: one line with the tag and the suite of one of ours (rfc4568#5.1.3), or
// none where the answer is plain.
func (s *sdes) answered(m *sdp.Media) error {
	lines := usable(m)
	if m.Form() == sdp.Plain {
		s.plain()
		return nil
	}
	if len(lines) == 0 {
		return errCrypto
	}
	for _, c := range s.offered {
		if c.Tag == lines[0].Tag && c.Suite == lines[0].Suite {
			return s.agree(c, lines[0])
		}
	}
	return errCrypto
}

// accept takes the first line of an offer that we have a suite for, and gives our answer to it. Who offers another key
// than before gets one of ours anew.
func (s *sdes) accept(m *sdp.Media) (sdp.Crypto, error) {
	lines := usable(m)
	if len(lines) == 0 {
		return sdp.Crypto{}, errCrypto
	}
	theirs := lines[0]
	for _, c := range lines {
		if s.same(c) {
			theirs = c // it goes on
		}
	}
	ours := sdp.Crypto{Tag: theirs.Tag, Suite: theirs.Suite, Key: s.ours.Key}
	if !s.same(theirs) {
		kind, _ := suiteOf(theirs.Suite)
		ours.Key = srtp.RandomKey(kind)
	}
	return ours, s.agree(ours, theirs)
}

// same says that the peer goes on under its key.
func (s *sdes) same(theirs sdp.Crypto) bool {
	return s.theirs.Suite == theirs.Suite && bytes.Equal(s.theirs.Key, theirs.Key) && bytes.Equal(s.theirs.MKI, theirs.MKI)
}

// agree takes keys into use. One that is in use already goes on, with all that is counted under it (rfc3711#3.2.1).
func (s *sdes) agree(ours, theirs sdp.Crypto) error {
	kind, _ := suiteOf(theirs.Suite)
	if !s.same(theirs) {
		key, err := srtp.NewKey(kind, theirs.Key)
		if err != nil {
			return err
		}
		in, err := srtp.NewOpener(kind, key, theirs.MKI)
		if err != nil {
			return err
		}
		next := &openers{now: in}
		if now := s.in.Load(); now != nil {
			next.before, next.until = now.now, time.Now().Add(fades)
		}
		s.in.Store(next)
	}
	if s.ours.Suite != ours.Suite || !bytes.Equal(s.ours.Key, ours.Key) {
		key, err := srtp.NewKey(kind, ours.Key)
		if err != nil {
			return err
		}
		out, err := srtp.NewSealer(kind, key)
		if err != nil {
			return err
		}
		s.out.Store(out)
	}
	s.ours, s.theirs = ours, theirs
	return nil
}

// plain has nothing be encrypted.
func (s *sdes) plain() {
	s.ours, s.theirs = sdp.Crypto{}, sdp.Crypto{}
	s.in.Store(nil)
	s.out.Store(nil)
}

// rtp and rtcp decrypt what the peer has sent.
func (o *openers) rtp(dst, b []byte, now time.Time) ([]byte, bool) {
	out, ok := o.now.RTP(dst, b)
	if !ok && o.before != nil && now.Before(o.until) {
		return o.before.RTP(dst, b)
	}
	return out, ok
}

func (o *openers) rtcp(dst, b []byte, now time.Time) ([]byte, bool) {
	out, ok := o.now.RTCP(dst, b)
	if !ok && o.before != nil && now.Before(o.until) {
		return o.before.RTCP(dst, b)
	}
	return out, ok
}
