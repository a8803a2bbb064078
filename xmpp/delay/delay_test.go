package delay_test

import (
	"testing"
	"time"

	"parley/xmpp"
	"parley/xmpp/delay"
	"parley/xmpp/jid"
)

func TestTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.FixedZone("", 3600))
	if got := delay.Format(at); got != "2026-01-02T02:04:05.678Z" {
		t.Errorf("it is written as %s", got)
	}
	for _, text := range []string{"2026-01-02T02:04:05.678Z", "2026-01-02T03:04:05.678+01:00", "2026-01-02T02:04:05.678000Z"} {
		if got, err := delay.Parse(text); err != nil || !got.Equal(at) {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "2026-01-02", "yesterday", "20260102T02:04:05"} {
		if got, err := delay.Parse(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestWhoHasHeldAStanza(t *testing.T) {
	t.Parallel()
	server := jid.JID{Domain: "example.org"}
	b := xmpp.NewBuilder(nil)
	delay.Write(b, server, time.Unix(0, 0))
	delay.Write(b, jid.JID{}, time.Unix(0, 0))
	st := xmpp.Must(xmpp.Message, xmpp.Header{}, b.String()+"<delay xmlns='other'/>")
	var who []jid.JID
	for _, p := range st.Parts() {
		if from, ok := delay.From(st, p); ok {
			who = append(who, from)
		}
	}
	if len(who) != 1 || who[0] != server {
		t.Errorf("%s was held by %v", st.Text(), who)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("2026-01-02T02:04:05.678Z")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := delay.Parse(text)
		if err != nil || at.UTC().Year() < 0 || at.UTC().Year() > 9999 {
			return
		}
		if again, err := delay.Parse(delay.Format(at)); err != nil || !again.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("%s comes back as %v, %v", text, again, err)
		}
	})
}
