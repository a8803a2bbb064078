// Package device runs the real server to see one device of both protocols: it signs in by one token, and is signed out
// at once.
package device

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
	"parley/test/harness"
	"parley/xmpp/xmpptest"
)

// anyone takes the server's own certificate.
func anyone() *tls.Config { return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} }

// site is a server with Alice and Bob.
type site struct {
	*harness.Server
	t    *testing.T
	http *http.Client
}

func open(t *testing.T) *site {
	t.Helper()
	s := harness.StartServer(t, harness.Options{
		Users: []harness.User{{Name: "alice", Password: "secret"}, {Name: "bob", Password: "secret"}},
		Set:   map[string]string{"auth.free_tries": "100"},
	})
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: anyone(), DisableKeepAlives: true}}
	return &site{s, t, c}
}

type device struct{ ID, Token string }

// post asks for a token, by the password or by another token.
func (s *site) post(body, bearer string, status int) (d device) {
	s.t.Helper()
	return s.ask(http.MethodPost, body, bearer, status)
}

func (s *site) ask(method, body, bearer string, status int) (d device) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "https://"+s.HTTPS.String()+"/api/device", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != status {
		s.t.Fatalf("%s /api/device: %d %s, want %d", method, resp.StatusCode, &text, status)
	}
	if status < 203 {
		if err := json.Unmarshal(text.Bytes(), &d); err != nil {
			s.t.Fatalf("%s: %v", &text, err)
		}
	}
	return d
}

func (s *site) device(local, name string) device {
	s.t.Helper()
	return s.post(`{"address": "`+s.Address(local)+`", "password": "secret", "name": "`+name+`", "kind": "browser"}`, "", 201)
}

// browser is a connection of SIP over WebSocket.
func (s *site) browser(local string) *siptest.Peer {
	return siptest.WebSocket(s.t, s.Address(local), "wss://"+s.HTTPS.String()+"/sip", anyone())
}

// chat is a stream that nobody has signed in on yet.
func (s *site) chat(local string) *xmpptest.Client {
	c := xmpptest.WebSocket(s.t, s.Address(local), "wss://"+s.HTTPS.String()+"/xmpp", anyone())
	c.Prepare()
	return c
}

func bearer(token string) siptest.Edit { return siptest.With(sip.HeaderAuthorization, "Bearer "+token) }

// list is what an operator sees.
func (s *site) list(local string) string {
	s.t.Helper()
	return s.MustRun(s.t, "device", "list", s.Address(local))
}

func TestOneTokenIsOneDevice(t *testing.T) {
	t.Parallel()
	s := open(t)
	web := s.device("alice", "Alice's browser")

	phone := s.browser("alice")
	phone.Register(bearer(web.Token))
	phone.Expect("200 REGISTER")
	app := s.chat("alice")
	app.SignIn("OAUTHBEARER", web.Token)
	app.Bind("web")
	desk := siptest.UDP(t, s.Address("bob"), s.UDP.String())
	desk.SignIn("secret")

	if got := s.list("alice"); !strings.Contains(got, "Alice's browser") || !strings.Contains(got, "calls, chat") || strings.Count(got, "\n") != 2 {
		t.Errorf("the list is:\n%s", got)
	}
	if got := s.list("bob"); !strings.Contains(got, "password") || !strings.Contains(got, "sip-") {
		t.Errorf("a phone by password is not listed:\n%s", got)
	}

	// It calls by its token, and is called once.
	desk.Ignore("100")
	phone.Ignore("100")
	phone.Invite(s.Address("bob"), bearer(web.Token))
	invite := desk.Expect("INVITE")
	if strings.Contains(invite.Text(), web.Token) {
		t.Error("the callee is told the token")
	}
	desk.Respond(invite, 486)
	phone.Expect("486 INVITE")
	desk.Expect("ACK")

	// The page is loaded again: the new one takes the old one's place.
	reloaded := s.browser("alice")
	reloaded.Register(bearer(web.Token))
	if got := reloaded.Expect("200 REGISTER"); strings.Count(got.Text(), "\nContact:") != 1 {
		t.Errorf("it would ring twice:\n%s", got.Text())
	}
	second := s.chat("alice")
	second.SignIn("OAUTHBEARER", web.Token)
	second.Bind("web-2")
	app.ExpectEnd("conflict")

	// It is signed out.
	s.MustRun(t, "device", "revoke", s.Address("alice"), web.ID)
	second.ExpectEnd("not-authorized")
	if got := s.list("alice"); !strings.Contains(got, "has no devices") {
		t.Errorf("it is still listed:\n%s", got)
	}
	if got := s.MustRun(t, "user", "show", s.Address("alice"), "--json"); !strings.Contains(got, `"phones": []`) {
		t.Errorf("it is still registered:\n%s", got)
	}
	again := s.browser("alice")
	again.Register(bearer(web.Token))
	again.Expect("401 REGISTER")
	if got := s.chat("alice").TrySignIn("OAUTHBEARER", web.Token); got != "not-authorized" {
		t.Errorf("after it was signed out it hears %q", got)
	}
}

func TestBadTokensAreAlike(t *testing.T) {
	t.Parallel()
	s := open(t)
	web, bobs := s.device("alice", "web"), s.device("bob", "web")
	next := s.post("", web.Token, 200) // which voids the first
	if next.ID != web.ID {
		t.Errorf("another token is of device %s, want %s", next.ID, web.ID)
	}
	for name, token := range map[string]string{
		"replaced": web.Token, "foreign": bobs.Token, "misspelled": next.Token[:len(next.Token)-2] + "AA", "nonsense": "x",
	} {
		p := s.browser("alice")
		p.Register(bearer(token))
		if got := p.Expect("401 REGISTER").Get(sip.HeaderWWWAuthenticate); got != `Bearer realm="example.org", error="invalid_token"` {
			t.Errorf("a %s token gets %q", name, got)
		}
		if got := s.chat("alice").TrySignIn("OAUTHBEARER", token); got != "not-authorized" {
			t.Errorf("a %s token gets %q", name, got)
		}
	}
	app := s.chat("alice")
	app.SignIn("OAUTHBEARER", next.Token)
	app.Bind("web")
	s.ask(http.MethodDelete, "", next.Token, 204)
	app.ExpectEnd("not-authorized")
	s.post("", next.Token, 401)
}

// Another password ends what somebody may have got by the old one.
func TestAnotherPasswordEndsTokens(t *testing.T) {
	t.Parallel()
	s := open(t)
	web := s.device("alice", "web")
	app := s.chat("alice")
	app.SignIn("OAUTHBEARER", web.Token)
	app.Bind("web")
	s.MustRun(t, "user", "passwd", s.Address("alice"), "--password", "another")
	app.ExpectEnd("not-authorized")
	s.post("", web.Token, 401)
}

func TestATokenOutlivesARestart(t *testing.T) {
	t.Parallel()
	s := open(t)
	web := s.device("alice", "web")
	s.Crash(t)
	app := s.chat("alice")
	app.SignIn("OAUTHBEARER", web.Token)
	app.Bind("web")
	desk := siptest.UDP(t, s.Address("bob"), s.UDP.String())
	desk.SignIn("secret")
	id := strings.Fields(strings.Split(s.list("bob"), "\n")[1])[0]
	s.MustRun(t, "device", "revoke", s.Address("bob"), id)
	if got := s.list("bob"); !strings.Contains(got, "has no devices") {
		t.Errorf("a phone by password is still registered:\n%s", got)
	}
}
