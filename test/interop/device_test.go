package interop

import (
	"fmt"
	"strings"
	"testing"

	"parley/sip/siptest"
)

// TestBrowserDevice has a page get a token, with which JsSIP calls and strophe.js chats, as one device that is signed
// out at once.
func TestBrowserDevice(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip and strophe.js sign in by one token, and are signed out together")
	phonePage, chatPage := NewBrowserPage(t), NewBrowserPage(t)
	s := start(t, map[string]string{"web.origins": fmt.Sprintf("[%q, %q]", phonePage.Origin(), chatPage.Origin())})
	phone, token := NewBrowserDevice(t, s, phonePage, user(alice, "wss"), Speak(t, aliceSays).File)
	phone.Register(t)
	chat := NewStrophe(t, s, chatPage, alice)
	l := Login{Account: Account{User: alice, Password: token, Transport: "wss"}, Mechanism: "OAUTHBEARER", Resource: "page"}
	if got := chat.Connect(t, l); got["jid"] != s.Address(alice)+"/page" || got["mechanism"] != "OAUTHBEARER" {
		t.Errorf("strophe.js is %s by %s", got["jid"], got["mechanism"])
	}
	list := s.MustRun(t, "device", "list", s.Address(alice))
	if !strings.Contains(list, "JsSIP") || !strings.Contains(list, "calls, chat") || strings.Count(list, "\n") != 2 {
		t.Errorf("the devices are\n%s", list)
	}
	desk := siptest.UDP(t, s.Address(bob), s.UDP.String())
	desk.SignIn(user(bob, "").Password)
	phone.Dial(t, uri(s, bob))
	invite := desk.Expect("INVITE")
	if strings.Contains(invite.Text(), token) {
		t.Error("the callee is told the token")
	}
	desk.Respond(invite, 486)
	phone.AwaitIdle(t)

	id, _, _ := strings.Cut(token, ".")
	s.MustRun(t, "device", "revoke", s.Address(alice), id)
	phone.AwaitCut(t)
	chat.await(t, happening{"event": "disconnected"})
	l.Resource = "again"
	if got := chat.SignInRefused(t, l); !strings.Contains(got, "not-authorized") {
		t.Errorf("strophe.js is told %q of a token that was revoked", got)
	}
}
