// Package app builds the server out of its parts, starts it and stops it. It alone joins features and edges;
// order.go is the list of features in the order they decide.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/address"
	"parley/internal/admin"
	"parley/internal/bridge/calls"
	"parley/internal/bridge/letters"
	"parley/internal/bridge/watch"
	"parley/internal/cert"
	"parley/internal/config"
	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/edge/sipedge"
	"parley/internal/edge/webedge"
	"parley/internal/edge/xmppedge"
	"parley/internal/feature/account"
	"parley/internal/feature/archive"
	"parley/internal/feature/block"
	"parley/internal/feature/delivery"
	"parley/internal/feature/device"
	"parley/internal/feature/guard"
	"parley/internal/feature/location"
	"parley/internal/feature/mode"
	"parley/internal/feature/offline"
	"parley/internal/feature/presence"
	"parley/internal/feature/registrar"
	"parley/internal/feature/roster"
	"parley/internal/feature/vcard"
	"parley/internal/secret"
	"parley/media/rtp"
	"parley/sip"
	"parley/xmpp"
	"parley/xmpp/im"
)

// App is a server.
type App struct {
	cfg      config.Config // as it was at the start
	current  atomic.Pointer[config.Config]
	log      *slog.Logger
	store    *store
	cert     *cert.Source
	location *location.Table
	forms    mode.Seen // which forms of media phones have offered
	sessions *im.Table
	roster   *roster.Rosters
	presence *presence.Presence
	block    *block.Lists
	cards    *vcard.Cards
	archive  *archive.Archive
	offline  *offline.Store
	devices  *device.Devices
	guard    *guard.Guard
	planner  planner
	letters  *letters.Letters
	apps     *calls.Apps
	calls    *calls.Calls
	chat     *delivery.Delivery
	watch    *watch.Watch
	turn     *relayService // nil: there is no relay
	sip      *sipedge.Edge
	xmpp     *xmppedge.Edge
	web      *webedge.Edge
	started  time.Time
	ports    *rtp.Ports
	admin    *admin.Server
	closers  []func(context.Context) error // of agents

	mu        sync.Mutex
	addresses map[string][]string

	background sync.WaitGroup
	stop       context.CancelFunc
}

// store is what the data folder holds: the part of a server that the command line uses too.
type store struct {
	lock     *db.FolderLock
	db       *db.DB
	key      *secret.Key
	accounts *account.Accounts
}

// openStore takes the data folder for this process.
func openStore(ctx context.Context, dir string, cfg account.Config) (*store, error) {
	lock, err := db.Lock(dir)
	if err != nil {
		return nil, err
	}
	s := &store{lock: lock}
	if err := s.open(ctx, dir, cfg); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *store) open(ctx context.Context, dir string, cfg account.Config) (err error) {
	if s.key, err = secret.Load(dir); err != nil {
		return err
	}
	if s.db, err = db.Open(ctx, db.Config{Dir: dir}); err != nil {
		return err
	}
	cfg.Key = s.key
	s.accounts, err = account.New(ctx, s.db, cfg)
	return err
}

func (s *store) close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	return errors.Join(err, s.lock.Unlock())
}

// New opens the data folder and builds a server that does not listen yet.
func New(ctx context.Context, cfg config.Config, log *slog.Logger) (*App, error) {
	a := &App{
		cfg: cfg, log: log, addresses: map[string][]string{}, sessions: im.NewTable(cfg.XMPP.SessionsPerAccount),
	}
	a.current.Store(&cfg)
	var err error
	a.store, err = openStore(ctx, cfg.Server.Data, account.Config{Serves: a.serves, Deleted: a.accountDeleted})
	if err != nil {
		return nil, err
	}
	if err := a.build(ctx); err != nil {
		return nil, errors.Join(err, a.store.close())
	}
	return a, nil
}

func (a *App) serves(domain string) bool {
	for _, d := range a.cfg.Server.Domains {
		if d == domain {
			return true
		}
	}
	return false
}

// accountDeleted ends the sessions of an account that is gone, and has everything of it forgotten.
func (a *App) accountDeleted(gone core.Address) {
	ctx, cancel := context.WithTimeout(context.Background(), forgetDeadline)
	defer cancel()
	a.endSessions(ctx, gone)
	for _, k := range a.keepers() {
		if err := k.forget(context.WithoutCancel(ctx), gone); err != nil {
			a.log.Error("something of a deleted account is still stored", "account", gone.String(), "of", k.name, "err", err)
		}
	}
}

// forgetDeadline is how long the sessions of a deleted account may take to end.
const forgetDeadline = 2 * time.Second

// endSessions ends the sessions of an account and waits until they have: what they do last may still be kept.
func (a *App) endSessions(ctx context.Context, gone core.Address) {
	list := a.sessions.Of(address.JID(gone))
	for _, s := range list {
		s.End(&xmpp.StreamError{Condition: xmpp.StreamNotAuthorized, Text: "the account is deleted"})
	}
	for _, s := range list {
		select {
		case <-s.Finished():
		case <-ctx.Done():
			a.log.Warn("a session of a deleted account has not ended yet", "session", s.JID().String())
		}
	}
}

func (a *App) build(ctx context.Context) error {
	var err error
	a.cert, err = cert.Open(cert.Config{
		Certificate: a.cfg.TLS.Certificate, Key: a.cfg.TLS.Key,
		Folder: a.cfg.Server.Data, Domains: a.cfg.Server.Domains, Log: a.log,
	})
	if err != nil {
		return err
	}
	if err := a.openFeatures(ctx); err != nil {
		return err
	}
	key, err := a.store.key.Derive("sipedge", 32)
	if err != nil {
		return err
	}
	if err := a.openPorts(); err != nil {
		return err
	}
	if err := a.openRelay(); err != nil {
		return err
	}
	anchor, err := a.anchor()
	if err != nil {
		return err
	}
	a.guard = a.newGuard()
	a.plan(a.cfg)
	c := sipConfig(a.cfg, key, a.log)
	c.Settings = a.sipSettings
	a.sip = sipedge.New(c, sipedge.Ports{
		Accounts:  a.store.accounts,
		Guard:     a.guard,
		Devices:   a.devices,
		Planner:   &a.planner,
		Registrar: registrar.New(registrar.Config{Limits: a.registrations, Stands: a.devices.Stands, Log: a.log}, a.location),
		Addresses: address.FromSIP,
		Anchor:    anchor,
		Events:    events{a},
		Talking:   a.talking,
		Message: func(ctx context.Context, c *core.Call, f sip.Flow, req *sip.Message) *sip.Builder {
			return a.letters.Message(ctx, c, f, req)
		},
	})
	a.calls = a.newCalls()
	chat, features, err := a.newChat(ctx)
	if err != nil {
		return err
	}
	a.chat = chat
	a.letters = a.newLetters(chat)
	a.watch = a.newWatch()
	a.xmpp = a.newXMPP(chat, features)
	page, err := newPage(a.cfg.Web)
	if err != nil {
		return err
	}
	a.web = webedge.New(webedge.Config{
		TLS: a.cert.TLS(uint16(a.cfg.TLS.MinVersion)),
		SIP: http.HandlerFunc(a.upgrade), XMPP: http.HandlerFunc(a.upgradeXMPP), SignIn: a.signIn(), Page: page,
		Log: a.log, Connections: a.cfg.SIP.Connections, PerAddress: a.cfg.SIP.ConnectionsPerAddress,
		HandshakeTime: a.cfg.SIP.HandshakeTime,
	})
	a.admin = admin.NewServer(admin.Config{
		Dir: a.cfg.Server.Data, Users: a.users(), Reporter: a, Explainer: a, Log: a.log,
	})
	return a.addAgents()
}

// newGuard makes a guard that knows where owners were registered from before a restart: an attack that goes on
// over it must not slow them.
func (a *App) newGuard() *guard.Guard {
	g := guard.New(guard.Config{Delays: a.delays})
	for _, b := range a.location.List(math.MaxInt) {
		g.Succeeded(b.Source.Addr().Unmap().String(), b.Account)
	}
	return g
}

// Start begins to listen. If it fails, Stop must still be called.
func (a *App) Start(ctx context.Context) error {
	a.started = time.Now()
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.background.Go(func() { a.location.Run(ctx) })
	a.background.Go(func() { a.offline.Run(ctx) })
	a.background.Go(func() { a.archive.Run(ctx) })
	a.background.Go(func() { a.devices.Run(ctx) })
	a.background.Go(func() { a.sip.Run(ctx) })
	a.background.Go(func() { a.letters.Run(ctx) })
	a.background.Go(func() { a.watch.Run(ctx) })
	if a.turn != nil {
		a.background.Go(func() { a.turn.run(ctx) })
	}
	if err := a.admin.Start(ctx); err != nil {
		return err
	}
	for _, l := range a.listeners(ctx) {
		for _, addr := range l.addrs {
			bound, err := l.listen(addr)
			if err != nil {
				return fmt.Errorf("app: listen for %s on %s: %w", l.name, addr, err)
			}
			a.mu.Lock()
			a.addresses[l.name] = append(a.addresses[l.name], bound)
			a.mu.Unlock()
			a.log.Info("listening", "for", l.name, "address", bound)
		}
	}
	return rememberDomains(a.cfg.Server.Data, a.cfg.Server.Domains)
}

type listener struct {
	name   string
	addrs  []string
	listen func(addr string) (string, error)
}

func (a *App) listeners(ctx context.Context) []listener {
	t := a.sip.Transport()
	tls := a.cert.TLS(uint16(a.cfg.TLS.MinVersion))
	web := func(secure bool) func(string) (string, error) {
		return func(addr string) (string, error) {
			return bound(a.web.Listen(ctx, addr, secure))
		}
	}
	return append([]listener{
		{"sip-udp", a.cfg.SIP.UDP, func(s string) (string, error) { return text(t.ListenUDP(ctx, s)) }},
		{"sip-tcp", a.cfg.SIP.TCP, func(s string) (string, error) { return text(t.ListenTCP(ctx, s)) }},
		{"sip-tls", a.cfg.SIP.TLS, func(s string) (string, error) { return text(t.ListenTLS(ctx, s, tls)) }},
		{"xmpp", a.cfg.XMPP.C2S, func(s string) (string, error) { return bound(a.xmpp.ListenTCP(ctx, s)) }},
		{"xmpp-tls", a.cfg.XMPP.C2STLS, func(s string) (string, error) { return bound(a.xmpp.ListenTLS(ctx, s)) }},
		{"https", a.cfg.Web.HTTPS, web(true)},
		{"http", a.cfg.Web.HTTP, web(false)},
	}, a.turn.listeners(ctx)...)
}

func text(addr netip.AddrPort, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return addr.String(), nil
}

// Addresses are where the server listens: "sip-udp", "sip-tcp", "sip-tls", "xmpp", "xmpp-tls", "https",
// "http", "turn-udp", "turn-tcp" and "turn-tls".
func (a *App) Addresses() map[string][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string][]string{}
	for name, list := range a.addresses {
		out[name] = append([]string(nil), list...)
	}
	return out
}

// Stop takes no new calls, gives running ones until ctx ends, ends the rest, and writes everything.
func (a *App) Stop(ctx context.Context) error {
	a.closeWatch(ctx)
	if err := a.xmpp.Close(ctx); err != nil {
		a.log.Warn("stopping with apps that don't go", "err", err)
	}
	if err := a.sip.Drain(ctx); err != nil {
		a.log.Warn("stopping with calls up", "err", err)
	}
	a.web.Close()
	a.turn.close()
	a.closeAgents(ctx)
	a.sip.Close()
	a.stopAdmin(ctx)
	if a.stop != nil {
		a.stop()
	}
	a.background.Wait()
	return a.store.close()
}

// closeWatch tells phones that they see nobody for a while. Those that don't answer are not waited for long.
func (a *App) closeWatch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, watchDeadline)
	defer cancel()
	if err := a.watch.Close(ctx); err != nil {
		a.log.Warn("phones were not told that they see nobody any more", "count", a.watch.Count())
	}
}

// watchDeadline is how long phones get to hear that the server stops.
const watchDeadline = 300 * time.Millisecond

// closeAgents has the services hang up, for which they get a little time even after the deadline.
func (a *App) closeAgents(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), agentDeadline)
	defer cancel()
	for _, c := range a.closers {
		if err := c(ctx); err != nil {
			a.log.Warn("a service was stopped in the middle of a call", "err", err)
		}
	}
}

func (a *App) stopAdmin(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), agentDeadline)
	defer cancel()
	if err := a.admin.Stop(ctx); err != nil {
		a.log.Warn("admin socket", "err", err)
	}
}
