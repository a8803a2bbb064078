package transport

import (
	"errors"
	"net/netip"
	"testing"

	"parley/sip"
)

func TestPipe(t *testing.T) {
	t.Parallel()
	var atA, atB []arrival
	a, b := Pipe("proxy", "echo",
		func(f sip.Flow, m *sip.Message) { atA = append(atA, arrival{f, m}) },
		func(f sip.Flow, m *sip.Message) {
			atB = append(atB, arrival{f, m})
			resp, err := m.Response(200, "").ToTag("b").Message()
			if err != nil {
				t.Error(err)
				return
			}
			if err := f.Send(resp); err != nil {
				t.Error(err)
			}
		})
	m := message(t, "x", "")
	if err := a.Send(m); err != nil {
		t.Fatal(err)
	}
	if len(atB) != 1 || atB[0].flow != sip.Flow(b) || atB[0].m != m {
		t.Errorf("at echo came %+v", atB)
	}
	if len(atA) != 1 || atA[0].flow != sip.Flow(a) || atA[0].m.Status() != 200 {
		t.Errorf("at the proxy came %+v", atA)
	}
	if a.ID() == b.ID() || a.Network() != sip.Memory || !a.Reliable() || !a.Secure() ||
		a.Local() != (netip.AddrPort{}) || a.Remote() != (netip.AddrPort{}) || a.Advertised() != "proxy.invalid" {
		t.Errorf("ends are %s and %s, advertised %s", a.ID(), b.ID(), a.Advertised())
	}
	if via, err := sip.ParseVia("SIP/2.0/" + a.Network() + " " + a.Advertised() + ";branch=z9hG4bKx"); err != nil {
		t.Errorf("no Via can be made: %v, %v", via, err)
	}

	b.Close("test")
	a.Close("again")
	for _, end := range []*MemoryFlow{a, b} {
		select {
		case <-end.Done():
		default:
			t.Errorf("%s is not done", end.ID())
		}
		if err := end.Send(m); !errors.Is(err, ErrGone) {
			t.Errorf("sending on %s: %v", end.ID(), err)
		}
	}
	Prove(a) // of no meaning to it
}
