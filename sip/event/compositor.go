package event

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"slices"
	"sync"
	"time"

	"parley/sip"
	"parley/sip/transaction"
)

// CompositorConfig of a Compositor. Layer and Package are needed.
type CompositorConfig struct {
	Layer     *transaction.Layer // whose clock tells when a publication expires
	Package   Package
	MaxBody   int // bytes of a document; default 16 KiB
	PerEntity int // publications of one entity; default 10
	Limit     int // and of all; default 50000
	// Check says what is wrong with a document, nil if nothing is. nil takes all.
	Check func(kind, body string) error
	// Changed is told of an entity whose publications have changed. It must not block.
	Changed func(entity string)
	Now     func() time.Time
}

// Compositor keeps what is published of entities, which are named as the caller likes. Of is what he knows of a
// publisher.
type Compositor[Of any] struct {
	c CompositorConfig

	mu       sync.Mutex
	entities map[string][]*publication[Of]
	count    int
}

// Publication is a document that stands until it expires, is changed or taken back.
type Publication[Of any] struct {
	Of         Of // as it was first published
	Type, Body string
	Changed    time.Time // when the document was last another
}

type publication[Of any] struct {
	Publication[Of]
	tag   string
	until time.Time
	round int // how often it was renewed
	stop  func()
}

// NewCompositor makes one that has nothing yet.
func NewCompositor[Of any](c CompositorConfig) *Compositor[Of] {
	c.Package = c.Package.withDefaults()
	c.MaxBody = cmp.Or(c.MaxBody, 16<<10)
	c.PerEntity = cmp.Or(c.PerEntity, 10)
	c.Limit = cmp.Or(c.Limit, 50_000)
	if c.Check == nil {
		c.Check = func(string, string) error { return nil }
	}
	if c.Changed == nil {
		c.Changed = func(string) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Compositor[Of]{c: c, entities: map[string][]*publication[Of]{}}
}

// Of are the publications of an entity, the latest change last.
func (c *Compositor[Of]) Of(entity string) (all []Publication[Of]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.entities[entity] {
		all = append(all, p.Publication)
	}
	slices.SortStableFunc(all, func(a, b Publication[Of]) int { return a.Changed.Compare(b.Changed) })
	return all
}

// Len is how many publications there are.
func (c *Compositor[Of]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// Publish does what a PUBLISH wants whose sender may publish for the entity, and gives the answer (rfc3903#6).
func (c *Compositor[Of]) Publish(entity string, of Of, req *sip.Message) *sip.Builder {
	e, ok := ParseEvent(req.Get(sip.HeaderEvent))
	if !ok || e.Name != c.c.Package.Name {
		return req.Response(489, "Bad Event").Set(sip.HeaderAllowEvents, c.c.Package.Name)
	}
	if refusal := unsupported(req); refusal != nil {
		return refusal
	}
	expires, refusal := c.c.Package.interval(req)
	if refusal != nil {
		return refusal
	}
	kind, refusal := c.document(req)
	if refusal != nil {
		return refusal
	}
	status, tag, changed := c.change(entity, of, req, kind, expires)
	if changed {
		c.c.Changed(entity)
	}
	switch status {
	case 200: // rfc3903#6
		return req.Response(200, "").Set(sip.HeaderExpires, seconds(expires)).Set(sip.HeaderSIPETag, tag)
	case 400:
		return req.Response(400, "Nothing Is Published")
	case 412:
		return req.Response(412, "Conditional Request Failed")
	}
	return req.Response(503, "Too Many Publications").Set(sip.HeaderRetryAfter, "60")
}

// document judges what is published (rfc3903#6).
func (c *Compositor[Of]) document(req *sip.Message) (kind string, refusal *sip.Builder) {
	if req.Body() == "" {
		return "", nil
	}
	if req.Has(sip.HeaderContentEncoding) {
		return "", req.Response(415, "").Set(sip.HeaderAcceptEncoding, "identity")
	}
	kind, ok := c.c.Package.carries(req)
	switch {
	case !ok:
		refusal = req.Response(415, "")
		for _, t := range c.c.Package.Types {
			refusal.Add(sip.HeaderAccept, t)
		}
		return "", refusal
	case len(req.Body()) > c.c.MaxBody:
		return "", req.Response(413, "")
	}
	if err := c.c.Check(kind, req.Body()); err != nil {
		return "", req.Response(400, "Bad Document")
	}
	return kind, nil
}

// change does what was asked; tag is the new one of a publication that stands, or stood.
func (c *Compositor[Of]) change(entity string, of Of, req *sip.Message, kind string, expires time.Duration) (status int, tag string, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tag = rand.Text()
	if !req.Has(sip.HeaderSIPIfMatch) {
		return c.first(entity, of, req, kind, tag, expires)
	}
	p := c.find(entity, req.Get(sip.HeaderSIPIfMatch))
	switch {
	case p == nil:
		return 412, "", false
	case expires == 0:
		c.drop(entity, p)
		return 200, tag, true
	}
	if changed = kind != "" && (p.Type != kind || p.Body != req.Body()); changed {
		p.Type, p.Body, p.Changed = kind, req.Body(), c.c.Now()
	}
	p.tag = tag
	c.renew(entity, p, expires)
	return 200, tag, changed
}

// first is a publication that is new.
func (c *Compositor[Of]) first(entity string, of Of, req *sip.Message, kind, tag string, expires time.Duration) (status int, _ string, changed bool) {
	switch {
	case kind == "":
		return 400, "", false
	case expires == 0:
		return 200, tag, false
	case c.count >= c.c.Limit, len(c.entities[entity]) >= c.c.PerEntity:
		return 503, "", false
	}
	p := &publication[Of]{Publication: Publication[Of]{Of: of, Type: kind, Body: req.Body(), Changed: c.c.Now()}, tag: tag}
	c.entities[entity] = append(c.entities[entity], p)
	c.count++
	c.renew(entity, p, expires)
	return 200, tag, true
}

// find is the publication that a tag stands for now; nil if there is none.
func (c *Compositor[Of]) find(entity, tag string) *publication[Of] {
	now := c.c.Now()
	for _, p := range c.entities[entity] {
		if subtle.ConstantTimeCompare([]byte(p.tag), []byte(tag)) == 1 && p.until.After(now) {
			return p
		}
	}
	return nil
}

// renew has a publication stand for d from now.
func (c *Compositor[Of]) renew(entity string, p *publication[Of], d time.Duration) {
	if p.stop != nil {
		p.stop()
	}
	p.until = c.c.Now().Add(d)
	p.round++
	round := p.round
	p.stop = c.c.Layer.After(entity, d, func() { c.expired(entity, p, round) })
}

// expired takes one away that was not renewed since.
func (c *Compositor[Of]) expired(entity string, p *publication[Of], round int) {
	c.mu.Lock()
	over := p.round == round && slices.Contains(c.entities[entity], p)
	if over {
		c.drop(entity, p)
	}
	c.mu.Unlock()
	if over {
		c.c.Changed(entity)
	}
}

// drop takes a publication away. c.mu is held.
func (c *Compositor[Of]) drop(entity string, p *publication[Of]) {
	p.stop()
	list := slices.DeleteFunc(c.entities[entity], func(o *publication[Of]) bool { return o == p })
	c.count--
	if c.entities[entity] = list; len(list) == 0 {
		delete(c.entities, entity)
	}
}

// Forget takes those publications of an entity away that are meant.
func (c *Compositor[Of]) Forget(entity string, meant func(Publication[Of]) bool) {
	c.mu.Lock()
	changed := false
	for _, p := range slices.Clone(c.entities[entity]) {
		if meant(p.Publication) {
			c.drop(entity, p)
			changed = true
		}
	}
	c.mu.Unlock()
	if changed {
		c.c.Changed(entity)
	}
}
