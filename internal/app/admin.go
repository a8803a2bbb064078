package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"

	"parley/internal/address"
	"parley/internal/admin"
	"parley/internal/config"
	"parley/internal/core"
	"parley/internal/feature/account"
	"parley/internal/feature/device"
	"parley/internal/feature/location"
	"parley/xmpp"
	"parley/xmpp/im"
)

// users shows the accounts as an operator handles them.
type users struct {
	*account.Accounts
	strangers func() bool // what new accounts begin with
	location  *location.Table
	sessions  *im.Table
	devices   *device.Devices
}

func (a *App) users() users {
	return users{a.store.accounts, a.strangers, a.location, a.sessions, a.devices}
}

var _ admin.Users = users{}

func (u users) Create(ctx context.Context, a core.Address, password string) error {
	return readable(u.Accounts.Create(ctx, a, password, u.strangers()))
}

func (u users) Delete(ctx context.Context, a core.Address) error {
	return readable(u.Accounts.Delete(ctx, a))
}

func (u users) SetPassword(ctx context.Context, a core.Address, password string) error {
	if err := u.Accounts.SetPassword(ctx, a, password); err != nil {
		return readable(err)
	}
	return u.devices.RevokeAll(ctx, a) // who changes it may do so because of one of them
}

func (u users) SetStrangers(ctx context.Context, a core.Address, on bool) error {
	return readable(u.Accounts.SetStrangers(ctx, a, on))
}

func (u users) List(ctx context.Context, after core.Address, limit int) ([]admin.User, error) {
	accounts, err := u.Accounts.List(ctx, after, limit)
	if err != nil {
		return nil, readable(err)
	}
	out := make([]admin.User, len(accounts))
	for i, a := range accounts {
		phones, err := u.location.Bindings(ctx, a.Address)
		if err != nil {
			return nil, err
		}
		out[i] = admin.User{Account: a, Phones: len(phones), Sessions: len(u.apps(a.Address))}
	}
	return out, nil
}

func (u users) Show(ctx context.Context, a core.Address) (admin.Details, error) {
	account, err := u.Account(ctx, a)
	if err != nil {
		return admin.Details{}, readable(err)
	}
	bindings, err := u.location.Bindings(ctx, a)
	if err != nil {
		return admin.Details{}, err
	}
	d := admin.Details{
		Address: a.String(), Created: account.Created, Strangers: account.Strangers,
		Phones: []admin.Phone{}, Sessions: []admin.Session{},
	}
	for _, b := range bindings {
		d.Phones = append(d.Phones, phone(b))
	}
	for _, s := range u.apps(a) {
		d.Sessions = append(d.Sessions, session(s))
	}
	return d, nil
}

// apps are an account's sessions but those that stand for its phones, which are shown as such.
func (u users) apps(a core.Address) []*im.Session { return apps(u.sessions.Of(address.JID(a))) }

func apps(all []*im.Session) []*im.Session {
	return slices.DeleteFunc(slices.Clone(all), func(s *im.Session) bool { return s.Info().Phone })
}

func phone(b core.Binding) admin.Phone {
	p := admin.Phone{
		Contact: b.Contact, Network: b.Network, BehindNAT: b.NATed, UserAgent: b.UserAgent, Since: b.Since, Expires: b.Expires,
	}
	if b.Source.IsValid() {
		p.Source = b.Source.String()
	}
	return p
}

func session(s *im.Session) admin.Session {
	info := s.Info()
	out := admin.Session{
		Resource: s.JID().Resource, Network: info.Network, Encrypted: info.Encrypted,
		Mechanism: info.Mechanism, Since: info.Since, Waiting: s.Waiting(),
	}
	if info.Source.IsValid() {
		out.Source = info.Source.String()
	}
	if p := s.Availability(); p != nil {
		out.Available, out.Priority = true, int(p.Priority)
		switch show := p.Stanza.Find(xmpp.NSClient, "show"); {
		case show == nil:
		case show.Text == "away", show.Text == "chat", show.Text == "dnd", show.Text == "xa": // rfc6121#4.7.2.1
			out.Show = show.Text
		}
	}
	return out
}

func (u users) Import(ctx context.Context, r io.Reader, progress func(admin.Progress)) (admin.Report, error) {
	got, err := u.Accounts.Import(ctx, r, func(p account.Progress) {
		if progress != nil {
			progress(admin.Progress{Step: p.Step, Done: p.Done, Total: p.Total})
		}
	})
	out := admin.Report{Accounts: got.Accounts, Refused: got.Refused}
	for _, x := range got.Refusals {
		out.Refusals = append(out.Refusals, admin.Refusal{Line: x.Line, Address: x.Address, Reason: x.Reason})
	}
	if errors.Is(err, account.ErrRefused) {
		return out, nil
	}
	return out, readable(err)
}

// readable gives the errors that a person should read a form for him.
func readable(err error) error {
	if file, ok := errors.AsType[*account.FileError](err); ok {
		return core.Fail(core.BadRequest, file.Error(), err)
	}
	for known, text := range map[error]string{
		account.ErrExists:    "the address is taken",
		account.ErrDomain:    "the domain is not one of this server's",
		account.ErrPassword:  "a password has 1 to 1024 bytes and no control characters",
		account.ErrImporting: "another import is running",
		account.ErrOtherKey:  "secret.key in the data folder is not the one its accounts were made with",
		core.ErrNoAccount:    "there is no such account",
	} {
		if errors.Is(err, known) {
			return core.Fail(reason(known), text, err)
		}
	}
	return err
}

func reason(known error) core.Reason {
	switch {
	case errors.Is(known, core.ErrNoAccount):
		return core.NotFound
	case errors.Is(known, account.ErrExists), errors.Is(known, account.ErrImporting), errors.Is(known, account.ErrOtherKey):
		return core.Conflict
	}
	return core.BadRequest
}

// usual is the network of the device that an account would call from: the one it prefers.
func (a *App) usual(ctx context.Context, from core.Address, known bool) string {
	if !known {
		return ""
	}
	bindings, err := a.location.Bindings(ctx, from)
	if err != nil || len(bindings) == 0 {
		return ""
	}
	return bindings[0].Network
}

// closer ends what OpenUsers opened.
type closer func() error

func (c closer) Close() error { return c() }

// OpenUsers opens the accounts of a data folder that no server runs on. New ones may have the domains that
// the folder was last served with and those of the configuration; if there are neither, any domain.
func OpenUsers(ctx context.Context, cfg config.Config) (admin.Users, io.Closer, error) {
	offline := &App{cfg: cfg, log: slog.New(slog.DiscardHandler), sessions: im.NewTable(0)}
	offline.current.Store(&cfg)
	known, err := rememberedDomains(cfg.Server.Data)
	if err != nil {
		return nil, nil, err
	}
	u := stopped{domains: known}
	for _, d := range cfg.Server.Domains {
		if !slices.Contains(u.domains, d) {
			u.domains = append(u.domains, d)
		}
	}
	offline.cfg.Server.Domains = u.domains
	s, err := openStore(ctx, cfg.Server.Data, account.Config{Serves: u.serves, Deleted: offline.accountDeleted})
	if err != nil {
		return nil, nil, err
	}
	offline.store = s
	if err := offline.openFeatures(ctx); err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	u.users = offline.users()
	return u, closer(s.close), nil
}

// Status implements admin.Reporter.
func (a *App) Status(ctx context.Context) (admin.Status, error) {
	accounts, err := a.store.accounts.Count(ctx)
	if err != nil {
		return admin.Status{}, err
	}
	c := a.cert.Info()
	transport, transactions, xmpp := a.sip.Transport().Stats(), a.sip.Layer().Stats(), a.xmpp.Stats()
	status := admin.Status{
		Version: Version(), Process: os.Getpid(), Started: a.started, Stopping: a.sip.Draining(),
		Domains: a.cfg.Server.Domains, Data: a.cfg.Server.Data, Listening: a.Addresses(),
		Certificate: admin.Certificate{SelfSigned: c.SelfSigned, Names: c.Names, Until: c.Until, Fingerprint: c.Fingerprint},
		Accounts:    accounts, Devices: a.location.Count(), Sessions: len(apps(a.sessions.All())), Calls: a.sip.Calls(),
		Connections: connections(transport.Connections, xmpp.Connections),
		Counters: map[string]uint64{
			"logins failed": xmpp.Failed,
			"requests":      transactions.Requests, "responses": transactions.Responses,
			"retransmissions": transactions.Retransmits, "dropped": transactions.Dropped,
			"malformed": transport.Malformed, "refused": transport.Refused + xmpp.Refused,
		},
	}
	a.turn.report(&status)
	return status, nil
}

// connections names those of XMPP apart from those of SIP.
func connections(sip, xmpp map[string]int) map[string]int {
	all := maps.Clone(sip)
	for network, n := range xmpp {
		all["XMPP "+network] += n
	}
	return all
}

// Explain implements admin.Explainer: the same routers make the same plan, and nobody is called.
func (a *App) Explain(ctx context.Context, from, to core.Address) (admin.Explanation, error) {
	out := admin.Explanation{From: from.String(), To: to.String()}
	if !a.serves(to.Domain) {
		out.Refused = "other domains are not served"
		return out, nil
	}
	known := false
	if a.serves(from.Domain) {
		if _, err := a.store.accounts.Account(ctx, from); err != nil {
			return out, readable(err)
		}
		known = true
	}
	plan, err := a.planner.Plan(ctx, &core.Call{
		ID: "explain", Method: "INVITE", To: to, ToURI: "sip:" + to.String(),
		From: core.Caller{Address: from, Known: known, Network: a.usual(ctx, from, known)},
	})
	out.Notes = plan.Notes
	if err != nil {
		out.Refused = core.AsError(err).Public
		return out, nil
	}
	out.Plan, out.Why = plan.String(), plan.Why
	return out, nil
}
