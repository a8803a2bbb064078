package transaction

import (
	"testing"
	"time"

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
	answered := make(chan struct{}, 200)
	var l *Layer
	in, out := newLane(), newLane()
	type pair struct{ in, out, ok, back *sip.Message }
	pairs := make([]pair, 20_000) // used again and again, long after their transactions ended
	byCall := make(map[string]*pair, len(pairs))
	for i := range pairs {
		m := invite()
		onward := rebuilt(m, siptest.With(sip.HeaderVia, "SIP/2.0/TCP 192.0.2.10;branch="+NewBranch()))
		pairs[i] = pair{m, onward, siptest.Response(onward, 200), siptest.Response(m, 200)}
		byCall[m.CallID()] = &pairs[i]
	}
	back := func(m *sip.Message) *sip.Message { return byCall[m.CallID()].back }
	l = New(Config{Shards: 1, T1: 100 * time.Microsecond, OnRequest: func(s *Server) {
		l.Request(out, byCall[s.Request().CallID()].out, &relayer{s, back})
	}})
	defer l.Close()
	out.f = func(m *sip.Message) { l.Receive(out, byCall[m.CallID()].ok) }
	in.f = func(*sip.Message) { answered <- struct{}{} }
	b.ReportAllocs()
	under := 0
	for i := 0; b.Loop(); i++ {
		l.Receive(in, pairs[i%len(pairs)].in)
		if under++; under > 100 { // so many at once
			<-answered
			under--
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
	reqs := make([]*sip.Message, 20_000)
	resps := make(map[string]*sip.Message, len(reqs))
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
	for i := 0; b.Loop(); i++ {
		l.Request(near, reqs[i%len(reqs)], h)
		<-h
	}
}
