package xmppedge

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/xmpp"
	"parley/xmpp/xmpptest"
)

// pipe is a client over a connection in memory, without TLS.
func (w *world) pipe() *client {
	here, there := net.Pipe()
	w.accept(there, false)
	return over(w.t, here)
}

const wrongNS = "<stream:stream to='example.org' version='1.0' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"

func TestWhatIsNoStreamIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{WithoutTLS: true, Limits: Limits{AuthStanzaBytes: 10000, AuthBytes: 20000}})
	auth := "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>"
	for name, x := range map[string]struct {
		says string
		want xmpp.StreamCondition
	}{
		"HTTP":                       {"GET / HTTP/1.1\r\n\r\n", xmpp.NotWellFormed},
		"a comment":                  {"<!-- hello -->", xmpp.RestrictedXML},
		"a document type":            {"<!DOCTYPE x>", xmpp.RestrictedXML},
		"another encoding":           {"<?xml version='1.0' encoding='latin1'?>", xmpp.UnsupportedEncoding},
		"XML 1.1":                    {"<?xml version='1.1'?>", xmpp.UnsupportedVersion},
		"another root":               {"<html xmlns='jabber:client'>", xmpp.BadFormat},
		"another namespace":          {"<stream:stream xmlns='jabber:client' xmlns:stream='http://example.org' to='example.org' version='1.0'>", xmpp.InvalidNamespace},
		"a server's stream":          {wrongNS, xmpp.InvalidNamespace},
		"no version":                 {strings.Replace(header, " version='1.0' xmlns", " xmlns", 1), xmpp.UnsupportedVersion},
		"version 0.9":                {strings.ReplaceAll(header, " version='1.0' xmlns", " version='0.9' xmlns"), xmpp.UnsupportedVersion},
		"no host":                    {strings.Replace(header, "to='example.org'", "", 1), xmpp.HostUnknown},
		"another host":               {strings.Replace(header, "example.org", "example.net", 1), xmpp.HostUnknown},
		"a host that is none":        {strings.Replace(header, "example.org", "a b", 1), xmpp.HostUnknown},
		"a message at once":          {header + "<message/>", xmpp.StreamNotAuthorized},
		"a request at once":          {header + "<iq type='get' id='1'><query xmlns='jabber:iq:auth'/></iq>", xmpp.StreamNotAuthorized},
		"a message while signing in": {header + auth + "biwsbj1hbGljZSxyPXg=</auth><message/>", xmpp.StreamNotAuthorized},
		"an unknown element":         {header + "<x xmlns='urn:x'/>", xmpp.UnsupportedStanzaType},
		"text between":               {header + "hello", xmpp.BadFormat},
		"an element too long":        {header + "<x>" + strings.Repeat("x", 10001), xmpp.PolicyViolation},
		"too much":                   {header + strings.Repeat("<enable xmlns='urn:xmpp:sm:3'/>", 700), xmpp.PolicyViolation},
		"too deep":                   {header + strings.Repeat("<x>", 20), xmpp.PolicyViolation},
		"an undeclared prefix":       {header + "<x:y/>", xmpp.NotWellFormed},
		"a header that ends":         {strings.TrimSuffix(header, ">") + "/>", xmpp.NotWellFormed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := w.pipe()
			c.t = t
			go func() { _, _ = io.WriteString(c.conn, x.says) }() // the server may not read to the end
			if event, h, err := c.next(); err != nil || event != xmpp.Opened || h.Attr("from") != "example.org" || h.Attr("id") == "" {
				t.Fatalf("before the error there is a header, not %d, %v, %v", event, h, err)
			}
			for {
				e := c.hear()
				if e.Space == xmpp.NSStream && e.Local == "error" {
					if e.Child(xmpp.NSStreams, string(x.want)) == nil {
						t.Errorf("it ends with %s, want %s", text(e), x.want)
					}
					break
				}
			}
			c.closed()
		})
	}
}

func TestTheStreamHeaderAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{WithoutTLS: true})
	ids := map[string]bool{}
	for range 3 {
		c := w.pipe()
		c.say(strings.Replace(header, "to='example.org'", "to='BÜCHER.example' from='Alice@example.org' xml:lang='de'", 1))
		event, h, err := c.next()
		if err != nil || event != xmpp.Opened || h.Attr("from") != "bücher.example" || h.Attr("to") != "alice@example.org" || ids[h.Attr("id")] {
			t.Errorf("the header is %d, %+v, %v", event, h, err)
		}
		ids[h.Attr("id")] = true
		c.want(xmpp.NSStream, "features")
		c.say("</stream:stream>")
		c.closed()
	}
}

func TestWhatIsSaidBehindSTARTTLSIsNeverUsed(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{WithoutTLS: true})
	c := dial(t, w.tcp)
	c.open()
	c.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + header + "<message/>")
	c.want(xmpp.NSTLS, "proceed")
	// The rest is taken for TLS, or forgotten; in no case is it answered.
	rest, _ := io.ReadAll(c.conn)
	if strings.Contains(string(rest), "stream") {
		t.Errorf("what was said without TLS is answered: %q", rest)
	}
}

func TestWhatIsInOnePieceWithSTARTTLSIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{WithoutTLS: true, TLS: certificate(t)})
	c := w.pipe()
	c.open()
	go c.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><x xmlns='urn:x'/>")
	c.want(xmpp.NSTLS, "proceed")
	c.conn = tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if f := c.open(); f.Child(xmpp.NSSASL, "mechanisms") == nil {
		t.Errorf("after TLS is offered %s", text(f))
	}
}

func TestAFailedHandshakeEndsTheConnection(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := dial(t, w.tcp)
	c.open()
	c.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.want(xmpp.NSTLS, "proceed")
	c.say(header)
	c.gone() // rfc6120#5.4.3.2
	direct := dial(t, w.tls)
	direct.say(header)
	direct.gone()
	if _, err := tls.Dial("tcp", w.tls, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}); err == nil {
		t.Error("HTTP/2 is spoken on the port of XMPP")
	}
}

func TestSTARTTLSTwice(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := dialTLS(t, w.tls)
	c.open()
	c.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.want(xmpp.NSTLS, "failure")
	c.closed()
}

func TestEveryMechanism(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	for _, m := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"} {
		for _, binding := range []string{"tls-exporter", "tls-server-end-point"} {
			c := xmpptest.TCP(t, "alice@example.org", w.tcp, nil)
			c.Binding = binding
			c.Open()
			if got := c.Mechanisms(); got != nil {
				t.Errorf("without TLS %v are offered", got)
			}
			c.StartTLS()
			if !slices.Contains(c.Mechanisms(), m) {
				t.Fatalf("%s is not among %v", m, c.Mechanisms())
			}
			if bindings := c.Features.Child(nsBinding, "sasl-channel-binding"); bindings == nil || len(bindings.Children) != 2 {
				t.Errorf("channel bindings: %+v", bindings)
			}
			if got := c.TrySignIn(m, "wrong"); got != "not-authorized" {
				t.Errorf("%s with a wrong password: %q", m, got)
			}
			c.SignIn(m, "alice-pw")
			c.Bind("")
			s := w.table.Get(c.JID)
			if s == nil || s.Info().Mechanism != m || s.Info().Network != "TLS" || !s.Info().Encrypted || !s.Info().Source.IsValid() {
				t.Fatalf("of the session is known: %+v", s)
			}
			c.Close()
		}
	}
	w.guard.mu.Lock()
	defer w.guard.mu.Unlock()
	if len(w.guard.failed) != 10 || len(w.guard.succeeded) != 10 {
		t.Errorf("the guard was told of %d failures and %d successes, want 10 each", len(w.guard.failed), len(w.guard.succeeded))
	}
}

func TestOverTLS12ThereIsStillABinding(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := xmpptest.TLS(t, "alice@example.org", w.tls, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	c.Open()
	c.SignIn("SCRAM-SHA-256-PLUS", "alice-pw")
}

func TestWithoutTLS(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{WithoutTLS: true})
	c := xmpptest.TCP(t, "alice@example.org", w.tcp, nil)
	c.Open()
	if got := strings.Join(c.Mechanisms(), " "); got != "SCRAM-SHA-256 SCRAM-SHA-1" {
		t.Errorf("without TLS are offered %s", got)
	}
	if got := c.TrySignIn("PLAIN", "alice-pw"); got != "encryption-required" {
		t.Errorf("PLAIN without TLS: %q", got)
	}
	c.SignIn("SCRAM-SHA-256", "alice-pw")
	c.Bind("here")
	if i := w.table.Get(c.JID).Info(); i.Encrypted || i.Network != "TCP" {
		t.Errorf("of the session is known: %+v", i)
	}
}

func TestNoTLSMeansNoSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	c := w.pipe()
	if f := c.open(); f.Child(xmpp.NSTLS, "starttls") != nil || f.Child(xmpp.NSSASL, "mechanisms") != nil {
		t.Errorf("without any TLS is offered %s", text(f))
	}
	c.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.want(xmpp.NSTLS, "failure")
	c.closed()
}

func TestFailedTriesAreBounded(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{Limits: Limits{AuthTries: 4}})
	c := dialTLS(t, w.tls)
	c.open()
	fails := func(want string, says string) {
		t.Helper()
		c.say(says)
		if f := c.want(xmpp.NSSASL, "failure"); f.Child("", want) == nil {
			t.Errorf("%s: %s, want %s", says, text(f), want)
		}
	}
	const ns = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
	fails("invalid-mechanism", "<auth "+ns+" mechanism='X-NONE'>=</auth>")
	fails("incorrect-encoding", "<auth "+ns+" mechanism='PLAIN'>!</auth>")
	fails("malformed-request", "<response "+ns+"/>")
	fails("not-authorized", "<auth "+ns+" mechanism='PLAIN'>AG5vYm9keQB4</auth>")
	c.ends(xmpp.PolicyViolation)
}

func TestSigningInInPieces(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{Limits: Limits{AuthTries: 10}})
	const ns = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
	c := dialTLS(t, w.tls)
	c.open()
	c.say("<auth " + ns + " mechanism='PLAIN'/>")
	c.want(xmpp.NSSASL, "challenge")
	c.say("<abort " + ns + "/>")
	if f := c.want(xmpp.NSSASL, "failure"); f.Child("", "aborted") == nil {
		t.Errorf("an abort is answered %s", text(f))
	}
	// Somebody else's identity, and one's own.
	c.say("<auth " + ns + " mechanism='PLAIN'>Ym9iQGV4YW1wbGUub3JnAGFsaWNlAGFsaWNlLXB3</auth>")
	if f := c.want(xmpp.NSSASL, "failure"); f.Child("", "invalid-authzid") == nil {
		t.Errorf("to act as bob is answered %s", text(f))
	}
	c.say("<auth " + ns + " mechanism='PLAIN'/>")
	c.want(xmpp.NSSASL, "challenge")
	c.say("<response " + ns + ">YWxpY2VAZXhhbXBsZS5vcmcAYWxpY2UAYWxpY2UtcHc=</response>")
	c.want(xmpp.NSSASL, "success")
	f := c.open()
	for _, name := range []xmpp.Name{
		{Space: xmpp.NSBind, Local: "bind"}, {Space: xmpp.NSSession, Local: "session"}, {Space: "urn:xmpp:sm:3", Local: "sm"},
		{Space: nsLimits, Local: "limits"},
	} {
		if f.Child(name.Space, name.Local) == nil {
			t.Errorf("%s of %s is not among the features %s", name.Local, name.Space, text(f))
		}
	}
}

func TestWhoGuessesHasToWait(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	w.guard.wait = 1500 * time.Millisecond
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256"} {
		c := xmpptest.TLS(t, "alice@example.org", w.tls, nil)
		c.Open()
		if got := c.TrySignIn(m, "alice-pw"); got != "temporary-auth-failure" {
			t.Errorf("%s: who has to wait hears %q", m, got)
		}
	}
	if len(w.guard.failed) != 0 {
		t.Error("who has to wait is counted as wrong")
	}
}

func TestTheStreamIsForWhoSignedIn(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	for name, x := range map[string]struct {
		change [2]string
		want   xmpp.StreamCondition
	}{
		"another account": {[2]string{"to='", "from='bob@example.org' to='"}, xmpp.InvalidFrom},
		"no address":      {[2]string{"to='", "from='@' to='"}, xmpp.InvalidFrom},
		"another host":    {[2]string{"example.org", "bücher.example"}, xmpp.HostUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dialTLS(t, w.tls)
			c.open()
			c.plain("alice", "alice-pw")
			c.want(xmpp.NSSASL, "success")
			c.scan = new(xmpp.Scanner)
			c.say(strings.Replace(header, x.change[0], x.change[1], 1))
			if event, _, err := c.next(); event != xmpp.Opened {
				t.Fatal(event, err)
			}
			c.ends(x.want)
		})
	}
	c := dialTLS(t, w.tls)
	c.open()
	c.plain("alice@example.org", "alice-pw") // some give the whole address
	c.want(xmpp.NSSASL, "success")
	c.scan = new(xmpp.Scanner)
	c.say(strings.Replace(header, "to='", "from='Alice@example.org' to='", 1))
	if event, h, err := c.next(); event != xmpp.Opened || h.Attr("to") != "alice@example.org" {
		t.Fatal(event, h, err)
	}
}
