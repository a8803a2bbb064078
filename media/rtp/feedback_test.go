package rtp

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// TestFeedbackIsUnderstood reads what we write with another's eyes, and writes by another's hand what we read.
func TestFeedbackIsUnderstood(t *testing.T) {
	t.Parallel()
	c := NewCarrier(counting(), "us")
	ours, _ := c.Source()
	for name, test := range map[string]struct {
		b    []byte
		want func(rtcp.Packet) bool
	}{
		"PLI": {c.PLI(nil, 7), func(p rtcp.Packet) bool {
			x, ok := p.(*rtcp.PictureLossIndication)
			return ok && x.MediaSSRC == 7 && x.SenderSSRC == ours
		}},
		"NACK": {c.NACK(nil, 7, 65535, 20), func(p rtcp.Packet) bool {
			x, ok := p.(*rtcp.TransportLayerNack)
			var all []uint16
			for i := range x.Nacks {
				all = append(all, x.Nacks[i].PacketList()...)
			}
			return ok && x.MediaSSRC == 7 && len(all) == 20 && all[0] == 65535 && all[1] == 0 && all[19] == 18
		}},
		"FIR": {c.FIR(nil, 7, 3), func(p rtcp.Packet) bool {
			x, ok := p.(*rtcp.FullIntraRequest)
			return ok && len(x.FIR) == 1 && x.FIR[0] == (rtcp.FIREntry{SSRC: 7, SequenceNumber: 3})
		}},
		"REMB": {c.REMB(nil, 7, 1_500_000), func(p rtcp.Packet) bool {
			x, ok := p.(*rtcp.ReceiverEstimatedMaximumBitrate)
			return ok && slices.Equal(x.SSRCs, []uint32{7}) && x.Bitrate > 1_490_000 && x.Bitrate <= 1_500_000
		}},
	} {
		got, err := rtcp.Unmarshal(test.b)
		if err != nil || len(got) != 3 || !test.want(got[2]) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	nack := &rtcp.TransportLayerNack{MediaSSRC: 9, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{65535, 0, 3, 100})}
	b, err := nack.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(Lost(b)); !slices.Equal(got, []uint16{65535, 0, 3, 100}) || About(b) != 9 || Format(b) != FormatNACK {
		t.Errorf("NACK of %v about %d", got, About(b))
	}
	fir := &rtcp.FullIntraRequest{MediaSSRC: 0, FIR: []rtcp.FIREntry{{SSRC: 8}}}
	if b, err = fir.Marshal(); err != nil || About(b) != 8 {
		t.Errorf("FIR about %d, %v", About(b), err)
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	var c Cache
	for n := range uint16(1000) {
		p := Packet{Sequence: n, Payload: []byte{byte(n)}}
		c.Keep(p.Append(nil))
	}
	ask := func(numbers ...uint16) (got []uint16) {
		nack := &rtcp.TransportLayerNack{Nacks: rtcp.NackPairsFromSequenceNumbers(numbers)}
		b, err := nack.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		c.Resend(b, time.Unix(100, 0), func(b []byte) {
			p, _ := Read(b)
			got = append(got, p.Sequence)
		})
		return got
	}
	if got := ask(999, 5, 600); !slices.Equal(got, []uint16{999, 600}) {
		t.Errorf("%v were sent again, want 999 and 600: 5 is too long ago", got)
	}
	if got := ask(999, 601); !slices.Equal(got, []uint16{601}) {
		t.Errorf("%v were sent again, want 601: 999 is on its way", got)
	}
	var all []uint16
	for n := range uint16(300) {
		all = append(all, 650+n)
	}
	if got := ask(all...); len(got) != maxResent {
		t.Errorf("%d packets were sent for one NACK, want %d", len(got), maxResent)
	}
}

func FuzzFeedback(f *testing.F) {
	f.Add([]byte{0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 5, 0xff, 0xff})
	f.Fuzz(func(_ *testing.T, b []byte) {
		var c Cache
		for _, p := range Compound(b) {
			About(p)
			c.Resend(p, time.Time{}, func([]byte) {})
		}
	})
}
