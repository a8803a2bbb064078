package app

import (
	"net/http"

	"parley/internal/config"
	"parley/internal/edge/sipedge"
	"parley/internal/feature/guard"
	"parley/internal/feature/registrar"
)

// Reload takes over the settings that can be changed while the server runs; if it fails, all stays as it is.
// The features ask for what is current when they need it, with the functions below; only the limits of the
// transports, which are read with every message, are handed over.
func (a *App) Reload(cfg config.Config) error {
	if err := a.cert.Reload(cfg.TLS.Certificate, cfg.TLS.Key); err != nil {
		return err
	}
	current := config.Merge(a.cfg, cfg)
	a.current.Store(&current)
	a.plan(current)
	a.sip.Transport().SetLimits(sipLimits(current.SIP))
	a.xmpp.SetLimits(xmppLimits(current.XMPP))
	a.turn.setLimits(current.TURN)
	a.web.SetLimits(current.SIP.Connections, current.SIP.ConnectionsPerAddress)
	return nil
}

// plan puts the routers in force that a configuration asks for.
func (a *App) plan(c config.Config) {
	routers := order(c, a.store.accounts, a.block, a.location, a.apps, &a.forms)
	a.planner.routers.Store(&routers)
}

func (a *App) sipSettings() sipedge.Settings {
	c := a.current.Load()
	return sipedge.Settings{SHA256Agents: c.Auth.SHA256Agents, MD5Agents: c.Auth.MD5Agents, MaxDuration: c.Calls.MaxDuration}
}

func (a *App) registrations() registrar.Limits {
	r := a.current.Load().Registrar
	return registrar.Limits{Min: r.MinExpires, Default: r.DefaultExpires, Max: r.MaxExpires, Contacts: r.Contacts}
}

func (a *App) delays() guard.Delays {
	c := a.current.Load().Auth
	return guard.Delays{FreeTries: c.FreeTries, FirstDelay: c.FirstDelay, MaxDelay: c.MaxDelay, Forget: c.Forget}
}

func (a *App) strangers() bool { return a.current.Load().Accounts.Strangers }

// upgradeXMPP takes a WebSocket for XMPP.
func (a *App) upgradeXMPP(w http.ResponseWriter, r *http.Request) {
	a.xmpp.WebSocketHandler(a.current.Load().Web.Origins...).ServeHTTP(w, r)
}

// upgrade takes a WebSocket for SIP.
func (a *App) upgrade(w http.ResponseWriter, r *http.Request) {
	a.sip.Transport().WebSocketHandler(a.current.Load().Web.Origins...).ServeHTTP(w, r)
}
