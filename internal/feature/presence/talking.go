package presence

import (
	"context"
	"sync"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// talking are the accounts that are on the phone. The zero value is ready.
type talking struct {
	mu       sync.Mutex
	accounts map[jid.JID]struct{}
}

func (t *talking) is(bare jid.JID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, is := t.accounts[bare]
	return is
}

// set is false if it is so already.
func (t *talking) set(bare jid.JID, on bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, is := t.accounts[bare]; is == on {
		return false
	}
	if !on {
		delete(t.accounts, bare)
		return true
	}
	if t.accounts == nil {
		t.accounts = map[jid.JID]struct{}{}
	}
	t.accounts[bare] = struct{}{}
	return true
}

// Talking says whether an account is on the phone. While it is, others see its resources busy, and one more that stands for
// the call. Its own resources see each other as they are.
func (p *Presence) Talking(ctx context.Context, owner jid.JID, on bool) error {
	owner = owner.Bare()
	err := p.turn(ctx, 0, func(t *turn) error {
		if !p.calls.set(owner, on) {
			return nil
		}
		p.changed(owner)
		contacts, err := p.c.Roster.Contacts(ctx, owner)
		for _, s := range p.seen.of(owner) {
			if a := s.Availability(); a != nil && s.JID().Resource != callResource {
				t.toContacts(p.toOthers(owner, a.Stanza), contacts)
			}
		}
		return err
	}, owner)
	if err != nil {
		return err
	}
	if on {
		return p.Publish(ctx, owner.With(callResource), busy+"<priority>-1</priority>")
	}
	return p.Retract(ctx, owner.With(callResource))
}

const (
	// callResource stands for the call of who is on the phone.
	callResource = "on-the-phone"
	// busy is what others see of him.
	busy = "<show xmlns='jabber:client'>dnd</show><status xmlns='jabber:client' xml:lang='en'>On the phone</status>"
)

// toOthers is what others are told when a resource has said st.
func (p *Presence) toOthers(owner jid.JID, st *xmpp.Stanza) *xmpp.Stanza {
	if st.Type() != "" || !p.calls.is(owner) {
		return st
	}
	return st.Edit(xmpp.Edit{
		Drop: func(part xmpp.Part) bool {
			return part.Space == xmpp.NSClient && (part.Local == "show" || part.Local == "status")
		},
		Append:   busy,
		Appended: []xmpp.Name{{Space: xmpp.NSClient, Local: "show"}, {Space: xmpp.NSClient, Local: "status"}},
	})
}
