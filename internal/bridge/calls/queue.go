package calls

import "sync"

// room is how much may wait in a call's queue before what peers send unasked is refused.
const room = 64

// queue is the work that waits for a call's goroutine. What must not be lost is always taken: it comes once for each
// thing that the call itself has asked for.
type queue struct {
	wake chan struct{} // holds a token while there may be items

	mu     sync.Mutex
	items  []func()
	closed bool
}

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

// offer is put for what may be refused.
func (q *queue) offer(f func()) bool {
	q.mu.Lock()
	full := len(q.items) >= room
	q.mu.Unlock()
	return !full && q.put(f)
}

// take empties the queue.
func (q *queue) take() []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// close takes nothing more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.items = true, nil
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
