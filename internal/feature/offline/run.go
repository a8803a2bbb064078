package offline

import (
	"context"
	"sync"
	"time"

	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// event is what a session has said of a message.
type event struct {
	owner   jid.JID
	id      im.ID
	session *im.Session
	drain   *drain // by which it was brought; nil if by none
	size    int    // in bytes
	ok      bool
}

// events collects what sessions say until Run looks at it: they may say it while they hold locks of their own.
type events struct {
	mu   sync.Mutex
	list []event
	wake chan struct{}
}

func (e *events) add(ev event) {
	e.mu.Lock()
	e.list = append(e.list, ev)
	first := len(e.list) == 1
	e.mu.Unlock()
	if first {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

func (e *events) take() []event {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.list
	e.list = nil
	return list
}

// removal is what is to be deleted.
type removal struct {
	mu   sync.Mutex
	keys []key
}

func (r *removal) add(keys ...key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append(r.keys, keys...)
}

func (r *removal) take(n int) []key {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = min(n, len(r.keys))
	keys := r.keys[:n:n]
	r.keys = r.keys[n:]
	if len(r.keys) == 0 {
		r.keys = nil
	}
	return keys
}

// Times of Run.
const (
	sweepEvery = time.Hour
	lastWrites = 10 * time.Second
)

// Run takes what sessions say, deletes what they have and what is too old, until ctx ends.
func (o *Store) Run(ctx context.Context) {
	var background sync.WaitGroup
	background.Go(func() { o.every(ctx, o.config.Delete, o.remove) })
	background.Go(func() { o.every(ctx, sweepEvery, o.Sweep) })
	for ctx.Err() == nil {
		select {
		case <-o.events.wake:
			o.listen()
		case <-ctx.Done():
		}
	}
	o.stop()
	background.Wait()
	o.listen()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancel()
	if err := o.remove(ctx); err != nil {
		o.config.Log.Error("messages that were received are still stored", "err", err)
	}
}

// stop has no drain go on.
func (o *Store) stop() {
	for i := range o.shards { // a drain begins under its lock
		o.shards[i].mu.Lock()
		o.stopping.Store(true)
		o.shards[i].mu.Unlock()
	}
	o.drains.Wait()
}

func (o *Store) every(ctx context.Context, pause time.Duration, f func(context.Context) error) {
	t := time.NewTicker(pause)
	defer t.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			err := f(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				o.config.Log.Error("offline store not written; this is tried again and again", "err", err)
			}
			if failing = err != nil; failing {
				t.Reset(max(pause, time.Second))
			} else {
				t.Reset(pause)
			}
		}
	}
}

// listen notes what sessions have said until now.
func (o *Store) listen() {
	o.listening.Lock() // whoever returns has seen what others took
	defer o.listening.Unlock()
	for _, ev := range o.events.take() {
		s := o.shard(ev.owner)
		s.mu.Lock()
		o.happened(s, ev)
		s.mu.Unlock()
	}
}

// remove deletes what sessions have. What can't be deleted now is tried again.
func (o *Store) remove(ctx context.Context) error {
	for {
		keys := o.removal.take(batch)
		if len(keys) == 0 {
			return nil
		}
		if err := o.store.remove(ctx, keys); err != nil {
			o.removal.add(keys...)
			return err
		}
		o.removed(keys)
	}
}

func (o *Store) removed(keys []key) {
	for _, k := range keys {
		s := o.shard(k.owner)
		s.mu.Lock()
		if b := s.boxes[k.owner]; b != nil {
			if e := b.out[k.id]; e != nil {
				b.bytes -= e.size
			} else {
				b.unsure = true // it was too old, and is gone unread
			}
			b.forget(k.id)
			b.rows--
			b.changes++
			s.tidy(b)
		}
		s.mu.Unlock()
	}
}

// Sweep deletes what has waited too long, and counts what is left anew.
func (o *Store) Sweep(ctx context.Context) error {
	before := im.FirstID(o.config.Now().Add(-o.config.Keep))
	for {
		keys, err := o.store.old(ctx, before, batch)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return o.recount(ctx)
		}
		if err := o.store.remove(ctx, keys); err != nil {
			return err
		}
		o.removed(keys)
	}
}

// recount counts anew what memory is not sure of.
func (o *Store) recount(ctx context.Context) error {
	var list []jid.JID
	for i := range o.shards {
		s := &o.shards[i]
		s.mu.Lock()
		for owner, b := range s.boxes {
			if b.unsure && b.changes > 0 { // not those that nobody has asked for since the start
				list = append(list, owner)
			}
		}
		s.mu.Unlock()
	}
	for _, owner := range list {
		if err := o.weigh(ctx, owner); err != nil {
			return err
		}
	}
	return nil
}
