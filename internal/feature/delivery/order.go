package delivery

import (
	"slices"
	"sync"
)

// order has messages handed out in the order in which they were written, though the goroutines that wrote them go
// on in any.
type order struct {
	hand func(*mail)

	mu    sync.Mutex
	queue []*mail
}

// place is a mail's place in the order.
type place struct {
	queued  bool
	settled bool
	good    bool
	handed  chan struct{} // closed when it was its turn; nil if nobody waits
}

// add is called on the database's one writer. A mail whose writes are run a second time goes to the end.
func (o *order) add(m *mail) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m.place.queued {
		at := slices.Index(o.queue, m)
		o.queue = slices.Delete(o.queue, at, at+1)
	}
	m.place.queued = true
	o.queue = append(o.queue, m)
}

// settle says whether a mail was written, and returns when it was handed out.
func (o *order) settle(m *mail, good bool) {
	wait := o.turn(m, good)
	if wait != nil {
		<-wait
	}
}

func (o *order) turn(m *mail, good bool) (wait chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !m.place.queued {
		return nil // its writes were never run
	}
	m.place.settled, m.place.good = true, good
	for len(o.queue) > 0 && o.queue[0].place.settled {
		o.pop()
	}
	if !m.place.queued {
		return nil
	}
	m.place.handed = make(chan struct{})
	return m.place.handed
}

func (o *order) pop() {
	m := o.queue[0]
	o.queue = slices.Delete(o.queue, 0, 1)
	m.place.queued = false
	defer func() { // whatever happens, whoever waits goes on
		if m.place.handed != nil {
			close(m.place.handed)
		}
	}()
	if m.place.good {
		o.hand(m)
	}
}
