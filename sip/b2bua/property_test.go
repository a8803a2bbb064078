package b2bua

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/sip"
	"parley/sip/siptest"
	"parley/sip/transaction"
)

// end is one side of a call that does what comes to mind.
type end struct {
	name    string
	near    *siptest.Flow
	far     *siptest.Flow
	invites []*sip.Message // to us
	oks     []*sip.Message // to ours
	others  []*sip.Message
	own     *sip.Message // our INVITE
	dialog  *siptest.Dialog
	finals  map[string]map[int]bool // statuses of final responses by branch
}

// TestAnyOrderOfEvents has alice, bob and carol do anything at any time. Whatever happens, each
// request has at most one kind of final answer, the anchor is closed once and nothing is left.
func TestAnyOrderOfEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		defer w.layer.Close()
		if rapid.Bool().Draw(rt, "begin with a call") {
			w.talk()
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			w.step(rt)
			w.clock.Settle()
		}
		w.finish(rt)
	})
}

type world struct {
	clock   *siptest.Clock
	layer   *transaction.Layer
	b2b     *B2BUA
	ends    []*end
	anchors []*anchor
	seen    witness
	started int
}

func newWorld() *world {
	w := &world{clock: siptest.NewClock()}
	w.layer = transaction.New(transaction.Config{
		Clock: w.clock, Shards: 1, OnRequest: w.onRequest,
		OnACK: func(_ sip.Flow, ack *sip.Message) { w.b2b.ACK(ack) },
	})
	w.b2b = New(Config{Layer: w.layer, Clock: w.clock})
	for i, name := range []string{"alice", "bob", "carol"} {
		e := &end{name: name, finals: map[string]map[int]bool{}}
		e.near, e.far = siptest.Pipe(w.clock, []string{sip.TCP, sip.UDP, sip.TLS}[i])
		e.near.OnReceive(w.layer.Receive)
		e.far.OnReceive(func(_ sip.Flow, m *sip.Message) { e.take(m) })
		w.ends = append(w.ends, e)
	}
	return w
}

func (w *world) onRequest(s *transaction.Server) {
	switch {
	case w.b2b.Serve(s):
	case s.Request().Method() != sip.INVITE || s.Request().ToTag() != "":
		_ = w.b2b.refuse(s, s.Request().Response(481, ""), nil)
	default:
		a := &anchor{}
		w.anchors = append(w.anchors, a)
		target := func(e *end) Target { return Target{Name: e.name, URI: "sip:" + e.name + "@192.0.2.77", Flow: e.near} }
		_, err := w.b2b.Start(s, Invite{Media: a, Observer: &w.seen, Waves: []Wave{
			{Targets: []Target{target(w.ends[1]), target(w.ends[2])}, Timeout: 20 * time.Second},
			{Targets: []Target{target(w.ends[1])}, Timeout: 20 * time.Second},
		}})
		if err == nil {
			w.started++
		}
	}
}

// take is called by the layer's goroutine, while the test's waits for it.
func (e *end) take(m *sip.Message) {
	switch {
	case m.IsRequest() && m.Method() == sip.INVITE:
		e.invites = append(e.invites, m)
	case m.IsRequest() && m.Method() != sip.ACK:
		e.others = append(e.others, m)
	case m.Status() >= 200 && m.Method() != sip.CANCEL: // a late one is another question
		via, _ := m.Via()
		key := via.Branch + string(m.Method())
		if e.finals[key] == nil {
			e.finals[key] = map[int]bool{}
		}
		e.finals[key][m.Status()] = true
		if m.Method() == sip.INVITE && m.Status() < 300 {
			e.oks = append(e.oks, m)
		}
	}
}

func (e *end) send(m *sip.Message) { _ = e.far.Send(m) }

func pick(rt *rapid.T, label string, list []*sip.Message) *sip.Message {
	if len(list) == 0 {
		return nil
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(rt, label)]
}

func (w *world) step(rt *rapid.T) {
	e := w.ends[rapid.IntRange(0, 2).Draw(rt, "who")]
	switch rapid.SampledFrom([]string{
		"invite", "invite", "answer", "answer", "answer", "ack", "ack", "cancel", "bye", "reinvite", "info", "reply", "wait", "longer", "garbage",
	}).Draw(rt, "what") {
	case "invite":
		if alice := w.ends[0]; alice.own == nil {
			body := rapid.SampledFrom([]string{"", "v=0"}).Draw(rt, "offer")
			kind := ""
			if body != "" {
				kind = "application/sdp"
			}
			alice.own = siptest.Request(sip.INVITE, "alice@example.com", "bob@example.com", siptest.WithBody(kind, body))
			alice.send(alice.own)
		}
	case "answer":
		if in := pick(rt, "invite", e.invites); in != nil {
			e.respond(rt, in)
		}
	case "ack":
		if ok := pick(rt, "ok", e.oks); ok != nil {
			e.acknowledge(ok)
		}
	case "cancel":
		if e.own != nil {
			e.send(siptest.Cancel(e.own))
		}
	case "bye":
		e.within(sip.BYE)
	case "reinvite":
		e.within(sip.INVITE)
	case "info":
		e.within(sip.INFO)
	case "reply":
		if m := pick(rt, "request", e.others); m != nil {
			status := rapid.SampledFrom([]int{200, 481, 500}).Draw(rt, "status")
			e.send(build(m.Response(status, "").ToTag(e.name)))
		}
	case "wait":
		w.clock.Advance(2 * time.Second)
	case "longer":
		w.clock.Advance(21 * time.Second)
	case "garbage":
		e.send(siptest.Request(sip.BYE, e.name+"@example.com", "<sip:x@example.com>;tag=none"))
	}
}

// talk gets alice and bob into a call.
func (w *world) talk() {
	alice, bob := w.ends[0], w.ends[1]
	alice.own = siptest.Request(sip.INVITE, "alice@example.com", "bob@example.com", siptest.WithSDP("v=0"))
	alice.send(alice.own)
	w.clock.Settle()
	ok := build(bob.invites[0].Response(200, "").ToTag("bob").
		Set(sip.HeaderContact, "<sip:bob@192.0.2.77>").Body("application/sdp", "v=0"))
	bob.dialog = siptest.Answered(bob.invites[0], ok)
	bob.send(ok)
	w.clock.Settle()
	alice.acknowledge(alice.oks[0])
	w.clock.Settle()
}

func build(b *sip.Builder) *sip.Message {
	m, err := b.Message()
	if err != nil {
		panic(err)
	}
	return m
}

func (e *end) respond(rt *rapid.T, in *sip.Message) {
	status := rapid.SampledFrom([]int{100, 180, 183, 200, 200, 302, 401, 408, 486, 503, 603}).Draw(rt, "status")
	b := in.Response(status, "").ToTag(e.name)
	if status > 100 && status < 300 {
		b.Set(sip.HeaderContact, "<sip:"+e.name+"@192.0.2.77>")
		if rapid.Bool().Draw(rt, "sdp") {
			b.Body("application/sdp", "v=0")
		}
	}
	ok := build(b)
	if status == 200 && in.ToTag() == "" {
		e.dialog = siptest.Answered(in, ok)
	}
	e.send(ok)
}

func (e *end) acknowledge(ok *sip.Message) {
	if e.dialog == nil && e.own != nil && e.own.ToTag() == "" {
		e.dialog = siptest.NewDialog(e.own, ok)
	}
	if e.dialog != nil {
		e.send(e.dialog.Make(sip.ACK))
	}
}

func (e *end) within(method sip.Method) {
	if e.dialog == nil {
		return
	}
	var edits []siptest.Edit
	if method == sip.INVITE {
		edits = append(edits, siptest.WithSDP("v=0"), siptest.With(sip.HeaderContact, "<sip:"+e.name+"@192.0.2.77>"))
	}
	m := e.dialog.Make(method, edits...)
	if method == sip.INVITE && e.own != nil {
		e.own = m
	}
	e.send(m)
}

// finish ends everything and looks at what is left.
func (w *world) finish(rt *rapid.T) {
	w.b2b.EndAll("over")
	w.clock.Advance(140 * time.Second) // CANCEL may wait for a response, and then for its end
	if err := w.b2b.Close(context.Background(), ""); err != nil {
		rt.Fatal(err)
	}
	if n := w.b2b.Count() + w.b2b.ua.Len(); n != 0 {
		rt.Fatalf("%d calls and sessions are left", n)
	}
	if st := w.layer.Stats(); st.Clients+st.Servers != 0 {
		rt.Fatalf("transactions are left: %+v", st)
	}
	if len(w.seen.ended) != w.started {
		rt.Fatalf("%d calls ended %d times", w.started, len(w.seen.ended))
	}
	for _, a := range w.anchors {
		if a.closed != 1 {
			rt.Fatalf("an anchor was closed %d times", a.closed)
		}
		for _, step := range a.log {
			if len(step) > 5 && step[:5] == "after" {
				rt.Fatalf("an anchor was used %s", step)
			}
		}
	}
	for _, e := range w.ends {
		for branch, statuses := range e.finals {
			if len(statuses) > 1 {
				rt.Fatalf("%s got %v for %s", e.name, statuses, branch)
			}
		}
	}
}
