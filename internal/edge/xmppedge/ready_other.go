//go:build !unix

package xmppedge

import "syscall"

func ready(syscall.RawConn) error { return nil }

// canWait says that there is ready.
const canWait = false
