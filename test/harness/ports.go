package harness

import (
	"math/rand/v2"
	"net"
	"net/netip"
)

// FreePorts gives n ports of 127.0.0.1 that are free for UDP and TCP alike, as is the port after
// each of them, which some phones take for TLS. They lie below those that connections get, so that none takes them
// meanwhile, and none that has just ended holds them.
func FreePorts(t T, n int) []int {
	t.Helper()
	var held []interface{ Close() error }
	defer func() {
		for _, h := range held {
			h.Close()
		}
	}()
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 100*n {
			t.Fatal("no free ports on 127.0.0.1")
		}
		port := 10000 + 2*rand.IntN(11000)
		if hold(&held, "tcp4", port) && hold(&held, "udp4", port) && hold(&held, "tcp4", port+1) && hold(&held, "udp4", port+1) {
			ports = append(ports, port)
		}
	}
	return ports
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
