package letters

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// phone is a device that is bound: one contact, or the contacts of one instance (rfc5626#4.2). Its fields are under
// Letters.mu.
type phone struct {
	l        *Letters
	account  core.Address
	key      string
	bindings []core.Binding // the newest first
	ability  core.Ability
	asking   bool
	asked    bool           // it has answered, whatever it said
	pending  []*xmpp.Stanza // for a phone that has not said yet

	ready  time.Time // when it has the answer to its REGISTER for sure
	out    *outbox   // nil while it is no session
	failed int       // times in a row
	rests  time.Time
	wake   func() // stops the clock that ends its rest
	had    memory

	speech  Speech                // what it has shown that it speaks
	typists map[jid.JID]time.Time // of whom it was told that they type
	told    memory                // notices that it was told
	said    memory                // notices that others were told by it
}

// deviceOf is what makes two bindings one device.
func deviceOf(b core.Binding) string {
	if b.Instance != "" {
		return b.Instance
	}
	return b.Key
}

// jid is the phone's full address: the same whenever it registers.
func (p *phone) jid() jid.JID { return address.JID(p.account).With(resource(p.account, p.key)) }

// Resource is that of the phone which has a binding.
func Resource(a core.Address, b core.Binding) string { return resource(a, deviceOf(b)) }

func resource(a core.Address, key string) string {
	sum := sha256.Sum256([]byte(a.String() + "\x00" + key))
	return "phone-" + hex.EncodeToString(sum[:6])
}

// sync makes the phones of an account what its bindings are.
func (l *Letters) sync(a core.Address) {
	bindings, err := l.ports.Location.Bindings(l.ctx, a)
	if err != nil {
		l.c.Log.Error("bindings not read", "account", a.String(), "err", err)
		return
	}
	waiting := l.ports.Waiting(address.JID(a)) > 0
	for _, p := range l.update(a, bindings) {
		p.leave()
	}
	for _, p := range l.phones(a) {
		p.attend(waiting)
	}
}

func (l *Letters) phones(a core.Address) []*phone {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.accounts[a])
}

// update gives the phones that are bound no longer.
func (l *Letters) update(a core.Address, bindings []core.Binding) (gone []*phone) {
	slices.SortStableFunc(bindings, func(x, y core.Binding) int { return y.Updated.Compare(x.Updated) })
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.accounts[a]
	next := make([]*phone, 0, len(old))
	for _, b := range bindings {
		key := deviceOf(b)
		same := func(p *phone) bool { return p.key == key }
		if at := slices.IndexFunc(next, same); at >= 0 {
			next[at].bindings = append(next[at].bindings, b)
			continue
		}
		p := &phone{l: l, account: a, key: key}
		if at := slices.IndexFunc(old, same); at >= 0 {
			p = old[at]
		}
		p.bound(b)
		next = append(next, p)
	}
	for _, p := range old {
		if !slices.Contains(next, p) {
			gone = append(gone, p)
		}
	}
	if l.accounts[a] = next; len(next) == 0 {
		delete(l.accounts, a)
	}
	return gone
}

// bound notes the newest binding of the phone. A phone that registers again is there again.
func (p *phone) bound(b core.Binding) {
	if len(p.bindings) == 0 || !b.Updated.Equal(p.bindings[0].Updated) {
		p.ready = p.l.c.Now().Add(p.l.c.Pause)
	}
	if len(p.bindings) > 0 && b.Updated.After(p.bindings[0].Updated) {
		p.rests = time.Time{}
		if b.CallID != p.bindings[0].CallID {
			p.asked = false
		}
	}
	p.bindings, p.ability = []core.Binding{b}, b.Messages
}

// attend does what is due: a phone that takes messages is a session, one that may is asked. waiting says that there are
// messages for its account.
func (p *phone) attend(waiting bool) {
	l := p.l
	l.mu.Lock()
	rested := !l.c.Now().Before(p.rests)
	unable := p.ability == core.Unable && p.out != nil
	open := p.ability == core.Able && p.out == nil && rested
	ask := p.ability == core.Unknown && !p.asking && !p.asked && rested && (waiting || len(p.pending) > 0)
	p.asking = p.asking || ask
	out := p.out
	l.mu.Unlock()
	switch {
	case unable:
		p.leave()
	case out != nil:
		out.session.Moved(p.info())
	case open:
		p.join()
	case ask:
		l.begin(p.ask)
	}
}

// join makes a session of the phone.
func (p *phone) join() {
	l := p.l
	out := &outbox{phone: p}
	out.session = im.NewSession(p.jid(), out, p.info())
	out.session.Set(im.Carbons|im.NoReturn, true)
	if _, err := l.ports.Sessions.Add(out.session); err != nil {
		l.c.Log.Warn("a phone gets no messages", "account", p.account.String(), "err", err)
		p.rest()
		return
	}
	l.mu.Lock()
	p.out = out
	pending := p.pending
	p.pending = nil
	l.mu.Unlock()
	// Nobody is told: that a phone is registered does not say that somebody is there.
	st := xmpp.Must(xmpp.Presence, xmpp.Header{From: out.session.JID()}, "")
	out.session.SetAvailability(&im.Availability{Stanza: st, Since: l.c.Now()})
	l.ports.Available(l.ctx, out.session)
	for _, st := range pending {
		out.Send(st, nil)
	}
}

func (p *phone) info() im.Info {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	b := p.bindings[0]
	return im.Info{
		Network: "SIP over " + b.Network, Encrypted: b.Network == "TLS" || b.Network == "WSS", Source: b.Source,
		Mechanism: "Digest", Since: b.Since, Phone: true,
	}
}

// leave ends the phone's session, if it is one.
func (p *phone) leave() {
	p.l.mu.Lock()
	out := p.out
	p.out = nil
	if p.wake != nil {
		p.wake()
		p.wake = nil
	}
	p.l.mu.Unlock()
	if out != nil {
		out.finish()
	}
}

// rest leaves the phone alone for a while, that grows with each failure.
func (p *phone) rest() {
	l := p.l
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.c.Rest << min(p.failed, 16)
	if d <= 0 || d > l.c.Longest {
		d = l.c.Longest
	}
	p.failed++
	p.rests = l.c.Now().Add(d)
	if p.wake != nil {
		p.wake()
	}
	if l.ctx.Err() == nil {
		p.wake = l.c.After(d, func() { l.Changed(p.account) })
	}
}

// learn notes what the phone has shown that it can, with its bindings.
func (p *phone) learn(can core.Ability) {
	err := p.l.ports.Location.Change(p.l.ctx, p.account, func(now []core.Binding) ([]core.Binding, error) {
		for i := range now {
			if deviceOf(now[i]) == p.key {
				now[i].Messages = can
			}
		}
		return now, nil
	})
	if err != nil {
		p.l.c.Log.Error("what a phone can is not stored", "account", p.account.String(), "err", err)
	}
}

// chats says that the phone's device is available by XMPP too: it gets its messages there.
func (p *phone) chats() bool {
	p.l.mu.Lock()
	device := p.bindings[0].Device
	p.l.mu.Unlock()
	return device != "" && slices.ContainsFunc(p.l.ports.Sessions.Of(p.jid()), func(s *im.Session) bool {
		priority, available := s.Priority()
		return available && priority >= 0 && s.Info().Device == device
	})
}

// settle waits until the phone has the answer to its REGISTER, which is to come before anything else.
func (p *phone) settle(ctx context.Context) {
	p.l.mu.Lock()
	wait := p.ready.Sub(p.l.c.Now())
	p.l.mu.Unlock()
	pause(ctx, wait)
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// ways are the phone's bindings, the newest first.
func (p *phone) ways() []core.Binding {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	now := p.l.c.Now()
	return slices.DeleteFunc(slices.Clone(p.bindings), func(b core.Binding) bool { return !b.Expires.After(now) })
}

// ask asks the phone what it can (rfc3261#11).
func (p *phone) ask() {
	l := p.l
	first := p.first(l.ctx)
	if first == nil {
		l.mu.Lock()
		p.asking = false
		l.mu.Unlock()
		return
	}
	can, there := p.capability(l.ctx, first)
	l.mu.Lock()
	p.asking, p.asked = false, there
	if can != core.Able {
		p.pending = nil
	}
	l.mu.Unlock()
	switch {
	case !there:
		p.rest()
	case can != core.Unknown:
		p.learn(can)
	}
}

// capability is what the phone can, as far as it says; there is false if it could not be reached.
func (p *phone) capability(ctx context.Context, first *xmpp.Stanza) (can core.Ability, there bool) {
	p.settle(ctx)
	for _, b := range p.ways() {
		status, resp := p.l.options(ctx, b)
		if resp != nil && status < 300 {
			p.shows(accepted(resp))
		}
		switch {
		case unreachable(status):
			continue
		case status < 300 && resp.Has(allow):
			if resp.HasToken(allow, "MESSAGE") {
				return core.Able, true
			}
			return core.Unable, true
		}
		return p.try(ctx, first), true
	}
	return core.Unknown, false
}

// first is the message that the phone is asked for; nil if there is none, but words about others at most.
func (p *phone) first(ctx context.Context) *xmpp.Stanza {
	p.l.mu.Lock()
	var first *xmpp.Stanza
	if len(p.pending) > 0 {
		first = p.pending[0]
	}
	p.l.mu.Unlock()
	if first == nil {
		first = p.l.ports.First(ctx, p.jid().Bare())
	}
	if first == nil || !FromStanza(first).Says() {
		return nil
	}
	return first
}

// try sends a message to a phone that does not say what it can: if it takes it, it takes messages.
func (p *phone) try(ctx context.Context, first *xmpp.Stanza) core.Ability {
	switch p.send(ctx, first, FromStanza(first)) {
	case taken:
		return core.Able
	case never:
		return core.Unable
	case refused, lost:
	}
	return core.Unknown
}
