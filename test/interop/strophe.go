package interop

import (
	"fmt"
	"testing"

	"parley/test/harness"
)

// NewStrophe starts an app made of strophe.js in a page of Chromium: apps/strophe.mjs. It speaks XMPP over
// WebSocket.
func NewStrophe(t testing.TB, s *harness.Server, p BrowserPage, user string) *Scripted {
	t.Helper()
	a := &Scripted{name: "strophe.js", user: user, server: s}
	a.process = harness.Start(t, harness.Command{
		Name: user + "'s strophe.js", Args: []string{"node", "apps/strophe.mjs", fmt.Sprint(p.port)},
		Env: []string{"HOME=" + t.TempDir()},
	})
	a.connected = func(l Login) happening {
		return happening{
			"service": fmt.Sprintf("wss://%v/xmpp", l.at(s)), "jid": s.Address(l.User) + resource(l), "password": l.Password,
			"mechanism": l.Mechanism,
		}
	}
	a.await(t, happening{"event": "ready"})
	return a
}
