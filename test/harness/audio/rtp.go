package audio

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	rtpHeader = 12
	frame     = 160 // samples of 20 ms at 8000 a second
	frameTime = 20 * time.Millisecond
)

// hearing keeps what is received.
type hearing struct {
	mu    sync.Mutex
	heard []int16
	first uint32 // the timestamp at which heard begins
	any   bool
}

// Endpoint is one end of a telephone call's media: it sends a clip as G.711 and keeps what it
// receives.
type Endpoint struct {
	// Host is the address that descriptions name; 127.0.0.1 if empty.
	Host string

	law  law
	conn *net.UDPConn
	hearing
	sent atomic.Uint32 // packets

	stop chan struct{}
	once sync.Once
	wait sync.WaitGroup
}

// NewEndpoint opens a port on 127.0.0.1 and begins to listen. It speaks PCMU.
func NewEndpoint() (*Endpoint, error) { return newEndpoint(muLaw) }

// NewALawEndpoint is one that speaks PCMA.
func NewALawEndpoint() (*Endpoint, error) { return newEndpoint(aLaw) }

func newEndpoint(l law) (*Endpoint, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	e := &Endpoint{law: l, conn: conn, stop: make(chan struct{})}
	e.wait.Go(e.listen)
	return e, nil
}

// Port is where the endpoint listens.
func (e *Endpoint) Port() int { return e.conn.LocalAddr().(*net.UDPAddr).Port }

// SDP describes the endpoint; direction is sendrecv, sendonly, recvonly or inactive, and
// version counts the offers and answers of a session (rfc3264#8).
func (e *Endpoint) SDP(direction string, version int) string {
	return fmt.Sprintf("v=0\r\no=- 1 %d IN IP4 %[2]s\r\ns=-\r\nc=IN IP4 %[2]s\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP %[4]d\r\na=rtpmap:%[4]d %s/8000\r\na=%s\r\n",
		version, cmp.Or(e.Host, "127.0.0.1"), e.Port(), e.law.payload, e.law.name, direction)
}

// Play sends the clip in real time to the peer, and returns at once. The clip has 8000 samples
// a second.
func (e *Endpoint) Play(to netip.AddrPort, c Clip) {
	e.wait.Go(func() { e.send(to, c) })
}

func (e *Endpoint) send(to netip.AddrPort, c Clip) {
	packet := make([]byte, rtpHeader+frame)
	packet[0], packet[1] = 0x80, e.law.payload
	binary.BigEndian.PutUint32(packet[8:], uint32(e.Port()))
	next := time.NewTicker(frameTime)
	defer next.Stop()
	for n := 0; (n+1)*frame <= len(c.Samples); n++ {
		sent := e.sent.Add(1) // one stream, however many clips
		binary.BigEndian.PutUint16(packet[2:], uint16(sent))
		binary.BigEndian.PutUint32(packet[4:], sent*frame)
		for i, s := range c.Samples[n*frame : (n+1)*frame] {
			packet[rtpHeader+i] = e.law.encode(s)
		}
		// A peer that is not there yet is not an error: nobody waits for voice.
		_, _ = e.conn.WriteToUDPAddrPort(packet, to)
		select {
		case <-next.C:
		case <-e.stop:
			return
		}
	}
}

func (e *Endpoint) listen() {
	b := make([]byte, 2048)
	for {
		n, _, err := e.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if p := b[:n]; len(p) > rtpHeader && p[0]>>6 == 2 && p[1]&0x7f == e.law.payload && p[0]&0x3f == 0 {
			e.take(binary.BigEndian.Uint32(p[4:]), p[rtpHeader:], e.law.decode)
		}
	}
}

// take puts a packet's samples where its timestamp says, so that loss is silence.
func (h *hearing) take(stamp uint32, payload []byte, decode func(byte) int16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.any {
		h.first, h.any = stamp, true
	}
	at := int(int32(stamp - h.first))
	if at < 0 || at > 8000*120 {
		return
	}
	if need := at + len(payload); need > len(h.heard) {
		h.heard = append(h.heard, make([]int16, need-len(h.heard))...)
	}
	for i, b := range payload {
		h.heard[at+i] = decode(b)
	}
}

// Heard is what has been received so far.
func (h *hearing) Heard() Clip {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Clip{Rate: 8000, Samples: append([]int16(nil), h.heard...)}
}

// Forget drops what has been received so far.
func (h *hearing) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard, h.any = nil, false
}

// Close ends sending and listening.
func (e *Endpoint) Close() error {
	e.once.Do(func() { close(e.stop) })
	err := e.conn.Close()
	e.wait.Wait()
	return err
}
