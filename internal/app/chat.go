package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"parley/internal/address"
	"parley/internal/bridge/calls"
	"parley/internal/config"
	"parley/internal/core"
	"parley/internal/feature/about"
	"parley/internal/feature/archive"
	"parley/internal/feature/block"
	"parley/internal/feature/carbons"
	"parley/internal/feature/delivery"
	"parley/internal/feature/disco"
	"parley/internal/feature/echo/contact"
	"parley/internal/feature/location"
	"parley/internal/feature/offline"
	"parley/internal/feature/presence"
	"parley/internal/feature/roster"
	"parley/internal/feature/vcard"
	"parley/xmpp"
	found "parley/xmpp/disco"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/mam"
)

// openFeatures opens what keeps something of accounts. The command line does so too, without a server.
func (a *App) openFeatures(ctx context.Context) error {
	bindings, err := location.NewStore(ctx, a.store.db)
	if err != nil {
		return err
	}
	if a.location, err = location.Open(ctx, location.Config{Log: a.log, Changed: a.bindingsChanged}, bindings); err != nil {
		return err
	}
	if err := a.openDevices(ctx); err != nil {
		return err
	}
	rosters, err := roster.NewStore(ctx, a.store.db)
	if err != nil {
		return err
	}
	lists, err := block.NewStore(ctx, a.store.db)
	if err != nil {
		return err
	}
	cards, err := vcard.NewStore(ctx, a.store.db)
	if err != nil {
		return err
	}
	// Presence is told what these three change, and asks them.
	a.roster = roster.New(roster.Config{
		Store: rosters, Sessions: a.sessions, Log: a.log, Items: a.cfg.Accounts.Contacts, Requests: a.cfg.Accounts.Requests,
		Remove: func(ctx context.Context, owner, contact jid.JID) error { return a.presence.Remove(ctx, owner, contact) },
	})
	a.block = block.New(block.Config{
		Store: lists, Sessions: a.sessions, Items: a.cfg.Accounts.Blocked,
		Hide: func(ctx context.Context, owner jid.JID, others []jid.JID, store func() ([]jid.JID, error)) error {
			return a.presence.Hide(ctx, owner, others, store)
		},
		Show: func(ctx context.Context, owner, other jid.JID) { a.presence.Show(ctx, owner, other) },
	})
	if a.archive, err = archive.Open(ctx, a.store.db, archiveConfig(a.cfg.Archive, a.log), a.roster); err != nil {
		return err
	}
	if a.offline, err = offline.Open(ctx, a.store.db, offlineConfig(a.cfg.Offline, a.log), a.sessions); err != nil {
		return err
	}
	a.apps = calls.NewApps(a.sessions, 0, a.log)
	a.presence = presence.New(presence.Config{
		Sessions: a.sessions, Roster: a.roster, Block: a.block,
		Local: a.servesJID, Exists: a.hasAccount, Entity: chatEntity(a.cfg), Log: a.log,
		Available: []func(context.Context, *im.Session){a.offline.Available, a.apps.Available}, Changed: a.presenceChanged,
	})
	a.cards = vcard.New(vcard.Config{Store: cards, Size: a.cfg.Accounts.Card})
	return nil
}

// servesJID says whether a domain, as JIDs have it, is one of ours. Where nobody has said which those are, each is.
func (a *App) servesJID(domain string) bool {
	ascii, err := address.Domain(domain)
	return err == nil && (len(a.cfg.Server.Domains) == 0 || a.serves(ascii))
}

// hasAccount says whether an account has the address.
func (a *App) hasAccount(ctx context.Context, bare jid.JID) (bool, error) {
	address, err := address.FromJID(bare)
	if err != nil {
		return false, nil //nolint:nilerr // what can be no account's address is none
	}
	_, err = a.store.accounts.Account(ctx, address)
	if errors.Is(err, core.ErrNoAccount) {
		return false, nil
	}
	return err == nil, err
}

func archiveConfig(c config.Archive, log *slog.Logger) archive.Config {
	return archive.Config{Default: mam.Default(c.Default), Retention: c.Retention, Page: c.Page, Log: log}
}

func offlineConfig(c config.Offline, log *slog.Logger) offline.Config {
	return offline.Config{PerAccount: c.Messages, Bytes: c.Bytes, Keep: c.Keep, Log: log}
}

// newChat joins what takes part in a conversation. features are what the server's streams say of it.
func (a *App) newChat(ctx context.Context) (chat *delivery.Delivery, features string, err error) {
	copies := &carbons.Copier{Sessions: a.sessions}
	services, caps := a.chatServices(a.archive.Services(), a.offline.Services(), copies.Services())
	chat, err = delivery.New(ctx, a.store.db, delivery.Config{Serves: a.servesJID, Log: a.log}, delivery.Ports{
		Accounts: a.store.accounts, Sessions: a.sessions, Presence: a.presence,
		Blocks: a.block.Blocks, Sees: a.presence.Sees, Entity: chatEntity(a.cfg),
		Archive: a.archive, Offline: a.offline, Carbons: a.carbons(copies), Calls: a.calls,
	}, services)
	return chat, caps + roster.Features(), err
}

// chatServices are all that can be asked by iq: those of others, and the small ones; and the server's capabilities, as
// they stand among the features of its streams.
func (a *App) chatServices(others ...[]im.Service) (services []im.Service, caps string) {
	services = slices.Concat(slices.Concat(others...),
		a.roster.Services(),
		a.block.Services(),
		a.cards.Services(),
		about.New(about.Config{Version: Version()}).Services(),
		a.turn.services(),
	)
	d := disco.New(disco.Config{
		Subscribed: a.presence.Sees, Sessions: a.sessions, Services: services, Items: chatItems(a.cfg), Addresses: contactAddresses(a.cfg),
	})
	return append(services, d.Services()...), d.Caps()
}

// chatEntity finds the contacts that the server itself plays.
func chatEntity(cfg config.Config) func(bare jid.JID) (reply func(*xmpp.Stanza) []*xmpp.Stanza, ok bool) {
	return contact.Contact{Name: echoName(cfg), Features: calls.Features()}.Entity
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
