package xmppedge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/xmpptest"
)

// app is a client with a session, or with the resource "" one that has only signed in.
func (w *world) app(t *testing.T, user, resource string) *xmpptest.Client {
	t.Helper()
	c := xmpptest.TLS(t, user+"@example.org", w.tls, nil)
	c.Prepare()
	c.SignIn("PLAIN", user+"-pw")
	if resource != "" {
		c.Bind(resource)
	}
	return c
}

func message(to string, n int) string {
	return fmt.Sprintf("<message to='%s' id='%d'><body>%d</body></message>", to, n, n)
}

// told waits until the chat was told of so many stanzas.
func (w *world) told(t *testing.T, n int) (all []*xmpp.Stanza) {
	t.Helper()
	for range n {
		select {
		case st := <-w.chat.got:
			all = append(all, st)
		case <-time.After(patience):
			t.Fatalf("the chat was told of %d stanzas, want %d", len(all), n)
		}
	}
	return all
}

// over waits until the chat was told that a session is gone.
func (w *world) over(t *testing.T) string {
	t.Helper()
	select {
	case who := <-w.chat.ended:
		return who
	case <-time.After(patience):
		t.Fatal("no session ends")
		return ""
	}
}

func TestBinding(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	a, b := w.app(t, "alice", ""), w.app(t, "alice", "")
	if one, two := a.Bind(""), b.Bind(""); one == two || len(one.Resource) < 16 {
		t.Errorf("the server makes up %s and %s", one, two)
	}
	d := w.app(t, "bob", "")
	if r := d.TryBind(strings.Repeat("x", 1024)); r.Condition() != "bad-request" {
		t.Errorf("a resource that is too long: %s", r.Raw)
	}
	d.Bind("Büro 1")
	if d.JID.Resource != "Büro 1" || w.table.Get(d.JID) == nil {
		t.Errorf("bound %s", d.JID)
	}
	if r := d.TryBind("other"); r.Condition() != "not-allowed" {
		t.Errorf("a second resource: %s", r.Raw)
	}
	d.Set("", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>") // rfc6121#1.4
	e := w.app(t, "bob", "")
	e.Send("<presence/>")
	e.ExpectEnd("not-authorized")
}

func TestTwoSessionsWantOneResource(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	old := w.app(t, "alice", "desk")
	session := w.table.Get(old.JID)
	young := w.app(t, "alice", "desk")
	old.ExpectEnd("conflict")
	select {
	case <-session.Finished():
	default:
		t.Error("the younger is bound before everybody knows that the older is gone")
	}
	if got := w.over(t); got != "alice@example.org/desk" {
		t.Errorf("%s ended", got)
	}
	young.Send(message(young.JID.String(), 1))
	young.Expect("<message id='1'/>")
	if n := w.table.Count(); n != 1 {
		t.Errorf("%d sessions are in the table", n)
	}
}

func TestAnAccountHasOnlySoManySessions(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{}) // five
	for i := range 4 {
		w.app(t, "alice", fmt.Sprint("r", i))
	}
	waits := w.app(t, "alice", "waits")
	waits.Enable(true)
	waits.Cut()
	w.waiting(t, waits.JID)
	// One that waits to be resumed makes room for one that is there.
	w.app(t, "alice", "r5")
	if got := w.over(t); got != "alice@example.org/waits" {
		t.Errorf("%s made room", got)
	}
	c := w.app(t, "alice", "")
	if r := c.TryBind("r6"); r.Condition() != "resource-constraint" {
		t.Errorf("a sixth session: %s", r.Raw)
	}
	c.TryBind("r1") // which ends that
	if got := w.over(t); got != "alice@example.org/r1" {
		t.Errorf("%s made room", got)
	}
}

// waiting waits until a session has no connection.
func (w *world) waiting(t *testing.T, full jid.JID) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if s := w.table.Get(full); s != nil && s.Waiting() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not wait to be resumed", full)
		}
	}
}

func TestWhatASessionMayNotSay(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	for says, want := range map[string]string{
		"<message from='bob@example.org/x'/>":       "invalid-from",
		"<message from='alice@example.org/other'/>": "invalid-from",
		"<message from='@'/>":                       "invalid-from",
		"<foo/>":                                    "unsupported-stanza-type",
		"<foo xmlns='urn:x'/>":                      "unsupported-stanza-type",
		"<message xmlns='jabber:server'/>":          "unsupported-stanza-type",
		"<message><x></message>":                    "not-well-formed",
		"hello":                                     "bad-format",
		"<!-- hello -->":                            "restricted-xml",
		"<message>&hello;</message>":                "restricted-xml",
		"<message><body>" + strings.Repeat("x", 300000) + "</body>": "policy-violation",
		header: "unsupported-stanza-type",
	} {
		t.Run(says[:min(len(says), 40)], func(t *testing.T) {
			t.Parallel()
			c := w.app(t, "alice", "r"+fmt.Sprint(len(says)))
			c.Send(says)
			if says == header {
				c.ExpectEnd("restricted-xml") // its declaration
				return
			}
			c.ExpectEnd(want)
		})
	}
}

func TestStanzasAreStampedAndInOrder(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.app(t, "alice", "desk")
	forms := []string{
		"<message id='%d'/>", "<message from='alice@example.org' id='%d'/>", "<presence from='alice@example.org/desk' id='%d'/>\n",
	}
	for i := range 100 {
		c.Send(fmt.Sprintf(forms[i%3], i))
	}
	for i, st := range w.told(t, 100) {
		if st.ID() != fmt.Sprint(i) || st.From() != c.JID {
			t.Fatalf("stanza %d is %s", i, st.Text())
		}
	}
}

func TestABadAddressIsAnswered(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.app(t, "alice", "desk")
	c.Enable(false)
	c.Send("<message to='@' id='1'><body>hi</body></message>")
	if r := c.Expect("<message type='error' id='1'/>"); r.Condition() != "jid-malformed" {
		t.Errorf("heard %s", r.Raw)
	}
	c.Send("<message to='@' id='2' type='error'/>") // which is not
	if h := c.RequestAck(); h != 2 {
		t.Errorf("%d stanzas count as handled, want 2", h)
	}
}

func TestAFaultEndsTheStanzaAlone(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.app(t, "alice", "desk")
	c.Send("<message id='1'><body>panic!</body></message>")
	if r := c.Expect("<message type='error' id='1'/>"); r.Condition() != "internal-server-error" {
		t.Errorf("heard %s", r.Raw)
	}
	c.Send(message(c.JID.String(), 2))
	c.Expect("<message id='2'/>")
}

func TestTheChatHoldsTheReaderBack(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	w.chat.hold = make(chan struct{})
	c := w.app(t, "alice", "desk")
	c.Send("<message id='1'/><message id='2'/>")
	select {
	case w.chat.hold <- struct{}{}:
	case <-time.After(patience):
		t.Fatal("the chat is not told")
	}
	w.told(t, 1)
	select {
	case <-w.chat.got:
		t.Error("a second stanza is handled before the first")
	case <-time.After(50 * time.Millisecond):
	}
	close(w.chat.hold)
	w.told(t, 1)
}

func TestWhatBecameOfAStanza(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.app(t, "alice", "desk")
	s := w.table.Get(c.JID)
	outcome := make(chan bool, 10)
	st := xmpp.Must(xmpp.Message, xmpp.Header{To: c.JID, ID: "x"}, "")
	s.Deliver(st, func(ok bool) { outcome <- ok })
	if !<-outcome {
		t.Error("a stanza that the connection took counts as lost")
	}
	c.Expect("<message id='x'/>")
	s.End(nil)
	c.ExpectEnd("")
	<-s.Finished()
	s.Deliver(st, func(ok bool) { outcome <- ok })
	if <-outcome {
		t.Error("a stanza for a session that has ended counts as delivered")
	}
}

func TestLeaving(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	for name, leave := range map[string]func(*xmpptest.Client){
		"closes the stream": func(c *xmpptest.Client) { c.Close() },
		"is cut off":        func(c *xmpptest.Client) { c.Cut() },
		"has an error": func(c *xmpptest.Client) {
			c.Send("<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
		},
	} {
		c := w.app(t, "alice", "desk")
		s := w.table.Get(c.JID)
		leave(c)
		if got := w.over(t); got != "alice@example.org/desk" {
			t.Errorf("who %s: %s ended", name, got)
		}
		<-s.Finished()
		if w.table.Count() != 0 {
			t.Errorf("who %s is in the table still", name)
		}
	}
}

func TestStoppingSaysSo(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	apps := []*xmpptest.Client{w.app(t, "alice", "desk"), w.app(t, "bob", "phone")}
	apps[1].Enable(true)
	waits := w.app(t, "bob", "waits")
	waits.Enable(true)
	waits.Cut()
	w.waiting(t, waits.JID)
	stranger := dialTLS(t, w.tls)
	stranger.open()
	silent := dial(t, w.tcp)
	s := w.table.Get(apps[0].JID)
	s.Send(xmpp.Must(xmpp.Message, xmpp.Header{To: apps[0].JID, ID: "last"}, ""))
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	apps[0].Expect("<message id='last'/>")
	for _, c := range apps {
		c.Ignore("<a xmlns='urn:xmpp:sm:3'/>")
		c.ExpectEnd("system-shutdown")
	}
	stranger.ends(xmpp.SystemShutdown)
	silent.gone()
	var ended []string
	for range 3 {
		ended = append(ended, w.over(t))
	}
	slices.Sort(ended)
	if got := strings.Join(ended, " "); got != "alice@example.org/desk bob@example.org/phone bob@example.org/waits" {
		t.Errorf("ended %s", got)
	}
	if w.table.Count() != 0 || len(w.conns) != 0 || len(w.sessions) != 0 {
		t.Error("something is left")
	}
	if _, err := w.ListenTCP(t.Context(), "127.0.0.1:0"); err == nil {
		t.Error("a closed edge listens")
	}
	if _, err := w.table.Add(im.NewSession(jid.JID{Local: "x", Domain: "y", Resource: "z"}, nil, im.Info{})); err == nil {
		t.Error("the table takes sessions")
	}
}
