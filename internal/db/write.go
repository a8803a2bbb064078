package db

import (
	"context"
	"database/sql"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// A write's way: queued until the writer starts it or its caller leaves.
const (
	queued int32 = iota
	started
	left
)

type write struct {
	f     func(*sql.Tx) error
	state atomic.Int32
	done  chan error // takes one
}

// Write runs f in a transaction and returns after the commit is safe on the disk. If f
// returns an error or panics, what it did is undone and Write returns that error.
//
// f runs on the writer's goroutine, between the writes of others: it uses tx and nothing
// that waits, neither commits nor rolls back, and may be called a second time if the
// transaction it shared was lost.
//
// If ctx ends before f is begun, f is not run. If it ends later, Write still says how f
// ended: where f hands ctx to its queries, they are interrupted, and f alone is undone.
func (d *DB) Write(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("db: write not begun: %w", err)
	}
	w := &write{f: f, done: make(chan error, 1)}
	if err := d.enqueue(ctx, w); err != nil {
		return err
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		if w.state.CompareAndSwap(queued, left) {
			return fmt.Errorf("db: write not begun: %w", ctx.Err())
		}
		return <-w.done
	}
}

func (d *DB) enqueue(ctx context.Context, w *write) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return ErrClosed
	}
	select {
	case d.queue <- w:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("db: write not begun, too many wait: %w", ctx.Err())
	}
}

// run is the writer.
func (d *DB) run() {
	defer close(d.done)
	for w := range d.queue {
		// A write that brings the transaction down would do so again: the
		// others are run once more, each alone.
		for _, w := range d.commit(d.collect(w)) {
			d.commit([]*write{w})
		}
	}
}

// collect takes what waits besides first, leaving out those whose callers have left.
func (d *DB) collect(first *write) []*write {
	var batch []*write
	for w := first; w != nil; w = d.next() {
		if w.state.CompareAndSwap(queued, started) {
			batch = append(batch, w)
		}
		if len(batch) == d.config.Batch {
			break
		}
	}
	return batch
}

func (d *DB) next() *write {
	select {
	case w := <-d.queue: // nil once closed
		return w
	default:
		return nil
	}
}

// commit runs writes in one transaction and tells their callers. It returns those that
// were lost by another's fault; of one write alone there are none.
func (d *DB) commit(batch []*write) (again []*write) {
	if len(batch) == 0 {
		return nil
	}
	tx, err := d.writer.BeginTx(context.Background(), nil)
	if err != nil {
		tell(batch, err)
		return nil
	}
	defer tx.Rollback() // does nothing after a commit
	good := make([]*write, 0, len(batch))
	for i, w := range batch {
		lost, err := d.savepoint(tx, w.f)
		if err != nil {
			tell(batch[i:i+1], err)
		} else {
			good = append(good, w)
		}
		if lost {
			return append(good, batch[i+1:]...)
		}
	}
	err = tx.Commit()
	if len(good) > 1 && isConstraint(err) { // a deferred one, of whichever write
		return good
	}
	tell(good, err)
	return nil
}

func tell(ws []*write, err error) {
	err = explain(err)
	for _, w := range ws {
		w.done <- err
	}
}

// savepoint runs f so that its failure undoes nothing but its own work. SQLite may end the
// whole transaction by itself (a full disk, an I/O error); lost tells so, and err is
// never nil then.
func (d *DB) savepoint(tx *sql.Tx, f func(*sql.Tx) error) (lost bool, err error) {
	exec := func(text string) error {
		_, err := tx.ExecContext(context.Background(), text)
		return err
	}
	if err := exec("SAVEPOINT w"); err != nil {
		return true, err
	}
	if err := d.protect(tx, f); err != nil {
		lost := exec("ROLLBACK TO SAVEPOINT w") != nil || exec("RELEASE SAVEPOINT w") != nil
		return lost, err
	}
	err = exec("RELEASE SAVEPOINT w")
	return err != nil, err
}

// protect turns a panic of f into an error, so that it ends one write and not the writer.
func (d *DB) protect(tx *sql.Tx, f func(*sql.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			d.config.Log.Error("a write panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("db: write panicked: %v", p)
		}
	}()
	return f(tx)
}

// Waiting is how many writes are queued.
func (d *DB) Waiting() int { return len(d.queue) }
