// Package webrtc is the server's end of one WebRTC transport: ICE as a lite agent (RFC 8445, RFC 8839), and SRTP (RFC
// 3711) whose keys are agreed by DTLS (RFC 5763, RFC 5764), all of it on one port (RFC 5761, RFC 7983). It is
// an end of a relay, no more: what RTP carries is not looked at.
//
// Being lite, it never asks: the peer checks whether we are there, chooses the path, and goes on asking as long as it
// wants to be sent to (RFC 7675). Nothing is sent to an address that has not proved by a check that it knows our
// password, and nothing but checks is taken from one.
package webrtc

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"parley/media/rtp"
	"parley/media/srtp"
)

// Why a transport is lost.
var (
	ErrSetUp   = errors.New("webrtc: ICE and DTLS did not come to an end in time")
	ErrConsent = errors.New("webrtc: the peer has stopped checking whether we are there")
	ErrDTLS    = errors.New("webrtc: keys could not be agreed on")
)

// Config of a Transport. Conn, Identity, OnRTP, OnRTCP and OnLost are needed; every other zero value takes its default.
type Config struct {
	// Conn is read from until Close; closing it is its owner's.
	Conn     *net.UDPConn
	Identity *Identity
	// OnRTP and OnRTCP take a packet that was encrypted; it is theirs until they return.
	OnRTP, OnRTCP func([]byte)
	// OnLost is called once, on a goroutine of its own, when the peer can't be talked to, or not any more.
	OnLost func(error)
	// SetUp is how long ICE and DTLS may take once the peer is known; default 15 s.
	SetUp time.Duration
	// Consent is how long the peer may go without a check; default 30 s (rfc7675#5.1).
	Consent time.Duration
	Log     *slog.Logger
}

// Remote is what the peer's description says of it.
type Remote struct {
	Ufrag        string
	Fingerprints []string
	Active       bool // it begins DTLS, as its client
}

// Transport is one end of one transport.
type Transport struct {
	c       Config
	running sync.WaitGroup
	ice     ice
	keys    atomic.Pointer[keys]

	mu     sync.Mutex
	remote *Remote // nil: not known yet
	dtls   *association
	early  [][]byte // of SRTP that came before its keys
	closed bool
	watch  *time.Timer
	since  time.Time // when the peer became known
	ready  bool
	lost   bool
}

// maxEarly is how many packets wait for keys: a client has them a moment before its server.
const maxEarly = 16

// New starts a transport that answers checks. Nothing else happens before Expect.
func New(c Config) *Transport {
	c.SetUp = cmp.Or(c.SetUp, 15*time.Second)
	c.Consent = cmp.Or(c.Consent, 30*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	t := &Transport{c: c}
	t.ice.renew()
	t.running.Go(t.read)
	return t
}

// Credentials are our ufrag and password, as a description has them.
func (t *Transport) Credentials() (ufrag, password string) { return t.ice.credentials() }

// Restart makes new credentials if the peer's have changed (rfc8445#9). The path that was found is kept until a new
// one is.
func (t *Transport) Restart(ufrag string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.remote != nil && t.remote.Ufrag != ufrag {
		t.ice.renew()
		t.remote.Ufrag = ufrag
	}
}

// Serves says whether we are DTLS's server: as agreed or, before that, as wanted.
func (t *Transport) Serves(wanted bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.remote == nil {
		return wanted
	}
	return t.remote.Active
}

// Expect takes what the peer's description says, at first and after each later one. With another certificate than
// before, keys are agreed on anew.
func (t *Transport) Expect(r Remote) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if t.remote != nil && same(t.remote.Fingerprints, r.Fingerprints) {
		t.remote.Ufrag = r.Ufrag
		return
	}
	t.remote, t.since, t.ready = &r, time.Now(), false
	t.keys.Store(nil)
	if t.dtls != nil {
		t.dtls.stop()
	}
	t.dtls = t.associate(r)
	if t.watch == nil {
		t.watch = time.AfterFunc(t.c.SetUp, t.look)
	} else {
		t.watch.Reset(t.c.SetUp)
	}
}

func same(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// look sees whether the peer is still there.
func (t *Transport) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	now := time.Now()
	if !t.ready {
		if now.Sub(t.since) >= t.c.SetUp {
			t.lose(ErrSetUp)
		}
		return
	}
	silent := now.Sub(t.ice.checked())
	if silent >= t.c.Consent {
		t.lose(ErrConsent)
		return
	}
	t.watch.Reset(t.c.Consent - silent)
}

// lose tells once; t.mu is held.
func (t *Transport) lose(err error) {
	if t.lost || t.closed {
		return
	}
	t.lost = true
	t.running.Go(func() { t.c.OnLost(err) })
}

// agreed takes the keys of an association.
func (t *Transport) agreed(a *association, k *keys, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || a != t.dtls {
		return // another one has taken its place
	}
	if err != nil {
		t.c.Log.Info("DTLS failed", "peer", a.String(), "err", err)
		t.lose(err)
		return
	}
	t.ready = true
	t.keys.Store(k)
	t.c.Log.Debug("WebRTC is up", "peer", a.String(), "after", time.Since(t.since))
	t.watch.Reset(t.c.Consent)
}

// read is the goroutine that everything from the peer comes by (rfc7983#7).
func (t *Transport) read() {
	buf, plain := make([]byte, rtp.MaxPacket), make([]byte, 0, rtp.MaxPacket)
	for {
		n, from, err := t.c.Conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if rtp.Passing(err) {
				continue
			}
			return
		}
		if n == 0 || n == len(buf) { // a full buffer may be a part only
			continue
		}
		t.take(buf[:n], plain, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

// take sorts a datagram by its first byte.
func (t *Transport) take(b, plain []byte, from netip.AddrPort) {
	switch first := b[0]; {
	case first < 4:
		if answer := t.ice.check(b, from, time.Now()); answer != nil {
			t.write(answer, from)
		}
	case !t.ice.knows(from):
	case first >= 20 && first < 64:
		t.handshake(b)
	case first >= 128 && first < 192:
		t.media(b, plain)
	}
}

// handshake gives a record to DTLS.
func (t *Transport) handshake(b []byte) {
	t.mu.Lock()
	a := t.dtls
	t.mu.Unlock()
	if a != nil {
		a.feed(b)
	}
}

// media decrypts a packet, and before it those that came too early for that.
func (t *Transport) media(b, plain []byte) {
	k := t.keys.Load()
	if k == nil {
		t.mu.Lock()
		if t.dtls != nil && len(t.early) < maxEarly {
			t.early = append(t.early, append([]byte(nil), b...))
		}
		t.mu.Unlock()
		return
	}
	t.mu.Lock()
	early := t.early
	t.early = nil
	t.mu.Unlock()
	for _, e := range early {
		t.open(k, e, plain)
	}
	t.open(k, b, plain)
}

func (t *Transport) open(k *keys, b, plain []byte) {
	if rtp.IsRTCP(b) {
		if out, ok := k.in.RTCP(plain, b); ok {
			t.c.OnRTCP(out)
		}
		return
	}
	if out, ok := k.in.RTP(plain, b); ok {
		t.c.OnRTP(out)
	}
}

// SendRTP encrypts and sends a packet; without keys or a path it is lost.
func (t *Transport) SendRTP(b []byte) { t.send(b, (*srtp.Sealer).RTP) }

// SendRTCP does the same with a compound packet.
func (t *Transport) SendRTCP(b []byte) { t.send(b, (*srtp.Sealer).RTCP) }

func (t *Transport) send(b []byte, seal func(*srtp.Sealer, []byte, func([]byte)) error) {
	k := t.keys.Load()
	to, ok := t.ice.selected()
	if k == nil || !ok {
		return
	}
	if err := seal(k.out, b, func(sealed []byte) { t.write(sealed, to) }); err != nil {
		t.c.Log.Debug("packet was not encrypted", "to", to, "err", err)
	}
}

func (t *Transport) write(b []byte, to netip.AddrPort) {
	if _, err := t.c.Conn.WriteToUDPAddrPort(b, to); err != nil {
		t.c.Log.Debug("packet was not sent", "to", to, "err", err)
	}
}

// Stop ends everything but the reading, which ends with the socket; Wait waits for both.
func (t *Transport) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.early = nil
	if t.watch != nil {
		t.watch.Stop()
	}
	if t.dtls != nil {
		t.dtls.stop()
	}
}

// Wait waits until nothing runs any more.
func (t *Transport) Wait() { t.running.Wait() }
