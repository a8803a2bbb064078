package letters

import (
	"mime"
	"time"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/im"
	"parley/xmpp"
	"parley/xmpp/jid"
)

// Speech is what a phone has shown that it speaks beside text: a set. It is forgotten with the registration, and when the server
// restarts; the phone shows it again.
type Speech uint8

// What there is.
const (
	speaksTyping Speech = 1 << iota // RFC 3994
	speaksIMDN                      // RFC 5438
	speaksCPIM                      // RFC 3862
)

// accepted is what a phone says that it takes.
func accepted(resp *sip.Message) (s Speech) {
	for value := range resp.Values(sip.HeaderAccept) {
		switch kind, _, _ := mime.ParseMediaType(value); kind {
		case im.Composing:
			s |= speaksTyping
		case im.IMDN:
			s |= speaksIMDN
		case im.CPIM:
			s |= speaksCPIM
		}
	}
	return s
}

// shows notes what the phone has shown.
func (p *phone) shows(s Speech) {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	p.speech |= s
}

// wrote notes what a phone has shown by a MESSAGE of its own. Who tells of messages, wants to be told or types takes MESSAGE.
func (p *phone) wrote(s Speech) {
	p.shows(s)
	p.l.mu.Lock()
	able := s&(speaksIMDN|speaksTyping) != 0 && p.ability == core.Unknown
	p.l.mu.Unlock()
	if able {
		p.l.begin(func() { p.learn(core.Able) })
	}
}

func (p *phone) unlearns(s Speech) {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	p.speech &^= s
}

func (p *phone) speaks(s Speech) bool {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	return s != 0 && p.speech&s == s
}

// adds says with a phone's message what it understands in return. A phone that tells what became of messages without being asked
// expects to be told, and names messages by their Call-IDs.
func (p *phone) adds(l Letter) Letter {
	if !l.Says() {
		return l
	}
	if _, named := callOf(l.ID); named && p.speaks(speaksIMDN) {
		l.Wants |= Delivered | Displayed
	}
	if p.speaks(speaksTyping) {
		l.State = "active" // xep0085#5.1
	}
	return l
}

// heard says whether the phone is to be told a word, and needs for it what it speaks. It is not if it was told before, if the word
// is for another device, or old.
func (p *phone) heard(st *xmpp.Stanza, l Letter) (needs Speech, ok bool) {
	to := st.To()
	if !l.Sent.IsZero() || !to.IsBare() && to != p.jid() {
		return 0, false
	}
	if l.Notice.Stage != 0 {
		_, needs = l.Notice.form()
		return needs, p.speaks(needs) && p.told.once(keyOfNotice(st.From(), l.Notice))
	}
	return speaksTyping, p.speaks(speaksTyping) && p.sees(st.From().Bare(), l.State == composing)
}

func keyOfNotice(by jid.JID, n Notice) string {
	return by.Bare().String() + " " + string('0'+rune(n.Stage)) + " " + n.ID
}

const (
	// maxTypists is how many a phone may be told of at a time that they are typing.
	maxTypists = 32
	// retold is how long it is not told again.
	retold = 20 * time.Second
)

// sees notes whether somebody is typing, and says whether that is news. Nobody is idle who was not active.
func (p *phone) sees(who jid.JID, active bool) (news bool) {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	since, was := p.typists[who]
	now := p.l.c.Now()
	switch {
	case !active:
		delete(p.typists, who)
		return was
	case was && now.Sub(since) < retold, !was && len(p.typists) >= maxTypists:
		return false
	}
	if p.typists == nil {
		p.typists = map[jid.JID]time.Time{}
	}
	p.typists[who] = now
	return true
}

// word tells the phone what is no message.
func (p *phone) word(st *xmpp.Stanza, l Letter) verdict {
	needs, ok := p.heard(st, l)
	if !ok {
		return taken
	}
	return p.utter(st.From(), l, needs)
}

// utter is word without a question.
func (p *phone) utter(from jid.JID, l Letter, needs Speech) verdict {
	v := p.reach(p.l.ctx, from, l)
	if v == refused || v == never { // it has meant something else
		p.unlearns(needs)
		v = taken
	}
	return v
}

// confirm tells the sender of a message that the phone has it, where the phone itself will not (xep0184#5.2): it has taken the
// MESSAGE (rfc3428#7).
func (p *phone) confirm(st *xmpp.Stanza, l Letter) {
	if !l.Wants.Has(Delivered) || p.speaks(speaksIMDN) {
		return
	}
	n := Notice{Delivered, l.ID}
	if p.said.once(keyOfNotice(st.From(), n)) {
		p.submit(st.From(), Letter{Notice: n})
	}
}

// submit sends a word of the phone's.
func (p *phone) submit(to jid.JID, l Letter) {
	st, err := l.Stanza(p.jid(), to)
	if err != nil {
		p.l.c.Log.Error("a word of a phone makes no stanza", "account", p.account.String(), "err", err)
		return
	}
	if _, err := p.l.ports.Delivery.Submit(p.l.ctx, p.session(), st); err != nil {
		p.l.c.Log.Debug("a word of a phone is lost", "account", p.account.String(), "to", to.String(), "err", err)
	}
}

// typist is somebody who types on a phone, and for whom.
type typist struct{ from, to jid.JID }

const (
	// maxTyping is how many type on all phones, as far as it is watched that they stop.
	maxTyping = 4096
	// grace is how much later than it was to come a phone's word is waited for.
	grace = 5 * time.Second
)

// types notes that somebody types on a phone, or has stopped or written. A phone that says nothing more types no longer
// (rfc3994#3.4): XMPP has no such rule, so the recipient is told.
func (l *Letters) types(p *phone, to jid.JID, letter Letter) {
	if letter.Notice.Stage != 0 {
		return
	}
	key := typist{p.jid(), to}
	l.mu.Lock()
	defer l.mu.Unlock()
	if stop := l.typing[key]; stop != nil {
		stop()
		delete(l.typing, key)
	}
	if letter.State != composing || len(l.typing) >= maxTyping || l.closed {
		return
	}
	l.typing[key] = l.c.After(letter.Refresh+grace, func() {
		l.begin(func() {
			l.types(p, to, Letter{})
			p.submit(to, Letter{State: "paused"})
		})
	})
}
