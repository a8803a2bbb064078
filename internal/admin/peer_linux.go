package admin

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUID says as whom the process at the other end of a socket made its connection, or
// listened.
func peerUID(c *net.UnixConn) (uid int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *unix.Ucred
	if control := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); control != nil || err != nil {
		return 0, false
	}
	return int(cred.Uid), true
}

// peersAreKnown says that peerUID has to succeed.
const peersAreKnown = true
