package srtp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"parley/media/rtp"
)

func suites() []Suite {
	return []Suite{AES128CM80, AES128CM32, AES256CM80, AES256CM32, AES128GCM, AES256GCM}
}

// pair is two ends that share a key.
func pair(t testing.TB, s Suite, mki []byte) (*Sealer, *Opener) {
	t.Helper()
	key, err := NewKey(s, RandomKey(s))
	if err != nil {
		t.Fatal(err)
	}
	out, err := NewSealer(s, key)
	if err != nil {
		t.Fatal(err)
	}
	in, err := NewOpener(s, key, mki)
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

func packet(ssrc uint32, seq uint16, what string) []byte {
	p := rtp.Packet{Type: 8, SSRC: ssrc, Sequence: seq, Payload: []byte(what)}
	return p.Append(nil)
}

// seal encrypts and gives a copy.
func seal(t testing.TB, s *Sealer, b []byte) (sealed []byte) {
	t.Helper()
	f := s.RTP
	if rtp.IsRTCP(b) {
		f = s.RTCP
	}
	if err := f(b, func(out []byte) { sealed = bytes.Clone(out) }); err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestThereAndBack(t *testing.T) {
	t.Parallel()
	for _, s := range suites() {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			out, in := pair(t, s, nil)
			plain := packet(7, 1, "hello")
			sealed := seal(t, out, plain)
			if bytes.Contains(sealed, []byte("hello")) {
				t.Error("it can be read by anybody")
			}
			if got, ok := in.RTP(nil, sealed); !ok || !bytes.Equal(got, plain) {
				t.Errorf("%x became %x", plain, got)
			}
			if _, ok := in.RTP(nil, sealed); ok {
				t.Error("a packet was taken twice")
			}
			report := []byte{0x80, 201, 0, 1, 0, 0, 0, 7}
			sealed = seal(t, out, report)
			if got, ok := in.RTCP(nil, sealed); !ok || !bytes.Equal(got, report) {
				t.Errorf("%x became %x", report, got)
			}
			if _, ok := in.RTCP(nil, sealed); ok {
				t.Error("a report was taken twice")
			}
		})
	}
}

// TestForged has anybody's packets, and the peer's changed on their way, not be taken, nor remembered.
func TestForged(t *testing.T) {
	t.Parallel()
	for _, s := range suites() {
		out, in := pair(t, s, nil)
		for source := range uint32(1000) {
			if _, ok := in.RTP(nil, packet(source, 1, "forged, and long enough for a tag")); ok {
				t.Fatal("a packet without a tag was taken")
			}
		}
		sealed := seal(t, out, packet(7, 1, "hello"))
		for i := range sealed {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			if _, ok := in.RTP(nil, changed); ok {
				t.Fatalf("%s: a packet was taken with its byte %d changed", s, i)
			}
		}
		if _, ok := in.RTP(nil, sealed); !ok {
			t.Errorf("%s: forged packets have kept the peer's own out", s)
		}
	}
}

// TestSources bounds what a peer that has the key can have us remember.
func TestSources(t *testing.T) {
	t.Parallel()
	out, in := pair(t, AES128GCM, nil)
	taken := 0
	for source := range uint32(100) {
		if _, ok := in.RTP(nil, seal(t, out, packet(source, 1, "x"))); ok {
			taken++
		}
	}
	if taken != maxSources {
		t.Errorf("%d sources were taken, want %d", taken, maxSources)
	}
}

// TestRollover counts sequence numbers on over their end, with losses and in a wrong order (rfc3711#3.3.1).
func TestRollover(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(suites()).Draw(t, "suite")
		key, err := NewKey(s, RandomKey(s))
		if err != nil {
			t.Fatal(err)
		}
		out, err := NewSealer(s, key)
		if err != nil {
			t.Fatal(err)
		}
		in, err := NewOpener(s, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		seq := uint16(rapid.IntRange(0, 32767).Draw(t, "first"))
		for range rapid.IntRange(1, 40).Draw(t, "packets") {
			seq += uint16(rapid.IntRange(1, 5000).Draw(t, "lost"))
			plain := packet(7, seq, "x")
			var sealed []byte
			if err := out.RTP(plain, func(b []byte) { sealed = bytes.Clone(b) }); err != nil {
				t.Fatal(err)
			}
			if got, ok := in.RTP(nil, sealed); !ok || !bytes.Equal(got, plain) {
				t.Fatalf("packet %d is not understood", seq)
			}
		}
	})
}

func TestMKI(t *testing.T) {
	t.Parallel()
	out, in := pair(t, AES128CM80, []byte{0, 1})
	sealed := seal(t, out, packet(7, 1, "hello"))
	named := append(bytes.Clone(sealed[:len(sealed)-10]), 0, 1) // before the tag (rfc3711#3.1)
	named = append(named, sealed[len(sealed)-10:]...)
	if got, ok := in.RTP(nil, named); !ok || !bytes.HasSuffix(got, []byte("hello")) {
		t.Errorf("a packet that names its key became %x", got)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, s := range suites() {
		whole := RandomKey(s)
		k, err := NewKey(s, whole)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if _, err := NewKey(s, whole[1:]); !errors.Is(err, ErrKey) {
			t.Errorf("%s takes a key that is too short: %v", s, err)
		}
		if printed := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); printed != strings.TrimSpace(strings.Repeat("srtp.Key ", 4)) {
			t.Errorf("a key prints as %s", printed)
		}
		if bytes.Equal(whole, RandomKey(s)) {
			t.Error("two keys are one")
		}
	}
	if _, err := NewKey(99, nil); !errors.Is(err, ErrKey) {
		t.Errorf("a key of no suite: %v", err)
	}
}

func FuzzOpener(f *testing.F) {
	out, in := pair(f, AES128GCM, nil)
	f.Add(seal(f, out, packet(7, 1, "hello")))
	f.Add([]byte{0x80, 201, 0, 1, 0, 0, 0, 7})
	f.Fuzz(func(_ *testing.T, b []byte) {
		in.RTP(nil, b)
		in.RTCP(nil, b)
	})
}

// BenchmarkPacket encrypts and decrypts 20 ms of G.711 and a packet of video, as each that crosses needs once.
func BenchmarkPacket(b *testing.B) {
	for _, s := range suites() {
		for _, size := range []int{160, 1100} {
			b.Run(fmt.Sprintf("%s/%d", s, size), func(b *testing.B) {
				out, in := pair(b, s, nil)
				p, plain := rtp.Packet{Type: 8, SSRC: 7, Payload: make([]byte, size)}, make([]byte, 0, rtp.MaxPacket)
				var packet []byte
				b.ReportAllocs()
				for b.Loop() {
					p.Sequence++
					packet = p.Append(packet[:0])
					if err := out.RTP(packet, func(sealed []byte) {
						if _, ok := in.RTP(plain, sealed); !ok {
							b.Fatal("it can't be read again")
						}
					}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
