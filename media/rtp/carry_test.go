package rtp

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"pgregory.net/rapid"
)

// counting gives 1, 2, 3 ...
func counting() func() uint32 {
	n := uint32(0)
	return func() uint32 { n++; return n }
}

func TestCarry(t *testing.T) {
	t.Parallel()
	c := NewCarrier(counting(), "us")
	c.SetRate(48000)
	ssrc, cname := c.Source()
	if cname != "us" {
		t.Errorf("its CNAME is %q", cname)
	}
	now := time.Now()
	var last Packet
	for i, test := range []struct {
		name      string
		source    uint32
		sequence  uint16
		timestamp uint32
		after     time.Duration
		steps     uint16 // of the sequence number, from the packet before
		time      uint32 // of the timestamp
	}{
		{"the first", 7, 65534, 1<<32 - 1, 0, 0, 0},
		{"the next", 7, 65535, 959, 0, 1, 960},
		{"one is lost", 7, 1, 2879, 0, 2, 1920},
		{"another source, a second later", 8, 9, 5, time.Second, 1, 48000},
		{"it goes on", 8, 10, 965, 0, 1, 960},
	} {
		now = now.Add(test.after)
		out, ok := c.RTP(nil, datagram(t, test.source, test.sequence, test.timestamp, "x"), now)
		p, read := Read(out)
		if !ok || !read || p.SSRC != ssrc || string(p.Payload) != "x" || p.Type != 8 {
			t.Fatalf("%s: became %+v", test.name, p)
		}
		if steps, time := p.Sequence-last.Sequence, p.Timestamp-last.Timestamp; i > 0 && (steps != test.steps || time != test.time) {
			t.Errorf("%s: %d packets and %d ticks later, want %d and %d", test.name, steps, time, test.steps, test.time)
		}
		last = p
	}
	if _, ok := c.RTP(nil, []byte{0x80, 200, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}, now); ok {
		t.Error("RTCP was carried as RTP")
	}
}

// carriers are two, for a sender of source 7 and one of source 8.
func carriers(t testing.TB) (there, back *Carrier) {
	t.Helper()
	next := counting()
	there, back = NewCarrier(next, "there"), NewCarrier(next, "back")
	for source, c := range map[uint32]*Carrier{7: there, 8: back} {
		if _, ok := c.RTP(nil, datagram(t, source, 100, 1000, "x"), time.Now()); !ok {
			t.Fatal("not carried")
		}
	}
	return there, back
}

func TestReports(t *testing.T) {
	t.Parallel()
	there, back := carriers(t)
	ours, _ := there.Source()
	theirs, _ := back.Source()
	about := func(source uint32) []rtcp.ReceptionReport {
		return []rtcp.ReceptionReport{{SSRC: source, Jitter: 5, LastSequenceNumber: uint32(back.out.sequence)}}
	}
	for name, test := range map[string]struct {
		packets []rtcp.Packet
		passes  bool
		blocks  int
	}{
		"sender":           {[]rtcp.Packet{&rtcp.SenderReport{SSRC: 7, RTPTime: 1000, Reports: about(theirs)}}, true, 1},
		"receiver":         {[]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 4, Reports: about(theirs)}}, true, 1},
		"of another":       {[]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 4, Reports: about(4711)}}, false, 0},
		"another sender":   {[]rtcp.Packet{&rtcp.SenderReport{SSRC: 9}}, false, 0},
		"another's block":  {[]rtcp.Packet{&rtcp.SenderReport{SSRC: 9, Reports: about(theirs)}}, true, 1},
		"feedback alone":   {[]rtcp.Packet{&rtcp.PictureLossIndication{SenderSSRC: 7, MediaSSRC: theirs}}, false, 0},
		"after feedback":   {[]rtcp.Packet{&rtcp.PictureLossIndication{SenderSSRC: 7}, &rtcp.ReceiverReport{SSRC: 7, Reports: about(theirs)}}, true, 1},
		"goodbye":          {[]rtcp.Packet{&rtcp.Goodbye{Sources: []uint32{7}}}, false, 0},
		"with description": {[]rtcp.Packet{&rtcp.SenderReport{SSRC: 7, RTPTime: 1000}, rtcp.NewCNAMESourceDescription(7, "alice@home")}, true, 0},
	} {
		b, err := rtcp.Marshal(test.packets)
		if err != nil {
			t.Fatal(err)
		}
		out, ok := there.RTCP(nil, b, back)
		if ok != test.passes {
			t.Errorf("%s: passed is %v", name, ok)
		}
		if !ok {
			continue
		}
		got, err := rtcp.Unmarshal(out)
		if err != nil || len(got) != 2 {
			t.Fatalf("%s: became %v, %v", name, got, err)
		}
		var blocks []rtcp.ReceptionReport
		switch r := got[0].(type) {
		case *rtcp.SenderReport:
			blocks = r.Reports
			if r.RTPTime != there.out.timestamp || r.SSRC != ours {
				t.Errorf("%s: says %d of %d, want %d of %d", name, r.RTPTime, r.SSRC, there.out.timestamp, ours)
			}
		case *rtcp.ReceiverReport:
			blocks = r.Reports
		}
		if len(blocks) != test.blocks || test.blocks > 0 &&
			(blocks[0].SSRC != 8 || uint16(blocks[0].LastSequenceNumber) != 100 || blocks[0].Jitter != 5) {
			t.Errorf("%s: tells of %+v", name, blocks)
		}
		if d, ok := got[1].(*rtcp.SourceDescription); !ok || d.Chunks[0].Source != ours || d.Chunks[0].Items[0].Text == "alice@home" {
			t.Errorf("%s: describes %v", name, got[1])
		}
	}
}

func FuzzReports(f *testing.F) {
	f.Add([]byte{0x80, 200, 0, 6, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3})
	f.Add([]byte{0x81, 201, 0, 7, 0, 0, 0, 7, 0, 0, 0, 4, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		there, back := carriers(t)
		out, ok := there.RTCP(nil, b, back)
		if !ok {
			return
		}
		packets, err := rtcp.Unmarshal(out)
		if err != nil || len(packets) < 2 {
			t.Fatalf("%x became %x: %v", b, out, err)
		}
		if ours, _ := there.Source(); binary.BigEndian.Uint32(out[4:]) != ours {
			t.Fatalf("report of another's stream: %x", out)
		}
	})
}

// TestNumbersAreUsedOnce has packets come twice, late and in a wrong order: under one key no number may be used for two
// packets.
func TestNumbersAreUsedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := NewCarrier(counting(), "us")
		used := map[uint16]bool{}
		seq := rapid.Uint16().Draw(t, "first")
		for range rapid.IntRange(1, 60).Draw(t, "packets") {
			source := uint32(rapid.IntRange(1, 2).Draw(t, "source"))
			seq += uint16(rapid.SampledFrom([]int{1, 1, 0, -1, 3, -700, 700, 1500, -1500}).Draw(t, "step"))
			p := Packet{SSRC: source, Sequence: seq, Payload: []byte("x")}
			out, ok := c.RTP(nil, p.Append(nil), time.Now())
			if !ok {
				continue
			}
			got, _ := Read(out)
			if used[got.Sequence] {
				t.Fatalf("number %d was used twice", got.Sequence)
			}
			used[got.Sequence] = true
		}
	})
}
