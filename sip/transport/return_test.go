package transport

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"parley/sip"
)

// wayFor asks for the way back to a peer that sent a request with this sent-by.
func (n *node) wayFor(gone sip.Flow, sentBy string) sip.Flow {
	n.t.Helper()
	m := withVia(n.t, "SIP/2.0/TCP "+sentBy+";branch=z9hG4bK1")
	found := make(chan sip.Flow, 1)
	n.Return(gone, m, func(f sip.Flow) { found <- f })
	select {
	case f := <-found:
		return f
	case <-time.After(patience):
		n.t.Fatal("Return does not say what it found")
		return nil
	}
}

func withVia(t *testing.T, via string) *sip.Message {
	t.Helper()
	return must[*sip.Message](t)(message(t, "back", "").Edit().SetFirst(sip.HeaderVia, via).Message())
}

// goneFlow is a connection that was.
type goneFlow struct {
	sip.Flow
	network string
	remote  netip.AddrPort
}

func (f goneFlow) Network() string        { return f.network }
func (f goneFlow) Remote() netip.AddrPort { return f.remote }

func TestWayBack(t *testing.T) {
	t.Parallel()
	here, there := newNode(t, Config{}), newNode(t, Config{})
	addr := there.tcp("127.0.0.1:0")
	port := strconv.Itoa(int(addr.Port()))
	nobody := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	_ = nobody.Close()
	from := netip.MustParseAddrPort("127.0.0.1:40000")
	for _, c := range []struct {
		name, network, sentBy string
		want                  bool
	}{
		{"the peer listens where its Via says", sip.TCP, addr.String(), true},
		{"a name in the Via: where it came from is tried", sip.TCP, "proxy.example.net:" + port, true},
		{"nobody listens there", sip.TCP, nobody.Addr().String(), false},
		{"behind a NAT", sip.TCP, "10.0.0.7:" + port, false},
		{"a WebSocket", sip.WSS, addr.String(), false},
		{"a WebSocket without TLS", sip.WS, "df7jal23ls0d.invalid", false},
		{"TLS that it doesn't speak", sip.TLS, addr.String(), false},
		{"UDP is never gone", sip.UDP, addr.String(), false},
	} {
		f := here.wayFor(goneFlow{network: c.network, remote: from}, c.sentBy)
		if got := f != nil; got != c.want {
			t.Errorf("%s: found %v, want %v", c.name, got, c.want)
		}
		if f != nil && f.Remote() != addr {
			t.Errorf("%s: to %v, want %v", c.name, f.Remote(), addr)
		}
	}
	here.Close()
	if here.wayFor(goneFlow{network: sip.TCP, remote: from}, addr.String()) != nil {
		t.Error("a layer that is closed has found a way")
	}
}

func TestWayBackPorts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		network string
		want    uint16
	}{{sip.TCP, 5060}, {sip.TLS, 5061}} {
		m := withVia(t, "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1")
		addr, name, ok := wayBack(goneFlow{network: c.network, remote: netip.MustParseAddrPort("192.0.2.1:40000")}, m)
		if !ok || addr.Port() != c.want || name != "192.0.2.1" {
			t.Errorf("%s: %v %q %v, want port %d", c.network, addr, name, ok, c.want)
		}
	}
}
