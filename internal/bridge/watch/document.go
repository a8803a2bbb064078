package watch

import (
	"cmp"
	"slices"

	"parley/internal/address"
	"parley/internal/bridge"
	"parley/sip"
	"parley/sip/event"
	"parley/sip/pidf"
	"parley/xmpp/jid"
)

// notify is what somebody is told who sees an account as view says.
func (w *Watch) notify(of jid.JID, view View) event.Notice {
	switch {
	case view.Seen:
		var activities map[string][]string
		if a, err := address.FromJID(of); err == nil {
			activities = w.activities(a)
		}
		return event.Notice{State: event.Active, Type: pidf.MIME, Body: document(of, view, activities).String()}
	case view.Asking:
		return event.Notice{State: event.Pending}
	}
	return event.Notice{State: event.Terminated, Reason: event.Rejected} // rfc8048#4.3.3
}

// Limits of a document that a phone gets, which may have to fit into a datagram.
const (
	maxTuples = 8
	maxStatus = 200 // bytes
)

// document is the presence document of an account. Who is not available is a tuple that is closed. activities are what
// resources have said in words that XMPP lacks.
func document(of jid.JID, view View, activities map[string][]string) *pidf.Presence {
	var all []bridge.Available
	for _, st := range view.Presences {
		if a, ok := bridge.OfStanza(st); ok && !a.Gone {
			a.Status = cut(a.Status, maxStatus)
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b bridge.Available) int { return cmp.Compare(b.Priority, a.Priority) })
	if all = all[:min(len(all), maxTuples)]; len(all) == 0 {
		all = []bridge.Available{{Gone: true}}
	}
	uri := entity(of)
	d := bridge.ToPIDF(uri, all, func(string) string { return uri })
	for i, a := range all {
		if more := activities[a.Resource]; len(more) > 0 && !a.Gone {
			d.Tuples[i].Activities = more
		}
	}
	d.Activities = d.Tuples[0].Activities // some phones read those of the person alone
	if view.Talking {
		onThePhone(d)
	}
	return d
}

// onThePhone has a document say that the person is on the phone (rfc4480#3.2), and each open tuple that it is busy.
func onThePhone(d *pidf.Presence) {
	const activity = "on-the-phone"
	d.Activities = []string{activity}
	for i := range d.Tuples {
		if t := &d.Tuples[i]; t.Basic == "open" {
			t.Show, t.Activities, t.Notes = "dnd", []string{activity}, []pidf.Note{{Lang: "en", Text: "On the phone"}}
		}
	}
}

// entity is the URI of an account.
func entity(of jid.JID) string {
	a, err := address.FromJID(of)
	if err != nil {
		return "sip:" + of.Domain
	}
	return sip.URI{Scheme: "sip", User: sip.EscapeUser(a.Local), Host: a.Domain}.String()
}

// cut is the beginning of a text that has at most n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
