package interop

import (
	"fmt"
	"testing"

	"parley/test/harness"
)

// NewXMPPJS starts an app made of @xmpp/client in Node: apps/client.mjs. It speaks XMPP over TCP and WebSocket.
func NewXMPPJS(t testing.TB, s *harness.Server, user string) *Scripted {
	t.Helper()
	a := &Scripted{name: "@xmpp/client", user: user, server: s}
	a.process = harness.Start(t, harness.Command{
		Name: user + "'s @xmpp/client", Args: []string{"node", "--experimental-websocket", "apps/client.mjs"},
		Env: []string{"NODE_TLS_REJECT_UNAUTHORIZED=0"}, // the server's certificate is its own
	})
	services := map[string]string{"starttls": "xmpp://%v", "plain": "xmpp://%v", "tls": "xmpps://%v", "wss": "wss://%v/xmpp"}
	a.connected = func(l Login) happening {
		return happening{
			"service": fmt.Sprintf(services[l.Transport], l.at(s)), "domain": s.Domain, "resource": l.Resource,
			"username": l.User, "password": l.Password, "mechanism": l.Mechanism,
		}
	}
	return a
}
