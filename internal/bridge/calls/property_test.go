package calls

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/sip"
	"parley/sip/siptest"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
)

// robot is a phone that calls once, and does what it is told; what it gets it answers.
type robot struct {
	s      *stage
	far    *siptest.Flow
	invite *sip.Message

	mu     sync.Mutex
	finals []int
	dialog *siptest.Dialog
	ended  bool
}

func (s *stage) robot() *robot {
	near, far := siptest.Pipe(nil, sip.TCP)
	near.OnReceive(s.layer.Receive)
	r := &robot{s: s, far: far}
	far.OnReceive(func(_ sip.Flow, m *sip.Message) { go r.take(m) })
	r.invite = siptest.Invite("alice@example.org", "bob@example.org",
		siptest.WithTarget(contact(bob, alice)), siptest.WithSDP(browserSDP("actpass", "phone")))
	r.send(r.invite)
	return r
}

func (r *robot) send(m *sip.Message) { _ = r.far.Send(m) } // a flow that is gone is no matter here

func (r *robot) take(m *sip.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case m.IsRequest() && m.Method() == sip.INVITE:
		r.send(siptest.Response(m, 200, siptest.WithSDP(browserSDP("passive", "phone")), siptest.With(sip.HeaderContact, "<sip:alice@192.0.2.9>")))
	case m.IsRequest() && m.Method() != sip.ACK:
		r.ended = r.ended || m.Method() == sip.BYE
		r.send(siptest.Response(m, 200))
	case m.IsRequest() || m.Method() != sip.INVITE || m.Status() < 200:
	case m.Status() >= 300:
		if seq, _ := m.CSeq(); seq == 1 {
			r.finals = append(r.finals, m.Status())
			r.send(siptest.Ack(r.invite, m))
		}
	default:
		seq, _ := m.CSeq()
		if seq == 1 && r.dialog == nil {
			r.finals = append(r.finals, m.Status())
			r.dialog = siptest.NewDialog(r.invite, m)
		}
		r.send(r.dialog.Make(sip.ACK))
	}
}

// hangUp ends the call in the way that its state asks for.
func (r *robot) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended || r.dialog == nil && len(r.finals) > 0:
	case r.dialog == nil:
		r.send(siptest.Cancel(r.invite))
	default:
		r.ended = true
		r.send(r.dialog.Make(sip.BYE))
	}
}

func (r *robot) holds() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dialog != nil && !r.ended {
		r.send(r.dialog.Make(sip.INVITE, offer("sendonly"), siptest.With(sip.HeaderContact, "<sip:alice@192.0.2.9>")))
	}
}

// puppet is an app that sends what it is told, whatever its state, and answers all requests.
type puppet struct {
	s       *stage
	session *im.Session

	mu   sync.Mutex
	peer jid.JID
	id   string
}

func (p *puppet) Send(st *xmpp.Stanza, _ func(bool)) {
	if e := st.Find(jingle.NSMessage, "propose"); e != nil {
		p.mu.Lock()
		p.peer, p.id = st.From(), e.Attr("id")
		p.mu.Unlock()
	}
	if st.Kind() == xmpp.IQ && !st.IsError() {
		result := st.Result("")
		if st.Type() == "get" {
			result = st.Result(able(true).XML(""))
		}
		go func() {
			if x := p.s.Session(st.From()); x != nil {
				x.Send(result)
			}
		}()
	}
}
func (*puppet) End(*xmpp.StreamError) {}

func (p *puppet) does(kind xmpp.Kind, payload func(id string) string) {
	p.mu.Lock()
	to, id := p.peer, p.id
	p.mu.Unlock()
	h := xmpp.Header{From: p.session.JID(), To: to, ID: newID(), Type: "chat"}
	if kind == xmpp.IQ {
		h.Type = "set"
	}
	if x := p.s.Session(to); x != nil {
		x.Send(xmpp.Must(kind, h, payload(id)))
	}
}

func (p *puppet) step(step jingle.Step) {
	p.does(xmpp.Message, func(id string) string { return (&jingle.Intent{Step: step, ID: id}).XML() })
}

func (p *puppet) request(j jingle.Jingle) {
	p.does(xmpp.IQ, func(id string) string { j.SID = id; return j.XML() })
}

// TestAnyOrderOfEvents has a phone and two apps do things in any order and all at once. The phone gets one final answer and no
// more, and once everybody has left there is no call.
func TestAnyOrderOfEvents(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{Linger: time.Millisecond, PerAccount: 1000})
	accept := readAs(s, browserSDP("passive", "app"), jingle.Responder)
	contents := accept.Contents()
	for i := range contents {
		contents[i].Creator = jingle.Initiator
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		puppets := []*puppet{s.puppet(t, fmt.Sprint("a", n)), s.puppet(t, fmt.Sprint("b", n))}
		phone := s.robot()
		for range rapid.IntRange(0, 15).Draw(rt, "events") {
			p := puppets[rapid.IntRange(0, 1).Draw(rt, "app")]
			switch rapid.IntRange(0, 14).Draw(rt, "event") {
			case 0:
				p.step(jingle.Ring)
			case 1, 2, 3:
				p.step(jingle.Proceed)
			case 4:
				p.step(jingle.Reject)
			case 5:
				p.step(jingle.Finish)
			case 6, 7, 8:
				p.request(jingle.Jingle{Action: jingle.SessionAccept, Contents: contents})
			case 9:
				p.request(jingle.Jingle{Action: jingle.SessionTerminate, Reason: reason(jingle.Success)})
			case 10:
				p.request(jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Hold}}})
			case 11:
				p.request(jingle.Jingle{Action: jingle.TransportInfo, Contents: contents})
			case 12:
				phone.holds()
			case 13:
				phone.hangUp()
			case 14:
				s.sessions.Remove(p.session)
				p.session.Finish()
			}
			time.Sleep(time.Duration(rapid.IntRange(0, 1000).Draw(rt, "pause")) * time.Microsecond)
		}
		for _, p := range puppets {
			s.sessions.Remove(p.session)
			p.session.Finish()
		}
		phone.hangUp()
		s.over()
		phone.mu.Lock()
		defer phone.mu.Unlock()
		if len(phone.finals) > 1 {
			rt.Fatalf("the phone got the answers %v", phone.finals)
		}
	})
}

// puppet makes an app that takes calls.
func (s *stage) puppet(t *testing.T, resource string) *puppet {
	t.Helper()
	p := &puppet{s: s}
	full := jid.JID{Local: "bob", Domain: "example.org", Resource: resource}
	p.session = im.NewSession(full, p, im.Info{})
	p.session.SetAvailability(&im.Availability{Stanza: xmpp.Must(xmpp.Presence, xmpp.Header{From: full}, able(true).Caps("urn:test"))})
	if _, err := s.sessions.Add(p.session); err != nil {
		t.Fatal(err)
	}
	s.ports.Apps.Wait(t.Context(), full.Bare(), nil)
	return p
}
