package transport

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Stats are what is open now and what happened since the start.
type Stats struct {
	Connections map[string]int // open ones by network

	Received   uint64 // valid messages handed to the Handler
	Sent       uint64 // messages taken for sending
	Malformed  uint64 // what could not be parsed or framed
	Violations uint64 // parsed, but against a rule
	Answered   uint64 // violations answered with an error response
	Dropped    uint64 // messages that a full queue or socket did not take
	Refused    uint64 // connections refused for a limit
	Accepted   uint64 // connections accepted
	KeepAlives uint64 // CRLF, STUN and other keep-alives
	Panics     uint64 // messages whose handling failed inside the program
}

type counters struct {
	received, sent, malformed, violations, answered, dropped, refused, accepted, keepAlives, panics atomic.Uint64
}

// Stats counts.
func (l *Layer) Stats() Stats {
	s := Stats{
		Connections: make(map[string]int),
		Received:    l.count.received.Load(),
		Sent:        l.count.sent.Load(),
		Malformed:   l.count.malformed.Load(),
		Violations:  l.count.violations.Load(),
		Answered:    l.count.answered.Load(),
		Dropped:     l.count.dropped.Load(),
		Refused:     l.count.refused.Load(),
		Accepted:    l.count.accepted.Load(),
		KeepAlives:  l.count.keepAlives.Load(),
		Panics:      l.count.panics.Load(),
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, c := range l.conns {
		s.Connections[c.network]++
	}
	return s
}

// FlowInfo describes one open connection.
type FlowInfo struct {
	ID            string
	Network       string
	Local, Remote netip.AddrPort
	Opened        time.Time
	Dialled       bool
	Proven        bool
	Received      uint64 // messages
	Sent          uint64
	Queued        int // bytes not yet written
}

// Flows lists the open connections, oldest first. UDP has none.
func (l *Layer) Flows() []FlowInfo {
	conns := l.connections()
	list := make([]FlowInfo, len(conns))
	for i, c := range conns {
		list[i] = c.info()
	}
	slices.SortFunc(list, func(a, b FlowInfo) int {
		if d := a.Opened.Compare(b.Opened); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}
