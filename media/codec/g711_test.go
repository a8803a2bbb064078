package codec

import "testing"

// TestG711Inverts checks each code, and each sample against what the Recommendation allows to differ.
func TestG711Inverts(t *testing.T) {
	t.Parallel()
	for _, law := range []struct {
		name     string
		compress func(int16) byte
		expand   func(byte) int16
		zero     byte // what is as good as another: minus nothing
	}{{"μ-law", MuLaw, FromMuLaw, 0x7f}, {"A-law", ALaw, FromALaw, 0}} {
		for code := range 256 {
			s := law.expand(byte(code))
			if back := law.compress(s); back != byte(code) && (byte(code) != law.zero || law.expand(back) != s) {
				t.Errorf("%s: code %#x is %d, which becomes %#x", law.name, code, s, back)
			}
		}
		for s := -32768; s <= 32767; s++ {
			got := int(law.expand(law.compress(int16(s))))
			size := max(s, -s)
			if off := max(got-s, s-got); off > size/16+16 && size < 31500 {
				t.Fatalf("%s: sample %d comes back as %d", law.name, s, got)
			}
		}
	}
}

func TestG711Known(t *testing.T) {
	t.Parallel()
	for _, known := range []struct {
		name   string
		expand func(byte) int16
		code   byte
		sample int16
	}{
		{"μ-law", FromMuLaw, 0xff, 0}, {"μ-law", FromMuLaw, 0x00, -32124}, {"μ-law", FromMuLaw, 0x80, 32124}, {"μ-law", FromMuLaw, 0xfe, 8},
		{"A-law", FromALaw, 0xd5, 8}, {"A-law", FromALaw, 0x55, -8}, {"A-law", FromALaw, 0xaa, 32256}, {"A-law", FromALaw, 0x2a, -32256},
		{"A-law", FromALaw, 0x85, 4224}, {"A-law", FromALaw, 0x95, 2112},
	} {
		if got := known.expand(known.code); got != known.sample {
			t.Errorf("%s: code %#x is %d, want %d", known.name, known.code, got, known.sample)
		}
	}
}

func TestG711IsOthers(t *testing.T) {
	t.Parallel()
	for _, law := range []struct {
		name, sum string
		expand    func(byte) int16
	}{{"A-law", "e04788d110e58ff8c70c93b8480190d9", FromALaw}, {"μ-law", "3dab54339e520bb2c924826e3b72a917", FromMuLaw}} {
		var all []int16
		for code := range 256 {
			all = append(all, law.expand(byte(code)))
		}
		if got := hash(bytesOf(all)); got != law.sum {
			t.Errorf("%s is expanded otherwise than others do: %s", law.name, got)
		}
	}
}
