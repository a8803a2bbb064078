package calls

import (
	"strings"
	"testing"
	"time"

	"parley/internal/bridge"
	"parley/sip"
	"parley/sip/siptest"
	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/jingle"
)

// offer is what the phone offers in a call.
func offer(direction string) siptest.Edit {
	return siptest.WithSDP(strings.Replace(browserSDP("actpass", "phone"), "a=sendrecv", "a="+direction, 1))
}

func TestHold(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	d := s.talk(b)
	d.Request(sip.INVITE, offer("sendonly"))
	ok := s.phone.Expect("200 INVITE")
	d.Ack()
	for _, want := range []string{"a=recvonly", "a=setup:passive", "a=ice-ufrag:app"} {
		if !strings.Contains(ok.Body(), want) {
			t.Errorf("there is no %s in\n%s", want, ok.Body())
		}
	}
	if j := b.gets(jingle.ContentModify); j.Contents[0].Senders != jingle.FromInitiator {
		t.Errorf("the senders are %q", j.Contents[0].Senders)
	}
	b.gets(jingle.SessionInfo)

	b.does(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Hold}}}) // both hold
	held := s.phone.Expect("INVITE")
	if !strings.Contains(held.Body(), "a=sendonly") || !strings.Contains(held.Body(), "a=setup:actpass") {
		t.Errorf("the app's hold is\n%s", held.Body())
	}
	s.phone.Respond(held, 200, siptest.WithSDP(strings.Replace(browserSDP("passive", "phone"), "a=sendrecv", "a=inactive", 1)))
	s.phone.Expect("ACK")
	b.does(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Unhold}}})
	s.phone.Respond(s.phone.Expect("INVITE"), 200, siptest.WithSDP(strings.Replace(browserSDP("passive", "phone"), "a=sendrecv", "a=sendonly", 1)))
	s.phone.Expect("ACK")
	s.phone.Silent(20 * time.Millisecond)

	d.Request(sip.INVITE, offer("sendrecv"))
	if ok := s.phone.Expect("200 INVITE"); !strings.Contains(ok.Body(), "a=sendrecv") {
		t.Errorf("nobody holds any more, and the answer is\n%s", ok.Body())
	}
	d.Ack()
	b.gets(jingle.ContentModify)
	d.Request(sip.INVITE, offer("sendrecv")) // a refresh changes nothing
	s.phone.Expect("200 INVITE")
	d.Ack()
	d.Request(sip.INVITE) // wants an offer
	ok = s.phone.Expect("200 INVITE")
	if !strings.Contains(ok.Body(), "a=setup:actpass") {
		t.Errorf("the offer is\n%s", ok.Body())
	}
	d.Ack(siptest.WithSDP(browserSDP("passive", "phone")))
	b.does(&jingle.Jingle{Action: jingle.SessionTerminate, Reason: reason(jingle.Success)})
}

// TestReInvitesThatCross has both sides change the call at once.
func TestReInvitesThatCross(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{Rand: func(int) int { return 1 }})
	b := s.app(bob, "b")
	s.talk(b)
	b.does(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Hold}}})
	s.phone.Respond(s.phone.Expect("INVITE"), 491)
	s.phone.Expect("ACK")
	again := s.phone.Expect("INVITE")
	b.does(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Unhold}}}) // meanwhile
	s.phone.Respond(again, 200, answer())
	s.phone.Expect("ACK")
	last := s.phone.Expect("INVITE")
	if !strings.Contains(last.Body(), "a=sendrecv") {
		t.Errorf("what came meanwhile is told as\n%s", last.Body())
	}
	s.phone.Respond(last, 488) // and the call goes on
	s.phone.Expect("ACK")
	b.does(&jingle.Jingle{Action: jingle.SessionTerminate, Reason: reason(jingle.Success)})
}

func TestTieBreak(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	d := s.talk(b)
	d.Request(sip.INVITE, offer("sendonly"))
	s.phone.Expect("200 INVITE")
	d.Ack()
	b.await("content-modify", func(st *xmpp.Stanza) bool { // which it does not answer
		e := st.Find(jingle.NS, "jingle")
		return e != nil && e.Attr("action") == "content-modify"
	})
	c := b.mine.Contents()[0]
	st := b.asks(&jingle.Jingle{Action: jingle.ContentModify, Contents: []jingle.Content{{Creator: c.Creator, Name: c.Name, Senders: jingle.Nobody}}})
	if !strings.Contains(st.Text(), "tie-break") {
		t.Errorf("a request that crosses ours is answered with %s", st.Text())
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b, other := s.app(bob, "b"), s.app(bob, "other")
	s.talk(b)
	c := jingle.Content{Creator: jingle.Initiator, Name: "9"}
	named := b.mine.Contents()[0]
	for what, r := range map[string]struct {
		j    *jingle.Jingle
		want string
	}{
		"another session":      {&jingle.Jingle{Action: jingle.SessionTerminate, SID: "other"}, "unknown-session"},
		"a second initiate":    {&jingle.Jingle{Action: jingle.SessionInitiate, Contents: b.mine.Contents()}, "out-of-order"},
		"a second accept":      {&jingle.Jingle{Action: jingle.SessionAccept, Contents: b.mine.Contents()}, "out-of-order"},
		"no such content":      {&jingle.Jingle{Action: jingle.ContentModify, Contents: []jingle.Content{c}}, "item-not-found"},
		"an answer to nothing": {&jingle.Jingle{Action: jingle.TransportAccept, Contents: []jingle.Content{named}}, "out-of-order"},
	} {
		if st := b.asks(r.j); !strings.Contains(st.Text(), r.want) {
			t.Errorf("%s is answered with %s", what, st.Text())
		}
	}
	other.peer, other.id = b.peer, b.id
	if st := other.asks(&jingle.Jingle{Action: jingle.SessionTerminate}); !strings.Contains(st.Text(), "unknown-session") {
		t.Errorf("another app is answered with %s", st.Text())
	}
	ask := func(payload, kind string) *xmpp.Stanza {
		id := newID()
		b.sends(xmpp.Must(xmpp.IQ, xmpp.Header{From: b.session.JID(), To: b.peer, ID: id, Type: kind}, payload))
		return b.await(payload, func(st *xmpp.Stanza) bool { return st.ID() == id })
	}
	if st := ask("<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='"+b.id+"'><x xmlns='y'/></jingle>", "set"); !strings.Contains(st.Text(), "unsupported-info") {
		t.Errorf("an unknown info is answered with %s", st.Text())
	}
	if st := ask("<jingle xmlns='urn:xmpp:jingle:1' action='no' sid='x'/>", "set"); !strings.Contains(st.Text(), "bad-request") {
		t.Errorf("no action is answered with %s", st.Text())
	}
	if st := ask("<query xmlns='jabber:iq:version'/>", "get"); !strings.Contains(st.Text(), "service-unavailable") {
		t.Errorf("another question is answered with %s", st.Text())
	}
	if st := ask("<ping xmlns='urn:xmpp:ping'/>", "get"); st.Type() != "result" {
		t.Errorf("a ping is answered with %s", st.Text())
	}
	got, ok := disco.ParseInfo(ask("<query xmlns='"+disco.NSInfo+"'/>", "get").Find(disco.NSInfo, "query"))
	if !ok || got.Ver() != info().Ver() {
		t.Errorf("it says of itself %+v", got)
	}
	if s.Count() != 1 {
		t.Error("the call is over")
	}
}

// TestMoreMedia has an app add a content, and replace the transport: neither is had.
func TestMoreMedia(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	s.talk(b)
	more := b.mine.Contents()[0]
	more.Creator, more.Name = jingle.Responder, "more"
	b.does(&jingle.Jingle{Action: jingle.ContentAdd, Contents: []jingle.Content{more}})
	again := s.phone.Expect("INVITE")
	if n := strings.Count(again.Body(), "m=audio"); n != 2 {
		t.Errorf("it has %d media:\n%s", n, again.Body())
	}
	s.phone.Respond(again, 200, siptest.WithSDP(browserSDP("passive", "phone")+"m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n"))
	s.phone.Expect("ACK")
	if j := b.gets(jingle.ContentReject); j.Contents[0].Name != "more" {
		t.Errorf("rejected is %+v", j.Contents)
	}
	replaced := b.mine.Contents()[0]
	replaced.Description = nil
	b.does(&jingle.Jingle{Action: jingle.TransportReplace, Contents: []jingle.Content{replaced}})
	b.gets(jingle.TransportReject)
}

// TestCandidates has candidates go both ways where the SIP side takes them one by one, and nowhere else.
func TestCandidates(t *testing.T) {
	t.Parallel()
	for _, trickles := range []bool{false, true} {
		s := newStage(t, Config{})
		b := s.app(bob, "b")
		var edits []siptest.Edit
		if trickles {
			edits = append(edits, siptest.With(sip.HeaderSupported, "trickle-ice"))
		}
		invite := s.calls(edits...)
		b.hears(jingle.Propose, "")
		b.step(jingle.Proceed)
		b.gets(jingle.SessionInitiate)
		b.accepts()
		d := s.phone.Dialog(invite, s.phone.Expect("200 INVITE"))
		d.Ack()
		c := b.mine.Contents()[0]
		b.does(&jingle.Jingle{Action: jingle.TransportInfo, Contents: []jingle.Content{{
			Creator: c.Creator, Name: c.Name, Transport: &jingle.Transport{
				UFrag: c.Transport.UFrag, Pwd: c.Transport.Pwd, Candidates: c.Transport.Candidates, Complete: true,
			},
		}}})
		if trickles {
			info := s.phone.Expect("INFO")
			if !strings.Contains(info.Body(), "a=end-of-candidates") {
				t.Errorf("it is told\n%s", info.Text())
			}
			s.phone.Respond(info, 200)
			d.Request(sip.INFO, siptest.WithBody(bridge.TrickleMIME, "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:2 1 udp 1 192.0.2.1 4002 typ host\r\n"))
			s.phone.Expect("200 INFO")
			if j := b.gets(jingle.TransportInfo); j.Contents[0].Transport.Candidates[0].Port != 4002 {
				t.Errorf("the app is told %+v", j.Contents)
			}
		}
		d.Request(sip.INFO, siptest.WithBody("application/dtmf-relay", "Signal=1"))
		s.phone.Expect("415 INFO")
		d.Request(sip.OPTIONS)
		s.phone.Expect("200 OPTIONS")
		d.Request(sip.REFER)
		s.phone.Expect("405 REFER")
		d.Request(sip.UPDATE)
		s.phone.Expect("200 UPDATE")
		d.Request(sip.INVITE, siptest.WithBody("text/plain", "x"))
		s.phone.Ack(s.phone.Make(sip.INVITE, "bob@example.org"), s.phone.Expect("415 INVITE"))
		d.Bye()
		s.phone.Expect("200 BYE")
	}
}

// TestAnAppThatForgets has an app that knows nothing of the call any more.
func TestAnAppThatForgets(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	d := s.talk(b)
	d.Request(sip.INVITE, offer("sendonly"))
	s.phone.Expect("200 INVITE")
	d.Ack()
	st := b.await("content-modify", func(st *xmpp.Stanza) bool {
		e := st.Find(jingle.NS, "jingle")
		return e != nil && e.Attr("action") == "content-modify"
	})
	b.sends(st.Fail(asStanzaError(jingle.UnknownSession())))
	s.phone.Respond(s.phone.Expect("BYE"), 200)
	s.over()
}
