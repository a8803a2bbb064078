package listen

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A peer that vanishes without a word is noticed on accepted connections, which have their options from the listener.
func TestDeadPeerOptions(t *testing.T) {
	t.Parallel()
	l := open(t)
	dial(t, l)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var timeout, alive int
	err = raw.Control(func(fd uintptr) {
		timeout, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		alive, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	})
	if err != nil || timeout != 60_000 || alive != 1 {
		t.Errorf("user timeout %d, keep-alive %d, %v; want 60000 and 1", timeout, alive, err)
	}
}
