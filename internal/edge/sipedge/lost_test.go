package sipedge

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/siptest"
)

// line is a connection of a caller that listens where its Via says, as another server does.
type line struct {
	net.Conn
	in *bufio.Reader
}

func newLine(c net.Conn) line { return line{c, bufio.NewReader(c)} }

// status is that of the next response but 100.
func (l line) status(t *testing.T) string {
	t.Helper()
	if err := l.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		text, err := l.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if status, ok := strings.CutPrefix(text, "SIP/2.0 "); ok && !strings.HasPrefix(status, "100") {
			return status[:3]
		}
	}
}

// TestAnswerOverANewConnection has a caller lose its connection while the callee's phone rings, and be told of the
// answer where its Via says that it listens (rfc3261#18.2.2).
func TestAnswerOverANewConnection(t *testing.T) {
	t.Parallel()
	for _, mode := range []core.Mode{core.Proxied, core.BackToBack} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mode = mode
			bob := w.phone("bob")
			server, err := w.edge.Transport().ListenTCP(t.Context(), "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			caller, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer caller.Close()

			out, err := net.Dial("tcp", server.String())
			if err != nil {
				t.Fatal(err)
			}
			first := newLine(out)
			invite := siptest.Invite("x@elsewhere.example.net", "bob@example.org", siptest.WithSDP(siptest.Offer),
				siptest.With(sip.HeaderVia, "SIP/2.0/TCP "+caller.Addr().String()+";branch="+siptest.Branch()))
			if _, err := io.WriteString(first, invite.Text()); err != nil {
				t.Fatal(err)
			}
			in := bob.Expect("INVITE")
			bob.Respond(in, 180)
			if got := first.status(t); got != "180" {
				t.Errorf("the caller is told %s, want 180", got)
			}
			first.Close()

			back, err := caller.Accept()
			if err != nil {
				t.Fatal(err)
			}
			second := newLine(back)
			defer second.Close()
			if got := second.status(t); got != "180" {
				t.Errorf("the new connection begins with %s, want 180 again", got)
			}
			bob.Respond(in, 200)
			if got := second.status(t); got != "200" {
				t.Errorf("the caller is told %s, want 200", got)
			}
		})
	}
}
