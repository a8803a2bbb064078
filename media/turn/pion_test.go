package turn

import (
	"net"
	"testing"

	"github.com/pion/logging"
	pion "github.com/pion/turn/v5"
)

// The library's client, which is others' view of the protocol.
func TestPionsClient(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for name, conn := range map[string]func() net.PacketConn{
		"UDP": func() net.PacketConn {
			c, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		"TCP": func() net.PacketConn { return pion.NewSTUNConn(s.overStream("alice", nil).conn) },
		"TLS": func() net.PacketConn { return pion.NewSTUNConn(s.overStream("alice", certificate(t)).conn) },
	} {
		t.Run(name, func(t *testing.T) {
			credential := s.cfg.Credentials.New("alice")
			local := conn()
			defer local.Close()
			c, err := pion.NewClient(&pion.ClientConfig{
				Conn: local, STUNServerAddr: s.at.String(), TURNServerAddr: s.at.String(),
				Username: credential.Name, Password: credential.Password, Realm: "example.org", LoggerFactory: logging.NewDefaultLoggerFactory(),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Listen(); err != nil {
				t.Fatal(err)
			}
			relay, err := c.Allocate()
			if err != nil {
				t.Fatal(err)
			}
			defer relay.Close()
			o := s.other()
			for range 3 { // indications at first, then a channel
				if _, err := relay.WriteTo([]byte("hello"), o.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				text, from := o.hear(patience)
				if text != "hello" {
					t.Fatalf("the peer hears %q", text)
				}
				o.say("world", from)
				b := make([]byte, 1500)
				if n, _, err := relay.ReadFrom(b); err != nil || string(b[:n]) != "world" {
					t.Fatalf("the client hears %q, %v", b[:n], err)
				}
			}
		})
	}
}
