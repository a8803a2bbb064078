package harness

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
)

// The ports that tests share: below those that connections get, so that none takes them meanwhile and none that
// has just ended holds them, and below those of the server's media.
const (
	firstPort = 10000
	endOfPort = 30000
)

// FreePorts gives n ports of 127.0.0.1 that are free for UDP and TCP alike, as is the port after
// each of them, which some phones take for TLS. Nobody else is given them soon.
func FreePorts(t T, n int) []int {
	t.Helper()
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 100*n {
			t.Fatal("no free ports on 127.0.0.1")
		}
		port, err := nextPort()
		if err != nil {
			t.Fatal(err)
		}
		if free(port) {
			ports = append(ports, port)
		}
	}
	return ports
}

// nextPort takes turns with all tests on the machine: the last port that was given is kept in a file.
func nextPort() (int, error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "parley-test-ports"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil { // until it is closed
		return 0, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return 0, err
	}
	port := firstPort
	if _, err := fmt.Sscan(string(text), &port); err != nil || port < firstPort || port+4 > endOfPort {
		port = firstPort - 2 // it is the first, or the last was reached
	}
	port += 2
	_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", port), 0) // always five digits
	return port, err
}

// free says whether nothing is on a port, nor on the next.
func free(port int) bool {
	var held []interface{ Close() error }
	defer func() {
		for _, h := range held {
			h.Close()
		}
	}()
	return hold(&held, "tcp4", port) && hold(&held, "udp4", port) && hold(&held, "tcp4", port+1) && hold(&held, "udp4", port+1)
}

func hold(held *[]interface{ Close() error }, network string, port int) bool {
	at := Loopback(port).String()
	if network == "udp4" {
		c, err := net.ListenPacket(network, at)
		if err == nil {
			*held = append(*held, c)
		}
		return err == nil
	}
	l, err := net.Listen(network, at)
	if err == nil {
		*held = append(*held, l)
	}
	return err == nil
}

// Loopback is a port of 127.0.0.1.
func Loopback(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
}
