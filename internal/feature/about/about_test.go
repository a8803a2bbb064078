package about

import (
	"errors"
	"testing"
	"time"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	now := start
	a := New(Config{Version: "v1 & 2", Now: func() time.Time { return now }})
	now = start.Add(time.Hour)
	for question, want := range map[string]string{
		"<ping xmlns='urn:xmpp:ping'/>":      "",
		"<query xmlns='jabber:iq:version'/>": "<query xmlns='jabber:iq:version'><name>parley</name><version>v1 &amp; 2</version></query>",
		"<time xmlns='urn:xmpp:time'/>":      "<time xmlns='urn:xmpp:time'><tzo>Z</tzo><utc>2026-01-02T03:04:05Z</utc></time>",
		"<query xmlns='jabber:iq:last'/>":    "<query xmlns='jabber:iq:last' seconds='3600'/>",
	} {
		st := xmpp.Must(xmpp.IQ, xmpp.Header{To: jid.JID{Domain: "example.org"}, Type: "get"}, question)
		got, err := ask(t, a, st)
		if got != want || err != nil {
			t.Errorf("%s is answered with %s, %v; want %s", question, got, err, want)
		}
		set := xmpp.Must(xmpp.IQ, xmpp.Header{To: st.To(), Type: "set"}, question)
		if _, err := ask(t, a, set); !isBad(err) {
			t.Errorf("to set %s is answered with %v", question, err)
		}
	}
	for _, s := range a.Services() {
		if (s.At&im.Own != 0) != (s.Space == NSPing) || s.At&im.Account != 0 || s.At&im.Server == 0 || len(s.Features) != 1 {
			t.Errorf("%s is asked at %d, with the features %q", s.Space, s.At, s.Features)
		}
	}
}

func isBad(err error) bool {
	e, ok := errors.AsType[*xmpp.StanzaError](err)
	return ok && e.Condition == xmpp.BadRequest
}

func ask(t *testing.T, a *About, st *xmpp.Stanza) (string, error) {
	t.Helper()
	p, _ := st.Payload()
	for _, s := range a.Services() {
		if s.Name == p.Name {
			return s.Handle(t.Context(), nil, st)
		}
	}
	t.Fatalf("nobody answers %s", st.Text())
	return "", nil
}
