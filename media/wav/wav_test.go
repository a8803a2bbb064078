package wav

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func some() []int16 {
	var s []int16
	for i := range 4000 {
		s = append(s, int16(i*7), int16(-i))
	}
	return s
}

func written(t testing.TB, rate, channels int, samples []int16) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.wav"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWriter(f, rate, channels)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(samples, 333) {
		if err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func all(t testing.TB, b []byte) (samples []int16, rate, channels int) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]int16, 777)
	for {
		n, err := r.Read(buf)
		samples = append(samples, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return samples, r.Rate, r.Channels
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWrittenIsRead(t *testing.T) {
	t.Parallel()
	name := written(t, 16000, 2, some())
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got, rate, channels := all(t, b)
	if rate != 16000 || channels != 2 || !slices.Equal(got, some()) {
		t.Errorf("read %d samples at %d, %d channels", len(got), rate, channels)
	}
	clear(b[40:44]) // as if the writer had not lived to fill it in
	if got, _, _ := all(t, b); !slices.Equal(got, some()) {
		t.Errorf("without a length %d samples are read", len(got))
	}
	if got, _, _ := all(t, b[:len(b)-3]); len(got) != len(some())-2 {
		t.Errorf("of a file cut short %d samples are read", len(got))
	}
}

// TestOthers reads what sox writes, and has sox read what is written.
func TestOthers(t *testing.T) {
	t.Parallel()
	name := written(t, 8000, 1, some())
	for _, coding := range []string{"signed-integer", "a-law", "mu-law"} {
		out := filepath.Join(t.TempDir(), "sox.wav")
		args := []string{name, "-e", coding, out}
		if coding == "signed-integer" {
			args = []string{name, "-b", "16", out}
		}
		if b, err := exec.Command("sox", args...).CombinedOutput(); err != nil {
			t.Fatalf("sox: %v: %s", err, b)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got, rate, channels := all(t, b)
		if rate != 8000 || channels != 1 || len(got) != len(some()) {
			t.Fatalf("%s: read %d samples at %d, %d channels", coding, len(got), rate, channels)
		}
		for i, s := range some() {
			if off := int(got[i]) - int(s); off > 700 || off < -700 {
				t.Fatalf("%s: sample %d is %d, want %d", coding, i, got[i], s)
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	b, err := os.ReadFile(written(f, 8000, 2, some()[:40]))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		buf, sum := make([]int16, 64), 0
		for {
			n, err := r.Read(buf)
			if sum += n; sum > len(b) {
				t.Fatalf("%d samples are read of %d octets", sum, len(b))
			}
			if err != nil {
				return
			}
			if n%r.Channels != 0 || n == 0 {
				t.Fatalf("%d samples of %d channels", n, r.Channels)
			}
		}
	})
}
