package letters

import (
	"context"
	"crypto/rand"

	"parley/internal/address"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/jid"
)

const (
	allow  = sip.HeaderAllow
	unable = core.Unable
)

// verdict is what became of a message to a phone.
type verdict uint8

const (
	taken   verdict = iota // the phone has it
	refused                // the phone has had it, and does not want it
	never                  // the phone takes no messages
	lost                   // the phone could not be reached
)

// send brings a message to the phone, over the first of its bindings that is alive.
func (p *phone) send(ctx context.Context, st *xmpp.Stanza, letter Letter) verdict {
	if p.chats() {
		return taken
	}
	if !letter.Says() {
		return p.word(st, letter)
	}
	key := p.keyOf(st)
	if p.had.has(key) {
		return taken
	}
	v := p.reach(ctx, st.From(), letter)
	if v == taken || v == refused {
		p.had.add(key)
		p.sees(st.From().Bare(), false) // who has written types no longer (rfc3994#3.2)
	}
	if v == taken {
		p.confirm(st, letter)
	}
	return v
}

// reach sends a letter over the first of the phone's bindings that is alive.
func (p *phone) reach(ctx context.Context, from jid.JID, letter Letter) verdict {
	p.settle(ctx)
	cpim := p.speaks(speaksCPIM)
	for _, b := range p.ways() {
		if v := p.l.deliver(ctx, b, from, letter, cpim); v != lost {
			return v
		}
	}
	return lost
}

// works notes that the phone is there.
func (p *phone) works() {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	p.failed = 0
}

// largest is how much text goes into a datagram: what holds it is to stay below 1300 bytes (rfc3428#8). CPIM takes its part.
const largest, largestWrapped = 700, 400

// deliver sends a letter over a binding, in parts if it has to.
func (l *Letters) deliver(ctx context.Context, b core.Binding, from jid.JID, letter Letter, cpim bool) verdict {
	flow, ok := l.ports.Reach(ctx, b)
	if !ok {
		return lost
	}
	e := Envelope{From: uri(from), To: uriOf(b.Account), Now: l.c.Now(), CPIM: cpim}
	v := taken
	for _, part := range l.parts(flow, letter, cpim) {
		e.ID = rand.Text()
		req, err := l.request(sip.MESSAGE, flow, b, from, func(b *sip.Builder) {
			part.Write(b, e)
			if ticket := part.ticket(); ticket != "" && !cpim {
				b.Set(sip.HeaderCallID, ticket+"."+rand.Text()+l.own)
			}
		})
		if err != nil {
			l.c.Log.Error("a message makes no MESSAGE", "account", b.Account.String(), "err", err)
			return refused
		}
		status, _ := l.ask(ctx, flow, req)
		if v = judge(status, letter); v != taken {
			l.c.Log.Info("message not taken by phone", "account", b.Account.String(), "contact", b.Contact, "status", status)
			break
		}
	}
	return v
}

// parts are what a letter becomes that does not fit into a datagram. Notices are wanted of the last one: who has that has all.
func (l *Letters) parts(flow sip.Flow, letter Letter, cpim bool) (parts []Letter) {
	size := largest
	if cpim {
		size = largestWrapped
	}
	if flow.Network() != sip.UDP || letter.Type != "" || len(letter.Text) <= size {
		return []Letter{letter}
	}
	for _, text := range split(letter.Text, size) {
		part := letter
		part.Text, part.Wants = text, 0
		parts = append(parts, part)
	}
	parts[len(parts)-1].Wants = letter.Wants
	return parts
}

// judge says what a status means for the message and the phone.
func judge(status int, letter Letter) verdict {
	switch {
	case status >= 200 && status < 300:
		return taken
	case unreachable(status):
		return lost
	case status == 405, status == 501, status == 401, status == 407, status/100 == 3: // nothing we send will do
		return never
	case status == 415 && letter.Type == "": // it takes not even text
		return never
	}
	return refused
}

// unreachable says that a phone was not there; 0 stands for no answer.
func unreachable(status int) bool {
	switch status {
	case 0, 404, 408, 410, 430, 480, 500, 502, 503, 504:
		return true
	}
	return false
}

// options asks a phone what it can.
func (l *Letters) options(ctx context.Context, b core.Binding) (int, *sip.Message) {
	flow, ok := l.ports.Reach(ctx, b)
	if !ok {
		return 0, nil
	}
	req, err := l.request(sip.OPTIONS, flow, b, jid.JID{Domain: b.Account.Domain}, func(b *sip.Builder) { b.Set(sip.HeaderAccept, "text/plain") })
	if err != nil {
		l.c.Log.Error("a phone can't be asked", "account", b.Account.String(), "contact", b.Contact, "err", err)
		return 0, nil
	}
	return l.ask(ctx, flow, req)
}

// request makes a request to a binding.
func (l *Letters) request(m sip.Method, flow sip.Flow, to core.Binding, from jid.JID, fill func(*sip.Builder)) (*sip.Message, error) {
	b := sip.NewRequest(m, to.Contact).
		Set(sip.HeaderVia, dialog.Via(flow)).
		Set(sip.HeaderMaxForwards, "70").
		Set(sip.HeaderFrom, "<"+uri(from)+">;tag="+transaction.NewTag()).
		Set(sip.HeaderTo, "<"+uriOf(to.Account)+">").
		Set(sip.HeaderCallID, rand.Text()+l.own).
		Set(sip.HeaderCSeq, "1 "+string(m))
	for _, route := range to.Path { // rfc3327#5.4
		b.Add(sip.HeaderRoute, route)
	}
	if l.c.Server != "" {
		b.Set(sip.HeaderUserAgent, l.c.Server)
	}
	fill(b)
	return b.Message()
}

func uriOf(a core.Address) string { return "sip:" + address.ToSIPUser(a.Local) + "@" + a.Domain }

// uri is an address as SIP has it. The resource is left out: what the phone's user answers is for the whole account.
func uri(j jid.JID) string {
	host, err := address.Host(j.Domain)
	if err != nil {
		host = "invalid.invalid"
	}
	if j.Local == "" {
		return "sip:" + host
	}
	return "sip:" + address.ToSIPUser(j.Local) + "@" + host
}

// ask sends a request and waits for the final answer; status is 0 if there is none.
func (l *Letters) ask(ctx context.Context, flow sip.Flow, req *sip.Message) (status int, resp *sip.Message) {
	w := make(waiter, 1)
	l.ports.Layer.Request(flow, req, w)
	select {
	case resp := <-w:
		if resp == nil {
			return 0, nil
		}
		return resp.Status(), resp
	case <-ctx.Done():
		return 0, nil
	}
}

// waiter takes the end of a transaction.
type waiter chan *sip.Message

// Response implements transaction.ClientHandler.
func (w waiter) Response(_ *transaction.Client, resp *sip.Message) {
	if resp.Status() >= 200 {
		w.tell(resp)
	}
}

// Ended implements transaction.ClientHandler.
func (w waiter) Ended(*transaction.Client, error) { w.tell(nil) }

// tell keeps the first.
func (w waiter) tell(resp *sip.Message) {
	select {
	case w <- resp:
	default:
	}
}
