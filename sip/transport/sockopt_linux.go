package transport

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// streamOptions ends a TCP connection whose peer has not acknowledged data for d; else the
// kernel would try for a quarter of an hour.
func streamOptions(d time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return control(c, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	}
}

// sharesPorts says that reusePort spreads the load.
const sharesPorts = true

// reusePort lets several sockets share one port; the kernel spreads the peers over them.
func reusePort(_, _ string, c syscall.RawConn) error {
	return control(c, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

func control(c syscall.RawConn, level, option, value int) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, value) })
	if err != nil {
		return err
	}
	return failed
}
