package calls

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"time"

	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
)

// ability is what an app can do with a call.
type ability struct {
	calls   bool // it speaks Jingle with audio
	intents bool // calls can be proposed to it
}

// Apps knows which sessions are of apps that take calls: their entity capabilities say it (XEP-0115), or what they
// answer when they are asked (XEP-0030).
type Apps struct {
	sessions *im.Table
	patience time.Duration
	log      *slog.Logger

	mu      sync.Mutex
	known   map[disco.Caps]ability // of apps whose caps have been proved
	asked   map[*im.Session]*question
	pending map[string]*question // by the id of the iq
	askers  map[string]*im.Session
}

// question is what a session was asked about itself.
type question struct {
	session *im.Session
	caps    disco.Caps
	done    chan struct{}
	since   time.Time
	can     ability // once done is closed
}

// Bounds of what is remembered: of apps, and of sessions whose caps prove nothing.
const (
	maxKnown = 1000
	maxAsked = 10_000
)

// NewApps makes one that knows nothing. patience is how long an app may take to say what it can; 0 means 5 s.
func NewApps(sessions *im.Table, patience time.Duration, log *slog.Logger) *Apps {
	if patience == 0 {
		patience = 5 * time.Second
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Apps{
		sessions: sessions, patience: patience, log: log, known: map[disco.Caps]ability{},
		asked: map[*im.Session]*question{}, pending: map[string]*question{}, askers: map[string]*im.Session{},
	}
}

// Available asks a session that has become available what it can, if that is not known.
func (a *Apps) Available(_ context.Context, s *im.Session) { a.of(s) }

// App is a session that can be called.
type App struct {
	*im.Session
	Intents bool
}

// That are the sessions of an account that take calls, as far as that is known now, and those that have not said yet. A
// session of a device in but is left out.
func (a *Apps) That(bare jid.JID, but []string) (apps []App, open []*question) {
	for _, s := range a.sessions.Of(bare) {
		info := s.Info()
		if info.Phone || s.Availability() == nil || info.Device != "" && slices.Contains(but, info.Device) {
			continue
		}
		can, q := a.of(s)
		switch {
		case q != nil:
			open = append(open, q)
		case can.calls:
			apps = append(apps, App{s, can.intents})
		}
	}
	return apps, open
}

// Wait is That when all have said what they can, or have taken too long.
func (a *Apps) Wait(ctx context.Context, bare jid.JID, but []string) []App {
	ctx, cancel := context.WithTimeout(ctx, a.patience)
	defer cancel()
	apps, open := a.That(bare, but)
	for _, q := range open {
		select {
		case <-q.done:
			if q.can.calls && q.session.Availability() != nil {
				apps = append(apps, App{q.session, q.can.intents})
			}
		case <-ctx.Done():
			return apps
		}
	}
	return apps
}

// of is what a session can; q is not nil while it is being asked. An app that says nothing of itself by caps is not
// asked: one that takes calls has said more.
func (a *Apps) of(s *im.Session) (can ability, q *question) {
	p := s.Availability()
	if p == nil {
		return ability{}, nil
	}
	caps, ok := disco.CapsOf(p.Stanza)
	if !ok {
		return ability{}, nil
	}
	a.mu.Lock()
	if can, ok := a.known[caps]; ok {
		a.mu.Unlock()
		return can, nil
	}
	if q := a.asked[s]; q != nil && q.caps == caps {
		a.mu.Unlock()
		return q.now(a.patience)
	}
	id, asker := a.note(s, caps)
	q = a.asked[s]
	a.mu.Unlock()
	ask := xmpp.NewBuilder(nil).Open("query", disco.NSInfo).Attr("node", caps.Node+"#"+caps.Ver).Close().String() // xep0115#6.2
	s.Send(xmpp.Must(xmpp.IQ, xmpp.Header{From: asker, To: s.JID(), ID: id, Type: "get"}, ask))
	return ability{}, q
}

// now is what the answer is, if there is one; who takes too long can nothing.
func (q *question) now(patience time.Duration) (ability, *question) {
	select {
	case <-q.done:
		return q.can, nil
	default:
	}
	if time.Since(q.since) > patience {
		return ability{}, nil
	}
	return ability{}, q
}

// note makes a question; a.mu is held.
func (a *Apps) note(s *im.Session, caps disco.Caps) (id string, asker jid.JID) {
	if len(a.asked) >= maxAsked || len(a.pending) >= maxAsked {
		a.sweep()
	}
	asker = jid.JID{Domain: s.JID().Domain, Resource: resource}
	if a.askers[asker.Domain] == nil {
		a.askers[asker.Domain] = im.NewSession(asker, answers{a}, im.Info{})
	}
	q := &question{session: s, caps: caps, done: make(chan struct{}), since: time.Now()}
	id = rand.Text()
	a.asked[s], a.pending[id] = q, q
	return id, asker
}

// resource is the one that the server asks by.
const resource = "calls"

// sweep forgets the sessions that are gone, and all of them if there are too many others.
func (a *Apps) sweep() {
	gone := func(s *im.Session) bool {
		select {
		case <-s.Finished():
			return true
		default:
			return false
		}
	}
	for s := range a.asked {
		if gone(s) || len(a.asked) > maxAsked {
			delete(a.asked, s)
		}
	}
	for id, q := range a.pending {
		if gone(q.session) || time.Since(q.since) > a.patience {
			delete(a.pending, id)
		}
	}
}

// Session is the one that answers come to, nil if the address is another's.
func (a *Apps) Session(full jid.JID) *im.Session {
	if full.Local != "" || full.Resource != resource {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.askers[full.Domain]
}

// answers is the outbox of who asks.
type answers struct{ apps *Apps }

// Send implements im.Outbox.
func (o answers) Send(st *xmpp.Stanza, done func(bool)) {
	if done != nil {
		go done(true)
	}
	if st.Kind() == xmpp.IQ && st.IsError() {
		o.apps.answered(st)
	}
}

// End implements im.Outbox.
func (answers) End(*xmpp.StreamError) {}

// answered takes what a session says of itself. What its caps prove holds for all that have the same.
func (a *Apps) answered(st *xmpp.Stanza) {
	info, ok := disco.ParseInfo(st.Find(disco.NSInfo, "query"))
	can := ability{}
	if ok && st.Type() == "result" {
		can.intents = slices.Contains(info.Features, jingle.NSMessage)
		can.calls = can.intents || slices.Contains(info.Features, featureAudio) && slices.Contains(info.Features, jingle.NS)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.pending[st.ID()]
	if q == nil || q.session.JID() != st.From() {
		return
	}
	delete(a.pending, st.ID())
	q.can = can
	close(q.done)
	a.log.Debug("app has said what it can", "session", st.From().String(), "calls", can.calls, "intents", can.intents)
	if !ok || !q.caps.Proves(info) {
		return
	}
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
	a.known[q.caps] = can
	if a.asked[q.session] == q {
		delete(a.asked, q.session)
	}
}

// featureAudio says that an app talks by Jingle (xep0167#11).
const featureAudio = "urn:xmpp:jingle:apps:rtp:audio"
