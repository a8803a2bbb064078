package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"parley/internal/address"
	"parley/internal/admin"
	"parley/internal/core"
	"parley/internal/edge/signin"
	"parley/internal/feature/device"
	"parley/xmpp"
	"parley/xmpp/im"
)

// openDevices opens the devices' tokens.
func (a *App) openDevices(ctx context.Context) error {
	store, err := device.NewStore(ctx, a.store.db)
	if err != nil {
		return err
	}
	a.devices = device.New(device.Config{
		Ended: a.deviceEnded, Connected: a.connectedDevices, Log: a.log,
		PerAccount: a.cfg.Accounts.Devices, Unused: a.cfg.Accounts.DeviceUnused,
	}, store)
	return nil
}

// deviceEnded ends what a device has connected, once its token is void.
func (a *App) deviceEnded(ctx context.Context, account core.Address, id string) {
	gone, err := unbind(ctx, a.location, account, func(b core.Binding) bool { return b.Device == id })
	if err != nil {
		a.log.Error("a device that was signed out is still registered", "account", account.String(), "device", id, "err", err)
	}
	if a.sip != nil {
		a.sip.EndDevice(gone)
	}
	if a.watch != nil {
		a.watch.EndDevice(account, id)
	}
	if a.xmpp != nil {
		a.xmpp.EndDevice(address.JID(account), id)
	}
}

// connectedDevices tells of the devices of an account, or of all, that are registered or have a session.
func (a *App) connectedDevices(account core.Address, each func(id, source string)) {
	bindings, sessions := a.location.List(math.MaxInt), a.sessions.All()
	if !account.IsZero() {
		bindings, _ = a.location.Bindings(context.Background(), account) // which is in memory
		sessions = a.sessions.Of(address.JID(account))
	}
	for _, b := range bindings {
		if b.Device != "" {
			each(b.Device, ip(b.Source))
		}
	}
	for _, s := range sessions {
		if info := s.Info(); info.Device != "" && !s.Waiting() {
			each(info.Device, ip(info.Source))
		}
	}
}

// ip is an address without its port, "" if there is none.
func ip(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.Addr().Unmap().String()
}

// unbind takes those bindings away that are chosen.
func unbind(ctx context.Context, l core.Location, a core.Address, which func(core.Binding) bool) (gone []core.Binding, err error) {
	err = l.Change(ctx, a, func(now []core.Binding) ([]core.Binding, error) {
		gone = nil
		for _, b := range now {
			if which(b) {
				gone = append(gone, b)
			}
		}
		return slices.DeleteFunc(now, which), nil
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// signIn is what answers at /api/device.
func (a *App) signIn() http.Handler {
	return signin.New(signin.Config{
		Credentials: a.store.accounts, Guard: a.guard, Devices: a.devices, Log: a.log,
		Addresses: func(text string) (core.Address, error) {
			x, err := address.Parse(text)
			if err == nil && !a.serves(x.Domain) {
				err = core.ErrNoAccount
			}
			return x, err
		},
		Origins: func() []string { return a.current.Load().Web.Origins },
		Relay:   a.turn.forDevices(),
	})
}

// Devices implements admin.Users: those that have a token, and what is connected by a password.
func (u users) Devices(ctx context.Context, a core.Address) ([]admin.Device, error) {
	if _, err := u.Account(ctx, a); err != nil {
		return nil, readable(err)
	}
	known, err := u.devices.List(ctx, a)
	if err != nil {
		return nil, err
	}
	bindings, err := u.location.Bindings(ctx, a)
	if err != nil {
		return nil, err
	}
	list := make([]admin.Device, 0, len(known))
	for _, d := range known {
		list = append(list, admin.Device{
			ID: d.ID, Name: d.Name, Kind: d.Kind, Source: d.Source, Created: d.Created, Used: d.Used, Expires: &d.Expires, Token: true,
		})
	}
	for _, b := range bindings {
		list = join(list, b.Device, byPassword(b), func(d *admin.Device) { d.Phone = true })
	}
	for _, s := range u.apps(a) {
		list = join(list, s.Info().Device, sessionByPassword(s), func(d *admin.Device) { d.Chat = true })
	}
	return list, nil
}

// join notes a connection of a device that is in the list, or adds it as one of its own.
func join(list []admin.Device, id string, own admin.Device, note func(*admin.Device)) []admin.Device {
	at := slices.IndexFunc(list, func(d admin.Device) bool { return d.Token && d.ID == id })
	if at < 0 {
		list, at = append(list, own), len(list)
	}
	note(&list[at])
	return list
}

// byPassword is a phone that has no token. Its id lasts as long as its binding.
func byPassword(b core.Binding) admin.Device {
	return admin.Device{
		ID: shortID("sip", b.Key), Name: b.UserAgent, Kind: "phone", Source: ip(b.Source), Created: b.Since, Used: b.Updated,
	}
}

// sessionByPassword is an app that has no token.
func sessionByPassword(s *im.Session) admin.Device {
	info := s.Info()
	return admin.Device{
		ID: shortID("xmpp", s.JID().Resource), Name: s.JID().Resource, Kind: "app", Source: ip(info.Source), Created: info.Since, Used: time.Now(),
	}
}

func shortID(kind, key string) string {
	sum := sha256.Sum256([]byte(key))
	return kind + "-" + hex.EncodeToString(sum[:4])
}

// RevokeDevice implements admin.Users.
func (u users) RevokeDevice(ctx context.Context, a core.Address, id string) error {
	if _, err := u.Account(ctx, a); err != nil {
		return readable(err)
	}
	err := u.devices.Revoke(ctx, a, id)
	if !errors.Is(err, core.ErrNoDevice) {
		return err
	}
	gone, err := unbind(ctx, u.location, a, func(b core.Binding) bool { return b.Device == "" && byPassword(b).ID == id })
	if err != nil {
		return err
	}
	found := len(gone) > 0
	for _, s := range u.apps(a) {
		if s.Info().Device == "" && sessionByPassword(s).ID == id {
			s.End(&xmpp.StreamError{Condition: xmpp.StreamNotAuthorized, Text: "the device was signed out"})
			found = true
		}
	}
	if !found {
		return core.Fail(core.NotFound, "the account has no such device", core.ErrNoDevice)
	}
	return nil
}
