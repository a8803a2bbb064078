package quality

import (
	"encoding/binary"
	"log/slog"
	"sync"
	"time"
)

// Meter is of one leg of a call: what comes from it, and what it says of what it gets. It is safe for concurrent use.
type Meter struct {
	mu    sync.Mutex
	codec string
	clock int
	in    Stream
	sent  uint64
	// The last sender reports that went to the leg, by the middle of their time.
	reports [4]struct {
		middle uint32
		at     time.Time
	}
	next int

	heard struct { // the leg's last report, and the middle of its time
		middle uint32
		at     time.Time
	}
	trips   int
	trip    time.Duration // sum
	longest time.Duration
	far     far
}

// far is what the leg says of what it gets.
type far struct {
	said    bool
	reports int
	loss    float64 // sum of the fractions
	jitter  float64 // sum, in seconds
	mos     float64 // its own, if an extended report had one
}

// Figures are a leg's at the end of a call.
type Figures struct {
	Codec    string
	Received uint64 // packets
	Sent     uint64
	Loss     float64 // share of those that should have come
	Repeated uint64
	Jitter   time.Duration // mean
	Peak     time.Duration
	Trip     time.Duration // to the leg and back, mean; 0 if it is not known
	FarLoss  float64       // of what the leg was sent, as it says
	FarJit   time.Duration
	FarMOS   float64 // as the leg rates what it hears; 0 if it does not
	Told     bool    // the leg has reported
	MOS      float64 // of what comes from the leg
	SentMOS  float64 // of what it gets, if it has reported
}

// Speak says what comes from the leg from now on.
func (m *Meter) Speak(codec string, clock int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.codec, m.clock = codec, clock
}

// Came counts a packet that came from the leg.
func (m *Meter) Came(ssrc uint32, sequence uint16, timestamp uint32, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.in.Take(ssrc, sequence, timestamp, m.clock, now)
}

// Packet counts an RTP packet that came from the leg, by its header (rfc3550#5.1).
func (m *Meter) Packet(b []byte, now time.Time) {
	if len(b) >= 12 {
		m.Came(binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]), now)
	}
}

// Went counts a packet that went to it.
func (m *Meter) Went() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent++
}

// RTCP types (rfc3550#12.1, rfc3611#2).
const (
	typeSR = 200
	typeRR = 201
	typeXR = 207
)

// Told looks into what the leg reports.
func (m *Meter) Told(compound []byte, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	each(compound, func(kind byte, b []byte) {
		switch {
		case kind == typeSR && len(b) >= 28:
			m.heard.middle, m.heard.at = binary.BigEndian.Uint32(b[10:]), now
			m.blocks(b[28:], int(b[0]&0x1f), now)
		case kind == typeRR:
			m.blocks(b[8:], int(b[0]&0x1f), now)
		case kind == typeXR:
			m.extended(b[8:])
		}
	})
}

// Tells notes the sender reports that go to the leg.
func (m *Meter) Tells(compound []byte, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	each(compound, func(kind byte, b []byte) {
		if kind == typeSR && len(b) >= 28 {
			r := &m.reports[m.next%len(m.reports)]
			r.middle, r.at = binary.BigEndian.Uint32(b[10:]), now
			m.next++
		}
	})
}

// each takes a compound packet apart.
func each(compound []byte, take func(kind byte, b []byte)) {
	for b := compound; len(b) >= 8 && b[0]>>6 == 2; {
		length := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if length > len(b) || length < 8 {
			return
		}
		take(b[1], b[:length])
		b = b[length:]
	}
}

const blockLength = 24

func (m *Meter) blocks(b []byte, n int, now time.Time) {
	for ; n > 0 && len(b) >= blockLength; n, b = n-1, b[blockLength:] {
		m.block(b, now)
	}
}

func (m *Meter) block(b []byte, now time.Time) {
	m.far.said = true
	m.far.reports++
	m.far.loss += float64(b[4]) / 256
	if m.clock > 0 {
		m.far.jitter += float64(binary.BigEndian.Uint32(b[12:])) / float64(m.clock)
	}
	last, since := binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])
	if last == 0 {
		return
	}
	for _, r := range m.reports {
		if r.middle != last || r.at.IsZero() {
			continue
		}
		// rfc3550#6.4.1: what went by since, less what it kept the report.
		trip := now.Sub(r.at) - time.Duration(since)*time.Second/65536
		if trip >= 0 && trip < time.Minute {
			m.trips++
			m.trip += trip
			m.longest = max(m.longest, trip)
		}
	}
}

// extended takes the rating out of a block of VoIP metrics (rfc3611#4.7).
func (m *Meter) extended(b []byte) {
	for len(b) >= 4 {
		length := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if length > len(b) {
			return
		}
		if b[0] == 7 && length >= 36 {
			if mos := b[22]; mos >= 10 && mos <= 50 { // 127: it does not know
				m.far.mos = float64(mos) / 10
			}
		}
		b = b[length:]
	}
}

// Reports gives what is to be reported to the leg of what came from it.
func (m *Meter) Reports(now time.Time) (b Block, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok = m.in.Report(m.clock); ok && !m.heard.at.IsZero() {
		b.LSR, b.DLSR = m.heard.middle, uint32(now.Sub(m.heard.at)*65536/time.Second)
	}
	return b, ok
}

// Figures so far.
func (m *Meter) Figures() Figures {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := m.in.Count()
	f := Figures{Codec: m.codec, Received: count.Received, Sent: m.sent, Loss: count.Lost(), Repeated: count.Repeated, Told: m.far.said}
	f.Jitter, f.Peak = m.in.Jitter()
	if m.trips > 0 {
		f.Trip = m.trip / time.Duration(m.trips)
	}
	if count.Received > 0 {
		f.MOS = Listening{Codec: m.codec, Loss: f.Loss, Delay: delay(f.Trip, f.Jitter)}.MOS()
	}
	if m.far.reports > 0 {
		n := float64(m.far.reports)
		f.FarLoss, f.FarJit, f.FarMOS = m.far.loss/n, seconds(m.far.jitter/n), m.far.mos
		f.SentMOS = Listening{Codec: m.codec, Loss: f.FarLoss, Delay: delay(f.Trip, f.FarJit)}.MOS()
	}
	return f
}

const framing = 40 * time.Millisecond // a packet's length, and what a codec and a sound card keep back

// delay from mouth to ear of one leg: half of the way there and back, and a buffer of twice the jitter.
func delay(trip, jitter time.Duration) time.Duration { return trip/2 + 2*jitter + framing }

// LogValue puts the figures into a log.
func (f Figures) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("codec", f.Codec), slog.Uint64("received", f.Received), slog.Uint64("sent", f.Sent),
		slog.Float64("loss", round(f.Loss)), slog.Duration("jitter", f.Jitter.Round(100*time.Microsecond)),
	}
	if f.MOS > 0 {
		attrs = append(attrs, slog.Float64("mos", f.MOS))
	}
	if f.Trip > 0 {
		attrs = append(attrs, slog.Duration("rtt", f.Trip.Round(100*time.Microsecond)))
	}
	if f.Told {
		attrs = append(attrs, slog.Float64("far_loss", round(f.FarLoss)),
			slog.Duration("far_jitter", f.FarJit.Round(100*time.Microsecond)))
	}
	if mos := max(f.SentMOS, f.FarMOS); mos > 0 {
		attrs = append(attrs, slog.Float64("far_mos", mos))
	}
	return slog.GroupValue(attrs...)
}

func round(share float64) float64 { return float64(int(share*10000+0.5)) / 10000 }
