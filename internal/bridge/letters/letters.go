package letters

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// Config of Letters; zero fields take their defaults.
type Config struct {
	Queue   int           // messages that may be on their way to a phone; default 200
	Rest    time.Duration // how long a phone that could not be reached is left alone the first time; default 30s
	Longest time.Duration // and at most; default 15m
	Pause   time.Duration // between the answer to a phone and the first that it gets; default 100ms
	Server  string        // User-Agent of what is sent
	Now     func() time.Time
	// After calls f when d has passed, unless stop is called before; default time.AfterFunc.
	After func(d time.Duration, f func()) (stop func())
	Log   *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Queue <= 0 {
		c.Queue = 200
	}
	if c.Rest <= 0 {
		c.Rest = 30 * time.Second
	}
	if c.Pause <= 0 {
		c.Pause = 100 * time.Millisecond
	}
	if c.Longest <= 0 {
		c.Longest = 15 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = func(d time.Duration, f func()) func() {
			t := time.AfterFunc(d, f)
			return func() { t.Stop() }
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Delivery takes stanzas.
type Delivery interface {
	Submit(ctx context.Context, s *im.Session, st *xmpp.Stanza) (im.Fate, error)
	Ended(ctx context.Context, s *im.Session)
}

// Location is the table of bindings.
type Location interface {
	core.Location
	// List gives at most n bindings of all accounts.
	List(n int) []core.Binding
}

// Ports are what Letters asks.
type Ports struct {
	Location Location
	Sessions *im.Table
	Delivery Delivery
	// Available is told of a phone that takes messages from now on; Waiting is how many there are for an account.
	Available func(ctx context.Context, s *im.Session)
	Waiting   func(owner jid.JID) int
	// First is the first of those; it goes on waiting.
	First func(ctx context.Context, owner jid.JID) *xmpp.Stanza
	// Reach finds the way to a binding, and may connect to it.
	Reach func(ctx context.Context, b core.Binding) (sip.Flow, bool)
	Layer *transaction.Layer
}

// Letters carries messages between SIP phones and everybody else.
type Letters struct {
	c     Config
	ports Ports
	own   string // what the Call-IDs of our own requests end with

	mu       sync.Mutex
	accounts map[core.Address][]*phone // those that are bound
	changed  map[core.Address]struct{} // those to be looked at
	typing   map[typist]func()         // stops the clock of who types on a phone
	wake     chan struct{}

	ctx     context.Context // of what is on its way; over when Run is
	stop    context.CancelFunc
	closed  bool
	working sync.WaitGroup
}

// New makes Letters whose Run has to be called.
func New(c Config, p Ports) *Letters {
	l := &Letters{
		c: c.withDefaults(), ports: p, own: "." + rand.Text(), accounts: map[core.Address][]*phone{},
		changed: map[core.Address]struct{}{}, typing: map[typist]func(){}, wake: make(chan struct{}, 1),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// Message answers a MESSAGE that may be sent: its sender has been proved or is a stranger whom the recipient takes.
func (l *Letters) Message(ctx context.Context, call *core.Call, f sip.Flow, req *sip.Message) *sip.Builder {
	if strings.HasSuffix(req.CallID(), l.own) {
		return req.Response(482, "") // rfc3261#8.2.2.2: we have sent it ourselves
	}
	letter, shown, err := FromSIP(req)
	if err != nil {
		return refusal(req, err)
	}
	from, p, err := l.sender(call.From, f)
	if err != nil {
		return req.Response(400, "Bad From")
	}
	if p != nil {
		p.wrote(shown)
		letter = p.adds(letter)
	}
	if letter.Empty() { // a notice that nobody waits for
		return req.Response(200, "")
	}
	fate, err := l.pass(ctx, p, from, recipient(call), letter)
	if err != nil {
		return l.explain(req, err)
	}
	if p != nil && letter.Wants.Has(Processed) {
		l.begin(func() { p.processed(address.JID(call.To), letter, fate) })
	}
	if fate == im.Waits {
		return req.Response(202, "") // rfc3428#7
	}
	return req.Response(200, "")
}

// pass hands on what somebody says; p is nil if it is no phone that is bound. A notice is handed on once.
func (l *Letters) pass(ctx context.Context, p *phone, from, to jid.JID, letter Letter) (im.Fate, error) {
	st, err := letter.Stanza(from, to)
	if err != nil {
		return im.Refused, err
	}
	if p == nil {
		return l.ports.Delivery.Submit(ctx, nil, st)
	}
	key := keyOfNotice(to, letter.Notice)
	if letter.Notice.Stage != 0 && !p.said.once(key) {
		return im.Handed, nil
	}
	fate, err := l.ports.Delivery.Submit(ctx, p.session(), st)
	if err != nil {
		p.said.drop(key) // it may be said again
		return fate, err
	}
	l.types(p, to, letter)
	return fate, nil
}

// processed tells a phone that the server has its message (rfc5438#8.1).
func (p *phone) processed(to jid.JID, letter Letter, fate im.Fate) {
	n := Notice{Processed, letter.ID}
	if fate == im.Waits {
		n.Stage = Stored
	}
	pause(p.l.ctx, p.l.c.Pause) // its MESSAGE is to be answered first
	if _, needs := n.form(); p.speaks(needs) {
		p.utter(to, Letter{Notice: n}, needs)
	}
}

// sender is who a MESSAGE is from, and the phone if it is bound.
func (l *Letters) sender(c core.Caller, f sip.Flow) (jid.JID, *phone, error) {
	if !c.Known {
		from, err := jid.New(c.Address.Local, c.Address.Domain, "")
		return from, nil, err
	}
	if p := l.using(c.Address, f.ID()); p != nil {
		return p.jid(), p, nil
	}
	return address.JID(c.Address), nil, nil
}

// recipient is who a MESSAGE is for: a resource where its target names one (rfc7247#4.4).
func recipient(call *core.Call) jid.JID {
	to := address.JID(call.To)
	uri, err := sip.ParseURI(call.ToURI)
	if err != nil {
		return to
	}
	if gr, _ := uri.Params.Get("gr"); gr != "" {
		if full, err := jid.New(to.Local, to.Domain, unescape(gr)); err == nil {
			return full
		}
	}
	return to
}

// unescape takes the %-escapes of a parameter away.
func unescape(s string) string { return sip.URI{User: s}.UnescapedUser() }

// refusal is the answer to a body that can't be kept.
func refusal(req *sip.Message, err error) *sip.Builder {
	switch {
	case errors.Is(err, errEmpty):
		return req.Response(400, "Message Has No Body")
	case errors.Is(err, errSyntax):
		return req.Response(400, "Message Body Can't Be Read")
	case errors.Is(err, errLong):
		return req.Response(413, "")
	case errors.Is(err, errEncoding):
		return req.Response(415, "").Set(sip.HeaderAcceptEncoding, "identity, deflate, gzip") // rfc3261#21.4.13
	}
	return req.Response(415, "").Set(sip.HeaderAccept, "text/plain, message/cpim, */*")
}

// retry is when it may be tried again what can't be stored now.
const retry = "30"

// explain is the answer for what became no message (rfc7247#5.2).
func (l *Letters) explain(req *sip.Message, err error) *sip.Builder {
	e, ok := errors.AsType[*xmpp.StanzaError](err)
	if !ok {
		l.c.Log.Error("a MESSAGE failed", "call", req.CallID(), "err", err)
		return req.Response(500, "")
	}
	switch e.Condition {
	case xmpp.ResourceConstraint:
		return req.Response(503, "").Set(sip.HeaderRetryAfter, retry)
	case xmpp.NotAcceptable, xmpp.Forbidden, xmpp.NotAuthorized, xmpp.NotAllowed:
		return req.Response(403, "")
	case xmpp.ItemNotFound, xmpp.RemoteServerNotFound:
		return req.Response(404, "")
	case xmpp.BadRequest, xmpp.JIDMalformed:
		return req.Response(400, "")
	case xmpp.InternalServerError:
		return req.Response(500, "")
	}
	return req.Response(480, "")
}

// Arrived is told of each message that an account has received, after it was kept; it does not block. A phone that has not
// said whether it takes messages is asked then.
func (l *Letters) Arrived(owner jid.JID, st *xmpp.Stanza) {
	a, err := address.FromJID(owner)
	if err != nil || !FromStanza(st).Says() { // no phone is asked for a word's sake
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.accounts[a] {
		if p.ability == core.Unknown && !p.asked && len(p.pending) < maxPending {
			p.pending = append(p.pending, st)
			l.look(a)
		}
	}
}

// maxPending is how many messages are kept for a phone while it is asked. Those that wait in the store come to it anyway.
const maxPending = 16

// Changed is told of an account whose bindings have changed; it does not block.
func (l *Letters) Changed(a core.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look(a)
}

// look has Run look at an account. l.mu is held.
func (l *Letters) look(a core.Address) {
	l.changed[a] = struct{}{}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *Letters) takeChanged() (list []core.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for a := range l.changed {
		list = append(list, a)
	}
	clear(l.changed)
	return list
}

// every is all of a list.
const every = int(^uint(0) >> 1)

// Run makes sessions of phones that take messages, and ends them, until ctx ends.
func (l *Letters) Run(ctx context.Context) {
	for _, b := range l.ports.Location.List(every) {
		l.Changed(b.Account)
	}
	for {
		select {
		case <-ctx.Done():
			l.close()
			return
		case <-l.wake:
			for _, a := range l.takeChanged() {
				l.sync(a)
			}
		}
	}
}

func (l *Letters) close() {
	l.stop()
	l.mu.Lock()
	l.closed = true
	var all []*phone
	for _, list := range l.accounts {
		all = append(all, list...)
	}
	clear(l.accounts)
	for _, stop := range l.typing {
		stop()
	}
	clear(l.typing)
	l.mu.Unlock()
	for _, p := range all {
		p.leave()
	}
	l.working.Wait()
}

// begin runs f on a goroutine of its own, unless Run is over.
func (l *Letters) begin(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.working.Go(f)
	return true
}

// using is the phone that uses a flow.
func (l *Letters) using(a core.Address, flow string) *phone {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.accounts[a] {
		if slices.ContainsFunc(p.bindings, func(b core.Binding) bool { return b.Flow == flow }) {
			return p
		}
	}
	return nil
}

// session is nil while the phone is none.
func (p *phone) session() *im.Session {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	if p.out == nil {
		return nil
	}
	return p.out.session
}
