package calls

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"parley/internal/address"
	"parley/internal/bridge"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
)

// A call of an app rings the callee's SIP devices too. What it proposes goes to the callee's apps as it is, and they answer
// it themselves; beside it an INVITE goes to the others. Whoever is first has it.

// proposed takes a proposal that was delivered.
func (x *Calls) proposed(s *im.Session, to jid.JID, i *jingle.Intent) {
	which := intent{s.JID(), i.ID}
	if !slices.Contains(i.Media, "audio") || x.wasSettled(which) {
		return
	}
	c, err := x.fromApp(s, to.With(newResource()), which, true)
	if err != nil {
		x.c.Log.Info("proposal not taken to SIP", "by", which.by.String(), "err", err)
		return
	}
	c.post(c.placeProposed)
	go c.run()
}

// fromApp makes a call that an app begins.
func (x *Calls) fromApp(s *im.Session, own jid.JID, which intent, proposed bool) (*call, error) {
	caller, err := address.FromJID(s.JID())
	if err != nil {
		return nil, err
	}
	callee, err := address.FromJID(own)
	if err != nil {
		return nil, err
	}
	c := newCall(x, rand.Text())
	c.sid, c.begun, c.callee, c.accounts = which.id, which, callee, []core.Address{caller}
	c.proposed, c.intents = proposed, proposed
	c.at(own)
	return c, x.admit(c)
}

// caller is who an INVITE of this call is from.
func (c *call) caller() core.Caller {
	from := core.Caller{Address: c.accounts[0], Known: true, Agent: Agent, Anchored: c.proposed}
	if s := c.x.ports.Sessions.Get(c.begun.by); s != nil {
		from.Source = s.Info().Source
	}
	return from
}

// placeProposed calls the callee's SIP devices, if he has any.
func (c *call) placeProposed() {
	ctx, cancel := context.WithTimeout(c.x.ctx, submitTime)
	defer cancel()
	_, err := c.x.ports.Plan(ctx, &core.Call{
		ID: c.id, Method: string(sip.INVITE), From: c.caller(), To: c.callee, ToURI: uri(c.callee),
		Media: core.Media{Offered: true, ICE: true, Form: core.WebRTC},
	})
	if err != nil { // the apps are all there is
		if core.AsError(err).Reason != core.Unavailable {
			c.x.c.Log.Info("a proposal rings no phone", "call", c.id, "by", c.begun.by.String(), "to", c.callee.String(), "err", err)
		}
		c.quit()
		return
	}
	c.planned = true
	c.place(provisional())
}

// quit leaves a call to the apps.
func (c *call) quit() {
	c.over = true
	for name := range c.timers {
		c.stop(name)
	}
}

// provisional is an offer for the time until the app makes its own, which it does only once somebody has answered. It
// has what a phone needs to choose a codec; of what it says of ICE and DTLS nothing is true.
func provisional() string {
	fingerprint := make([]byte, 32)
	_, _ = rand.Read(fingerprint) // which never fails
	pairs := make([]string, len(fingerprint))
	for i, b := range fingerprint {
		pairs[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join([]string{
		"v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0",
		"m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 110 126", "c=IN IP4 0.0.0.0",
		"a=mid:0", "a=sendrecv", "a=rtcp-mux",
		"a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1", "a=rtpmap:9 G722/8000", "a=rtpmap:0 PCMU/8000",
		"a=rtpmap:8 PCMA/8000", "a=rtpmap:110 telephone-event/48000", "a=rtpmap:126 telephone-event/8000",
		"a=ice-ufrag:" + rand.Text()[:8], "a=ice-pwd:" + rand.Text(), "a=ice-options:trickle",
		"a=fingerprint:sha-256 " + strings.Join(pairs, ":"), "a=setup:actpass", "",
	}, "\r\n")
}

// place sends the INVITE. What the server says of it comes as of any other.
func (c *call) place(offer string) {
	flow := c.x.ports.Flow()
	from, to := uri(c.accounts[0]), uri(c.callee)
	b := sip.NewRequest(sip.INVITE, to).
		Set(sip.HeaderMaxForwards, "70").
		Set(sip.HeaderFrom, "<"+from+">;tag="+transaction.NewTag()).
		Set(sip.HeaderTo, "<"+to+">").
		Set(sip.HeaderCallID, c.id).
		Set(sip.HeaderCSeq, "1 INVITE").
		Set(sip.HeaderContact, dialog.Contact(address.ToSIPUser(c.accounts[0].Local), flow)).
		Set(sip.HeaderAllow, allow).
		Body(sdpType, offer)
	if c.x.c.Server != "" {
		b.Set(sip.HeaderUserAgent, c.x.c.Server)
	}
	s, err := c.x.ua.Invite(flow, b, handler{c})
	if err != nil {
		c.x.c.Log.Warn("a call of an app was not placed", "call", c.id, "err", err)
		c.failed(503, "", nil)
		return
	}
	c.dialog = s
	c.after("ring", c.x.c.Ring, func() {
		c.dialog.End(0, `SIP;cause=408;text="No answer"`)
		c.dialog = nil
		c.failed(408, "", nil)
	})
	c.watchCaller()
}

// watchCaller has the call end with the app that began it.
func (c *call) watchCaller() {
	s := c.x.ports.Sessions.Get(c.begun.by)
	if s == nil {
		c.appLost()
		return
	}
	go func() {
		select {
		case <-s.Finished():
			c.post(c.appLost)
		case <-c.session.Finished():
		}
	}()
}

// progress passes on that a phone rings, once.
func (c *call) progress(status int) {
	if _, ok := bridge.Progress(status); !ok || c.told || c.state == up {
		return
	}
	c.told = true
	if c.app != nil {
		c.tell(&jingle.Jingle{Action: jingle.SessionInfo, SID: c.sid, Infos: []jingle.Info{{Kind: jingle.Ringing}}})
		return
	}
	_ = c.say(c.own, c.begun.by, &jingle.Intent{Step: jingle.Ring, ID: c.sid}, notStored) // which is in the log
}

// answered takes the answer of a phone. One to a proposal tells the app to begin its session.
func (c *call) answered(resp *sip.Message) {
	c.stop("ring")
	if c.app != nil {
		c.answeredSession(resp)
		return
	}
	c.state = taken
	if d, err := described(resp); err == nil && len(d.Media) > 0 {
		c.lite = d.Media[0].Transport().Lite
	}
	c.after("begin", c.x.c.Begin, func() {
		c.end(ending{reason: &jingle.Reason{Condition: jingle.Timeout, Text: "the session was not begun"}})
	})
	if c.say(c.own, c.begun.by, &jingle.Intent{Step: jingle.Proceed, ID: c.sid}, stored) != nil {
		c.end(ending{reason: &jingle.Reason{Condition: jingle.Gone}, byApp: true})
		return
	}
	c.appsStop(jingle.Accept)
}

// appsStop tells those apps of the callee that get no copies that the call is taken, or refused, by another device of theirs.
func (c *call) appsStop(step jingle.Step) {
	callee, ours := c.x.jidOf(c.callee)
	if !ours {
		return
	}
	apps, _ := c.x.ports.Apps.That(callee, nil)
	for _, a := range apps {
		if a.Intents && !a.Has(im.Carbons) && a.JID() != c.begun.by {
			_ = c.say(c.own, a.JID(), &jingle.Intent{Step: step, ID: c.sid}, notStored)
		}
	}
}

// settled ends the INVITE of a call whose caller has given up, or that an app of the callee has taken or refused.
func (c *call) settled(i *jingle.Intent) {
	switch i.Step {
	case jingle.Proceed:
		if c.state != ringing || c.app != nil {
			return // the phone was first
		}
		c.dialogEnds(bridge.Elsewhere)
		c.quit()
	case jingle.Reject:
		if c.state != ringing || c.app != nil {
			return
		}
		c.dialogEnds(bridge.Header(reasonOf(i)))
		c.quit()
	case jingle.Retract, jingle.Finish:
		c.takenBack(i)
	case jingle.Propose, jingle.Ring, jingle.Accept:
	}
}

// finishTime is how long an app that says that a call is finished may take to end the session.
const finishTime = 2 * time.Second

// takenBack ends a call that an app takes back. Of one that is up it ends the session too, before or after.
func (c *call) takenBack(i *jingle.Intent) {
	reason := i.Reason
	if reason == nil {
		reason = &jingle.Reason{Condition: jingle.Cancel}
	}
	if i.Step == jingle.Finish && c.state == up {
		c.after("finish", finishTime, func() { c.end(ending{reason: reason}) })
		return
	}
	c.end(ending{reason: reason, byApp: true})
}

func (c *call) dialogEnds(header string) {
	if c.dialog != nil {
		c.dialog.End(0, header)
	}
}

// failed takes the end of an INVITE that nobody has answered. As long as an app of the callee may answer, the caller is
// told nothing; but who says no for all, does.
func (c *call) failed(status int, phrase string, resp *sip.Message) {
	reason := bridge.Reason(status, phrase)
	if resp != nil {
		reason = bridge.Ended(resp, reason.Condition)
	}
	if c.app != nil {
		c.end(ending{reason: reason, bySIP: true})
		return
	}
	if status < 600 && c.appsMayAnswer() {
		c.quit()
		return
	}
	c.end(ending{reason: reason, status: status, bySIP: true})
}

// appsMayAnswer says that the callee has apps that were proposed the call.
func (c *call) appsMayAnswer() bool {
	callee, ours := c.x.jidOf(c.callee)
	if !ours {
		return false
	}
	apps, open := c.x.ports.Apps.That(callee, nil)
	apps = slices.DeleteFunc(apps, func(a App) bool { return !a.Intents || a.JID() == c.begun.by })
	return len(apps)+len(open) > 0
}

// refuseCaller tells the app that began a call that there will be none.
func (c *call) refuseCaller(e ending) {
	if c.say(c.own, c.begun.by, &jingle.Intent{Step: jingle.Reject, ID: c.sid, Reason: e.reason}, stored) == nil {
		c.appsStop(jingle.Reject)
	}
}

// Asked takes a request of a session to a bare address: one that begins there (xep0166#6.3), and what belongs to it. It
// implements delivery.Calls.
func (x *Calls) Asked(_ context.Context, s *im.Session, st *xmpp.Stanza) bool {
	p, ok := st.Payload()
	if !ok || st.Type() != "set" || s == nil || st.From() != s.JID() {
		return false
	}
	j, err := jingle.Parse(st.Element(p))
	if err != nil {
		s.Send(st.Fail(asStanzaError(err)))
		return true
	}
	which := intent{s.JID(), j.SID}
	x.mu.Lock()
	c := x.byIntent[which]
	x.mu.Unlock()
	switch {
	case c != nil && j.Action == jingle.SessionInitiate && c.own.IsBare():
		s.Send(st.Fail(asStanzaError(jingle.OutOfOrder())))
	case c != nil:
		c.session.Send(st)
	case j.Action == jingle.SessionInitiate:
		x.initiatedBy(s, st, j, which)
	default:
		s.Send(st.Fail(asStanzaError(jingle.UnknownSession())))
	}
	return true
}

// initiatedBy takes a session that an app begins with a bare address, without having proposed it.
func (x *Calls) initiatedBy(s *im.Session, st *xmpp.Stanza, j *jingle.Jingle, which intent) {
	c, err := x.fromApp(s, st.To(), which, false) // where it looks for its session
	if err != nil {
		x.c.Log.Info("session not taken to SIP", "by", which.by.String(), "err", err)
		s.Send(st.Fail(&xmpp.StanzaError{Condition: xmpp.ResourceConstraint}))
		return
	}
	c.post(func() { c.begin(st, j) })
	go c.run()
}

// begin takes the session-initiate of an app: of a call that it has proposed and a phone has answered, or of a new one.
func (c *call) begin(st *xmpp.Stanza, j *jingle.Jingle) {
	offer, err := bridge.Take(j, jingle.Initiator)
	c.agree(st) // xep0166#6.3.1: what can't be had is told by another request
	c.app = c.x.ports.Sessions.Get(st.From())
	if c.app == nil {
		c.appLost()
		return
	}
	c.stop("begin")
	if err != nil {
		c.end(ending{reason: &jingle.Reason{Condition: jingle.UnsupportedApplications}})
		return
	}
	answered := c.state == taken
	c.jingle, c.state = offer, beginning
	c.gather(func() {
		if answered {
			c.offer(c.beginAnswered)
			return
		}
		d, err := c.jingle.Describe(c.origin(), false)
		if err != nil {
			c.end(ending{reason: &jingle.Reason{Condition: jingle.UnsupportedApplications}})
			return
		}
		c.place(d.String())
	})
}

// How long the candidates of an app are waited for: in all, and for a further one.
const (
	gatherTime    = 2 * time.Second
	candidateTime = 250 * time.Millisecond
)

// gather waits for the candidates of an app that tells them one by one: the SIP side may take no later ones, and they
// are all that it knows of the app (rfc8838#16).
func (c *call) gather(then func()) {
	c.gathered = func() {
		if c.gathered != nil {
			c.gathered = nil
			c.stop("gather")
			c.stop("candidate")
			then()
		}
	}
	c.after("gather", gatherTime, func() { c.goOn() })
	c.hasMore()
}

func (c *call) goOn() {
	if c.gathered != nil {
		c.gathered()
	}
}

// hasMore goes on if there are candidates enough, soon or now.
func (c *call) hasMore() {
	some, all := false, true
	for _, content := range c.jingle.Contents() {
		some = some || len(content.Transport.Candidates) > 0
		all = all && content.Transport.Complete
	}
	switch {
	case all || c.lite:
		c.goOn()
	case some:
		c.after("candidate", candidateTime, func() { c.goOn() })
	}
}

// beginAnswered takes the answer to the app's own offer.
func (c *call) beginAnswered(resp *sip.Message) {
	if resp == nil {
		c.end(ending{reason: &jingle.Reason{Condition: jingle.IncompatibleParameters}})
		return
	}
	c.answeredSession(resp)
}

// answeredSession accepts the app's session with what the SIP side has answered.
func (c *call) answeredSession(resp *sip.Message) {
	answer, err := c.reads(resp)
	var accept []*jingle.Jingle
	if err == nil {
		accept, err = answer.Accept(c.sid)
	}
	if err != nil {
		c.x.c.Log.Info("answer can't be taken to an app", "call", c.id, "err", err)
		c.end(ending{reason: &jingle.Reason{Condition: jingle.IncompatibleParameters}})
		return
	}
	c.sip, c.state = answer, up
	for _, j := range accept {
		if j.Action != jingle.SessionAccept {
			c.tell(j)
			continue
		}
		j.Responder = c.own
		c.ask(c.app, j, c.mustKnow)
	}
	for _, j := range c.before {
		c.change(j)
	}
	c.before = nil
}

// reads reads a description of the SIP side.
func (c *call) reads(m *sip.Message) (bridge.Media, error) {
	d, err := described(m)
	if err != nil {
		return bridge.Media{}, err
	}
	return bridge.Read(d, c.role().Other(), c.sip, c.jingle)
}

// mustKnow ends a call whose app does not know it any more.
func (c *call) mustKnow(answer *xmpp.Stanza) {
	if answer.Type() != "error" {
		return
	}
	switch conditionOf(answer) {
	case xmpp.ItemNotFound, xmpp.ServiceUnavailable, xmpp.RecipientUnavailable, xmpp.Gone:
		c.end(ending{reason: &jingle.Reason{Condition: jingle.Gone}, byApp: true, header: `SIP;cause=481;text="The app does not know the call"`})
	}
}
