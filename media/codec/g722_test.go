package codec

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"testing"
)

// speech is two seconds of speech at 16000 samples a second (testdata/README.md).
func speech(t testing.TB) []int16 {
	t.Helper()
	b, err := os.ReadFile("testdata/speech16.raw")
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int16, len(b)/2)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return out
}

// loud is noise, every other quarter second at full scale.
func loud() []int16 {
	x, out := uint32(1), make([]int16, 16000)
	for i := range out {
		x = x*1664525 + 1013904223
		v := int(x>>16) - 32768
		if i/4000%2 == 1 {
			if v > 0 {
				v = 32767
			} else {
				v = -32768
			}
		}
		out[i] = int16(v)
	}
	return out
}

func bytesOf(samples []int16) []byte {
	var b []byte
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// TestG722IsOthers holds encoder and decoder to the bit against two others that agree (testdata/README.md).
func TestG722IsOthers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name             string
		samples          []int16
		encoded, decoded string
	}{
		{"speech", speech(t), "69983f03c8144c489dc4cc89d6e3cfdc", "4b36809b3b3a7c5ce91830b9f6695c92"},
		{"loud noise", loud(), "348b47aa10255b78a21099354a9a35d8", "f099d6fd90bf26c89d1db3e4ec8570c1"},
	} {
		payload := encodeAll(t, g722(), 16000, 320, test.samples)
		if got := hash(payload); got != test.encoded {
			t.Errorf("%s: encoded otherwise than others do: %s", test.name, got)
		}
		if got := hash(bytesOf(decodeAll(t, g722(), 16000, 160, payload))); got != test.decoded {
			t.Errorf("%s: decoded otherwise than others do: %s", test.name, got)
		}
	}
	all := make([]byte, 8000)
	for i := range all {
		all[i] = byte(i*7 + i/256*13)
	}
	if got := hash(bytesOf(decodeAll(t, g722(), 16000, 160, all))); got != "311d25741cd0eb267bf3ae7d49d4af11" {
		t.Errorf("codes in no order are decoded otherwise than others do: %s", got)
	}
}

func encodeAll(t testing.TB, c Codec, rate, frame int, samples []int16) (payload []byte) {
	t.Helper()
	e, err := c.Encoder(rate, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for ; len(samples) >= frame; samples = samples[frame:] {
		if payload, err = e.Encode(payload, samples[:frame]); err != nil {
			t.Fatal(err)
		}
	}
	return payload
}

func decodeAll(t testing.TB, c Codec, rate, packet int, payload []byte) (samples []int16) {
	t.Helper()
	d, err := c.Decoder(rate)
	if err != nil {
		t.Fatal(err)
	}
	for ; len(payload) >= packet; payload = payload[packet:] {
		if samples, err = d.Decode(samples, payload[:packet]); err != nil {
			t.Fatal(err)
		}
	}
	return samples
}
