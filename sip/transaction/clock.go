package transaction

import (
	"sync"
	"time"
)

// Clock is the time a Layer lives in; tests have their own.
type Clock interface {
	Now() time.Time
	// Tick calls f every d until stop is called, f never concurrently with itself.
	Tick(d time.Duration, f func()) (stop func())
}

// Tracker is a Clock that is told of work: Busy(1) when something is queued and Busy(-1) once
// it is done. A test's clock waits for the sum to be zero before it moves on.
type Tracker interface {
	Clock
	Busy(n int)
}

// wallClock is the real time. A tick costs a timer and no goroutine of its own.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Tick(d time.Duration, f func()) (stop func()) {
	t := &wallTick{every: d, f: f}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(d, t.run)
	return t.stop
}

type wallTick struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	every   time.Duration
	f       func()
}

func (t *wallTick) run() {
	t.f()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		t.timer.Reset(t.every)
	}
}

func (t *wallTick) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.timer.Stop()
}
