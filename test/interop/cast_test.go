package interop

import (
	"fmt"
	"testing"

	"parley/test/harness"
)

const (
	carol = "carol"
	dave  = "dave"
	erin  = "erin"
)

// host runs a server with accounts for people with apps, and a browser's page that it allows.
func host(t *testing.T, names ...string) (*harness.Server, BrowserPage) {
	t.Helper()
	page := NewBrowserPage(t)
	var users []harness.User
	for _, name := range names {
		users = append(users, harness.User{Name: name, Password: user(name, "").Password})
	}
	return harness.StartServer(t, harness.Options{
		Users: users, Set: map[string]string{
			"web.origins":     fmt.Sprintf("[%q]", page.Origin()),
			"auth.free_tries": "100", // more than a person has
		},
	}), page
}

// cast is the apps of people, each of another kind.
func cast(t *testing.T, s *harness.Server, page BrowserPage, names ...string) map[string]App {
	t.Helper()
	kinds := map[string]func() App{
		alice: func() App { return NewSlixmpp(t, s, alice) },
		bob:   func() App { return NewXMPPJS(t, s, bob) },
		carol: func() App { return NewStrophe(t, s, page, carol) },
		dave:  func() App { return NewProfanity(t, s, dave) },
		erin:  func() App { return NewSendXMPP(s, erin) },
	}
	apps := map[string]App{}
	for _, name := range names {
		apps[name] = kinds[name]()
	}
	return apps
}

var transportOf = map[string]string{alice: "starttls", bob: "tls", carol: "wss", dave: "starttls", erin: "tls"}

var everybody = []string{alice, bob, carol, dave, erin}
