package rtp

import (
	"encoding/binary"
	"time"
)

// Report writes a sender report on the stream into dst, with a report block on what comes back if there is one
// (rfc3550#6.4.1), and the CNAME.
func (c *Carrier) Report(dst []byte, now time.Time, packets, octets uint32, block []byte) []byte {
	c.mu.Lock()
	timestamp := c.out.at(now)
	c.mu.Unlock()
	start := len(dst)
	dst = report{ssrc: c.ssrc, timestamp: timestamp, packets: packets, octets: octets}.appendSender(dst, now)
	if len(block) == blockLength {
		dst[start]++
		dst = append(dst, block...)
		binary.BigEndian.PutUint16(dst[start+2:], uint16((len(dst)-start)/4-1))
	}
	return appendCNAME(dst, c.ssrc, c.cname)
}
