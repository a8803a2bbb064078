//go:build unix

package xmppedge

import (
	"errors"
	"syscall"
)

// ready waits until there is something to read, without a buffer for it, within the deadline for reading.
func ready(c syscall.RawConn) error {
	return c.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
		return !errors.Is(err, syscall.EAGAIN) // any other error is met again by who reads
	})
}

// canWait says that there is ready.
const canWait = true
