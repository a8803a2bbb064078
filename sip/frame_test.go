package sip_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"parley/sip"
)

func TestStreamIsCutIntoMessages(t *testing.T) {
	t.Parallel()
	one := wire(base)
	stream := one + wire(options) + one
	var got []string
	for stream != "" {
		n, err := sip.FrameLength([]byte(stream), 65536)
		if err != nil || n == 0 {
			t.Fatalf("%d, %v at %q", n, err, stream)
		}
		got = append(got, stream[:n])
		stream = stream[n:]
	}
	if len(got) != 3 || got[0] != one || got[1] != wire(options) || got[2] != one {
		t.Errorf("cut into %q", got)
	}
}

// Whatever the network does to a message, nothing is said before its last byte.
func TestFrameWaitsForItsLastByte(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"CRLF":   wire(base),
		"LF":     strings.TrimPrefix(base, "\n"),
		"folded": strings.Replace(wire(base), "Content-Length: 4", "CONTENT-LENGTH :\r\n  4", 1),
		"short":  strings.Replace(wire(base), "Content-Length: 4", "l:4", 1),
	} {
		for i := range text {
			if n, err := sip.FrameLength([]byte(text[:i]), 65536); n != 0 || err != nil {
				t.Fatalf("%s: %d, %v after %d bytes", name, n, err, i)
			}
		}
		if n, err := sip.FrameLength([]byte(text+"more"), 65536); n != len(text) || err != nil {
			t.Errorf("%s: %d, %v, want %d", name, n, err, len(text))
		}
	}
}

func TestStreamsThatCannotBeCut(t *testing.T) {
	t.Parallel()
	with := func(field string) string { return "INVITE sip:x SIP/2.0\r\n" + field + "\r\nX: y\r\n\r\nbody" }
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"no Content-Length", with("Y: z"), sip.ErrFraming},
		{"Content-Length of words", with("Content-Length: four"), sip.ErrFraming},
		{"negative Content-Length", with("Content-Length: -4"), sip.ErrFraming},
		{"empty Content-Length", with("l:"), sip.ErrFraming},
		{"two that differ", with("l: 4\r\nContent-Length: 5"), sip.ErrFraming},
		{"Content-Length of two values", with("l: 4, 4"), sip.ErrFraming},
		{"Content-Length over the limit", with("l: 2000"), sip.ErrTooLong},
		{"Content-Length past all bounds", with("l: 99999999999999999999999"), sip.ErrFraming},
		{"header fields over the limit", "INVITE sip:x SIP/2.0\r\n" + strings.Repeat("X: y\r\n", 200), sip.ErrTooLong},
		{"a line over the limit", strings.Repeat("x", 1000), sip.ErrTooLong},
		{"message over the limit", with("l: 4\r\nZ: " + strings.Repeat("z", 960)), sip.ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if n, err := sip.FrameLength([]byte(c.text), 1000); !errors.Is(err, c.want) {
				t.Errorf("got %d, %v, want %v", n, err, c.want)
			}
		})
	}
	if n, err := sip.FrameLength([]byte(with("l: 4\r\ncontent-length: 04")), 1000); err != nil || n == 0 {
		t.Errorf("two that agree: %d, %v", n, err)
	}
	if n, err := sip.FrameLength([]byte(with(fmt.Sprintf("l: %d", 900))), 1000); n != 0 || err != nil {
		t.Errorf("body to come: %d, %v", n, err)
	}
}
