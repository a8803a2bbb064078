package transaction

import (
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
)

func TestInviteServerTries(t *testing.T) { // 100 after 200 ms
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := invite(siptest.With(sip.HeaderTimestamp, "54"))
	w.arrive(m)
	w.advance(150 * time.Millisecond)
	w.arrive(m)
	w.sent()
	w.advance(50 * time.Millisecond)
	w.arrive(m)
	w.sent("200ms 100 INVITE", "200ms 100 INVITE")
	w.heard("0s OnRequest INVITE")
	trying := w.near.Log()[0].Message
	if trying.ToTag() != "" || trying.Get(sip.HeaderTimestamp) != "54" {
		t.Errorf("100 with a To tag or without Timestamp:\n%s", trying.Text())
	}
}

func TestInviteServerAnsweredAtOnceNeedsNo100(t *testing.T) {
	t.Parallel()
	for _, status := range []int{180, 200, 486} {
		w := newWorld(t, sip.TCP, Config{})
		w.arrive(invite())
		resp := w.respond(w.server(), status)
		w.advance(10 * time.Second)
		w.sent("0s " + siptest.Summary(resp))
	}
}

func TestInviteServerProvisionals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := invite()
	w.arrive(m)
	w.respond(w.server(), 180)
	w.arrive(m)
	w.respond(w.server(), 183)
	w.arrive(m)
	w.arrive(m)
	w.sent("0s 180 INVITE", "0s 180 INVITE", "0s 183 INVITE", "0s 183 INVITE", "0s 183 INVITE")
	w.advance(10 * time.Minute)
	w.sent()
	w.heard("0s OnRequest INVITE")
}

func TestInviteServerAccepted(t *testing.T) { // Timer L, rfc6026#7.1
	t.Parallel()
	each(t, func(t *testing.T, network string, _ bool) {
		w := newWorld(t, network, Config{})
		m := invite()
		w.arrive(m)
		s := w.server()
		ok := w.respond(s, 200)
		w.arrive(m) // absorbed: sending the 2xx again is the user agent's part
		w.advance(500 * time.Millisecond)
		s.Respond(ok)
		w.respond(s, 202)
		w.respond(s, 486)
		w.respond(s, 180)
		w.sent("0s 200 INVITE", "500ms 200 INVITE", "500ms 202 INVITE")
		w.arrive(siptest.Ack(m, ok))
		same := siptest.Ack(m, siptest.Response(m, 486)) // some use the INVITE's branch for a 2xx too
		w.arrive(same)
		w.advance(31490 * time.Millisecond)
		w.arrive(m)
		w.heard("0s OnRequest INVITE", "500ms OnACK", "500ms OnACK")
		w.advance(10 * time.Millisecond)
		w.heard("32s Ended INVITE: <nil>")
		w.respond(s, 200)
		w.sent()
		w.empty()
	})
}

func TestInviteServerRejects(t *testing.T) { // Timers G, I
	t.Parallel()
	each(t, func(t *testing.T, network string, reliable bool) {
		w := newWorld(t, network, Config{})
		m := invite()
		w.arrive(m)
		s := w.server()
		no := w.respond(s, 486)
		w.respond(s, 200) // too late
		w.respond(s, 600)
		w.advance(2 * time.Second)
		w.arrive(m)
		if reliable {
			w.sent("0s 486 INVITE", "2s 486 INVITE")
		} else {
			w.sent(times("486 INVITE", "0s", "500ms", "1.5s", "2s")...)
		}
		w.arrive(siptest.Ack(m, no))
		w.heard(append([]string{"0s OnRequest INVITE"}, endIf(reliable, "2s Ended INVITE: <nil>")...)...)
		if !reliable {
			w.arrive(siptest.Ack(m, no)) // absorbed
			w.arrive(m)
		}
		w.advance(time.Minute)
		w.sent()
		w.heard(endIf(!reliable, "7s Ended INVITE: <nil>")...)
		w.empty()
	})
}

func endIf(yes bool, line string) []string {
	if yes {
		return []string{line}
	}
	return nil
}

func TestInviteServerLostACK(t *testing.T) { // Timer H
	t.Parallel()
	each(t, func(t *testing.T, network string, reliable bool) {
		w := newWorld(t, network, Config{})
		w.arrive(invite())
		w.respond(w.server(), 404)
		w.advance(40 * time.Second)
		if reliable {
			w.sent("0s 404 INVITE")
		} else {
			w.sent(times("404 INVITE", "0s", "500ms", "1.5s", "3.5s", "7.5s", "11.5s", "15.5s",
				"19.5s", "23.5s", "27.5s", "31.5s")...)
		}
		w.heard("0s OnRequest INVITE", "32s Ended INVITE: "+ErrTimeout.Error())
		w.empty()
	})
}

func TestInviteServerSendFails(t *testing.T) { // rfc6026#7.1: it stays, and may come through later
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := invite()
	w.arrive(m)
	w.near.Fail(errSocket)
	w.respond(w.server(), 180)
	no := w.respond(w.server(), 486)
	w.advance(time.Second)
	w.near.Fail(nil)
	w.advance(time.Second)
	w.sent("1.5s 486 INVITE")
	w.arrive(siptest.Ack(m, no))
	w.advance(time.Minute)
	w.heard("0s OnRequest INVITE", "7s Ended INVITE: <nil>")
	w.empty()
}

func TestInviteServerNeverSent(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 486} {
		w := newWorld(t, sip.UDP, Config{})
		w.arrive(invite())
		w.near.Fail(errSocket)
		w.respond(w.server(), status)
		w.advance(time.Minute)
		w.heard("0s OnRequest INVITE", "32s Ended INVITE: "+ErrTransport.Error())
		w.empty()
	}
}

func TestServerFollowsItsPeerToANewConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	m := invite()
	w.arrive(m)
	w.respond(w.server(), 180)
	w.near.Close()
	next, far := siptest.Pipe(w.clock, sip.TCP)
	next.OnReceive(w.layer.Receive)
	if err := far.Send(m); err != nil {
		t.Fatal(err)
	}
	w.clock.Settle()
	w.respond(w.server(), 200)
	compare(t, "sent over the new connection", next.Lines(), []string{"0s 180 INVITE", "0s 200 INVITE"})
}

func TestACKBeforeAnAnswerIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := invite()
	w.arrive(m)
	w.arrive(siptest.Ack(m, siptest.Response(m, 486)))
	w.heard("0s OnRequest INVITE")
}

func TestStrayACKIsPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := invite()
	w.arrive(siptest.Ack(m, siptest.Response(m, 200)))
	w.heard("0s OnACK")
}
