package xmpptest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/xdg-go/scram"

	"parley/xmpp"
	"parley/xmpp/jid"
)

func (c *Client) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.t.Context()), c.Timeout)
}

// Open opens a stream, or opens it anew, and gives what the server offers.
func (c *Client) Open() *xmpp.Element {
	c.t.Helper()
	c.Send(c.wire.open(c.JID.Domain))
	c.Header = c.Expect("stream", "open").Element
	c.Features = c.Expect("features").Element
	return c.Features
}

// StartTLS encrypts the connection and opens the stream anew (rfc6120#5).
func (c *Client) StartTLS() *xmpp.Element {
	c.t.Helper()
	c.Send("<starttls xmlns='" + xmpp.NSTLS + "'/>")
	c.Expect("proceed")
	s, ok := c.wire.(*stream)
	if !ok {
		c.Fail("a WebSocket has no STARTTLS")
	}
	if err := s.secure(c); err != nil {
		c.Fail("TLS: %v", err)
	}
	return c.Open()
}

// Login does all that is needed for a session, by the best mechanism there is, and gives the full address. With
// resource "" the server chooses.
func (c *Client) Login(password, resource string) jid.JID {
	c.t.Helper()
	c.Prepare()
	c.SignIn("", password)
	return c.Bind(resource)
}

// Prepare opens the stream, encrypted if that is possible.
func (c *Client) Prepare() {
	c.t.Helper()
	if c.Open().Child(xmpp.NSTLS, "starttls") != nil {
		c.StartTLS()
	}
}

// SignIn signs in by a mechanism, or the best there is, and opens the stream anew.
func (c *Client) SignIn(mechanism, password string) {
	c.t.Helper()
	if condition := c.TrySignIn(mechanism, password); condition != "" {
		c.Fail("could not sign in by %s: %s", mechanism, condition)
	}
}

// TrySignIn is SignIn that gives the condition of the failure, "" if there is none.
func (c *Client) TrySignIn(mechanism, password string) (condition string) {
	c.t.Helper()
	if mechanism == "" {
		mechanism = c.best()
	}
	if condition := c.authenticate(mechanism, password); condition != "" {
		return condition
	}
	c.Open()
	return ""
}

// Mechanisms is what the server offers.
func (c *Client) Mechanisms() (names []string) {
	if list := c.Features.Child(xmpp.NSSASL, "mechanisms"); list != nil {
		for _, m := range list.Children {
			names = append(names, m.Text)
		}
	}
	return names
}

func (c *Client) best() string {
	c.t.Helper()
	offered := c.Mechanisms()
	for _, name := range []string{
		"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN",
	} {
		if slices.Contains(offered, name) {
			return name
		}
	}
	c.Fail("knows none of the mechanisms %q", offered)
	return ""
}

func (c *Client) authenticate(mechanism, password string) (condition string) {
	c.t.Helper()
	auth := xmpp.NewBuilder(nil).Open("auth", xmpp.NSSASL).Attr("mechanism", mechanism)
	if mechanism == "PLAIN" {
		c.Send(auth.Text(encode("\x00" + c.JID.Local + "\x00" + password)).Close().String())
		return c.outcome(c.Expect("success", "failure"))
	}
	if mechanism == "OAUTHBEARER" {
		return c.bearer(auth, password)
	}
	conversation := c.conversation(mechanism, password)
	first, err := conversation.Step("")
	if err != nil {
		c.Fail("%s: %v", mechanism, err)
	}
	c.Send(auth.Text(encode(first)).Close().String())
	for {
		reply := c.Expect("challenge", "success", "failure")
		if reply.Local == "failure" {
			return c.outcome(reply)
		}
		data, err := base64.StdEncoding.DecodeString(reply.Text)
		if err != nil {
			c.Fail("got %s: %v", reply.Raw, err)
		}
		response, err := conversation.Step(string(data))
		if err != nil {
			c.Fail("%s: after %q: %v", mechanism, data, err)
		}
		if reply.Local == "success" {
			if !conversation.Valid() {
				c.Fail("does not believe the server, which does not know the password")
			}
			return ""
		}
		c.Send(xmpp.NewBuilder(nil).Element("response", xmpp.NSSASL, encode(response)).String())
	}
}

// bearer signs in by a token, and confirms that it failed, as rfc7628#3.2.3 has it.
func (c *Client) bearer(auth *xmpp.Builder, token string) (condition string) {
	c.t.Helper()
	c.Send(auth.Text(encode("n,a=" + c.JID.Bare().String() + ",\x01auth=Bearer " + token + "\x01\x01")).Close().String())
	reply := c.Expect("challenge", "success", "failure")
	if reply.Local == "challenge" {
		if text, err := base64.StdEncoding.DecodeString(reply.Text); err != nil || string(text) != `{"status":"invalid_token"}` {
			c.Fail("got the challenge %q, %v", text, err)
		}
		c.Send(xmpp.NewBuilder(nil).Element("response", xmpp.NSSASL, encode("\x01")).String())
		reply = c.Expect("failure")
	}
	return c.outcome(reply)
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func (c *Client) outcome(r *Received) string {
	if r.Local == "success" {
		return ""
	}
	for _, e := range r.Children {
		if e.Local != "text" {
			return e.Local
		}
	}
	return "a failure without a condition"
}

// conversation is the library's side of SCRAM.
func (c *Client) conversation(mechanism, password string) *scram.ClientConversation {
	c.t.Helper()
	name, plus := strings.CutSuffix(mechanism, "-PLUS")
	generator, known := map[string]scram.HashGeneratorFcn{
		"SCRAM-SHA-1": scram.SHA1, "SCRAM-SHA-256": scram.SHA256,
	}[name]
	if !known {
		c.Fail("does not know %s", mechanism)
	}
	client, err := generator.NewClient(c.JID.Local, password, "")
	if err != nil {
		c.Fail("%s: %v", mechanism, err)
	}
	switch state := c.State(); {
	case plus && state == nil:
		c.Fail("has no TLS to bind %s to", mechanism)
	case plus:
		return client.NewConversationWithChannelBinding(c.binding(state))
	case state != nil && !slices.Contains(c.Mechanisms(), mechanism+"-PLUS"):
		return client.NewConversationAdvertisingChannelBinding()
	}
	return client.NewConversation()
}

func (c *Client) binding(state *tls.ConnectionState) scram.ChannelBinding {
	c.t.Helper()
	if c.Binding == "tls-server-end-point" || c.Binding == "" && state.Version < tls.VersionTLS13 {
		b, err := scram.NewTLSServerEndpointBinding(state)
		if err != nil {
			c.Fail("%v", err)
		}
		return b
	}
	b, err := scram.NewTLSExporterBinding(state)
	if err != nil {
		c.Fail("%v", err)
	}
	return b
}

// State is the TLS that the client has; nil where it has none, or does not get at it, as under a WebSocket.
func (c *Client) State() *tls.ConnectionState {
	s, ok := c.wire.(*stream)
	if !ok {
		return nil
	}
	conn, ok := s.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := conn.ConnectionState()
	return &state
}

// Bind asks for a resource, and gives the full address.
func (c *Client) Bind(resource string) jid.JID {
	c.t.Helper()
	r := c.TryBind(resource)
	if r.Attr("type") != "result" {
		c.Fail("could not bind %q: %s", resource, r.Raw)
	}
	return c.JID
}

// TryBind is Bind that may fail, and gives the answer.
func (c *Client) TryBind(resource string) *Received {
	c.t.Helper()
	payload := xmpp.NewBuilder(nil).Open("bind", xmpp.NSBind)
	if resource != "" {
		payload.Element("resource", "", resource)
	}
	r := c.Ask("set", "", payload.Close().String())
	if r.Attr("type") == "result" {
		full, err := jid.Parse(r.Child(xmpp.NSBind, "bind").ChildText("", "jid"))
		if err != nil || full.IsBare() || full.Bare() != c.JID.Bare() {
			c.Fail("was bound as %s (%v)", r.Raw, err)
		}
		c.JID = full
	}
	return r
}
