package watch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"parley/internal/address"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/siptest"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// kit is a server whose rosters the test plays, in virtual time.
type kit struct {
	*testing.T
	clock *siptest.Clock
	layer *transaction.Layer
	watch *Watch

	mu       sync.Mutex
	views    map[pair]View // by who sees whom
	asks     []pair
	refuse   error    // what asking comes to
	agreed   bool     // whoever is asked agrees at once
	shown    []string // what was shown of phones
	bound    []core.Binding
	flows    map[string]sip.Flow
	sessions *im.Table
	device   string // by whose token phones prove who they are
}

func newKit(t *testing.T, change ...func(*Config)) *kit {
	t.Helper()
	k := &kit{T: t, clock: siptest.NewClock(), views: map[pair]View{}, flows: map[string]sip.Flow{}, sessions: im.NewTable(0)}
	k.layer = transaction.New(transaction.Config{Shards: 2, Clock: k.clock, OnRequest: k.serve})
	t.Cleanup(k.layer.Close)
	c := Config{Now: k.clock.Now}
	for _, f := range change {
		f(&c)
	}
	k.watch = New(c, Ports{
		Layer: k.layer, Presence: k, Sessions: k.sessions,
		Resource: func(_ core.Address, b core.Binding) string { return b.Key },
		Exists:   func(_ context.Context, j jid.JID) (bool, error) { return j.Local != "nobody", nil },
		Location: k, Reach: k.reach,
	})
	return k
}

// Look, Ask, Publish, Retract and Talking implement Presence.
func (k *kit) Look(_ context.Context, owner, by jid.JID) (View, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if owner == by {
		v := k.views[pair{by, owner}]
		v.Seen = true
		return v, nil
	}
	return k.views[pair{by, owner}], nil
}

func (k *kit) Ask(_ context.Context, from, to jid.JID) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asks = append(k.asks, pair{from, to})
	if k.refuse == nil {
		k.views[pair{from, to}] = View{Seen: k.agreed, Asking: !k.agreed}
	}
	return k.refuse
}

func (k *kit) say(text string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown = append(k.shown, text)
	return nil
}

func (k *kit) Publish(_ context.Context, full jid.JID, payload string) error {
	return k.say(full.Local + "/" + full.Resource + " " + payload)
}
func (k *kit) Retract(_ context.Context, full jid.JID) error {
	return k.say(full.Local + "/" + full.Resource + " leaves")
}
func (k *kit) Talking(_ context.Context, owner jid.JID, on bool) error {
	return k.say(fmt.Sprint(owner.Local, " talks: ", on))
}

// Bindings and Change implement core.Location.
func (k *kit) Bindings(context.Context, core.Address) ([]core.Binding, error) { return k.bound, nil }
func (k *kit) Change(context.Context, core.Address, func([]core.Binding) ([]core.Binding, error)) error {
	return nil
}

// reach finds the flow of a phone that the test has bound.
func (k *kit) reach(_ context.Context, b core.Binding) (sip.Flow, bool) {
	f, ok := k.flows[b.Flow]
	return f, ok
}

// serve is what the edge does: From is believed.
func (k *kit) serve(s *transaction.Server) {
	if k.watch.Serve(s) {
		return
	}
	req := s.Request()
	if req.ToTag() != "" {
		k.watch.respond(s, req.Response(481, ""))
		return
	}
	from, err := req.From()
	if err != nil {
		k.Error(err)
		return
	}
	call := &core.Call{
		From: core.Caller{Address: account(from.URI.User), Known: true},
		To:   account(user(req.Target())), ToURI: req.Target(),
	}
	if req.Method() == sip.PUBLISH {
		k.watch.respond(s, k.watch.Publish(context.Background(), call, k.device, s.Flow(), req))
		return
	}
	k.watch.Subscribe(context.Background(), call, k.device, s)
}

func account(name string) core.Address { return core.Address{Local: name, Domain: "example.org"} }

func person(name string) jid.JID { return address.JID(account(name)) }

// shows changes what somebody sees of another, and has phones told.
func (k *kit) shows(by, of string, v View) {
	k.mu.Lock()
	k.views[pair{person(by), person(of)}] = v
	k.mu.Unlock()
	k.watch.Changed(person(of))
	k.settle()
}

// settle has the work done that Run would do.
func (k *kit) settle() {
	k.clock.Settle()
	k.watch.work(context.Background())
	k.clock.Settle()
}

// sees is the view of somebody who sees these presences, written as the payload of each.
func sees(of string, payloads ...string) View {
	v := View{Seen: true}
	for i, p := range payloads {
		from := person(of).With(string(rune('a' + i)))
		v.Presences = append(v.Presences, xmpp.Must(xmpp.Presence, xmpp.Header{From: from}, p))
	}
	return v
}

// phone is a phone that watches.
type phone struct {
	k *kit
	*siptest.Peer
	dialog *siptest.Dialog
}

func (k *kit) phone(name string) *phone {
	k.Helper()
	return &phone{k: k, Peer: siptest.Join(k, k.clock, name+"@example.org", sip.UDP, k.layer.Receive)}
}

// watch sends a SUBSCRIBE.
func (p *phone) watch(whom string, edits ...siptest.Edit) *sip.Message {
	p.k.Helper()
	all := []siptest.Edit{siptest.With(sip.HeaderEvent, "presence")}
	req := p.Request(sip.SUBSCRIBE, whom+"@example.org", append(all, edits...)...)
	resp := p.Expect("any")
	if resp.Status() == 200 {
		p.dialog = p.Dialog(req, resp)
	}
	p.k.settle()
	return resp
}

// told takes a NOTIFY that has to say this: the state of the subscription, and parts of the document.
func (p *phone) told(state string, parts ...string) {
	p.k.Helper()
	p.k.settle()
	n := p.Expect("NOTIFY")
	p.Respond(n, 200)
	p.k.settle()
	if got := n.Get(sip.HeaderSubscriptionState); got != state && !strings.HasPrefix(got, state+";expires=") {
		p.k.Errorf("the subscription is %q, want %q", got, state)
	}
	if len(parts) == 0 && n.Body() != "" {
		p.k.Errorf("there is a document:\n%s", n.Body())
	}
	if at := slices.IndexFunc(parts, func(s string) bool { return !strings.Contains(n.Body(), s) }); at >= 0 {
		p.k.Errorf("the document lacks %s:\n%s", parts[at], n.Body())
	}
}
