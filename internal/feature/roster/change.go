package roster

import (
	"context"

	"parley/xmpp"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// change is a change in the making, of one or more accounts that are locked.
type change struct {
	r      *Rosters
	now    int64
	drafts map[jid.JID]*draft
	order  []*draft
	events []event
}

// event is what has to be told after the change is on disk.
type event struct {
	contact jid.JID // of the one who spoke first
	step    roster.Step
	push    *push // nil: nothing is shown of it
	quiet   bool  // there is no step, only a push
}

// change makes one: f says what becomes of the accounts' rosters; then tell hears of each step, and clients of what they are
// shown of it, in order.
func (r *Rosters) change(ctx context.Context, accounts []jid.JID, f func(*change) error, tell func(jid.JID, roster.Step)) error {
	unlock := r.locks.Lock(accounts...)
	defer unlock()
	c := &change{r: r, now: r.c.Now().UnixMilli(), drafts: map[jid.JID]*draft{}}
	for _, a := range accounts {
		if c.drafts[a] != nil {
			continue
		}
		b, err := r.lockedBook(ctx, a)
		if err != nil {
			return err
		}
		c.drafts[a] = newDraft(a, b)
		c.order = append(c.order, c.drafts[a])
	}
	if err := f(c); err != nil {
		return err
	}
	if err := c.save(ctx); err != nil {
		return err
	}
	for _, e := range c.events {
		if !e.quiet && tell != nil {
			tell(e.contact, e.step)
		}
		if e.push != nil {
			r.push(e.push)
		}
	}
	return nil
}

func (c *change) save(ctx context.Context) error {
	var all []Change
	for _, d := range c.order {
		if d.dirty {
			all = append(all, d.change())
		}
	}
	if len(all) == 0 {
		return nil
	}
	if err := c.r.c.Store.Save(ctx, all); err != nil {
		for _, d := range c.order {
			c.r.cache.drop(d.owner) // what the disk has is to be seen
		}
		return err
	}
	for _, d := range c.order {
		if d.changed.All {
			c.r.cache.drop(d.owner)
		} else if d.dirty {
			b := d.book
			c.r.cache.put(d.owner, &b)
		}
	}
	return nil
}

// Exchange does what a stanza about a subscription does to the rosters that are here. tell hears of each step after all of
// it is on disk and before clients see it in their rosters; it must not ask for a roster. The error is a
// *xmpp.StanzaError where the sender's roster can't take it.
func (r *Rosters) Exchange(ctx context.Context, t roster.Talk, tell func(roster.Step)) error {
	var accounts []jid.JID
	if t.FromHere {
		accounts = append(accounts, t.From)
	}
	if t.ToHere {
		accounts = append(accounts, t.To)
	}
	return r.change(ctx, accounts, func(c *change) error { return c.exchange(t, true) },
		func(_ jid.JID, s roster.Step) { tell(s) })
}

// exchange runs one; shown says whether the clients of the one who speaks see what it does.
func (c *change) exchange(t roster.Talk, shown bool) error {
	var speaker, hearer *roster.Standing
	var from, to *draft
	if t.FromHere {
		from = c.drafts[t.From]
		speaker = new(from.get(t.To).Standing)
	}
	if t.ToHere {
		if to = c.drafts[t.To]; c.r.takes(to, t) {
			hearer = new(to.get(t.From).Standing)
		}
	}
	for _, s := range roster.Exchange(t.Kind, speaker, hearer) {
		d, contact := from, t.To
		if s.Second {
			d, contact = to, t.From
		}
		e := event{contact: t.To, step: s}
		visible, err := c.apply(d, contact, s, t.Request)
		if err != nil {
			return err
		}
		if visible && (shown || s.Second) {
			e.push = newPush(d, contact)
		}
		c.events = append(c.events, e)
	}
	return nil
}

// takes says whether a stanza may make a new entry for one who is not known to the account: those have a bound.
func (r *Rosters) takes(d *draft, t roster.Talk) bool {
	if t.Kind != roster.Subscribe || d.find(t.From) != nil {
		return true
	}
	_, requests := d.count()
	return requests < r.c.Requests
}

// apply makes a step's change of one contact, and says whether clients see it.
func (c *change) apply(d *draft, contact jid.JID, s roster.Step, request string) (shown bool, err error) {
	now := d.get(contact)
	was := now.State
	now.Standing = s.After
	switch {
	case !now.State.IsAsked():
		now.Request = ""
	case !was.IsAsked():
		now.Request = c.r.kept(request)
	}
	if now.Standing == s.Before {
		return false, nil
	}
	// Whoever is asked, let in or approved of is a contact; one who asks is not yet.
	if !now.Listed && (now.State.IsAsking() || now.State.IsSeen() || now.State.SeesContact() || now.Approved) {
		if listed, _ := d.count(); listed >= c.r.c.Items {
			return false, errFull
		}
		now.Listed = true
	}
	return d.put(now, c.now), nil
}

var errFull = &xmpp.StanzaError{Condition: xmpp.ResourceConstraint, Type: xmpp.Cancel, Text: "the roster is full"}

// kept is what is kept of a request's stanza: nothing of one that is too long, which is asked again without it.
func (r *Rosters) kept(request string) string {
	if len(request) > r.c.RequestBytes {
		return ""
	}
	return request
}

// Remove ends the subscriptions with a contact (rfc6121#2.5.2) and takes it off the roster. tell is as for Exchange;
// there are the steps of two stanzas at most. here says whether the contact's roster is here. Of a contact that is not on the
// roster the error is a *xmpp.StanzaError.
func (r *Rosters) Remove(ctx context.Context, owner, contact jid.JID, here bool, tell func(roster.Step)) error {
	accounts := []jid.JID{owner}
	if here {
		accounts = append(accounts, contact)
	}
	return r.change(ctx, accounts, func(c *change) error {
		d := c.drafts[owner]
		if old := d.find(contact); old == nil || !old.Listed {
			return &xmpp.StanzaError{Condition: xmpp.ItemNotFound} // rfc6121#2.5.3
		}
		if err := c.part(owner, contact, here); err != nil {
			return err
		}
		d.remove(contact, r.c.Removals, c.now)
		c.events = append(c.events, event{quiet: true, push: &push{owner: owner, contact: contact, version: d.version}})
		return nil
	}, func(_ jid.JID, s roster.Step) { tell(s) })
}

// part ends the subscriptions between an account and a contact, of which the account's clients see nothing yet.
func (c *change) part(owner, contact jid.JID, here bool) error {
	t := roster.Talk{From: owner, To: contact, FromHere: true, ToHere: here}
	d := c.drafts[owner]
	if s := d.get(contact).State; s.SeesContact() || s.IsAsking() {
		t.Kind = roster.Unsubscribe
		if err := c.exchange(t, false); err != nil {
			return err
		}
	}
	if s := d.get(contact).State; s.IsSeen() || s.IsAsked() {
		t.Kind = roster.Unsubscribed
		return c.exchange(t, false)
	}
	return nil
}

// Forget ends all subscriptions of an account that is gone, and drops its roster. here says whose rosters are here too; tell
// hears of the steps with each contact.
func (r *Rosters) Forget(ctx context.Context, owner jid.JID, here func(contact jid.JID) bool, tell func(contact jid.JID, s roster.Step)) error {
	b, err := r.book(ctx, owner)
	if err != nil {
		return err
	}
	accounts, local := []jid.JID{owner}, map[jid.JID]bool{}
	for _, c := range b.contacts {
		if c.JID != owner && here(c.JID) {
			local[c.JID] = true
			accounts = append(accounts, c.JID)
		}
	}
	return r.change(ctx, accounts, func(c *change) error {
		d := c.drafts[owner]
		for _, contact := range b.contacts {
			if err := c.part(owner, contact.JID, local[contact.JID]); err != nil {
				return err
			}
		}
		d.changed, d.dirty = Change{All: true}, true
		return nil
	}, tell)
}
