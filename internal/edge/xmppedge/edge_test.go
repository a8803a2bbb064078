package xmppedge

import (
	"testing"

	"parley/xmpp"
)

func TestAClientSignsInOverSTARTTLS(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := dial(t, w.tcp)
	f := c.open()
	if tls := f.Child(xmpp.NSTLS, "starttls"); tls == nil || tls.Child("", "required") == nil || f.Child(xmpp.NSSASL, "mechanisms") != nil {
		t.Errorf("without TLS is offered: %s", text(f))
	}
	c.startTLS()
	if f := c.open(); f.Child(xmpp.NSSASL, "mechanisms") == nil || f.Child(xmpp.NSTLS, "starttls") != nil {
		t.Errorf("with TLS is offered: %s", text(f))
	}
	c.signIn("alice")
	if got := c.bind("desk"); got != "alice@example.org/desk" {
		t.Errorf("bound %s", got)
	}
	c.say("<message to='alice@example.org/desk' id='1'><body>hi</body></message>")
	if m := c.want(xmpp.NSClient, "message"); m.Attr("from") != "alice@example.org/desk" || m.ChildText("", "body") != "hi" {
		t.Errorf("heard %s", text(m))
	}
	c.say("</stream:stream>")
	c.closed()
	if got := <-w.chat.ended; got != "alice@example.org/desk" {
		t.Errorf("%s ended", got)
	}
}

func TestAClientSignsInOverDirectTLS(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.session("bob", "phone")
	c.say("<bad/>")
	c.ends(xmpp.UnsupportedStanzaType)
}
