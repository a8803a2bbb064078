package rtp

import (
	"encoding/binary"
	"time"
)

const (
	sources = 16               // of one peer that are remembered
	gone    = 10 * time.Second // a source that has been silent for that long makes room for another
)

// Limit bounds what one peer can have us pass on: bytes in a second, and how many sources it sends by. It is used by one
// goroutine; the zero value bounds the sources alone.
type Limit struct {
	// Rate is how many bytes a second may come, after a burst of as many; 0: any number.
	Rate int

	spent   int // of Rate, and flows off
	at      time.Time
	sources [sources]source
}

type source struct {
	ssrc uint32
	last time.Time // zero: free
}

// Takes says whether a packet of RTP is within the limits.
func (l *Limit) Takes(b []byte, now time.Time) bool { return l.Bytes(len(b), now) && l.knows(b, now) }

// Bytes says whether that many are within the rate: a bucket that runs empty in a second.
func (l *Limit) Bytes(n int, now time.Time) bool {
	if l.Rate == 0 {
		return true
	}
	if passed := now.Sub(l.at); passed >= time.Second || l.at.IsZero() {
		l.spent, l.at = 0, now
	} else if off := int(int64(passed) * int64(l.Rate) / int64(time.Second)); off > 0 {
		l.spent, l.at = max(l.spent-off, 0), now
	}
	if l.spent+n > l.Rate {
		return false
	}
	l.spent += n
	return true
}

func (l *Limit) knows(b []byte, now time.Time) bool {
	ssrc, place := binary.BigEndian.Uint32(b[8:]), -1
	for i := range l.sources {
		s := &l.sources[i]
		switch {
		case s.ssrc == ssrc && !s.last.IsZero():
			s.last = now
			return true
		case place < 0 && now.Sub(s.last) >= gone: // a free one too
			place = i
		}
	}
	if place < 0 {
		return false
	}
	l.sources[place] = source{ssrc, now}
	return true
}
