package siptest_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"parley/sip"
	"parley/sip/siptest"
	"parley/sip/transaction"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMessagesAreValid(t *testing.T) {
	t.Parallel()
	invite := siptest.Invite("alice@example.com", "bob@example.com",
		siptest.With(sip.HeaderRoute, "<sip:proxy.example.com;lr>"))
	ok := siptest.Response(invite, 200, siptest.With(sip.HeaderContact, "<sip:bob@192.0.2.88>"),
		siptest.With(sip.HeaderRecordRoute, "<sip:one.example;lr>, <sip:two.example;lr>"), siptest.WithSDP(siptest.Answer))
	busy := siptest.Response(invite, 486)
	dialog := siptest.NewDialog(invite, ok)
	for name, m := range map[string]*sip.Message{
		"INVITE": invite, "200": ok, "486": busy, "100": siptest.Response(invite, 100),
		"ACK": siptest.Ack(invite, ok), "ACK of 486": siptest.Ack(invite, busy), "CANCEL": siptest.Cancel(invite),
		"BYE": dialog.Make(sip.BYE), "REGISTER": siptest.Request(sip.REGISTER, "a@b.example", "a@b.example"),
		"again": siptest.Again(invite), "BYE back": siptest.Answered(invite, ok).Make(sip.BYE),
		"tel": siptest.Request(sip.OPTIONS, "<sip:a@b.example>;tag=1", "tel:+123"),
	} {
		if v := m.Validate(); v != nil {
			t.Errorf("%s: %v\n%s", name, v, m.Text())
		}
	}
}

func TestDialogRequests(t *testing.T) {
	t.Parallel()
	invite := siptest.Invite("alice@example.com", "bob@example.com", siptest.With(sip.HeaderCSeq, "7 INVITE"))
	ok := siptest.Response(invite, 200, siptest.With(sip.HeaderContact, "<sip:bob@192.0.2.88>"),
		siptest.With(sip.HeaderRecordRoute, "<sip:one.example;lr>, <sip:two.example;lr>"))
	d := siptest.NewDialog(invite, ok)
	ack, again, ackAgain, bye := d.Make(sip.ACK), d.Make(sip.INVITE), d.Make(sip.ACK), d.Make(sip.BYE)
	branches := map[string]bool{}
	for _, m := range []*sip.Message{invite, ack, again, ackAgain, bye} {
		via, _ := m.Via()
		branches[via.Branch] = true
	}
	if len(branches) != 5 {
		t.Errorf("%d branches for 5 transactions", len(branches))
	}
	for want, m := range map[string]*sip.Message{"7 ACK": ack, "8 INVITE": again, "8 ACK": ackAgain, "9 BYE": bye} {
		if got := m.Get(sip.HeaderCSeq); got != want {
			t.Errorf("CSeq %q, want %q", got, want)
		}
		if m.Target() != "sip:bob@192.0.2.88" || m.ToTag() != ok.ToTag() || m.FromTag() != invite.FromTag() {
			t.Errorf("not of the dialog:\n%s", m.Text())
		}
		routes := slices.Collect(m.Values(sip.HeaderRoute))
		if !slices.Equal(routes, []string{"<sip:two.example;lr>", "<sip:one.example;lr>"}) {
			t.Errorf("routes %q", routes)
		}
	}
	back := siptest.Answered(invite, ok).Make(sip.BYE)
	if back.FromTag() != ok.ToTag() || back.ToTag() != invite.FromTag() || !strings.Contains(back.Target(), "alice@") {
		t.Errorf("the other end's BYE:\n%s", back.Text())
	}
}

func TestWire(t *testing.T) {
	t.Parallel()
	got := siptest.Wire(`
		OPTIONS sip:a@b SIP/2.0
		Subject: two
		  lines

		body
	`)
	want := "OPTIONS sip:a@b SIP/2.0\r\nSubject: two\r\n  lines\r\nContent-Length: 6\r\n\r\nbody\r\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if raw := "anything\r\n"; siptest.Wire(raw) != raw {
		t.Error("text of the wire was changed")
	}
}

// serve answers OPTIONS with 200 and INVITE with 180, and 200 three seconds later.
func serve(layer **transaction.Layer) func(*transaction.Server) {
	return func(s *transaction.Server) {
		req := s.Request()
		contact := siptest.With(sip.HeaderContact, "<sip:server.example>")
		if req.Method() != sip.INVITE {
			s.Respond(siptest.Response(req, 200))
			return
		}
		s.Respond(siptest.Response(req, 180, contact))
		(*layer).After(req.CallID(), 3*time.Second, func() { s.Respond(siptest.Response(req, 200, contact)) })
	}
}

func newLayer(t *testing.T, clock transaction.Clock) *transaction.Layer {
	t.Helper()
	var layer *transaction.Layer
	layer = transaction.New(transaction.Config{Clock: clock, OnRequest: func(s *transaction.Server) { serve(&layer)(s) }})
	t.Cleanup(layer.Close)
	return layer
}

func TestACallInVirtualTime(t *testing.T) { // the example of the package's documentation
	t.Parallel()
	for _, network := range []string{sip.UDP, sip.TCP, sip.Memory} {
		clock := siptest.NewClock()
		layer := newLayer(t, clock)
		alice := siptest.Join(t, clock, "alice@example.com", network, layer.Receive)
		invite := alice.Invite("bob@example.com")
		alice.Expect("180")
		alice.Silent(0)
		clock.Advance(3 * time.Second)
		call := alice.Dialog(invite, alice.Expect("200 INVITE"))
		call.Ack()
		call.Bye()
		alice.Expect("2xx")
		if got := alice.Flow().Log()[1].At; got != 3*time.Second {
			t.Errorf("the 200 was sent at %v, want 3s", got)
		}
	}
}

func TestPeerThatIsCalled(t *testing.T) {
	t.Parallel()
	clock := siptest.NewClock()
	var got []*sip.Message
	bob := siptest.Join(t, clock, "bob@example.com", sip.TLS, func(_ sip.Flow, m *sip.Message) { got = append(got, m) })
	call := siptest.Invite("alice@example.com", "bob@example.com", siptest.WithName("X-Test", "1"),
		siptest.Without(sip.HeaderSubject), siptest.With(sip.HeaderRecordRoute, "<sip:proxy.example;lr>"))
	if err := bob.Flow().Send(call); err != nil {
		t.Fatal(err)
	}
	invite := bob.Expect("INVITE")
	bob.Respond(invite, 100)
	bob.Respond(invite, 180)
	d := bob.Dialog(invite, bob.Respond(invite, 200))
	d.Request(sip.INVITE, siptest.WithSDP(siptest.Offer))
	bob.Cancel(got[3])
	d.Bye()
	var lines []string
	for _, m := range got {
		if v := m.Validate(); v != nil {
			t.Errorf("%v\n%s", v, m.Text())
		}
		lines = append(lines, siptest.Summary(m))
	}
	want := []string{"100 INVITE", "180 INVITE", "200 INVITE", "INVITE", "CANCEL", "BYE"}
	if !slices.Equal(lines, want) {
		t.Fatalf("bob sent %q, want %q", lines, want)
	}
	ringing, ok, again, cancel, bye := got[1], got[2], got[3], got[4], got[5]
	if got[0].ToTag() != "" || ringing.ToTag() == "" || ringing.ToTag() != ok.ToTag() {
		t.Errorf("To tags %q, %q, %q", got[0].ToTag(), ringing.ToTag(), ok.ToTag())
	}
	if ok.Body() != siptest.Answer || ok.Get(sip.HeaderContact) != bob.Contact() ||
		ok.Get(sip.HeaderRecordRoute) != "<sip:proxy.example;lr>" {
		t.Errorf("the 200 lacks something:\n%s", ok.Text())
	}
	if bye.FromTag() != ok.ToTag() || bye.ToTag() != invite.FromTag() || bye.Get(sip.HeaderRoute) != "<sip:proxy.example;lr>" {
		t.Errorf("not of the dialog:\n%s", bye.Text())
	}
	a, _ := again.Via()
	c, _ := cancel.Via()
	if via, _ := bye.Via(); a.Branch != c.Branch || via.Branch == a.Branch {
		t.Errorf("branches: INVITE %s, CANCEL %s, BYE %s", a.Branch, c.Branch, via.Branch)
	}
	if again.Get(sip.HeaderContact) != bob.Contact() || !strings.Contains(bob.Contact(), "transport=tls") {
		t.Errorf("Contact %q", again.Get(sip.HeaderContact))
	}
}

// broken is a test that notes its failure.
type broken struct {
	testing.TB
	text string
}

func (b *broken) Helper()        {}
func (b *broken) Cleanup(func()) {}
func (b *broken) Fatalf(format string, args ...any) {
	b.text = fmt.Sprintf(format, args...)
	panic(b)
}

func TestFailuresTellTheConversation(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		do   func(*siptest.Peer)
		want []string
	}{
		"nothing": {func(p *siptest.Peer) { p.Expect("INVITE") },
			[]string{"alice@example.com expected INVITE, but nothing came"}},
		"other": {func(p *siptest.Peer) { p.Invite("bob@example.com"); p.Expect("486", "6xx") },
			[]string{"expected 486 or 6xx, got", "SIP/2.0 180 Ringing", "-> INVITE sip:bob@example.com", "<- SIP/2.0 180"}},
		"not silent": {func(p *siptest.Peer) { p.Invite("bob@example.com"); p.Silent(0) },
			[]string{"expected nothing, got", "180 Ringing"}},
		"of another method": {func(p *siptest.Peer) { p.Invite("bob@example.com"); p.Expect("180 BYE") },
			[]string{"expected 180 BYE, got"}},
		"down": {func(p *siptest.Peer) { p.Flow().Close(); p.Invite("bob@example.com") },
			[]string{"could not send", "flow is down"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := siptest.NewClock()
			b := &broken{}
			p := siptest.Join(b, clock, "alice@example.com", sip.TCP, newLayer(t, clock).Receive)
			func() {
				defer func() {
					if r := recover(); r != nil && r != any(b) {
						panic(r)
					}
				}()
				tt.do(p)
			}()
			for _, want := range tt.want {
				if !strings.Contains(b.text, want) {
					t.Errorf("the failure does not say %q:\n%s", want, b.text)
				}
			}
		})
	}
}

func TestWhatExpectPassesOver(t *testing.T) {
	t.Parallel()
	clock := siptest.NewClock()
	p := siptest.Join(t, clock, "alice@example.com", sip.UDP, func(sip.Flow, *sip.Message) {})
	req := siptest.Invite("bob@example.com", "alice@example.com")
	give := func(m *sip.Message) {
		t.Helper()
		if err := p.Flow().Send(m); err != nil {
			t.Fatal(err)
		}
	}
	trying := siptest.Response(req, 100)
	give(trying)
	give(req)
	give(req)
	p.Expect("INVITE")
	p.Silent(0) // the copy
	p.Ignore("OPTIONS")
	give(siptest.Request(sip.OPTIONS, "b@example.com", "alice@example.com"))
	give(siptest.Response(req, 180))
	p.Expect("any")
	p.Repeats = true
	give(trying)
	p.Expect("100")
	give(trying)
	p.Expect("1xx")
}

func TestFlow(t *testing.T) {
	t.Parallel()
	clock := siptest.NewClock()
	near, far := siptest.Pipe(clock, sip.TCP)
	var got []string
	far.OnReceive(func(f sip.Flow, m *sip.Message) { got = append(got, siptest.Summary(m)) })
	req := siptest.Request(sip.OPTIONS, "a@example.com", "b@example.com")
	send := func(want error) {
		t.Helper()
		if err := near.Send(req); !errors.Is(err, want) {
			t.Errorf("Send: %v, want %v", err, want)
		}
	}
	send(nil)
	clock.Advance(1500 * time.Millisecond)
	near.Lose(func(m *sip.Message) bool { return m.IsRequest() })
	send(nil)
	near.Lose(nil)
	full := errors.New("full")
	near.Fail(full)
	send(full)
	near.Fail(nil)
	far.Close()
	far.Close()
	near.Fail(nil)
	send(siptest.ErrDown)
	select {
	case <-near.Done():
	default:
		t.Error("Done is not closed")
	}
	if !slices.Equal(got, []string{"OPTIONS"}) {
		t.Errorf("arrived: %q", got)
	}
	if lines := near.Lines(); !slices.Equal(lines, []string{"0s OPTIONS", "1.5s OPTIONS"}) {
		t.Errorf("sent: %q", lines)
	}
	if len(near.Take()) != 0 || len(near.Log()) != 2 {
		t.Error("Take does not go on where it was, or Log does")
	}
}

func TestFlowStampsRport(t *testing.T) { // rfc3581#4
	t.Parallel()
	near, far := siptest.Pipe(nil, sip.UDP)
	var got *sip.Message
	near.OnReceive(func(_ sip.Flow, m *sip.Message) { got = m })
	if err := far.Send(siptest.Request(sip.OPTIONS, "a@example.com", "b@example.com")); err != nil {
		t.Fatal(err)
	}
	via, _ := got.Via()
	received, _ := via.Params.Get("received")
	rport, _ := via.Params.Get("rport")
	if received != near.Remote().Addr().String() || rport != fmt.Sprint(near.Remote().Port()) {
		t.Errorf("Via %s", via)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	c := siptest.NewClock()
	start := c.Now()
	var got []string
	note := func(what string) { got = append(got, fmt.Sprint(c.Now().Sub(start), " ", what)) }
	c.Advance(30 * time.Millisecond)
	var stop func()
	stop = c.Tick(100*time.Millisecond, func() {
		note("a")
		if len(got) == 3 {
			stop()
		}
	})
	stopB := c.Tick(150*time.Millisecond, func() { note("b") })
	defer stopB()
	c.Advance(370 * time.Millisecond)
	if want := []string{"100ms a", "150ms b", "200ms a", "300ms b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if c.Ticking() != 1 || c.Now().Sub(start) != 400*time.Millisecond {
		t.Errorf("%d tick, at %v", c.Ticking(), c.Now().Sub(start))
	}
}

func TestClockWaitsForWork(t *testing.T) {
	t.Parallel()
	c := siptest.NewClock()
	done := false
	stop := c.Tick(time.Second, func() {
		c.Busy(1)
		go func() {
			time.Sleep(20 * time.Millisecond)
			done = true
			c.Busy(-1)
		}()
	})
	defer stop()
	c.Advance(time.Second)
	if !done {
		t.Error("Advance did not wait")
	}
}

func TestSignInAndCall(t *testing.T) {
	t.Parallel()
	clock := siptest.NewClock()
	var seen []string
	p := siptest.Join(t, clock, "alice@example.com", sip.TCP, func(f sip.Flow, m *sip.Message) {
		seen = append(seen, m.Get(sip.HeaderCSeq))
		status, ask, answer := 401, sip.HeaderWWWAuthenticate, sip.HeaderAuthorization
		if m.Method() == sip.INVITE {
			status, ask, answer = 407, sip.HeaderProxyAuthenticate, sip.HeaderProxyAuthorization
		}
		resp := siptest.Response(m, status, func(b *sip.Builder) {
			b.Add(ask, `Digest realm="example.com", nonce="1", algorithm=SHA-512, qop="auth"`).
				Add(ask, `Digest realm="example.com", nonce="2", algorithm=MD5, qop="auth"`)
		})
		if creds := m.Get(answer); strings.Contains(creds, `nonce="2"`) && strings.Contains(creds, `username="alice"`) {
			resp = siptest.Response(m, 200)
		}
		if m.Method() != sip.ACK {
			if err := f.Send(resp); err != nil {
				t.Error(err)
			}
		}
	})
	p.SignIn("secret")
	p.Call("bob@example.com", "secret")
	p.Expect("200 INVITE")
	if want := []string{"1 REGISTER", "2 REGISTER", "1 INVITE", "1 ACK", "2 INVITE"}; !slices.Equal(seen, want) {
		t.Errorf("sent %q, want %q", seen, want)
	}
}

func TestUDPPeer(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	alice := siptest.UDP(t, "alice@example.com", conn.LocalAddr().String())
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 65536)
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			t.Error(err)
			return
		}
		req, err := sip.Parse(string(buf[:n]))
		if err != nil {
			t.Error(err)
			return
		}
		for _, text := range []string{"\r\n\r\n", "not SIP", siptest.Response(req, 200).Text()} {
			if _, err := conn.WriteTo([]byte(text), from); err != nil {
				t.Error(err)
			}
		}
	})
	alice.Request(sip.OPTIONS, "bob@example.com")
	resp := alice.Expect("200 OPTIONS")
	wg.Wait()
	if via, _ := resp.Via(); fmt.Sprintf("%s:%d", via.Host, via.Port) != alice.Addr() {
		t.Errorf("Via %s, want the peer's %s", via, alice.Addr())
	}
}

// pieces answers each request on a stream with 100, 180 and 200, in pieces of 7 bytes.
func pieces(t *testing.T, conn net.Conn) {
	defer conn.Close()
	var have []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		have = append(have, buf[:n]...)
		n, err = sip.FrameLength(have, 1<<16)
		if err != nil {
			t.Error(err)
			return
		}
		if n == 0 {
			continue
		}
		req, err := sip.Parse(string(have[:n]))
		if err != nil {
			t.Error(err)
			return
		}
		have = have[n:]
		text := "\r\n\r\n"
		for _, status := range []int{100, 180, 200} {
			text += siptest.Response(req, status).Text()
		}
		for part := range slices.Chunk([]byte(text), 7) {
			if _, err := conn.Write(part); err != nil {
				return
			}
		}
	}
}

func streamTest(t *testing.T, l net.Listener, dial func(addr string) *siptest.Peer) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		if conn, err := l.Accept(); err == nil {
			pieces(t, conn)
		}
	})
	alice := dial(l.Addr().String())
	for range 2 {
		alice.Invite("bob@example.com")
		alice.Expect("180")
		alice.Expect("200")
	}
	alice.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestTCPPeer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streamTest(t, l, func(addr string) *siptest.Peer {
		p := siptest.TCP(t, "alice@example.com", addr)
		if !strings.HasSuffix(p.Contact(), ";transport=tcp>") {
			t.Errorf("Contact %s", p.Contact())
		}
		return p
	})
}

func TestTLSPeer(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	roots := web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	streamTest(t, l, func(addr string) *siptest.Peer {
		return siptest.TLS(t, "alice@example.com", addr, &tls.Config{RootCAs: roots})
	})
}

func TestWebSocketPeer(t *testing.T) {
	t.Parallel()
	answered := make(chan struct{})
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(answered)
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sip"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		_, b, err := conn.Read(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		req, err := sip.Parse(string(b))
		if err != nil {
			t.Error(err)
			return
		}
		if err := conn.Write(r.Context(), websocket.MessageText, []byte(siptest.Response(req, 200).Text())); err != nil {
			t.Error(err)
		}
		_, _, _ = conn.Read(r.Context()) // until the peer goes
	}))
	defer web.Close()
	roots := web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	p := siptest.WebSocket(t, "alice@example.com", "wss"+strings.TrimPrefix(web.URL, "https"), &tls.Config{RootCAs: roots})
	req := p.Request(sip.OPTIONS, "bob@example.com")
	p.Expect("200")
	if via, _ := req.Via(); via.Network != sip.WSS || !strings.HasSuffix(via.Host, ".invalid") {
		t.Errorf("Via %s", via)
	}
	p.Close()
	<-answered
}
