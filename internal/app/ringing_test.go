package app

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/jingle"
	"parley/xmpp/xmpptest"
)

// tooLong is how long a device may ring after another has answered, on a machine that has much else to do: people hear nothing below a quarter
// of a second, which a machine at rest keeps easily.
const tooLong = 2 * time.Second

// household is a server with one account that has many devices, all of which ring.
type household struct {
	*testing.T
	*App
	caller *siptest.Peer
	phones []*siptest.Peer
	apps   []*ringingApp
	rings  []*sip.Message // the phones' INVITEs
}

type ringingApp struct {
	*xmpptest.Client
	id, peer string
}

func newHousehold(t *testing.T, phones, apps int) *household {
	t.Helper()
	h := &household{T: t, App: open(t, settings(t))}
	t.Cleanup(func() { stop(t, h.App) })
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"alice", "bob"} {
		a := alice
		a.Local = user
		if err := h.store.accounts.Create(t.Context(), a, "secret", false); err != nil {
			t.Fatal(err)
		}
	}
	h.caller = h.phone("alice")
	for range phones {
		h.phones = append(h.phones, h.phone("bob"))
	}
	for i := range apps {
		h.apps = append(h.apps, h.app(i))
	}
	return h
}

func (h *household) at(name string) string { return h.Addresses()[name][0] }

func (h *household) phone(user string) *siptest.Peer {
	p := siptest.UDP(h, user+"@localhost", h.at("sip-udp"))
	p.Timeout = 20 * time.Second
	p.SignIn("secret", siptest.With(sip.HeaderExpires, "300"))
	return p
}

// app is one that takes calls; every other one has copies of what the others say.
func (h *household) app(i int) *ringingApp {
	c := xmpptest.TCP(h, "bob@localhost", h.at("xmpp"), nil)
	c.Timeout = 20 * time.Second
	c.Ignore("presence")
	c.Login("secret", fmt.Sprint("app", i))
	if i%2 == 1 {
		c.Set("", "<enable xmlns='urn:xmpp:carbons:2'/>")
	}
	info := disco.Info{Identities: []disco.Identity{{Category: "client", Type: "phone", Name: rand.Text()}}, Features: []string{jingle.NSMessage}}
	c.Send("<presence>" + info.Caps("urn:test") + "</presence>")
	ask := c.Await("<iq type='get'><query xmlns='" + disco.NSInfo + "'/></iq>")
	c.Send("<iq type='result' id='" + ask.Attr("id") + "' to='" + ask.Attr("from") + "'>" + info.XML("urn:test#"+info.Ver()) + "</iq>")
	c.Get("", "<ping xmlns='urn:xmpp:ping'/>")
	return &ringingApp{Client: c}
}

// ring calls the account, and waits until all devices ring.
func (h *household) ring() (invite *sip.Message) {
	h.Helper()
	invite = h.caller.Call("bob@localhost", "secret", siptest.WithSDP(plainSDP))
	h.rings = nil
	for _, p := range h.phones {
		ringing := p.Expect("INVITE")
		p.Respond(ringing, 180)
		h.rings = append(h.rings, ringing)
	}
	for _, a := range h.apps {
		r := a.Await("<message><propose id='*'/></message>")
		a.peer, a.id = r.Attr("from"), r.Child(jingle.NSMessage, "propose").Attr("id")
		a.says("ringing")
	}
	h.caller.Expect("180")
	return invite
}

func (a *ringingApp) says(step string) {
	a.Send("<message type='chat' to='" + a.peer + "'><" + step + " xmlns='" + jingle.NSMessage + "' id='" + a.id + "'/><store xmlns='urn:xmpp:hints'/></message>")
}

// stops waits until an app knows that it need not ring any more.
func (a *ringingApp) stops() {
	a.Await("<message><sent><forwarded><message><proceed id='"+a.id+"'/></message></forwarded></sent></message>",
		"<message><retract id='"+a.id+"'/></message>", "<message><accept id='"+a.id+"'/></message>")
}

const plainSDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"

// TestNothingRingsAfterAnAnswer measures how long phones and apps ring on when another device has answered.
func TestNothingRingsAfterAnAnswer(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, 4, 8)

	invite := h.ring()
	h.phones[0].Respond(h.rings[0], 200, siptest.WithSDP(plainSDP))
	begin := time.Now()
	for _, a := range h.apps {
		a.stops()
	}
	for i, p := range h.phones[1:] {
		cancel := p.Expect("CANCEL")
		p.Respond(cancel, 200)
		p.Respond(h.rings[i+1], 487)
	}
	took := time.Since(begin)
	h.phones[0].Expect("ACK")
	for _, p := range h.phones[1:] {
		p.Expect("ACK")
	}
	h.note("a phone", took)
	d := h.caller.Dialog(invite, h.caller.Expect("200 INVITE"))
	d.Ack()
	d.Bye()
	h.phones[0].Respond(h.phones[0].Expect("BYE"), 200)
	h.caller.Expect("200 BYE")

	h.ring()
	a := h.apps[0]
	a.says("proceed")
	begin = time.Now()
	for _, other := range h.apps[1:] {
		other.stops()
	}
	h.note("an app, to the others", time.Since(begin))
	session := a.Await("<iq type='set'><jingle action='session-initiate' sid='" + a.id + "'/></iq>")
	a.Send("<iq type='result' id='" + session.Attr("id") + "' to='" + a.peer + "'/>")
	begin = time.Now()
	a.Set(a.peer, accepted(a.id))
	for i, p := range h.phones {
		p.Respond(p.Expect("CANCEL"), 200)
		p.Respond(h.rings[i], 487)
	}
	h.note("an app, to the phones", time.Since(begin))
	for _, p := range h.phones {
		p.Expect("ACK")
		p.Silent(50 * time.Millisecond)
	}
}

func (h *household) note(who string, took time.Duration) {
	h.Helper()
	h.Logf("%s has answered; %d phones and %d apps knew it after %v", who, len(h.phones), len(h.apps), took)
	if took > tooLong {
		h.Errorf("something rings for %v after %s has answered", took, who)
	}
}

// accepted is a session-accept of audio.
func accepted(sid string) string {
	return strings.ReplaceAll("<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='SID'><content creator='initiator' name='0'>"+
		"<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><payload-type id='0' name='PCMU' clockrate='8000'/><rtcp-mux/></description>"+
		"<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='abcd' pwd='0123456789012345678901'>"+
		"<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='active'>AB:CD</fingerprint></transport></content></jingle>", "SID", xmpp.Escape(sid))
}
