package record

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/media/codec"
	"parley/media/tone"
	"parley/media/wav"
	"parley/test/harness/audio"
)

func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func recorder(t *testing.T, c Config) (*Recorder, *os.File) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.wav"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	c.Out = f
	r, err := New(c, start())
	if err != nil {
		t.Fatal(err)
	}
	return r, f
}

// channels reads what was recorded.
func channels(t *testing.T, f *os.File) (left, right audio.Clip) {
	t.Helper()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	r, err := wav.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	left.Rate, right.Rate = r.Rate, r.Rate
	buf := make([]int16, 1024)
	for {
		n, err := r.Read(buf)
		for i := 0; i < n; i += 2 {
			left.Samples, right.Samples = append(left.Samples, buf[i]), append(right.Samples, buf[i+1])
		}
		if errors.Is(err, io.EOF) {
			return left, right
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// speaks has a side speak a clip from some time on, through a network of that unevenness that loses one of so many.
func speaks(t *testing.T, r *Recorder, s Side, name string, clip audio.Clip, from, uneven time.Duration, loses int) {
	t.Helper()
	c, _ := codec.Find(name, 8000, 1)
	if err := r.Speak(s, c.Name, c.Clock, 1); err != nil {
		t.Fatal(err)
	}
	rate := c.Rates[0]
	e, err := c.Encoder(rate, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, uint64(s)))
	samples := codec.NewResampler(8000, rate).Convert(nil, clip.Samples)
	for i, frame := 0, rate/50; (i+1)*frame <= len(samples); i++ {
		payload, err := e.Encode(nil, samples[i*frame:(i+1)*frame])
		if err != nil {
			t.Fatal(err)
		}
		if loses > 0 && i > 0 && random.IntN(loses) == 0 {
			continue
		}
		at := from + time.Duration(i)*20*time.Millisecond + time.Duration(random.Int64N(int64(uneven)+1))
		if i == 0 {
			at = from
		}
		if err := r.Take(s, 7, uint32(0xfffffff0+i*160), payload, start().Add(at)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInStep has both say the same, the callee half a second later, one of them by G.722, and looks for both in the file.
func TestInStep(t *testing.T) {
	t.Parallel()
	r, f := recorder(t, Config{})
	clip := audio.Sweep(1.5)
	speaks(t, r, Caller, "PCMA", clip, 100*time.Millisecond, 30*time.Millisecond, 0)
	// The clock of the test runs on with the caller; what the callee says comes within the time that is waited for.
	if err := r.Close(start().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	left, right := channels(t, f)
	if left.Seconds() != 2 || right.Seconds() != 2 {
		t.Errorf("two seconds are %.3f", left.Seconds())
	}
	part := audio.Clip{Rate: 8000, Samples: left.Samples[800 : 800+12000]}
	if got := audio.Similarity(clip, part); got < 0.97 {
		t.Errorf("at its place the caller is %.3f like what he said", got)
	}
	for _, s := range right.Samples {
		if s != 0 {
			t.Fatal("the callee, who said nothing, is heard")
		}
	}
}

func TestBothTogether(t *testing.T) {
	t.Parallel()
	r, f := recorder(t, Config{Rate: 16000})
	pcmu, _ := codec.Find("PCMU", 8000, 1)
	for _, s := range []Side{Caller, Callee} {
		if err := r.Speak(s, "PCMU", 8000, 1); err != nil {
			t.Fatal(err)
		}
	}
	e, err := pcmu.Encoder(8000, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sweep := audio.Sweep(2)
	for i := 0; (i+1)*160 <= len(sweep.Samples); i++ {
		payload, err := e.Encode(nil, sweep.Samples[i*160:(i+1)*160])
		if err != nil {
			t.Fatal(err)
		}
		now := start().Add(time.Duration(i) * 20 * time.Millisecond)
		for s := Caller; s <= Callee; s++ {
			// The callee's come 40 ms later, as from farther away: that is when they are heard.
			if err := r.Take(s, uint32(s), uint32(i*160), payload, now.Add(time.Duration(s)*40*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.Close(start().Add(3 * time.Second)); err != nil {
		t.Fatal(err)
	}
	left, right := channels(t, f)
	shifted := audio.Clip{Rate: 16000, Samples: right.Samples[640 : 640+32000]}
	if got := audio.Similarity(audio.Clip{Rate: 16000, Samples: left.Samples[:32000]}, shifted); got < 0.99 {
		t.Errorf("the sides are %.3f like each other", got)
	}
}

func TestLossIsMadeUp(t *testing.T) {
	t.Parallel()
	r, f := recorder(t, Config{})
	clip := audio.Sweep(2)
	speaks(t, r, Callee, "G722", clip, 0, 10*time.Millisecond, 20)
	if err := r.Close(start().Add(3 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, right := channels(t, f)
	if got := audio.Similarity(clip, right); got < 0.9 {
		t.Errorf("the callee is %.3f like what he said", got)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		policy Policy
		agree  []Side
		keeps  bool
		beeps  bool
	}{
		{Announced, nil, true, false},
		{Beeping, nil, true, true},
		{Asked, nil, false, false},
		{Asked, []Side{Caller}, false, false},
		{Asked, []Side{Caller, Callee}, true, true},
	} {
		r, f := recorder(t, Config{Policy: test.policy})
		for _, s := range test.agree {
			r.Agree(s, start())
		}
		speaks(t, r, Caller, "PCMU", audio.Sweep(1), 0, 0, 0)
		samples := make([]int16, 4000)
		r.Beep(tone.NewPlayer(tone.Recording(), 8000), samples)
		if err := r.Close(start().Add(2 * time.Second)); err != nil {
			t.Fatal(err)
		}
		left, _ := channels(t, f)
		if got := audio.Similarity(audio.Sweep(1), left) > 0.5; got != test.keeps {
			t.Errorf("policy %d, agreed %v: it keeps what is said: %v", test.policy, test.agree, got)
		}
		beeps := false
		for _, s := range samples {
			beeps = beeps || s != 0
		}
		if beeps != test.beeps {
			t.Errorf("policy %d, agreed %v: it beeps: %v", test.policy, test.agree, beeps)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	r, f := recorder(t, Config{Most: time.Second})
	if err := r.Speak(Caller, "G729", 8000, 1); !errors.Is(err, ErrCodec) {
		t.Errorf("G.729: %v", err)
	}
	if err := r.Take(Caller, 1, 2, []byte{3}, start().Add(time.Minute)); err != nil {
		t.Errorf("before it is known what is spoken: %v", err)
	}
	if err := r.Take(Caller, 1, 2, []byte{3}, start().Add(time.Hour)); !errors.Is(err, ErrFull) {
		t.Errorf("after the longest time: %v", err)
	}
	if err := r.Close(start().Add(2 * time.Hour)); err != nil {
		t.Error(err)
	}
	if left, _ := channels(t, f); left.Seconds() != 1 {
		t.Errorf("it keeps %.1f s", left.Seconds())
	}
}
