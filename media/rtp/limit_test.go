package rtp

import (
	"net/netip"
	"testing"
	"time"
)

func TestSourcesAreBounded(t *testing.T) {
	t.Parallel()
	var l Limit
	now := time.Unix(1000, 0)
	taken := 0
	for ssrc := range uint32(1000) {
		if l.Takes(datagram(t, ssrc, 1, 1, "x"), now) {
			taken++
		}
	}
	if taken != sources {
		t.Errorf("%d sources were taken, want %d", taken, sources)
	}
	now = now.Add(gone / 2)
	if !l.Takes(datagram(t, 0, 2, 2, "x"), now) {
		t.Error("a source that was there first is not taken any more")
	}
	now = now.Add(gone / 2)
	if !l.Takes(datagram(t, 4711, 2, 2, "x"), now) || !l.Takes(datagram(t, 0, 3, 3, "x"), now) {
		t.Error("a source that has gone makes no room, or one that is there has lost its own")
	}
}

func TestRateIsBounded(t *testing.T) {
	t.Parallel()
	l := Limit{Rate: 10000}
	now := time.Unix(1000, 0)
	packet := datagram(t, 1, 1, 1, string(make([]byte, 88))) // 100 bytes
	count := func(until time.Duration, every time.Duration) (taken int) {
		for end := now.Add(until); now.Before(end); now = now.Add(every) {
			if l.Takes(packet, now) {
				taken++
			}
		}
		return taken
	}
	if n := count(10*time.Second, 100*time.Microsecond); n < 990 || n > 1110 {
		t.Errorf("of a flood %d packets were taken in ten seconds, want about 1000 and a burst", n)
	}
	if n := count(time.Second, 20*time.Millisecond); n != 50 {
		t.Errorf("of 50 packets of a well behaved peer %d were taken", n)
	}
}

// TestLatchIsNotTaken has forged packets come from elsewhere: before the peer's own, between them, and
// after a new description, from hosts that the peer can't be at.
func TestLatchIsNotTaken(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort
	now := time.Unix(1000, 0)
	for name, test := range map[string]struct {
		want, phone, eve string
		peer             string
	}{
		"both public":            {"192.0.2.1:4000", "192.0.2.1:4000", "203.0.113.9:4000", "192.0.2.1"},
		"behind a NAT":           {"10.0.0.7:4000", "192.0.2.1:61000", "203.0.113.9:4000", "192.0.2.1"},
		"with IPv6":              {"[2001:db8::1]:4000", "[2001:db8::1]:4000", "[2001:db8::9]:4000", "2001:db8::1"},
		"media from elsewhere":   {"192.0.2.5:4000", "192.0.2.5:4000", "203.0.113.9:4000", "192.0.2.1"},
		"known by IPv4 in IPv6":  {"192.0.2.1:4000", "[::ffff:192.0.2.1]:4000", "203.0.113.9:4000", "192.0.2.1"},
		"IPv6 told, IPv4 comes":  {"[fd00::7]:4000", "192.0.2.1:61000", "203.0.113.9:4000", "192.0.2.1"},
		"the same host, later":   {"192.0.2.1:4000", "192.0.2.1:4000", "192.0.2.1:9999", "192.0.2.1"},
		"a port of the same NAT": {"10.0.0.7:4000", "192.0.2.1:61000", "192.0.2.1:61001", "192.0.2.1"},
	} {
		var l Latch
		now := now
		l.Expect(at(test.want), netip.MustParseAddr(test.peer), now)
		same := at(test.eve).Addr() == at(test.phone).Addr().Unmap()
		for range 100 {
			if !same && l.Take(at(test.eve), now) {
				t.Fatalf("%s: an attacker was there first", name)
			}
			now = now.Add(time.Millisecond)
		}
		if !l.Take(at(test.phone), now) {
			t.Fatalf("%s: the phone is not taken", name)
		}
		now = now.Add(moving + time.Second)
		for range 1000 {
			now = now.Add(time.Millisecond)
			if l.Take(at(test.eve), now) || !l.Take(at(test.phone), now) {
				t.Fatalf("%s: an attacker has taken the phone's place", name)
			}
		}
		l.Expect(at(test.want), netip.MustParseAddr(test.peer), now) // as for a hold
		if got, _ := l.Target(); got != netip.AddrPortFrom(at(test.phone).Addr().Unmap(), at(test.phone).Port()) {
			t.Errorf("%s: is sent to %v", name, got)
		}
		if !same && l.Take(at(test.eve), now) {
			t.Errorf("%s: a new description lets an attacker in", name)
		}
	}
}
