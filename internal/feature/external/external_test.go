package external

import (
	"errors"
	"strings"
	"testing"
	"time"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// app is a connection that keeps what it gets.
type app struct{ got []string }

func (a *app) Send(st *xmpp.Stanza, _ func(bool)) { a.got = append(a.got, st.Text()) }
func (a *app) End(*xmpp.StreamError)              {}
func (a *app) Waiting() bool                      { return false }

type scene struct {
	*External
	now     time.Time
	app     *app
	session *im.Session
}

func open() *scene {
	s := &scene{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), app: &app{}}
	s.session = im.NewSession(jid.JID{Local: "alice", Domain: "example.org", Resource: "x"}, s.app, im.Info{})
	s.External = New(Config{
		Services: func() []Service {
			return []Service{
				{Type: "stun", Host: "192.0.2.1", Port: 3478, Transport: "udp"},
				{Type: "turn", Host: "192.0.2.1", Port: 3478, Transport: "udp", Restricted: true},
				{Type: "turns", Host: "example.org", Port: 5349, Transport: "tcp", Restricted: true},
			}
		},
		Credential: func(a core.Address) Credential {
			return Credential{Name: "n:" + a.String(), Password: "p&q", Expires: s.now.Add(time.Hour)}
		},
		Now: func() time.Time { return s.now },
	})
	return s
}

func (s *scene) ask(t *testing.T, as *im.Session, typ, payload string) (string, error) {
	t.Helper()
	st := xmpp.Must(xmpp.IQ, xmpp.Header{From: s.session.JID(), To: jid.JID{Domain: "example.org"}, ID: "1", Type: typ}, payload)
	p, _ := st.Payload()
	for _, x := range s.Services() {
		if x.Name == p.Name {
			return x.Handle(t.Context(), as, st)
		}
	}
	t.Fatalf("nobody answers %s", payload)
	return "", nil
}

const (
	stunIs  = "<service type='stun' host='192.0.2.1' port='3478' transport='udp'/>"
	secret  = " restricted='true' username='n:alice@example.org' password='p&amp;q' expires='2026-01-02T04:04:05Z'/>"
	turnIs  = "<service type='turn' host='192.0.2.1' port='3478' transport='udp'" + secret
	turnsIs = "<service type='turns' host='example.org' port='5349' transport='tcp'" + secret
)

func TestAppsAreToldOfServices(t *testing.T) {
	t.Parallel()
	s := open()
	for payload, want := range map[string]string{
		"<services xmlns='urn:xmpp:extdisco:2'/>":                                                                       "<services xmlns='urn:xmpp:extdisco:2'>" + stunIs + turnIs + turnsIs + "</services>",
		"<services xmlns='urn:xmpp:extdisco:2' type='turns'/>":                                                          "<services xmlns='urn:xmpp:extdisco:2' type='turns'>" + turnsIs + "</services>",
		"<services xmlns='urn:xmpp:extdisco:2' type='ftp'/>":                                                            "<services xmlns='urn:xmpp:extdisco:2' type='ftp'/>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><service host='192.0.2.1' type='turn'/></credentials>":                "<credentials xmlns='urn:xmpp:extdisco:2'>" + turnIs + "</credentials>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><service host='example.org' type='turns' port='5349'/></credentials>": "<credentials xmlns='urn:xmpp:extdisco:2'>" + turnsIs + "</credentials>",
	} {
		if got, err := s.ask(t, s.session, "get", payload); got != want || err != nil {
			t.Errorf("%s is answered with\n%s, %v; want\n%s", payload, got, err, want)
		}
	}
}

func TestOthersAreToldNothing(t *testing.T) {
	t.Parallel()
	s := open()
	const all = "<services xmlns='urn:xmpp:extdisco:2'/>"
	for _, x := range []struct {
		typ, payload string
		as           *im.Session
		want         xmpp.StanzaCondition
	}{
		{"get", all, nil, xmpp.Forbidden},
		{"set", all, s.session, xmpp.BadRequest},
		{"get", "<credentials xmlns='urn:xmpp:extdisco:2'/>", s.session, xmpp.BadRequest},
		{"get", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='192.0.2.1'/></credentials>", s.session, xmpp.BadRequest},
		{"get", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='192.0.2.9' type='turn'/></credentials>", s.session, xmpp.ItemNotFound},
		{"get", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='192.0.2.1' type='turn' port='1'/></credentials>", s.session, xmpp.ItemNotFound},
		{"get", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='192.0.2.1' type='turn'/></credentials>", nil, xmpp.Forbidden},
	} {
		got, err := s.ask(t, x.as, x.typ, x.payload)
		if e, ok := errors.AsType[*xmpp.StanzaError](err); !ok || e.Condition != x.want || got != "" {
			t.Errorf("%s %s is answered with %s, %v; want %s", x.typ, x.payload, got, err, x.want)
		}
	}
}

func TestNewerCredentialsComeInTime(t *testing.T) {
	t.Parallel()
	s := open()
	if _, err := s.ask(t, s.session, "get", "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>"); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(56 * time.Minute)
	s.renew()
	if s.app.got != nil {
		t.Fatalf("too early %q is sent", s.app.got)
	}
	s.now = s.now.Add(2 * time.Minute)
	s.renew()
	s.renew()
	if len(s.app.got) != 1 {
		t.Fatalf("in time %q is sent, want one push", s.app.got)
	}
	for _, part := range []string{"from='example.org'", "to='alice@example.org/x'", "type='set'", "action='modify' type='turn'", "action='modify' type='turns'", "expires='2026-01-02T05:02:05Z'"} {
		if !strings.Contains(s.app.got[0], part) {
			t.Errorf("%s has no %s", s.app.got[0], part)
		}
	}
	s.session.Finish()
	s.now = s.now.Add(2 * time.Hour)
	s.renew()
	if len(s.app.got) != 1 || len(s.asked) != 0 {
		t.Errorf("after its end %q is sent, and %d are kept", s.app.got, len(s.asked))
	}
}
