package xmppedge

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
)

// mirror is a chat that sends each stanza back.
type mirror struct{}

func (mirror) Handle(_ context.Context, s *im.Session, st *xmpp.Stanza) { s.Send(st) }
func (mirror) Ended(context.Context, *im.Session)                       {}

// BenchmarkStanza is a message of a usual size to the server and back, over one connection, many being on their way.
func BenchmarkStanza(b *testing.B) {
	e := New(Config{Domains: []string{"example.org"}, TLS: certificate(b)}, Ports{
		Credentials: accounts{}, Guard: &guard{}, Sessions: im.NewTable(0), Chat: mirror{},
		Addresses: func(local, domain string) (core.Address, error) {
			return core.Address{Local: local, Domain: domain}, nil
		},
	})
	addr, err := e.ListenTLS(b.Context(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := e.Close(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	for name, enable := range map[string]string{"plain": "", "acknowledged": "<enable xmlns='urn:xmpp:sm:3' resume='1'/>"} {
		b.Run(name, func(b *testing.B) {
			conn, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				b.Fatal(err)
			}
			c := over(b, conn)
			c.open()
			c.signIn("alice")
			c.bind("bench")
			c.say(enable)
			if enable != "" {
				c.want("urn:xmpp:sm:3", "enabled")
			}
			text := "<message to='bob@example.org' id='0123456789' type='chat'><body>" + strings.Repeat("How are you? ", 20) +
				"</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>"
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			b.ResetTimer()
			window := make(chan struct{}, b.N+20)
			for range 20 {
				window <- struct{}{}
			}
			go flood(conn, text, b.N, window)
			count(b, c, conn, b.N, window)
		})
	}
}

// flood says a text n times, some together, as far as the window lets it.
func flood(conn net.Conn, text string, n int, window <-chan struct{}) {
	many := strings.Repeat(text, together)
	for ; n > 0; n -= together {
		<-window
		if _, err := io.WriteString(conn, many[:min(n, together)*len(text)]); err != nil {
			return
		}
	}
}

// together is how many stanzas are said at once.
const together = 20

// count waits for n messages, and acknowledges them when it is asked to.
func count(b *testing.B, c *client, conn net.Conn, n int, window chan<- struct{}) {
	buf := make([]byte, 64<<10)
	for got := 0; got < n; {
		size, err := conn.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		c.scan.Feed(buf[:size])
		for {
			event, raw, err := c.scan.Next()
			if err != nil {
				b.Fatal(err)
			}
			if event != xmpp.Whole {
				break
			}
			if raw.Is(xmpp.NSClient, "message") {
				if got++; got%together == 0 {
					window <- struct{}{}
				}
			} else if raw.Is("urn:xmpp:sm:3", "r") {
				c.say("<a xmlns='urn:xmpp:sm:3' h='" + strconv.Itoa(got) + "'/>")
			}
		}
	}
}
