package roster

import (
	"strconv"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// push tells an account's clients of one contact (rfc6121#2.1.6).
type push struct {
	owner   jid.JID
	contact jid.JID
	item    *roster.Item // nil: it was removed
	version int64
}

// newPush is what a draft shows of a contact now.
func newPush(d *draft, contact jid.JID) *push {
	return &push{owner: d.owner, contact: contact, item: &d.find(contact).Item, version: d.version}
}

// push goes to all sessions that have asked for the roster.
func (r *Rosters) push(p *push) {
	var payload string
	for _, s := range r.c.Sessions.Of(p.owner) {
		if !s.Has(im.Interested) {
			continue
		}
		if payload == "" {
			payload = p.payload()
		}
		s.Send(p.stanza(s, payload))
	}
}

func (p *push) stanza(s *im.Session, payload string) *xmpp.Stanza {
	id := "roster-" + strconv.FormatInt(p.version, 36)
	return xmpp.Must(xmpp.IQ, xmpp.Header{To: s.JID(), ID: id, Type: "set"}, payload)
}

func (p *push) payload() string {
	b := xmpp.NewBuilder(nil).Open("query", roster.NS).Attr("ver", versionText(p.version))
	if p.item == nil {
		roster.Removed(b, p.contact)
	} else {
		p.item.Append(b)
	}
	return b.Close().String()
}

func versionText(v int64) string { return strconv.FormatInt(v, 10) }
