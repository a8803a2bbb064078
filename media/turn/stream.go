package turn

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"parley/listen"
)

// What a connection may do before it has an allocation, and how long it may take for all else.
const (
	handshakeTime  = 10 * time.Second
	proofTime      = 30 * time.Second // also how long one stays whose allocation is over
	sendTime       = 10 * time.Second
	unprovedFrames = 32
	unprovedFrame  = 2 << 10 // bytes
	streamQueue    = 256     // messages that wait to be sent
	streamChunk    = 16 << 10
)

// ServeStream takes clients' connections from a listener, with TLS if there is a configuration of it. The listener bounds
// how many there are.
func (s *Server) ServeStream(l net.Listener, secure *tls.Config) error {
	r, err := newRelays(s, deliverStream, func() {})
	if err != nil {
		return wrap("listen on TCP", err)
	}
	if !s.track(func() { l.Close(); r.close() }) {
		return errors.Join(net.ErrClosed, l.Close())
	}
	s.running.Go(r.run)
	s.running.Go(func() {
		listen.Accept(s.ctx, l, s.log, func(c net.Conn) {
			s.running.Go(func() { s.serve(c, secure, r) })
		})
	})
	return nil
}

func (s *Server) serve(c net.Conn, secure *tls.Config, r *relays) {
	defer c.Close()
	end := context.AfterFunc(s.ctx, func() { c.Close() })
	defer end()
	remote := listen.Address(c.RemoteAddr())
	if secure != nil {
		t := tls.Server(c, secure)
		ctx, cancel := context.WithTimeout(s.ctx, handshakeTime)
		err := t.HandshakeContext(ctx)
		cancel()
		if err != nil {
			s.log.Debug("TURN: TLS handshake failed", "client", remote, "err", err)
			return
		}
		c = t
	}
	l := &streamLink{conn: c, from: remote, reader: r, queue: make(chan []byte, streamQueue), done: make(chan struct{})}
	s.running.Go(l.writeAll)
	err := l.readAll(s)
	close(l.done)
	if a := l.allocation(); a != nil {
		s.end(a, "the connection is closed")
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		s.log.Debug("TURN: connection ended", "client", remote, "err", err)
	}
}

// streamLink is a client's connection.
type streamLink struct {
	conn    net.Conn
	from    netip.AddrPort
	reader  *relays
	current atomic.Pointer[allocation]
	queue   chan []byte
	done    chan struct{}
}

func (l *streamLink) remote() netip.AddrPort  { return l.from }
func (l *streamLink) stream() bool            { return true }
func (l *streamLink) padded() bool            { return true }
func (l *streamLink) relays() *relays         { return l.reader }
func (l *streamLink) allocation() *allocation { return l.current.Load() }
func (l *streamLink) unbind(a *allocation)    { l.current.CompareAndSwap(a, nil) }

func (l *streamLink) bind(a *allocation) bool {
	if !l.current.CompareAndSwap(nil, a) {
		return false
	}
	select {
	case <-l.done: // it ended meanwhile, and nobody would end the allocation
		l.unbind(a)
		return false
	default:
		return true
	}
}

// reply waits for room: it holds up only who asked.
func (l *streamLink) reply(b []byte) {
	select {
	case l.queue <- b:
	case <-l.done:
	case <-time.After(sendTime):
		l.conn.Close()
	}
}

// deliverStream sends data to a client, or drops it where the connection is full: media that comes late is worth nothing.
func deliverStream(a *allocation, b []byte) {
	l, ok := a.client.(*streamLink)
	if !ok {
		return
	}
	select {
	case l.queue <- append([]byte(nil), b...):
	default:
		a.dropped.Add(1)
	}
}

// writeAll sends what waits, together what waits together.
func (l *streamLink) writeAll() {
	buf := make([]byte, 0, streamChunk)
	for {
		select {
		case <-l.done:
			return
		case b := <-l.queue:
			buf = append(buf[:0], b...)
		}
		for more := true; more && len(buf) < streamChunk; {
			select {
			case b := <-l.queue:
				buf = append(buf, b...)
			default:
				more = false
			}
		}
		_ = l.conn.SetWriteDeadline(time.Now().Add(sendTime)) // a connection that has ended says so below
		if _, err := l.conn.Write(buf); err != nil {
			l.conn.Close()
			return
		}
	}
}

// readAll handles what comes until the connection ends, or stays without an allocation for too long.
func (l *streamLink) readAll(s *Server) error {
	buf, n, frames := make([]byte, unprovedFrame), 0, 0
	proved := time.Now()
	for {
		if err := l.conn.SetReadDeadline(time.Now().Add(proofTime)); err != nil {
			return err
		}
		got, err := l.conn.Read(buf[n:])
		n += got
		has := l.allocation() != nil
		if has {
			proved, frames = time.Now(), 0
		}
		idle := errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case err != nil && !idle, idle && !has:
			return err
		case time.Since(proved) > proofTime || frames > unprovedFrames:
			return errors.New("turn: no allocation")
		}
		used, err := l.frames(s, buf[:n], &frames)
		if err != nil {
			return err
		}
		n = copy(buf, buf[used:n])
		if buf, err = l.room(buf, n); err != nil {
			return err
		}
	}
}

// frames handles the whole messages in b.
func (l *streamLink) frames(s *Server, b []byte, count *int) (used int, err error) {
	for {
		if used < len(b) && b[used]>>6 == 1 && l.allocation() == nil {
			return used, errFrame // a stranger has no channels
		}
		size, err := frame(b[used:])
		if err != nil || size == 0 || len(b)-used < size {
			return used, err
		}
		message := b[used : used+size]
		used += size
		*count++
		if a := l.allocation(); a != nil && isChannel(message) {
			s.fromChannel(a, message, s.cfg.Now())
		} else {
			s.message(l, message)
		}
	}
}

// room makes the buffer longer if it is full, for those who have an allocation.
func (l *streamLink) room(buf []byte, n int) ([]byte, error) {
	if n < len(buf) {
		return buf, nil
	}
	if l.allocation() == nil {
		return nil, errors.New("turn: too long a message for a stranger")
	}
	longer := make([]byte, channelHeader+1<<16+3)
	if n == len(longer) {
		return nil, errFrame
	}
	copy(longer, buf[:n])
	return longer, nil
}
