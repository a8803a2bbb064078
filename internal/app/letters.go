package app

import (
	"parley/internal/bridge/letters"
	"parley/internal/core"
	"parley/internal/feature/carbons"
	"parley/internal/feature/delivery"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// newLetters joins phones and chat.
func (a *App) newLetters(chat *delivery.Delivery) *letters.Letters {
	return letters.New(letters.Config{Server: "parley", Log: a.log}, letters.Ports{
		Location: a.location, Sessions: a.sessions, Delivery: chat,
		Available: a.offline.Available, Waiting: a.offline.Waiting, First: a.offline.First,
		Reach: a.sip.Reach, Layer: a.sip.Layer(),
	})
}

// bindingsChanged has those told who make phones reachable. Without a server there are none.
func (a *App) bindingsChanged(of core.Address) {
	if a.letters != nil {
		a.letters.Changed(of)
	}
	if a.watch != nil {
		a.watch.Bound(of)
	}
}

// copies are carbons of which phones hear that have not said whether they take messages.
type copies struct {
	*carbons.Copier
	app *App
}

func (a *App) carbons(c *carbons.Copier) copies { return copies{c, a} }

// Received implements delivery.Carbons.
func (c copies) Received(owner jid.JID, st *xmpp.Stanza, except []*im.Session) {
	c.Copier.Received(owner, st, except)
	c.app.letters.Arrived(owner, st)
}

// Sent implements delivery.Carbons: an account may write to itself.
func (c copies) Sent(owner jid.JID, st *xmpp.Stanza, except []*im.Session) {
	c.Copier.Sent(owner, st, except)
	if st.To().Bare() == owner {
		c.app.letters.Arrived(owner, st)
	}
}
