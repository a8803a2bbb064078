package address

import (
	"testing"

	"parley/internal/core"
	"parley/xmpp/jid"
)

func TestAnAddressIsAJIDAndBack(t *testing.T) {
	t.Parallel()
	for a, want := range map[core.Address]string{
		{Local: "alice", Domain: "example.org"}:          "alice@example.org",
		{Local: "jörg", Domain: "xn--bcher-kva.example"}: "jörg@bücher.example",
	} {
		j := JID(a)
		back, err := FromJID(j.With("phone"))
		if j.String() != want || err != nil || back != a {
			t.Errorf("%s is %s, which is %s, %v; want %s", a, j, back, err, want)
		}
	}
}

func TestAJIDThatCanBeNoAccount(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"example.org", "example.org/x", "a#b@example.org", "alice@[2001:db8::1]", "alice@192.0.2.1"} {
		j, err := jid.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if a, err := FromJID(j); err == nil {
			t.Errorf("%s is the account %s", text, a)
		}
	}
}
