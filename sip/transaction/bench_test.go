package transaction

import (
	"testing"

	"parley/sip"
	"parley/sip/siptest"
)

// done says when a client had its answer.
type done chan struct{}

func (d done) Response(*Client, *sip.Message) { d <- struct{}{} }
func (d done) Ended(*Client, error)           {}

// lane is a flow that hands all it is given to f and keeps nothing.
type lane struct {
	*siptest.Flow
	f func(*sip.Message)
}

func (l *lane) Send(m *sip.Message) error {
	l.f(m)
	return nil
}

func newLane() *lane {
	near, _ := siptest.Pipe(nil, sip.TCP)
	return &lane{Flow: near}
}

// BenchmarkInvite is an INVITE that comes in by a server transaction, goes on by a client
// transaction, is answered 200 there, and the answer goes back: the work of a proxy without
// its own. The messages are made beforehand.
func BenchmarkInvite(b *testing.B) {
	answered := make(chan struct{}, b.N)
	var l *Layer
	in, out := newLane(), newLane()
	type pair struct{ in, out, ok, back *sip.Message }
	pairs := make([]pair, b.N)
	byCall := make(map[string]*pair, b.N)
	for i := range pairs {
		m := invite()
		onward := rebuilt(m, siptest.With(sip.HeaderVia, "SIP/2.0/TCP 192.0.2.10;branch="+NewBranch()))
		pairs[i] = pair{m, onward, siptest.Response(onward, 200), siptest.Response(m, 200)}
		byCall[m.CallID()] = &pairs[i]
	}
	back := func(m *sip.Message) *sip.Message { return byCall[m.CallID()].back }
	l = New(Config{Shards: 1, Limit: 1 << 30, OnRequest: func(s *Server) {
		l.Request(out, byCall[s.Request().CallID()].out, &relayer{s, back})
	}})
	defer l.Close()
	out.f = func(m *sip.Message) { l.Receive(out, byCall[m.CallID()].ok) }
	in.f = func(*sip.Message) { answered <- struct{}{} }
	b.ReportAllocs()
	b.ResetTimer()
	for i := range pairs {
		l.Receive(in, pairs[i].in)
		if i >= 100 { // so many are under way at once
			<-answered
		}
	}
}

// relayer sends the answer back.
type relayer struct {
	server *Server
	back   func(*sip.Message) *sip.Message
}

func (r *relayer) Response(_ *Client, resp *sip.Message) { r.server.Respond(r.back(resp)) }
func (r *relayer) Ended(*Client, error)                  {}

// BenchmarkOptions is a request to the same layer and back: a client and a server
// transaction.
func BenchmarkOptions(b *testing.B) {
	reqs := make([]*sip.Message, b.N)
	resps := make(map[string]*sip.Message, b.N)
	for i := range reqs {
		reqs[i] = options()
		resps[reqs[i].CallID()] = siptest.Response(reqs[i], 200)
	}
	l := New(Config{Shards: 1, OnRequest: func(s *Server) { s.Respond(resps[s.Request().CallID()]) }})
	defer l.Close()
	near, far := newLane(), newLane()
	near.f = func(m *sip.Message) { l.Receive(far, m) }
	far.f = func(m *sip.Message) { l.Receive(near, m) }
	h := make(done)
	b.ReportAllocs()
	b.ResetTimer()
	for _, m := range reqs {
		l.Request(near, m, h)
		<-h
	}
}
