package app

import (
	"crypto/tls"

	"parley/sip"
	"parley/sip/siptest"
)

// caller is a phone of alice's for one call.
type caller struct {
	*siptest.Peer
	edits []siptest.Edit
}

// anyone takes the server's own certificate.
func anyone() *tls.Config { return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} }

// caller makes one on each transport in turn, at times behind a NAT, so that its media has to pass the server.
func (s *scene) caller(h *hand, i int) caller {
	const who = "alice@localhost"
	var c caller
	switch i % 4 {
	case 0:
		c.Peer = siptest.UDP(s.keep(h), who, s.at("sip-udp"))
	case 1:
		c.Peer = siptest.TCP(h, who, s.at("sip-tcp"))
	case 2:
		c.Peer = siptest.TLS(h, who, s.at("sip-tls"), anyone())
	case 3:
		c.Peer = siptest.WebSocket(h, who, "wss://"+s.at("https")+"/sip", anyone())
	}
	c.Timeout = 4 * c.Timeout
	if i/4%2 == 1 {
		c.edits = append(c.edits, siptest.With(sip.HeaderContact, "<sip:alice@192.0.2.77:5062>"))
	}
	return c
}

// keep gives a hand that is done when the server is at rest: what the server still has to say to a phone that
// vanished must not reach the next one.
func (s *scene) keep(h *hand) *hand {
	kept := &hand{TB: h.TB, astray: h.astray}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later = append(s.later, kept)
	return kept
}

func (c caller) calls(to string) *sip.Message {
	first := c.Invite(to+"@localhost", c.edits...)
	challenge := c.Expect("407")
	c.Ack(first, challenge)
	again := siptest.Again(first, siptest.WithPassword(challenge, first.Target(), "alice", "secret"))
	c.SendMessage(again)
	return again
}

// callKinds are ways in which a call can go.
func callKinds() []func(caller) {
	return []func(caller){
		answered("takes"), answered("echo"), hungUpOn, cancelled, refused("busy", "486"), refused("nobody", "404"),
		refused("rings", "408", "480"), refused("mute", "408", "480"), gaveUpOnTheDead,
		vanishesRinging, vanishesAnswered("takes"), vanishesAnswered("echo"), vanishesTalking("short"), vanishesTalking("takes"),
		vanishesTalking("echo"), vanishesAtOnce("takes"),
		vanishesAtOnce("echo"), forgedFrom, writes,
	}
}

func answered(by string) func(caller) {
	return func(c caller) {
		d := c.talks(by)
		d.Bye()
		c.Expect("200 BYE")
	}
}

// talks calls, is answered and says that it has heard.
func (c caller) talks(to string) *siptest.Dialog {
	c.Ignore("180")
	invite := c.calls(to)
	d := c.Dialog(invite, c.Expect("200 INVITE"))
	d.Ack()
	return d
}

func hungUpOn(c caller) {
	c.talks("short")
	c.Respond(c.Expect("BYE"), 200)
}

func cancelled(c caller) {
	invite := c.calls("rings")
	c.Expect("180")
	c.Cancel(invite)
	c.Ignore("180")
	c.Expect("200 CANCEL")
	c.Ack(invite, c.Expect("487"))
}

func refused(to string, status ...string) func(caller) {
	return func(c caller) {
		c.Ignore("180")
		invite := c.calls(to)
		c.Ack(invite, c.Expect(status...))
	}
}

func gaveUpOnTheDead(c caller) {
	invite := c.calls("dead")
	c.Expect("180")
	c.Cancel(invite)
	c.Ignore("180")
	c.Expect("200 CANCEL")
}

func vanishesRinging(c caller) {
	c.calls("rings")
	c.Expect("180")
}

func vanishesAnswered(by string) func(caller) {
	return func(c caller) {
		c.Ignore("180")
		c.calls(by)
		c.Expect("200 INVITE")
	}
}

// vanishesTalking leaves it to the other end, or to the server, to end the call.
func vanishesTalking(to string) func(caller) { return func(c caller) { c.talks(to) } }

func vanishesAtOnce(to string) func(caller) {
	return func(c caller) { c.calls(to) }
}

func forgedFrom(c caller) {
	first := c.Invite("takes@localhost", siptest.With(sip.HeaderFrom, "<sip:busy@localhost>;tag="+siptest.Tag()))
	challenge := c.Expect("407")
	c.Ack(first, challenge)
	again := siptest.Again(first, siptest.WithPassword(challenge, first.Target(), "alice", "secret"))
	c.SendMessage(again)
	c.Ack(again, c.Expect("403"))
}

func writes(c caller) {
	first := c.Request(sip.MESSAGE, "takes@localhost", siptest.WithBody("text/plain", "hello"))
	c.Authorize(first, c.Expect("407"), "secret")
	c.Expect("200 MESSAGE")
}
