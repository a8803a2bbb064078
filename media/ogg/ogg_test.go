package ogg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
)

func packets(n int) (all [][]byte) {
	for i := range n {
		all = append(all, bytes.Repeat([]byte{byte(i)}, i*7%900))
	}
	return all
}

func written(t testing.TB, all [][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, 7, 1, 48000)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if err := w.Packet(p, 960); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWrittenIsRead(t *testing.T) {
	t.Parallel()
	all := packets(300)
	b := written(t, all)
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if r.Channels != 1 || r.Skip != lookahead {
		t.Errorf("%d channels, %d to skip", r.Channels, r.Skip)
	}
	for i, want := range all {
		got, err := r.Next()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("packet %d: %d octets, %v; want %d", i, len(got), err, len(want))
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v", err)
	}
	if err := (&Writer{out: io.Discard}).Packet(make([]byte, 70000), 960); !errors.Is(err, ErrFormat) {
		t.Errorf("a packet that fits no page: %v", err)
	}
}

// TestOthers reads what opusenc wrote (a second of speech), and makes the same sums of its pages.
func TestOthers(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/speech.opus")
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		if _, err := r.Next(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
	}
	if n < 50 || n > 52 || r.Channels != 1 {
		t.Errorf("a second is %d packets, %d channels", n, r.Channels)
	}
	pages := 0
	for ; len(b) > 0; pages++ {
		size := headLength + int(b[26])
		for _, l := range b[headLength:size] {
			size += int(l)
		}
		page := bytes.Clone(b[:size])
		want := binary.LittleEndian.Uint32(page[sumAt:])
		clear(page[sumAt : sumAt+4])
		if got := checksum(page); got != want {
			t.Errorf("the sum of page %d is %08x, want %08x", pages, got, want)
		}
		b = b[size:]
	}
	if pages < 3 {
		t.Errorf("there are %d pages", pages)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(written(f, packets(9)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			p, err := r.Next()
			if err != nil {
				return
			}
			if len(p) > len(b) || n > len(b) {
				t.Fatalf("packet %d has %d octets, of %d", n, len(p), len(b))
			}
		}
	})
}
