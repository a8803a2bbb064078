package transport

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/sip"
)

// cut feeds a stream to a framer in pieces of the given sizes, over and over, and tells what
// came out.
func cut(stream []byte, limit int, sizes []byte) (out []string, err error) {
	f := framer{max: limit}
	for i := 0; ; i++ {
		for {
			t, text, err := f.next()
			if err != nil {
				return append(out, "error"), err
			}
			if t == tokenNone {
				break
			}
			if t == tokenPing {
				text = "ping"
			}
			out = append(out, text)
		}
		if len(stream) == 0 {
			return out, nil
		}
		space := f.space()
		if len(space) == 0 {
			panic("no space although more bytes are needed")
		}
		size := len(space)
		if len(sizes) > 0 {
			size = int(sizes[i%len(sizes)]) + 1
		}
		n := copy(space[:min(size, len(space))], stream)
		stream = stream[n:]
		f.wrote(n)
	}
}

func TestFramer(t *testing.T) {
	t.Parallel()
	a, b := request("TCP", "h", "a"), requestWithBody("TCP", "h", "b", "hello\r\n\r\nworld")
	long := requestWithBody("TCP", "h", "long", strings.Repeat("x", 9000))
	for _, test := range []struct {
		name, stream string
		want         []string
		err          error
	}{
		{"nothing", "", nil, nil},
		{"one", a, []string{a}, nil},
		{"two at once", a + b, []string{a, b}, nil},
		{"empty lines before", "\r\n\n\r\n" + a + "\r\n" + b, []string{a, b}, nil},
		{"keep-alives", "\r\n\r\n" + a + "\r\n\r\n\r\n\r\n" + b + "\r\n", []string{"ping", a, "ping", "ping", b}, nil},
		{"long between short", a + long + b + long, []string{a, long, b, long}, nil},
		{"unfinished", a + b[:len(b)-1], []string{a}, nil},
		{"no Content-Length", strings.Replace(a, "Content-Length", "Other", 1) + b, []string{"error"}, sip.ErrFraming},
		{"bad Content-Length", a + strings.Replace(b, "Length: 14", "Length: -1", 1), []string{a, "error"}, sip.ErrFraming},
		{"too long by its word", strings.Replace(a, "Length: 0", "Length: 20000", 1), []string{"error"}, sip.ErrTooLong},
		{"head without end", "OPTIONS " + strings.Repeat("x", 20000), []string{"error"}, sip.ErrTooLong},
		{"not SIP, but framed", "GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx" + a, []string{"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", a}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, sizes := range [][]byte{nil, {0}, {1}, {2, 0, 6}, {99}} {
				got, err := cut([]byte(test.stream), 10000, sizes)
				if fmt.Sprint(got) != fmt.Sprint(test.want) || !errors.Is(err, test.err) {
					t.Errorf("in pieces of %v: got %q, %v; want %q, %v", sizes, got, err, test.want, test.err)
				}
			}
		})
	}
}

// Messages that come byte by byte must not cost their length squared.
func TestFramerWorkIsLinear(t *testing.T) {
	t.Parallel()
	stream := []byte(requestWithBody("TCP", "h", "x", strings.Repeat("x\r\n", 200_000)))
	began := time.Now()
	if got, err := cut(stream, 1<<20, []byte{0}); err != nil || len(got) != 1 {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	// Linear takes some 50 ms here, also under the race detector; squared, minutes.
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("600 KB byte by byte took %v", took)
	}
}

func TestFramerHoldsLittleAtRest(t *testing.T) {
	t.Parallel()
	f := framer{max: 64 << 10}
	long := []byte(requestWithBody("TCP", "h", "x", strings.Repeat("x", 50_000)))
	for len(long) > 0 {
		n := copy(f.space(), long)
		f.wrote(n)
		long = long[n:]
		if t, _, _ := f.next(); t == tokenMessage {
			break
		}
	}
	f.space()
	if len(f.buf) > firstBuffer {
		t.Errorf("a framer at rest holds %d bytes", len(f.buf))
	}
}

// However a stream is cut by the network, the same messages come out of it.
func FuzzFramer(f *testing.F) {
	a, b := request("TCP", "h", "a"), requestWithBody("TCP", "h", "b", "body\r\n\r\n")
	f.Add([]byte(a+b), []byte{0})
	f.Add([]byte("\r\n\r\n"+a+"\r\n"+b+"\r\n\r\n"), []byte{3, 1})
	f.Add([]byte(strings.ReplaceAll(a, "\r\n", "\n")), []byte{7})
	f.Add([]byte(strings.Replace(b, "Content-Length: 8", "l:\r\n 8", 1)), []byte{2})
	f.Add([]byte(strings.Replace(a, "Length: 0", "Length: 99999", 1)), []byte{9})
	f.Add([]byte("OPTIONS sip:a SIP/2.0\n\r\nContent-Length: 5\r\n\r\n"), []byte{1})
	f.Add(bytes.Repeat([]byte("\r\n"), 9), []byte{0, 1})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		const limit = 2000
		whole, err1 := cut(stream, limit, nil)
		pieces, err2 := cut(stream, limit, sizes)
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("whole: %q, %v; in pieces: %q, %v", whole, err1, pieces, err2)
		}
		if fmt.Sprint(whole) != fmt.Sprint(pieces) {
			t.Fatalf("whole: %q; in pieces: %q", whole, pieces)
		}
		for _, text := range whole {
			if len(text) > limit {
				t.Fatalf("message of %d bytes, limit %d", len(text), limit)
			}
		}
	})
}
