package b2bua

import "sync"

// room is how much may wait in a call's queue before what can be refused is refused.
const room = 64

// queue is the work that waits for a call's goroutine. What must not be lost is always taken:
// it comes once for each thing that the call itself has asked for, and what peers send
// unasked is bounded by room, so the whole is bounded too.
type queue struct {
	wake chan struct{} // holds a token while there may be items

	mu     sync.Mutex
	items  []func()
	closed bool
}

func newQueue() queue { return queue{wake: make(chan struct{}, 1)} }

// put queues f; false once the queue is closed.
func (q *queue) put(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.items = append(q.items, f)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// full says that what can be refused should be.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) >= room
}

// take empties the queue.
func (q *queue) take() []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// close takes nothing more, and says how much is left undone.
func (q *queue) close() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	n := len(q.items)
	q.items = nil
	return n
}
