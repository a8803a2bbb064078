package letters

import (
	"slices"
	"sync"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/sid"
)

// outbox is where a phone's stanzas go: one MESSAGE after the other (rfc3428#8).
type outbox struct {
	phone   *phone
	session *im.Session

	mu      sync.Mutex
	queue   []item
	bytes   int
	sending bool
	ended   bool
	over    sync.Once
}

type item struct {
	st     *xmpp.Stanza
	letter Letter
	done   func(bool)
}

// maxQueued is how many bytes may be on their way to a phone.
const maxQueued = 1 << 20

// Send implements im.Outbox. Of what a phone gets it can be told messages alone; what else there is it has at once, but for
// questions, which nobody answers.
func (o *outbox) Send(st *xmpp.Stanza, done func(bool)) {
	if done == nil {
		done = func(bool) {}
	}
	if st.Kind() != xmpp.Message {
		go done(st.Kind() != xmpp.IQ)
		return
	}
	in := received(st)
	if in == nil || in.From() == o.phone.jid() {
		go done(true)
		return
	}
	letter := FromStanza(in)
	if letter.Empty() {
		go done(true)
		return
	}
	o.put(item{in, letter, done})
}

// put queues a letter. A word that there is no room for is lost: it ends nothing.
func (o *outbox) put(i item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !i.letter.Says() && len(o.queue) >= o.phone.l.c.Queue*3/4 {
		go i.done(true)
		return
	}
	full := len(o.queue) >= o.phone.l.c.Queue || o.bytes >= maxQueued
	if o.ended || full {
		go i.done(false)
		if full {
			o.fail()
		}
		return
	}
	o.queue = append(o.queue, i)
	o.bytes += len(i.st.Text())
	if !o.sending {
		o.sending = o.phone.l.begin(o.run)
	}
}

// End implements im.Outbox.
func (o *outbox) End(*xmpp.StreamError) { o.fail() }

// fail ends the session on a goroutine of its own, and has the phone rest.
func (o *outbox) fail() {
	end := func() {
		o.finish()
		if o.phone.drop(o) {
			o.phone.rest()
		}
	}
	if !o.phone.l.begin(end) {
		go end()
	}
}

// drop says whether o was the phone's session; it is none then.
func (p *phone) drop(o *outbox) bool {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	if p.out != o {
		return false
	}
	p.out = nil
	return true
}

// run sends what is queued until nothing is left.
func (o *outbox) run() {
	for {
		next, ok := o.next()
		if !ok {
			return
		}
		switch o.phone.send(o.phone.l.ctx, next.st, next.letter) {
		case taken:
			o.phone.works()
			next.done(true)
		case refused:
			next.done(true)
		case never:
			next.done(false)
			o.phone.learn(unable)
			o.fail()
			o.close()
		case lost:
			next.done(false)
			o.fail()
			o.close()
		}
	}
}

func (o *outbox) next() (next item, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 || o.ended {
		o.sending = false
		return next, false
	}
	next = o.queue[0]
	o.queue = o.queue[1:]
	o.bytes -= len(next.st.Text())
	return next, true
}

// close has nothing more sent: whoever waits hears that the phone will not have it.
func (o *outbox) close() {
	o.mu.Lock()
	o.ended = true
	queue := o.queue
	o.queue = nil
	o.mu.Unlock()
	for _, i := range queue {
		i.done(false)
	}
}

// finish ends the session, and tells everyone.
func (o *outbox) finish() {
	o.over.Do(func() {
		o.close()
		l := o.phone.l
		l.ports.Sessions.Remove(o.session)
		l.ports.Delivery.Ended(l.ctx, o.session)
		o.session.Finish()
	})
}

// memory holds which messages a phone has had lately, so that one that reaches it in two ways is shown once.
type memory struct {
	mu   sync.Mutex
	keys []string
	next int
}

// lately is how many messages are remembered.
const lately = 256

func (m *memory) has(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return key != "" && slices.Contains(m.keys, key)
}

// once is true the first time.
func (m *memory) once(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.keys, key) {
		return false
	}
	m.put(key)
	return true
}

// drop forgets a key.
func (m *memory) drop(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := slices.Index(m.keys, key); at >= 0 {
		m.keys[at] = ""
	}
}

func (m *memory) add(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key)
}

func (m *memory) put(key string) {
	if len(m.keys) < lately {
		m.keys = append(m.keys, key)
		return
	}
	m.keys[m.next%lately] = key
	m.next++
}

// keyOf is what a message is known by: the place in its recipient's archive, else what its sender calls it.
func (p *phone) keyOf(st *xmpp.Stanza) string {
	if id := sid.ID(st, p.jid().Bare()); id != "" {
		return id
	}
	if id := st.ID(); id != "" {
		return st.From().String() + " " + id
	}
	return ""
}
