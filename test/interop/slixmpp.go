package interop

import (
	"fmt"
	"testing"

	"parley/test/harness"
)

// NewSlixmpp starts an app made of slixmpp, Python's library: apps/slix.py.
func NewSlixmpp(t testing.TB, s *harness.Server, user string) *Scripted {
	t.Helper()
	a := &Scripted{name: "slixmpp", user: user, server: s}
	a.process = harness.Start(t, harness.Command{Name: user + "'s slixmpp", Args: []string{"/usr/bin/python3", "apps/slix.py"}})
	a.connected = func(l Login) happening {
		at := l.at(s)
		return happening{
			"jid": s.Address(l.User) + resource(l), "password": l.Password, "mechanism": l.Mechanism,
			"mode": l.Transport, "host": at.Addr().String(), "port": fmt.Sprint(at.Port()),
		}
	}
	return a
}

// resource is the last part of a full address, if the login names one.
func resource(l Login) string {
	if l.Resource == "" {
		return ""
	}
	return "/" + l.Resource
}
