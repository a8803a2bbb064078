package interop

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"parley/test/harness"
)

// The relay's ports, away from those that the phones take for themselves.
const relayLow, relayHigh = 26000, 26999

// way is one of the two in which the server runs calls.
type way struct {
	name string
	set  map[string]string
}

func proxied() way { return way{"proxied", map[string]string{"calls.mode": `"proxied"`}} }

// backToBack has both dialogs of a call be the server's, and all sound pass through it.
func backToBack() way {
	return way{"back-to-back", map[string]string{
		"calls.mode": `"back-to-back"`, "calls.anchor": `"always"`,
		"media.ports": fmt.Sprintf(`"%d-%d"`, relayLow, relayHigh),
	}}
}

// inBothWays plays a situation with calls of either kind, and prints a line of the interop matrix for each.
func inBothWays(t *testing.T, what string, situation func(t *testing.T, w way)) {
	t.Helper()
	ways := []way{proxied()}
	if os.Getenv(harness.StandIn) == "" { // what stands in for parley is a proxy
		ways = append(ways, backToBack())
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			matrix(t, w.name+": "+what)
			situation(t, w)
		})
	}
}

// start runs a server with the accounts alice and bob, whose calls run in this way.
func (w way) start(t *testing.T) *harness.Server {
	t.Helper()
	return start(t, w.set)
}

// describer keeps the SIP messages that it sent and got.
type describer interface {
	Name() string
	// Messages is their text, among other things.
	Messages(t testing.TB) string
}

var audioPort = regexp.MustCompile(`m=audio ([0-9]+) `)

// soundPorts are the ports of sound in all descriptions that a phone gave and was given.
func soundPorts(t *testing.T, d describer) (all, relay []string) {
	t.Helper()
	found := map[string]bool{}
	for _, m := range audioPort.FindAllStringSubmatch(d.Messages(t), -1) {
		found[m[1]] = true
	}
	all = slices.Sorted(maps.Keys(found))
	for _, port := range all {
		if len(port) == 5 && port >= fmt.Sprint(relayLow) && port <= fmt.Sprint(relayHigh) {
			relay = append(relay, port)
		}
	}
	return all, relay
}

// soundWent checks by the phones' descriptions where the sound of their calls went: with a call that was
// proxied each knows the other's port, with one that ran back-to-back it knows none but its own and the relay's.
func (w way) soundWent(t *testing.T, a, b describer) {
	t.Helper()
	atA, relayA := soundPorts(t, a)
	atB, relayB := soundPorts(t, b)
	var shared []string
	for _, port := range atA {
		if slices.Contains(atB, port) {
			shared = append(shared, port)
		}
	}
	switch through := len(relayA) > 0 && len(relayB) > 0; {
	case w.name == "proxied" && (through || len(shared) < 2):
		t.Errorf("proxied: %s knows ports %v and %s %v: not each other's", a.Name(), atA, b.Name(), atB)
	case w.name != "proxied" && (!through || len(shared) > 0):
		t.Errorf("back-to-back: %s knows ports %v and %s %v: not the relay's alone", a.Name(), atA, b.Name(), atB)
	}
}

// nobodyCalls waits until the server knows of no call any more.
func (w way) nobodyCalls(t *testing.T, s *harness.Server) {
	t.Helper()
	if s.IsStandIn() {
		return
	}
	harness.Eventually(t, "status shows no call", func() bool { return status(t, s).Calls == 0 })
}
