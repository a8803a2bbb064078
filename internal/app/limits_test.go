package app

import (
	"errors"
	"strings"
	"testing"

	"parley/internal/feature/device"
	"parley/xmpp"
	"parley/xmpp/im"
)

func TestWhatAnAccountMayKeepIsSet(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.Accounts.Contacts, c.Accounts.Blocked, c.Accounts.Card, c.Accounts.Devices = 1, 1, 1<<10, 1
	a := open(t, c)
	defer stop(t, a)
	services, _ := a.chatServices()
	session := connect(t, a, "alice", "x").session
	set := func(payload string) error {
		t.Helper()
		st := xmpp.Must(xmpp.IQ, xmpp.Header{From: session.JID(), ID: "1", Type: "set"}, payload)
		p, _ := st.Payload()
		for _, s := range services {
			if s.Name == p.Name && s.At&im.Own != 0 {
				_, err := s.Handle(t.Context(), session, st)
				return err
			}
		}
		t.Fatalf("nobody answers %s", payload)
		return nil
	}
	contact := func(name string) string {
		return "<query xmlns='jabber:iq:roster'><item jid='" + name + "@localhost'/></query>"
	}
	block := func(name string) string {
		return "<block xmlns='urn:xmpp:blocking'><item jid='" + name + "@localhost'/></block>"
	}
	for _, x := range []struct{ what, within, beyond string }{
		{"contacts", contact("bob"), contact("carol")},
		{"blocked", block("dave"), block("erin")},
		{"card", "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>", "<vCard xmlns='vcard-temp'><FN>" + strings.Repeat("x", 1<<10) + "</FN></vCard>"},
	} {
		if err := set(x.within); err != nil {
			t.Errorf("%s: %v", x.what, err)
		}
		if _, refused := errors.AsType[*xmpp.StanzaError](set(x.beyond)); !refused {
			t.Errorf("%s: more is taken", x.what)
		}
	}
	for i, want := range []error{nil, device.ErrFull} {
		if _, _, err := a.devices.Create(t.Context(), alice, "web", "browser", "192.0.2.1"); !errors.Is(err, want) {
			t.Errorf("device %d: %v, want %v", i+1, err, want)
		}
	}
}
