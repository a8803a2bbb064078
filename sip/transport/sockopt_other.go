//go:build !linux

package transport

import (
	"syscall"
	"time"
)

func streamOptions(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }

// sharesPorts: sockets of one port don't share its load here.
const sharesPorts = false

func reusePort(string, string, syscall.RawConn) error { return nil }
