package dialog

import (
	"errors"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/transaction"
)

func (k *kit) call() (*Session, *sip.Message) {
	k.Helper()
	b := sip.NewRequest(sip.INVITE, "sip:alice@192.0.2.7").
		Set(sip.HeaderMaxForwards, "70").
		Set(sip.HeaderFrom, "<sip:us@example.org>;tag=u1").
		Set(sip.HeaderTo, "<sip:alice@example.org>").
		Set(sip.HeaderCallID, "c1").
		Set(sip.HeaderCSeq, "1 INVITE").
		Set(sip.HeaderContact, "<sip:us@parley.example>").
		Body("application/sdp", "v=0 offer")
	s, err := k.ua.Invite(k.wire, b, k.log)
	if err != nil {
		k.Fatal(err)
	}
	return s, k.expect("INVITE")
}

const answerFields = `Contact: <sip:alice@192.0.2.7:40000>
Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>`

func TestCall(t *testing.T) {
	bubble(t, func(k *kit) {
		s, inv := k.call()
		k.reply(inv, 100, "", "")
		k.reply(inv, 180, "b1", "")
		k.want("progress 180")
		k.reply(inv, 200, "b1", answerFields)
		k.want("answered b1")
		k.reply(inv, 200, "b1", answerFields) // the ACK is not decided yet
		k.quiet(10 * time.Millisecond)
		s.ACK(func(b *sip.Builder) { b.Body("application/sdp", "v=0 answer") })
		ack := k.expect("ACK sip:alice@192.0.2.7:40000 SIP/2.0")
		if seq, m := ack.CSeq(); seq != 1 || m != sip.ACK {
			t.Errorf("CSeq of ACK is %d %s", seq, m)
		}
		if got := ack.Get(sip.HeaderRoute); got != "<sip:p2.example;lr>" {
			t.Errorf("first Route of ACK is %q", got)
		}
		if ack.Body() != "v=0 answer" {
			t.Errorf("body of ACK is %q", ack.Body())
		}
		k.reply(inv, 200, "b1", answerFields)
		k.expect("ACK")
		s.End(0, "")
		bye := k.expect("BYE")
		if seq, _ := bye.CSeq(); seq != 2 {
			t.Errorf("CSeq of BYE is %d", seq)
		}
		if bye.FromTag() != "u1" || bye.ToTag() != "b1" {
			t.Errorf("tags of BYE are %q and %q", bye.FromTag(), bye.ToTag())
		}
		k.want("ended")
		k.reply(bye, 200, "", "")
	})
}

func TestForks(t *testing.T) {
	bubble(t, func(k *kit) {
		s, inv := k.call()
		k.reply(inv, 180, "b1", "")
		k.want("progress 180")
		k.reply(inv, 183, "b2", "")
		k.want("progress 183")
		k.reply(inv, 200, "b2", answerFields)
		k.want("answered b2")
		s.ACK(nil)
		k.expect("ACK")
		// A fork that answers too late is acknowledged and hung up.
		k.reply(inv, 200, "b1", answerFields)
		if ack := k.expect("ACK"); ack.ToTag() != "b1" {
			t.Errorf("ACK to %q", ack.ToTag())
		}
		bye := k.expect("BYE")
		if bye.ToTag() != "b1" {
			t.Errorf("BYE to %q", bye.ToTag())
		}
		k.reply(bye, 200, "", "")
		k.reply(inv, 200, "b1", answerFields)
		k.expect("ACK")
		k.quiet(time.Minute)
		s.End(0, "")
		if bye := k.expect("BYE"); bye.ToTag() != "b2" {
			t.Errorf("BYE to %q", bye.ToTag())
		}
	})
}

func TestCancelOfOurs(t *testing.T) {
	bubble(t, func(k *kit) {
		s, inv := k.call()
		s.End(0, "SIP;cause=200")
		k.quiet(100 * time.Millisecond) // not before a provisional response
		k.reply(inv, 180, "b1", "")
		cancel := k.expect("CANCEL")
		if cancel.Get(sip.HeaderReason) != "SIP;cause=200" {
			t.Errorf("Reason is %q", cancel.Get(sip.HeaderReason))
		}
		k.reply(cancel, 200, "b1", "")
		k.reply(inv, 487, "b1", "")
		k.expect("ACK")
		if end := k.want("ended").(End); end.Remote || end.Status != 487 {
			t.Errorf("ended as %+v", end)
		}
	})
}

func TestAnswerCrossesCancel(t *testing.T) {
	bubble(t, func(k *kit) {
		s, inv := k.call()
		k.reply(inv, 180, "b1", "")
		k.want("progress 180")
		s.End(0, "SIP;cause=200")
		k.expect("CANCEL")
		k.reply(inv, 200, "b1", answerFields)
		k.expect("ACK")
		bye := k.expect("BYE")
		if bye.Get(sip.HeaderReason) != "SIP;cause=200" {
			t.Errorf("Reason is %q", bye.Get(sip.HeaderReason))
		}
		k.want("ended")
		k.reply(bye, 200, "", "")
	})
}

func TestRefusedByPeer(t *testing.T) {
	bubble(t, func(k *kit) {
		_, inv := k.call()
		k.reply(inv, 486, "b1", "")
		k.expect("ACK")
		if end := k.want("ended").(End); !end.Remote || end.Status != 486 || end.Message == nil {
			t.Errorf("ended as %+v", end)
		}
	})
}

func TestNobodyAnswers(t *testing.T) {
	bubble(t, func(k *kit) {
		k.call()
		end := k.want("ended").(End)
		if end.Status != 408 || !errors.Is(end.Err, transaction.ErrTimeout) {
			t.Errorf("ended as %+v", end)
		}
	})
}

func TestPeerHangsUpBeforeACK(t *testing.T) {
	bubble(t, func(k *kit) {
		_, inv := k.call()
		k.reply(inv, 200, "b1", answerFields)
		k.want("answered b1")
		k.send(`
BYE sip:us@parley.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bKbye
From: <sip:alice@example.org>;tag=b1
To: <sip:us@example.org>;tag=u1
Call-ID: c1
CSeq: 7 BYE
Max-Forwards: 70`)
		k.expect("ACK") // nobody else will stop the 2xx
		k.expect("200")
		if end := k.want("ended").(End); !end.Remote {
			t.Errorf("ended as %+v", end)
		}
	})
}

func TestEarlyRequest(t *testing.T) {
	bubble(t, func(k *kit) {
		s, inv := k.call()
		k.reply(inv, 180, "b1", "Contact: <sip:alice@192.0.2.7:40000>")
		k.want("progress 180")
		k.send(`
INFO sip:us@parley.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bKinfo
From: <sip:alice@example.org>;tag=b1
To: <sip:us@example.org>;tag=u1
Call-ID: c1
CSeq: 7 INFO
Max-Forwards: 70`)
		in := k.want("request INFO").(*Incoming)
		in.Respond(in.Response(200, ""))
		k.expect("200")
		told := make(chan error, 1)
		s.Request(sip.INFO, nil, func(_ *Outgoing, _ *sip.Message, err error) { told <- err })
		if err := <-told; !errors.Is(err, ErrEarly) {
			t.Errorf("INFO before the answer: %v", err)
		}
	})
}
