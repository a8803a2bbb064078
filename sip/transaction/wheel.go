package transaction

import "time"

const (
	// tick is the resolution of all timers. They may fire a tick late, never early.
	tick = 10 * time.Millisecond
	// slots cover 41 s, so that a timer of 64*T1 is looked at once, when it is due.
	slots = 4096
	// linger is how many empty ticks pass before the ticking stops.
	linger = 100
)

// timer is a place in a wheel; it is part of what it wakes, so setting it costs nothing.
type timer struct {
	next  *timer
	prev  **timer // what points here; nil if the timer is not set
	when  int64   // in ticks since the wheel's start
	owner waker
}

// waker is what a timer wakes.
type waker interface{ fire(t *timer) }

func (t *timer) set() bool { return t.prev != nil }

func (t *timer) push(head **timer) {
	t.next, t.prev = *head, head
	if t.next != nil {
		t.next.prev = &t.next
	}
	*head = t
}

func (t *timer) unlink() {
	*t.prev = t.next
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev = nil, nil
}

// wheel is a hashed timer wheel: each slot lists the timers whose tick falls on it.
type wheel struct {
	slot  [slots]*timer
	start time.Time
	now   int64 // the last tick that was run
	count int
}

func (w *wheel) add(t *timer, at time.Time) {
	if t.set() {
		t.unlink()
		w.count--
	}
	t.when = max(int64((at.Sub(w.start)+tick-1)/tick), w.now+1)
	t.push(&w.slot[t.when%slots])
	w.count++
}

func (w *wheel) remove(t *timer) {
	if t.set() {
		t.unlink()
		w.count--
	}
}

// run fires what is due at now, in the order in which it was due.
func (w *wheel) run(now time.Time) {
	last := int64(now.Sub(w.start) / tick)
	if w.count == 0 {
		w.now = max(w.now, last)
		return
	}
	for w.now < last {
		w.now++
		w.expire(w.now % slots)
	}
}

// expire moves the due timers of a slot to a list of their own first: what they wake may
// set and stop any timer, these too. Pushing twice restores the order of setting.
func (w *wheel) expire(slot int64) {
	var due *timer
	for t := w.slot[slot]; t != nil; {
		next := t.next
		if t.when <= w.now {
			t.unlink()
			t.push(&due)
		}
		t = next
	}
	for due != nil {
		t := due
		w.remove(t)
		t.owner.fire(t)
	}
}
