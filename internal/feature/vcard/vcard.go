// Package vcard keeps the cards that accounts show of themselves: XEP-0054, vcard-temp. A card is what the
// client wrote; nothing in it is read.
package vcard

import (
	"cmp"
	"context"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/xmpp/jid"
)

// Store keeps cards on disk. Owners are bare addresses.
type Store interface {
	// Load gives an owner's card, as XML that stands for itself; "" if there is none.
	Load(ctx context.Context, owner jid.JID) (string, error)
	// Save puts a card in the place of the one before.
	Save(ctx context.Context, owner jid.JID, xml string, now time.Time) error
	// Delete forgets an owner's card.
	Delete(ctx context.Context, owner jid.JID) error
}

// Config of the cards. Store is needed; every other zero value takes its default.
type Config struct {
	Store Store
	// Server is what the server shows of itself.
	Server Card
	// Size is how many bytes a card may have, a picture included; default 65536.
	Size int
	Now  func() time.Time
}

// Card is what a card may say that this program writes itself.
type Card struct {
	Name, URL, Description string
}

// Cards are those of all accounts.
type Cards struct {
	c Config
}

// New makes them.
func New(c Config) *Cards {
	c.Size = cmp.Or(c.Size, 64<<10)
	c.Server.Name = cmp.Or(c.Server.Name, "parley")
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Cards{c}
}

// Forget drops the card of an account that is gone.
func (c *Cards) Forget(ctx context.Context, a core.Address) error {
	return c.c.Store.Delete(ctx, address.JID(a))
}
