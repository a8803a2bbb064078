package play

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"parley/media/codec"
	"parley/media/wav"
	"parley/test/harness/audio"
)

// sweep is a file of a second.
func sweep(t testing.TB, rate, channels int) []byte {
	t.Helper()
	samples := codec.NewResampler(8000, rate).Convert(nil, audio.Sweep(1).Samples)
	f, err := os.Create(filepath.Join(t.TempDir(), "x.wav"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := wav.NewWriter(f, rate, channels)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		for range channels {
			if err := w.Write([]int16{s}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFile(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000, 44100} {
		f, err := Open(bytes.NewReader(sweep(t, rate, 2)), 8000, Config{})
		if err != nil {
			t.Fatal(err)
		}
		var heard []int16
		frame := make([]int16, 160)
		for f.Read(frame) {
			heard = append(heard, frame...)
		}
		if got := audio.Similarity(audio.Clip{Rate: 8000, Samples: audio.Sweep(1).Samples[:7000]}, audio.Clip{Rate: 8000, Samples: heard}); got < 0.97 {
			t.Errorf("a file at %d sounds %.3f like itself", rate, got)
		}
		if f.Read(frame) || frame[0] != 0 {
			t.Error("it goes on after its end")
		}
	}
}

func TestLoop(t *testing.T) {
	t.Parallel()
	f, err := Open(bytes.NewReader(sweep(t, 8000, 1)), 8000, Config{Loop: true})
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]int16, 160)
	for i := range 200 {
		if !f.Read(frame) {
			t.Fatalf("it ends after %d frames", i)
		}
	}
	nothing, err := Open(bytes.NewReader(sweep(t, 8000, 1)[:44]), 8000, Config{Loop: true})
	if err != nil {
		t.Fatal(err)
	}
	if nothing.Read(frame) {
		t.Error("an empty file has sound")
	}
}

func TestOpus(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../ogg/testdata/speech.opus")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(b), 8000, Config{})
	if _, has := codec.Find("opus", 48000, 2); !has {
		if !errors.Is(err, ErrFormat) {
			t.Errorf("a build without Opus plays it: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	frame, n, loud := make([]int16, 160), 0, false
	for f.Read(frame) {
		n++
		for _, s := range frame {
			loud = loud || s > 5000
		}
	}
	if n < 49 || n > 53 || !loud {
		t.Errorf("a second of speech is %d frames, loud %v", n, loud)
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	for _, b := range []string{"", "RIF", "RIFFxxxxWAVE", "OggSxxxx", "hello world"} {
		if _, err := Open(bytes.NewReader([]byte(b)), 8000, Config{}); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", b, err)
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	g722, _ := codec.Find("G722", 8000, 1)
	s, err := NewStream(g722, 9, 16000, func() uint32 { return 0xffff })
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		p, err := s.Packet(make([]int16, 320))
		if err != nil {
			t.Fatal(err)
		}
		if p.Sequence != uint16(0xffff+i) || p.Timestamp != uint32(0xffff+160*i) || p.Marker != (i == 0) || len(p.Payload) != 160 {
			t.Errorf("packet %d is %d at %d, marker %v, %d octets", i, p.Sequence, p.Timestamp, p.Marker, len(p.Payload))
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(sweep(f, 8000, 1)[:200])
	f.Add([]byte("OggS"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Open(bytes.NewReader(b), 8000, Config{Loop: true})
		if err != nil {
			return
		}
		frame := make([]int16, 160)
		for range 10 {
			p.Read(frame)
		}
	})
}
