package xmppedge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
)

// replay is a connection whose peer says what is written down, in pieces, and then ends it.
type replay struct {
	net.Conn // nil: what is not replayed is not called
	text     []byte
	piece    int
	heard    strings.Builder
	once     sync.Once
	closed   chan struct{}
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), r.piece)], r.text)
	r.text = r.text[n:]
	return n, nil
}

func (r *replay) Write(b []byte) (int, error)      { return r.heard.Write(b) }
func (r *replay) Close() error                     { r.once.Do(func() { close(r.closed) }); return nil }
func (r *replay) SetDeadline(time.Time) error      { return nil }
func (r *replay) SetReadDeadline(time.Time) error  { return nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }
func (r *replay) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

// faults notes what is logged as an error: a fault of ours that was caught.
type faults struct {
	slog.Handler
	t testing.TB
}

func (f faults) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (f faults) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	f.t.Error(text)
	return errors.New("a fault")
}

// nothing is a chat that does nothing.
type nothing struct{}

func (nothing) Handle(context.Context, *im.Session, *xmpp.Stanza) {}
func (nothing) Ended(context.Context, *im.Session)                {}

// Whatever a stranger says, it ends, and little is said in return. PLAIN lets the corpus sign in.
func FuzzConnection(f *testing.F) {
	const auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='"
	const plain = auth + "PLAIN'>AGFsaWNlAGFsaWNlLXB3</auth>"
	const bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>"
	for _, seed := range []string{
		header, header + "</stream:stream>", wrongNS, "<", "<?xml version='1.0'?>\n", "\x16\x03\x01",
		header + auth + "SCRAM-SHA-1'>biwsbj1hbGljZSxyPXg=</auth><abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
		header + auth + "SCRAM-SHA-256'/><response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>biwsbj1hbGljZSxyPXg=</response>",
		header + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + header,
		header + plain + header + "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>" + bind + "</stream:stream>",
		header + plain + header + bind + "<enable xmlns='urn:xmpp:sm:3' resume='1'/><message/><r xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='0'/></stream:stream>",
		header + plain + header + bind + "<message to='@' id='1'/><iq type='set' id='2'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq></stream:stream>",
		header + plain + header + bind + "<message from='x'/>" + "<presence/>",
	} {
		f.Add([]byte(seed), 7)
		f.Add([]byte(seed), 4096)
	}
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		e := New(Config{
			Domains: []string{"example.org"}, WithoutTLS: true, Log: slog.New(faults{t: t}),
			Limits: Limits{ResumeTime: time.Millisecond},
		}, Ports{
			Credentials: accounts{}, Guard: &guard{}, Sessions: im.NewTable(0), Chat: nothing{},
			Addresses: func(local, domain string) (core.Address, error) {
				return core.Address{Local: local, Domain: domain}, nil
			},
		})
		r := &replay{text: text, piece: max(1, piece), closed: make(chan struct{})}
		c, _ := e.admit(r)
		c.info.Store(&im.Info{Network: "TLS", Encrypted: true})
		go c.run()
		select {
		case <-r.closed:
		case <-time.After(patience):
			t.Fatal("the connection does not end")
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if n := r.heard.Len(); n > 8000+16*len(text) {
			t.Errorf("to %d bytes %d are answered", len(text), n)
		}
	})
}
