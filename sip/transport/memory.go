package transport

import (
	"net/netip"
	"sync"

	"parley/sip"
)

// MemoryFlow joins two user agents of one process; see Pipe.
type MemoryFlow struct {
	name, peer string
	other      *MemoryFlow
	handler    Handler // of this end: takes what the other end sends
	gone       *gone
}

// gone is the end of both flows of a pipe.
type gone struct {
	once sync.Once
	done chan struct{}
}

// Pipe makes the two ends of a way between user agents a and b. A message sent on one
// end is handed, as it is, to the handler of the other end on the sender's goroutine,
// with the other end as its flow. The names are those of the user agents: they make
// up the ID and, under the reserved domain .invalid, what Advertised gives.
func Pipe(nameA, nameB string, a, b Handler) (endA, endB *MemoryFlow) {
	g := &gone{done: make(chan struct{})}
	endA = &MemoryFlow{name: nameA, peer: nameB, handler: a, gone: g}
	endB = &MemoryFlow{name: nameB, peer: nameA, handler: b, gone: g, other: endA}
	endA.other = endB
	return endA, endB
}

// ID is "memory:own/peer".
func (f *MemoryFlow) ID() string             { return "memory:" + f.name + "/" + f.peer }
func (f *MemoryFlow) Network() string        { return sip.Memory }
func (f *MemoryFlow) Local() netip.AddrPort  { return netip.AddrPort{} }
func (f *MemoryFlow) Remote() netip.AddrPort { return netip.AddrPort{} }
func (f *MemoryFlow) Advertised() string     { return f.name + ".invalid" }
func (f *MemoryFlow) Reliable() bool         { return true }
func (f *MemoryFlow) Secure() bool           { return true }
func (f *MemoryFlow) Done() <-chan struct{}  { return f.gone.done }

// Send hands m over.
func (f *MemoryFlow) Send(m *sip.Message) error {
	select {
	case <-f.gone.done:
		return ErrGone
	default:
	}
	f.other.handler(f.other, m)
	return nil
}

// Close ends both ends.
func (f *MemoryFlow) Close(string) { f.gone.once.Do(func() { close(f.gone.done) }) }
