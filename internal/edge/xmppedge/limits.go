package xmppedge

import (
	"bytes"
	"cmp"
	"sync"
	"time"

	"parley/xmpp"
)

// Limits bound what clients can make an Edge hold or wait for. A field that is zero takes its default.
type Limits struct {
	Connections int // at once; 20000
	PerAddress  int // of them, from one IPv4 address or one /64 of IPv6; 256

	HandshakeTime   time.Duration // for TLS; 10s
	FirstByteTime   time.Duration // from accepting to the first byte; 15s
	AuthTime        time.Duration // from accepting to a bound resource; 1m
	AuthBytes       int           // in that time; 64 KiB
	AuthStanzaBytes int           // of one element in that time; 16 KiB
	AuthTries       int           // failed ones, after which the connection ends; 5

	StanzaBytes int           // of one element once signed in; 256 KiB
	StanzaTime  time.Duration // from an element's first byte to its last; 30s
	Idle        time.Duration // silence, after which the peer is asked whether it is there; 5m
	DeadPeer    time.Duration // what was sent is not acknowledged; 1m
	SendTime    time.Duration // for the peer to take what is sent; 30s
	Ping        time.Duration // between our pings on a WebSocket; 30s

	QueueStanzas int           // for a session: to be sent, or not acknowledged; 2000
	QueueBytes   int           // and their bytes; 4 MiB
	ResumeTime   time.Duration // that a session without a connection waits; 10m
	AckStanzas   int           // sent without an acknowledgement, before one is asked for; 10
	AckTime      time.Duration // how long fewer than that may wait; 2s
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Connections: cmp.Or(l.Connections, 20000),
		PerAddress:  cmp.Or(l.PerAddress, 256),

		HandshakeTime:   cmp.Or(l.HandshakeTime, 10*time.Second),
		FirstByteTime:   cmp.Or(l.FirstByteTime, 15*time.Second),
		AuthTime:        cmp.Or(l.AuthTime, time.Minute),
		AuthBytes:       cmp.Or(l.AuthBytes, 64<<10),
		AuthStanzaBytes: cmp.Or(l.AuthStanzaBytes, 16<<10),
		AuthTries:       cmp.Or(l.AuthTries, 5),

		StanzaBytes: cmp.Or(l.StanzaBytes, 256<<10),
		StanzaTime:  cmp.Or(l.StanzaTime, 30*time.Second),
		Idle:        cmp.Or(l.Idle, 5*time.Minute),
		DeadPeer:    cmp.Or(l.DeadPeer, time.Minute),
		SendTime:    cmp.Or(l.SendTime, 30*time.Second),
		Ping:        cmp.Or(l.Ping, 30*time.Second),

		QueueStanzas: cmp.Or(l.QueueStanzas, 2000),
		QueueBytes:   cmp.Or(l.QueueBytes, 4<<20),
		ResumeTime:   cmp.Or(l.ResumeTime, 10*time.Minute),
		AckStanzas:   cmp.Or(l.AckStanzas, 10),
		AckTime:      cmp.Or(l.AckTime, 2*time.Second),
	}
}

// before and after are what one element may be like before and after a client has signed in.
func (l *Limits) before() xmpp.Limits { return xmpp.Limits{Bytes: l.AuthStanzaBytes, Depth: 8} }
func (l *Limits) after() xmpp.Limits  { return xmpp.Limits{Bytes: l.StanzaBytes} }

// quiet is how long nothing has to come before a connection is put to rest: with no buffer, no scanner, and a small stack.
const quiet = 2 * time.Second

// linger is how long a connection that we end may take for its farewell.
const linger = 500 * time.Millisecond

const (
	bufferSize = 4 << 10  // of one that is borrowed for reading
	batchSize  = 64 << 10 // how much is written at once
)

// pools lend what a connection needs only while bytes are there.
type pools struct{ buffers, scanners, batches, frames, frameBuffers sync.Pool }

func (p *pools) buffer() *[bufferSize]byte {
	if b, ok := p.buffers.Get().(*[bufferSize]byte); ok {
		return b
	}
	return new([bufferSize]byte)
}

func (p *pools) scanner() *xmpp.Scanner {
	if s, ok := p.scanners.Get().(*xmpp.Scanner); ok {
		return s
	}
	return new(xmpp.Scanner)
}

// frame is a scanner of frames, which knows a buffer that is not its own: it is never one of scanner.
func (p *pools) frame() *xmpp.Scanner {
	if s, ok := p.frames.Get().(*xmpp.Scanner); ok {
		return s
	}
	return new(xmpp.Scanner)
}

func (p *pools) frameBuffer() *bytes.Buffer {
	if b, ok := p.frameBuffers.Get().(*bytes.Buffer); ok {
		return b
	}
	return bytes.NewBuffer(make([]byte, 0, bufferSize))
}

func (p *pools) batch() *batch {
	if b, ok := p.batches.Get().(*batch); ok {
		return b
	}
	return new(batch)
}

func (p *pools) free(b *batch) {
	if cap(b.text) <= 4*batchSize {
		b.text, b.ends = b.text[:0], b.ends[:0]
		p.batches.Put(b)
	}
}

// batch is elements to be written: one after the other, or each as a frame.
type batch struct {
	text []byte
	ends []int // of the elements in text
}

func (b *batch) add(text string) {
	b.text = append(b.text, text...)
	b.ends = append(b.ends, len(b.text))
}
