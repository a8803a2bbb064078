package app

import (
	"context"
	"maps"
	"slices"

	"parley/internal/config"
	"parley/internal/feature/about"
	"parley/internal/feature/block"
	"parley/internal/feature/disco"
	"parley/internal/feature/echo"
	"parley/internal/feature/location"
	"parley/internal/feature/vcard"
	"parley/xmpp"
	found "parley/xmpp/disco"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// openFeatures opens what keeps something of accounts. The command line does so too, without a server.
func (a *App) openFeatures(ctx context.Context) error {
	bindings, err := location.NewStore(ctx, a.store.db)
	if err != nil {
		return err
	}
	if a.location, err = location.Open(ctx, location.Config{Log: a.log}, bindings); err != nil {
		return err
	}
	lists, err := block.NewStore(ctx, a.store.db)
	if err != nil {
		return err
	}
	a.block = block.New(block.Config{Store: lists, Sessions: a.sessions})
	cards, err := vcard.NewStore(ctx, a.store.db)
	if err != nil {
		return err
	}
	a.cards = vcard.New(vcard.Config{Store: cards})
	return nil
}

// chatServices are all that can be asked by iq: those of others, and the small ones; and the server's capabilities, as
// they stand among the features of its streams. contacts says who sees whom.
func (a *App) chatServices(contacts disco.Contacts, others ...[]im.Service) (services []im.Service, caps string) {
	services = slices.Concat(slices.Concat(others...),
		a.block.Services(),
		a.cards.Services(),
		about.New(about.Config{Version: Version()}).Services(),
	)
	d := disco.New(disco.Config{
		Contacts: contacts, Sessions: a.sessions, Services: services, Items: chatItems(a.cfg), Addresses: contactAddresses(a.cfg),
	})
	return append(services, d.Services()...), d.Caps()
}

// chatEntity finds the contacts that the server itself plays.
func chatEntity(cfg config.Config) func(bare jid.JID) (reply func(*xmpp.Stanza) []*xmpp.Stanza, ok bool) {
	return echo.Chat{Name: echoName(cfg)}.Entity
}

// chatItems are what is found at a domain besides its accounts.
func chatItems(cfg config.Config) func(domain string) []found.Item {
	name := echoName(cfg)
	if name == "" {
		return nil
	}
	return func(domain string) []found.Item { return []found.Item{{JID: name + "@" + domain, Name: "Echo"}} }
}

// contactAddresses are where people of the server are reached, by what for; those that nobody has said are left out.
func contactAddresses(cfg config.Config) map[string][]string {
	all := map[string][]string{
		"abuse": cfg.Contact.Abuse, "admin": cfg.Contact.Admin, "security": cfg.Contact.Security, "support": cfg.Contact.Support,
	}
	maps.DeleteFunc(all, func(_ string, list []string) bool { return len(list) == 0 })
	return all
}

// echoName is the local part of the echo service's address, "" if it is off.
func echoName(cfg config.Config) string {
	if !cfg.Echo.Enabled {
		return ""
	}
	return cfg.Echo.Name
}
