package transport

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"parley/sip"
)

// A peer that vanishes without a word is noticed, also on accepted connections, which have
// their options from the listener.
func TestDeadPeerOptions(t *testing.T) {
	t.Parallel()
	here, there := newNode(t, Config{}), newNode(t, Config{Limits: Limits{DeadPeerTimeout: 40 * time.Second}})
	f := must[sip.Flow](t)(here.Dial(t.Context(), sip.TCP, there.tcp("127.0.0.1:0"), ""))
	if err := f.Send(message(t, "x", "")); err != nil {
		t.Fatal(err)
	}
	for flow, want := range map[sip.Flow]int{f: 60_000, there.next().flow: 40_000} {
		raw, err := flow.(*conn).wire.(*stream).raw.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var timeout, alive int
		err = raw.Control(func(fd uintptr) {
			timeout, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			alive, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
		})
		if err != nil || timeout != want || alive != 1 {
			t.Errorf("user timeout %d, keep-alive %d, %v; want %d and 1", timeout, alive, err, want)
		}
	}
}
