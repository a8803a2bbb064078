package calls

import "sync"

// room is how much may wait in a call's queue before what peers send unasked is refused.
const room = 64

// item is something to do, and what to do instead once the call is over.
type item struct{ do, late func() }

// queue is the work that waits for a call's goroutine. What must not be lost is always taken: it comes once for each
// thing that the call itself has asked for.
type queue struct {
	wake chan struct{} // holds a token while there may be items

	mu     sync.Mutex
	items  []item
	closed bool
}

// put queues something; false once the queue is closed.
func (q *queue) put(i item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.items = append(q.items, i)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// offer is put for what may be refused.
func (q *queue) offer(i item) bool {
	q.mu.Lock()
	full := len(q.items) >= room
	q.mu.Unlock()
	return !full && q.put(i)
}

// take empties the queue.
func (q *queue) take() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// close takes nothing more. What is left is too late.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	for _, i := range q.take() {
		if i.late != nil {
			i.late()
		}
	}
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
