package dtmf

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

func TestPress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		clock  int
		length time.Duration
		want   string
	}{
		{8000, 60 * time.Millisecond, "m1000:160 1000:320 1000:480e 1000:480e 1000:480e"},
		{48000, 50 * time.Millisecond, "m1000:960 1000:1920 1000:2400e 1000:2400e 1000:2400e"},
		{8000, 0, "m1000:160 1000:320e 1000:320e 1000:320e"},
	} {
		p, ok := NewPress('#', test.clock, 1000, test.length)
		if !ok {
			t.Fatal("# is no key")
		}
		if got := strings.Join(all(p), " "); got != test.want {
			t.Errorf("%v at %d: %s, want %s", test.length, test.clock, got, test.want)
		}
	}
	if _, ok := NewPress('x', 8000, 0, 0); ok {
		t.Error("x is a key")
	}
}

func all(p *Press) (out []string) {
	for {
		x, ok := p.Next()
		if !ok {
			return out
		}
		s := fmt.Sprintf("%d:%d", x.Timestamp, x.Event.Duration)
		if x.Marker {
			s = "m" + s
		}
		if x.Event.End {
			s += "e"
		}
		out = append(out, s)
	}
}

// TestLongPress lasts longer than 16 bits of its clock can say.
func TestLongPress(t *testing.T) {
	t.Parallel()
	p, _ := NewPress('1', 48000, 0xffffff00, 2*time.Second)
	r := Receiver{Clock: 48000}
	began, ended := 0, 0
	var last Packet
	for x, ok := p.Next(); ok; x, ok = p.Next() {
		last = x
		b, e := r.Take(x.Timestamp, x.Event)
		if b {
			began++
		}
		if e {
			ended++
		}
	}
	if last.Timestamp+uint32(last.Event.Duration)-0xffffff00 != 96000 {
		t.Errorf("it ends with %d+%d", last.Timestamp, last.Event.Duration)
	}
	if began != 1 || ended != 1 {
		t.Errorf("it began %d times and ended %d times", began, ended)
	}
}

func TestReceiver(t *testing.T) {
	t.Parallel()
	type packet struct {
		timestamp uint32
		event     Event
		begins    bool
		ends      bool
	}
	r := Receiver{Clock: 8000}
	for i, p := range []packet{
		{1000, Event{Code: 5, Duration: 160}, true, false},
		{1000, Event{Code: 5, Duration: 320}, false, false},
		{1000, Event{Code: 5, Duration: 480, End: true}, false, true},
		{1000, Event{Code: 5, Duration: 480, End: true}, false, false},
		{3000, Event{Code: 5, Duration: 800, End: true}, true, true}, // only the end got through
		{1000, Event{Code: 5, Duration: 480, End: true}, false, false},
		{5000, Event{Code: 11, Duration: 160}, true, false},
		{9000, Event{Code: 1, Duration: 160}, true, false}, // the end got lost
	} {
		begins, ends := r.Take(p.timestamp, p.event)
		if begins != p.begins || ends != p.ends {
			t.Errorf("packet %d: begins %v, ends %v", i, begins, ends)
		}
	}
}

func TestScaler(t *testing.T) {
	t.Parallel()
	up := Scaler{From: 8000, To: 48000}
	for _, p := range []struct {
		timestamp uint32
		duration  uint16
		begin     uint32
		want      string
	}{
		{800, 160, 7000, "7000:960"},
		{800, 320, 9999, "7000:1920"}, // begin counts at the begin alone
		{800, 10922, 9999, "7000:65532"},
		{800, 11000, 9999, "72535:465"},
		{20000, 160, 100000, "100000:960"},
	} {
		ts, e := up.Scale(p.timestamp, Event{Code: 1, Duration: p.duration}, p.begin)
		if got := fmt.Sprintf("%d:%d", ts, e.Duration); got != p.want {
			t.Errorf("%d:%d became %s, want %s", p.timestamp, p.duration, got, p.want)
		}
	}
	down := Scaler{From: 48000, To: 8000}
	if ts, e := down.Scale(1, Event{Duration: 9600, End: true}, 5); ts != 5 || e.Duration != 1600 || !e.End {
		t.Errorf("became %d %+v", ts, e)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind, body string
		key        byte
		length     int
	}{
		{"application/dtmf-relay", "Signal=5\r\nDuration=250\r\n", '5', 250},
		{"application/DTMF-Relay; charset=utf-8", "Signal= *\nDuration= 100", '*', 100},
		{"application/dtmf-relay", "signal=11\r\n", '#', 160},
		{"application/dtmf-relay", "Signal=b\r\nDuration=soon", 'B', 160},
		{"application/dtmf", "7", '7', 160},
		{"application/dtmf", " # \r\n", '#', 160},
		{"application/dtmf", "Signal=0", '0', 160},
		{"application/dtmf-relay", "Signal=16", 0, 0},
		{"application/dtmf-relay", "Duration=160", 0, 0},
		{"application/dtmf-relay", "", 0, 0},
		{"application/dtmf", "55", 0, 0},
		{"text/plain", "5", 0, 0},
	} {
		key, length, ok := ReadInfo(test.kind, test.body)
		if ok != (test.key != 0) || ok && (key != test.key || length != time.Duration(test.length)*time.Millisecond) {
			t.Errorf("%s %q: %c %v %v", test.kind, test.body, key, length, ok)
		}
	}
	if key, length, ok := ReadInfo(RelayType, Info('D', 90*time.Millisecond)); !ok || key != 'D' || length != 90*time.Millisecond {
		t.Errorf("what is written is read as %c %v", key, length)
	}
}

// heard are the keys that a detector finds.
func heard(rate int, samples []int16) string {
	var out []byte
	d := NewDetector(rate)
	for len(samples) > 0 {
		n := min(len(samples), 77)
		d.Hear(samples[:n], func(key byte, down bool) {
			if down {
				out = append(out, key)
			}
		})
		samples = samples[n:]
	}
	return string(out)
}

// dialled is a number as tones, each 50 ms with 50 ms between them.
func dialled(t *testing.T, number string, rate int, change func(i int, s float64) float64) (out []int16) {
	t.Helper()
	for i := range len(number) {
		tone, ok := NewTone(number[i], rate)
		if !ok {
			t.Fatalf("%c is no key", number[i])
		}
		out = tone.Append(out, rate/20)
		out = append(out, make([]int16, rate/20)...)
	}
	for i, s := range out {
		out[i] = int16(min(max(change(i, float64(s)), -32768), 32767))
	}
	return out
}

func TestDetector(t *testing.T) {
	t.Parallel()
	const number = "1123456789*0#ABCDD"
	noise := rand.New(rand.NewPCG(1, 2))
	for name, change := range map[string]func(int, float64) float64{
		"as made":    func(_ int, s float64) float64 { return s },
		"quiet":      func(_ int, s float64) float64 { return s / 10 },
		"loud":       func(_ int, s float64) float64 { return s * 2.5 },
		"with noise": func(_ int, s float64) float64 { return s + 600*noise.NormFloat64() },
		"with mains": func(i int, s float64) float64 { return s + 800*math.Sin(2*math.Pi*50*float64(i)/8000) },
		"softer":     func(_ int, s float64) float64 { return s / 3 },
	} {
		for _, rate := range []int{8000, 16000, 48000} {
			if got := heard(rate, dialled(t, number, rate, change)); got != number {
				t.Errorf("%s at %d: heard %s, want %s", name, rate, got, number)
			}
		}
	}
}

// TestSpeechIsNoKey listens to speech, single tones and noise.
func TestSpeechIsNoKey(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../codec/testdata/speech16.raw")
	if err != nil {
		t.Fatal(err)
	}
	said := make([]int16, len(b)/2)
	for i := range said {
		said[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	if got := heard(16000, said); got != "" {
		t.Errorf("speech has the keys %s", got)
	}
	r, noise := rand.New(rand.NewPCG(3, 4)), make([]int16, 8000*10)
	for i := range noise {
		noise[i] = int16(8000 * r.NormFloat64() / 3)
	}
	if got := heard(8000, noise); got != "" {
		t.Errorf("noise has the keys %s", got)
	}
	for _, f := range []float64{425, 697, 1209, 1000} {
		tone := make([]int16, 8000)
		for i := range tone {
			tone[i] = int16(8000 * math.Sin(2*math.Pi*f*float64(i)/8000))
		}
		if got := heard(8000, tone); got != "" {
			t.Errorf("a tone of %.0f Hz has the keys %s", f, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{5, 0x8a, 1, 64}, "application/dtmf-relay", "Signal=5\r\nDuration=1\r\n")
	f.Fuzz(func(t *testing.T, payload []byte, kind, body string) {
		if e, ok := Read(payload); ok {
			if back, ok := Read(e.Append(nil)); !ok || back != e {
				t.Errorf("%+v comes back as %+v", e, back)
			}
			s := Scaler{From: 8000, To: 48000}
			s.Scale(1, e, 7)
		}
		if key, length, ok := ReadInfo(kind, body); ok {
			if again, same, ok := ReadInfo(RelayType, Info(key, length)); !ok || again != key || same != length {
				t.Errorf("%q is %c %v, which is written as %c %v", body, key, length, again, same)
			}
		}
	})
}

func BenchmarkDetector(b *testing.B) {
	d, samples := NewDetector(8000), make([]int16, 160)
	for i := range samples {
		samples[i] = int16(i * 100)
	}
	for b.Loop() {
		d.Hear(samples, func(byte, bool) {})
	}
}
