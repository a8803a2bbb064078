package quality

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
)

func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// send has a stream take packets of 20 ms by their numbers, delayed as late says.
func send(s *Stream, ssrc uint32, numbers []int, late func(i int) time.Duration) {
	for i, n := range numbers {
		s.Take(ssrc, uint16(n), uint32(160*n), 8000, start().Add(time.Duration(n)*20*time.Millisecond+late(i)))
	}
}

func upTo(n int, without ...int) (all []int) {
	for i := 65000; i < 65000+n; i++ { // past the wrap of the numbers
		if len(without) > 0 && i == 65000+without[0] {
			without = without[1:]
			continue
		}
		all = append(all, i)
	}
	return all
}

func never(int) time.Duration { return 0 }

func TestStream(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		numbers []int
		want    Count
	}{
		{"all", upTo(1000), Count{1000, 1000, 0}},
		{"some lost", upTo(1000, 10, 600, 601), Count{997, 1000, 0}},
		{"out of order", []int{1, 3, 2, 4}, Count{4, 4, 0}},
		{"repeated", []int{1, 2, 2, 3, 1, 3}, Count{3, 3, 3}},
		{"one far off", []int{1, 2, 30000, 3, 4}, Count{4, 4, 0}},
		{"begun anew", []int{1, 2, 30000, 30001, 30002}, Count{4, 4, 0}},
		{"an earlier one after the first", []int{5, 4, 6}, Count{3, 3, 0}},
	} {
		var s Stream
		send(&s, 7, test.numbers, never)
		if got := s.Count(); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
	var s Stream
	send(&s, 7, upTo(100, 3), never)
	send(&s, 8, upTo(50), never)
	if got := s.Count(); got != (Count{149, 150, 0}) {
		t.Errorf("of two sources: %+v", got)
	}
	if got := s.Count().Lost(); math.Abs(got-1.0/150) > 1e-9 {
		t.Errorf("lost %f", got)
	}
}

func TestJitter(t *testing.T) {
	t.Parallel()
	var even, uneven Stream
	send(&even, 7, upTo(500), never)
	send(&uneven, 7, upTo(500), func(i int) time.Duration { return time.Duration(i%2) * 10 * time.Millisecond })
	if mean, _ := even.Jitter(); mean > 100*time.Microsecond {
		t.Errorf("an even stream has a jitter of %v", mean)
	}
	if mean, most := uneven.Jitter(); mean < 8*time.Millisecond || most > 11*time.Millisecond {
		t.Errorf("a stream of which every other packet is 10 ms late has a jitter of %v, at most %v", mean, most)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	var s Stream
	if _, ok := s.Report(8000); ok {
		t.Error("nothing is reported on")
	}
	send(&s, 7, upTo(100, 10, 11), never)
	b, ok := s.Report(8000)
	if !ok || b.SSRC != 7 || b.Lost != 2 || b.Fraction != 5 || b.Highest != 65099 {
		t.Errorf("reported %+v", b)
	}
	if b, _ = s.Report(8000); b.Fraction != 0 || b.Lost != 2 {
		t.Errorf("reported again %+v", b)
	}
	if got := len(b.Append(nil)); got != blockLength {
		t.Errorf("it is written in %d octets", got)
	}
}

func senderReport(ssrc uint32, middle uint32, blocks ...Block) []byte {
	b := []byte{2<<6 | byte(len(blocks)), typeSR, 0, byte(6 + 6*len(blocks))}
	b = be32(b, ssrc)
	b = binary.BigEndian.AppendUint64(b, uint64(middle)<<16)
	b = append(b, make([]byte, 12)...)
	for _, block := range blocks {
		b = block.Append(b)
	}
	return b
}

func TestMeter(t *testing.T) {
	t.Parallel()
	var m Meter
	m.Speak("PCMA", 8000)
	now := start()
	for i := range 500 {
		now = now.Add(20 * time.Millisecond)
		if i%20 != 5 {
			m.Came(7, uint16(i), uint32(160*i), now)
		}
		m.Went()
	}
	m.Tells(senderReport(9, 0x1234_0000), now)
	now = now.Add(150 * time.Millisecond)
	m.Told(senderReport(7, 0x4321_0000, Block{SSRC: 9, Fraction: 26, Jitter: 80, LSR: 0x1234_0000, DLSR: 65536 / 20}), now)
	f := m.Figures()
	if f.Received != 475 || f.Sent != 500 || math.Abs(f.Loss-0.05) > 0.001 {
		t.Errorf("figures %+v", f)
	}
	if f.Trip < 99*time.Millisecond || f.Trip > 101*time.Millisecond {
		t.Errorf("the way there and back takes %v, want 100 ms", f.Trip)
	}
	if !f.Told || math.Abs(f.FarLoss-0.1) > 0.01 || f.FarJit != 10*time.Millisecond {
		t.Errorf("the far end tells of %+v", f)
	}
	if f.MOS < 3.5 || f.MOS > 4 || f.SentMOS >= f.MOS {
		t.Errorf("MOS %.2f, and %.2f of what is sent", f.MOS, f.SentMOS)
	}
	now = now.Add(time.Second)
	b, ok := m.Reports(now)
	if !ok || b.LSR != 0x4321_0000 || b.DLSR != 65536 || b.SSRC != 7 {
		t.Errorf("reports %+v", b)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("media", "leg", f)
	for _, want := range []string{"leg.codec=PCMA", "leg.loss=0.05", "leg.rtt=100ms", "leg.far_loss=0.1", "leg.mos="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log.String())
		}
	}
}

func TestExtendedReport(t *testing.T) {
	t.Parallel()
	xr := []byte{2 << 6, typeXR, 0, 10, 0, 0, 0, 7, 7, 0, 0, 8}
	xr = append(xr, make([]byte, 32)...)
	xr[8+22] = 41
	var m Meter
	m.Told(append(senderReport(7, 1, Block{SSRC: 9}), xr...), start())
	if f := m.Figures(); f.FarMOS != 4.1 {
		t.Errorf("the far end rates %.1f", f.FarMOS)
	}
}

// TestEModel holds the model against points that the Recommendations' curves go through.
func TestEModel(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		l         Listening
		low, high float64
	}{
		{"G.711", Listening{Codec: "PCMU"}, 4.40, 4.42},
		{"150 ms", Listening{Codec: "PCMU", Delay: 150 * time.Millisecond}, 4.3, 4.4},
		{"400 ms", Listening{Codec: "PCMU", Delay: 400 * time.Millisecond}, 2.9, 3.3},
		{"G.729", Listening{Codec: "G729"}, 4.05, 4.15},
		{"5 % lost", Listening{Codec: "PCMU", Loss: 0.05}, 3.7, 4.1},
		{"5 % lost in bursts", Listening{Codec: "PCMU", Loss: 0.05, Burst: 3}, 3.4, 4.1},
		{"all lost", Listening{Loss: 1}, 1, 1.5},
		{"nonsense", Listening{Loss: 7, Delay: time.Hour}, 1, 1},
	} {
		if got := test.l.MOS(); got < test.low || got > test.high {
			t.Errorf("%s: MOS %.2f, want %.2f to %.2f", test.name, got, test.low, test.high)
		}
	}
}

func FuzzTold(f *testing.F) {
	f.Add(senderReport(7, 1, Block{SSRC: 9, LSR: 4}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Meter
		m.Speak("opus", 48000)
		m.Tells(b, start())
		m.Told(b, start().Add(time.Second))
		m.Came(1, 2, 3, start())
		if got := m.Figures(); got.MOS < 1 || got.MOS > 4.5 || got.Trip < 0 {
			t.Errorf("figures %+v", got)
		}
	})
}

func BenchmarkCame(b *testing.B) {
	var m Meter
	m.Speak("PCMA", 8000)
	now := start()
	for i := 0; b.Loop(); i++ {
		m.Came(7, uint16(i), uint32(160*i), now)
	}
}
