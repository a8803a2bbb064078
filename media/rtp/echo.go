package rtp

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	reportEvery = 5 * time.Second // rfc3550#6.2
	lookEvery   = time.Second     // how soon a change by Set is noticed
	maxDelayed  = 512             // packets held back: over ten seconds of audio
	defaultDead = 30 * time.Second
)

// EchoConfig of an Echo. Pair is needed; every other zero value takes its default.
type EchoConfig struct {
	Pair *Pair
	// Dead is how long the peer may be silent while it is expected to send; default 30 s.
	Dead time.Duration
	// OnDead is called once if it was silent for longer, on a goroutine of the echo: it must not
	// call Close itself.
	OnDead func()
	// Delay holds the packets back; default none.
	Delay time.Duration
	// Strict: see Latch.
	Strict bool
	// Rand gives the random numbers of RTP; default math/rand/v2.
	Rand func() uint32
	Log  *slog.Logger
}

// EchoMedia is what was agreed with the peer.
type EchoMedia struct {
	Payloads   []uint8 // payload types that are sent back
	Rate       int     // of the RTP clock
	RTP, RTCP  netip.AddrPort
	Signalling netip.Addr // where the peer's signalling comes from; zero if not known
	Send       bool       // the peer wants to hear
	Receive    bool       // the peer is to send
}

// Echo sends a peer's audio back to it: the same payloads as a stream of our own, with own
// SSRC and with sequence numbers and timestamps that go on without a break when the
// peer's source changes. Losses and reordering stay as they came.
type Echo struct {
	c           EchoConfig
	rtp, rtcp   Latch
	done        chan struct{}
	closing     sync.Once
	running     sync.WaitGroup
	ssrc        uint32
	cname       string
	scratch     []byte // of the goroutine that reads RTP
	reportSpent []byte

	mu    sync.Mutex
	media EchoMedia
	heard time.Time // or when we began to listen
	dead  bool
	stats EchoStats

	// Of the goroutine that reads RTP.
	out      stream
	delayed  []held
	reportAt time.Time
}

// EchoStats counts packets.
type EchoStats struct{ Received, Sent, Dropped uint64 }

// held is a packet that waits for its time.
type held struct {
	at     time.Time
	packet []byte
}

// NewEcho starts an echo that stays silent until Set. It owns the pair from now on.
func NewEcho(c EchoConfig) *Echo {
	if c.Dead == 0 {
		c.Dead = defaultDead
	}
	if c.Rand == nil {
		c.Rand = rand.Uint32
	}
	if c.OnDead == nil {
		c.OnDead = func() {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	e := &Echo{c: c, done: make(chan struct{}), ssrc: c.Rand(), cname: fmt.Sprintf("%08x%08x", c.Rand(), c.Rand())}
	e.rtp.Strict, e.rtcp.Strict = c.Strict, c.Strict
	e.out = stream{sequence: uint16(c.Rand()), timestamp: c.Rand()}
	e.reportAt = time.Now().Add(reportEvery)
	e.running.Go(e.readRTP)
	e.running.Go(e.readRTCP)
	return e
}

// Set takes what was agreed, at first and after each new offer and answer.
func (e *Echo) Set(m EchoMedia) {
	now := time.Now()
	e.rtp.Expect(m.RTP, m.Signalling, now)
	e.rtcp.Expect(m.RTCP, m.Signalling, now)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.media, e.heard = m, now
}

// Stats counts so far.
func (e *Echo) Stats() EchoStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

// Close says goodbye, gives the ports back and waits until all has ended.
func (e *Echo) Close() {
	e.closing.Do(func() {
		close(e.done)
		// Wakes the readers; the ports close after the goodbye is out.
		_ = e.c.Pair.RTP.SetReadDeadline(time.Now())
		_ = e.c.Pair.RTCP.SetReadDeadline(time.Now())
		e.running.Wait()
		e.report(time.Now(), true)
		e.c.Pair.Close()
	})
}

func (e *Echo) closed() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// readRTP is the goroutine that owns the stream.
func (e *Echo) readRTP() {
	buf := make([]byte, MaxPacket)
	for {
		now := time.Now()
		e.flush(now)
		e.look(now)
		// Close sets the deadline after done: either we see done or the deadline stays.
		_ = e.c.Pair.RTP.SetReadDeadline(e.wake(now))
		if e.closed() {
			return
		}
		n, from, err := e.c.Pair.RTP.ReadFromUDPAddrPort(buf)
		if err != nil && !Passing(err) {
			return
		}
		if err == nil {
			e.take(buf[:n], from, time.Now())
		}
	}
}

func (e *Echo) wake(now time.Time) time.Time {
	at := now.Add(lookEvery)
	if len(e.delayed) > 0 && e.delayed[0].at.Before(at) {
		at = e.delayed[0].at
	}
	return at
}

// look does what time asks for.
func (e *Echo) look(now time.Time) {
	if !now.Before(e.reportAt) {
		e.report(now, false)
		e.reportAt = now.Add(reportEvery)
	}
	e.mu.Lock()
	over := e.media.Receive && !e.dead && now.Sub(e.heard) >= e.c.Dead
	if over {
		e.dead = true
	}
	e.mu.Unlock()
	if over {
		e.c.OnDead()
	}
}

// take handles a datagram.
func (e *Echo) take(b []byte, from netip.AddrPort, now time.Time) {
	p, ok := Read(b)
	e.mu.Lock()
	m := &e.media
	ok = ok && m.Receive && slices.Contains(m.Payloads, p.Type) && e.rtp.Take(from, now)
	if !ok {
		e.stats.Dropped++
		e.mu.Unlock()
		return
	}
	e.heard = now
	e.stats.Received++
	send, rate := m.Send, m.Rate
	e.mu.Unlock()
	if !send {
		return
	}
	e.out.carry(&p, now, rate)
	p.SSRC = e.ssrc
	e.out.packets++
	e.out.octets += uint32(len(p.Payload))
	if e.c.Delay == 0 {
		e.scratch = p.Append(e.scratch[:0])
		e.send(e.scratch)
		return
	}
	if len(e.delayed) < maxDelayed {
		e.delayed = append(e.delayed, held{now.Add(e.c.Delay), p.Append(nil)})
	}
}

func (e *Echo) flush(now time.Time) {
	n := 0
	for n < len(e.delayed) && !now.Before(e.delayed[n].at) {
		e.send(e.delayed[n].packet)
		n++
	}
	e.delayed = slices.Delete(e.delayed, 0, n)
}

func (e *Echo) send(b []byte) {
	to, ok := e.rtp.Learned()
	if !ok {
		return
	}
	if _, err := e.c.Pair.RTP.WriteToUDPAddrPort(b, to); err != nil {
		e.c.Log.Debug("RTP was not sent", "to", to, "err", err)
		return
	}
	e.mu.Lock()
	e.stats.Sent++
	e.mu.Unlock()
}

// readRTCP learns where the peer's reports come from. What they say changes nothing here.
func (e *Echo) readRTCP() {
	buf := make([]byte, MaxPacket)
	for !e.closed() {
		n, from, err := e.c.Pair.RTCP.ReadFromUDPAddrPort(buf)
		if err != nil && !Passing(err) {
			return
		}
		if err == nil && IsRTCP(buf[:n]) {
			e.rtcp.Take(from, time.Now())
		}
	}
}

// report sends our report, once we have sent something.
func (e *Echo) report(now time.Time, bye bool) {
	to, ok := e.reportTo()
	if !ok || e.out.packets == 0 {
		return
	}
	r := report{
		ssrc: e.ssrc, timestamp: e.out.at(now), packets: e.out.packets, octets: e.out.octets,
		cname: e.cname, bye: bye,
	}
	e.reportSpent = r.append(e.reportSpent[:0], now)
	if _, err := e.c.Pair.RTCP.WriteToUDPAddrPort(e.reportSpent, to); err != nil {
		e.c.Log.Debug("RTCP was not sent", "to", to, "err", err)
	}
}

// reportTo is where the peer's own reports come from or, if it has sent none, the described
// address: where media comes from that host, there is no NAT in between.
func (e *Echo) reportTo() (netip.AddrPort, bool) {
	if to, ok := e.rtcp.Learned(); ok {
		return to, true
	}
	e.mu.Lock()
	to := e.media.RTCP
	e.mu.Unlock()
	heard, ok := e.rtp.Learned()
	return to, ok && to.Port() != 0 && heard.Addr() == to.Addr().Unmap()
}

// stream numbers what we send.
type stream struct {
	ssrc      uint32 // of the source that is carried over now
	bound     bool   // there is one
	sequence  uint16 // the highest sent
	timestamp uint32 // with it
	sent      time.Time
	rate      int

	addSequence  uint16
	addTimestamp uint32

	packets, octets uint32
}

// carry gives a packet our numbers. A new source goes on where the one before stopped, as
// much later as it is later by the clock.
func (s *stream) carry(p *Packet, now time.Time, rate int) {
	s.rate = rate
	if !s.bound || s.ssrc != p.SSRC {
		s.addSequence = s.sequence + 1 - p.Sequence
		s.addTimestamp = s.at(now) - p.Timestamp
		p.Marker = true // a new talkspurt
		s.bound, s.ssrc = true, p.SSRC
	}
	p.Sequence += s.addSequence
	p.Timestamp += s.addTimestamp
	if int16(p.Sequence-s.sequence) > 0 {
		s.sequence, s.timestamp, s.sent = p.Sequence, p.Timestamp, now
	}
}

// at is the stream's RTP time of now.
func (s *stream) at(now time.Time) uint32 {
	if s.sent.IsZero() {
		return s.timestamp
	}
	return s.timestamp + uint32(now.Sub(s.sent)*time.Duration(s.rate)/time.Second)
}
