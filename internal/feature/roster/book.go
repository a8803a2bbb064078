package roster

import (
	"cmp"
	"slices"

	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// book is an account's roster at one moment. It never changes.
type book struct {
	version, oldest int64
	contacts        []*roster.Contact // by address
	removed         []Removed         // by version
}

func newBook(s Stored) *book {
	b := &book{version: s.Version, oldest: s.Oldest, contacts: s.Contacts, removed: s.Removed}
	slices.SortFunc(b.contacts, func(x, y *roster.Contact) int { return compare(x.JID, y.JID) })
	slices.SortFunc(b.removed, func(x, y Removed) int { return cmp.Compare(x.Version, y.Version) })
	return b
}

func compare(a, b jid.JID) int {
	return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Local, b.Local), cmp.Compare(a.Resource, b.Resource))
}

func (b *book) index(contact jid.JID) (at int, found bool) {
	return slices.BinarySearchFunc(b.contacts, contact, func(c *roster.Contact, j jid.JID) int { return compare(c.JID, j) })
}

// find is a contact, nil if there is none.
func (b *book) find(contact jid.JID) *roster.Contact {
	if at, found := b.index(contact); found {
		return b.contacts[at]
	}
	return nil
}

// count is how many contacts are listed, and how many only ask.
func (b *book) count() (listed, requests int) {
	for _, c := range b.contacts {
		if c.Listed {
			listed++
		} else {
			requests++
		}
	}
	return listed, requests
}

// draft is a roster that is being changed.
type draft struct {
	book
	owner   jid.JID
	changed Change
	dirty   bool
}

func newDraft(owner jid.JID, b *book) *draft {
	d := &draft{owner: owner, book: *b}
	d.contacts, d.removed = slices.Clone(b.contacts), slices.Clone(b.removed)
	return d
}

// get is a contact to be changed and put back; a new one if there is none.
func (d *draft) get(contact jid.JID) *roster.Contact {
	if c := d.find(contact); c != nil {
		copied := *c
		return &copied
	}
	return &roster.Contact{Item: roster.Item{JID: contact}}
}

// next begins a new version: later than any before, also of a roster of this address that is long gone.
func (d *draft) next(now int64) int64 {
	first := d.version == 0
	d.version = max(d.version+1, now)
	if first {
		d.oldest = d.version
	}
	return d.version
}

// put stores a contact, and says whether clients see a change. One that nothing is known of any more goes.
func (d *draft) put(c *roster.Contact, now int64) (shown bool) {
	d.dirty = true
	at, found := d.index(c.JID)
	if c.Listed {
		shown = !found || !d.contacts[at].Listed || !d.contacts[at].Equal(&c.Item)
	} else if c.State == roster.None && !c.Approved {
		d.drop(at, found)
		return false
	}
	if shown {
		c.Version = d.next(now)
		d.back(c.JID)
	}
	if found {
		d.contacts[at] = c
	} else {
		d.contacts = slices.Insert(d.contacts, at, c)
	}
	d.changed.Put = append(d.changed.Put, c)
	d.changed.Delete = slices.DeleteFunc(d.changed.Delete, func(j jid.JID) bool { return j == c.JID })
	return shown
}

func (d *draft) drop(at int, found bool) {
	if !found {
		return
	}
	d.changed.Delete = append(d.changed.Delete, d.contacts[at].JID)
	d.contacts = slices.Delete(d.contacts, at, at+1)
}

// back forgets that a contact was removed.
func (d *draft) back(contact jid.JID) {
	at := slices.IndexFunc(d.removed, func(r Removed) bool { return r.JID == contact })
	if at >= 0 {
		d.removed = slices.Delete(d.removed, at, at+1)
		d.changed.Back = append(d.changed.Back, contact)
	}
}

// remove takes a contact off; at most limit of them are remembered.
func (d *draft) remove(contact jid.JID, limit int, now int64) {
	d.dirty = true
	d.drop(d.index(contact))
	gone := Removed{contact, d.next(now)}
	d.removed = append(d.removed, gone)
	d.changed.Removed = append(d.changed.Removed, gone)
	for len(d.removed) > limit {
		d.oldest = d.removed[0].Version
		d.removed = slices.Delete(d.removed, 0, 1)
	}
}

// change is what the store has to do.
func (d *draft) change() Change {
	c := d.changed
	c.Owner, c.Version, c.Oldest = d.owner, d.version, d.oldest
	return c
}

// since are the changes after a version, in their order; ok is false where the whole roster has to be told.
func (b *book) since(version int64) (shown []*roster.Contact, removed []Removed, ok bool) {
	if version < b.oldest || version > b.version {
		return nil, nil, false
	}
	for _, c := range b.contacts {
		if c.Listed && c.Version > version {
			shown = append(shown, c)
		}
	}
	for _, r := range b.removed {
		if r.Version > version {
			removed = append(removed, r)
		}
	}
	slices.SortFunc(shown, func(x, y *roster.Contact) int { return cmp.Compare(x.Version, y.Version) })
	return shown, removed, true
}
