package dialog

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/sip"
	"parley/sip/transaction"
)

// bubble runs a test in its own time; it fails if a goroutine is left behind.
func bubble(t *testing.T, f func(*kit)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(newKit(t)) })
}

// called has the peer call and gets to the answered, acknowledged state.
func called(k *kit) (*Session, string) {
	k.Helper()
	k.send(inviteText, "1")
	in := k.incoming()
	in.Respond(in.Response(200, "").Body("application/sdp", "v=0 answer"))
	resp := k.expect("200")
	k.send(inDialog("ACK", 10, resp.ToTag(), ""))
	k.want("acknowledged")
	return in.Session(), resp.ToTag()
}

func TestAnswer(t *testing.T) {
	bubble(t, func(k *kit) {
		k.send(inviteText, "1")
		in := k.incoming()
		in.Respond(in.Response(180, ""))
		ringing := k.expect("180")
		if got := ringing.Get(sip.HeaderContact); got != "<sip:us@parley.example>" {
			t.Errorf("Contact of 180 is %q", got)
		}
		if got := ringing.Get(sip.HeaderRecordRoute); !strings.HasPrefix(got, "<sip:p2.example;lr>") {
			t.Errorf("Record-Route of 180 is %q", got)
		}
		in.Respond(in.Response(200, "").Body("application/sdp", "v=0 answer"))
		resp := k.expect("200")
		if resp.ToTag() == "" || resp.ToTag() != ringing.ToTag() {
			t.Errorf("To tag changed from %q to %q", ringing.ToTag(), resp.ToTag())
		}
		k.send(inDialog("ACK", 10, resp.ToTag(), ""))
		k.want("acknowledged")
		k.quiet(time.Minute)

		k.send(inDialog("BYE", 11, resp.ToTag(), "\nReason: Q.850;cause=16"))
		k.expect("200")
		end := k.want("ended").(End)
		if !end.Remote || end.Reason != "Q.850;cause=16" || end.Err != nil {
			t.Errorf("ended as %+v", end)
		}
		if n := k.ua.Len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

func TestAnswerIsRepeatedUntilACK(t *testing.T) {
	bubble(t, func(k *kit) {
		start := time.Now()
		k.send(inviteText, "1")
		in := k.incoming()
		in.Respond(in.Response(200, ""))
		var at []time.Duration
		bye := k.next()
		for ; !bye.IsRequest(); bye = k.next() {
			at = append(at, time.Since(start).Round(50*time.Millisecond))
		}
		// rfc3261#13.3.1.4: T1, doubling to T2, given up after 64*T1.
		want := []time.Duration{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}
		if len(at) != len(want) {
			t.Fatalf("sent at %v", at)
		}
		for i := range want {
			if d := at[i] - want[i]*time.Millisecond; d < -50*time.Millisecond || d > 200*time.Millisecond {
				t.Errorf("copy %d sent at %v, want %v", i, at[i], want[i]*time.Millisecond)
			}
		}
		if bye.Method() != sip.BYE {
			t.Errorf("sent %s, want BYE", bye.Method())
		}
		if end := k.want("ended").(End); !errors.Is(end.Err, ErrNoACK) {
			t.Errorf("ended as %+v", end)
		}
		k.reply(bye, 200, "", "")
	})
}

func TestNoBYEBeforeACK(t *testing.T) {
	bubble(t, func(k *kit) {
		k.send(inviteText, "1")
		in := k.incoming()
		in.Respond(in.Response(200, ""))
		resp := k.expect("200")
		in.Session().End(0, "SIP;cause=200")
		k.quiet(100 * time.Millisecond)
		k.send(inDialog("OPTIONS", 11, resp.ToTag(), ""))
		k.expect("481")
		k.send(inDialog("ACK", 10, resp.ToTag(), ""))
		bye := k.expect("BYE")
		if bye.Get(sip.HeaderReason) != "SIP;cause=200" {
			t.Errorf("Reason is %q", bye.Get(sip.HeaderReason))
		}
		k.want("ended")
		k.reply(bye, 200, "", "")
	})
}

func TestRefused(t *testing.T) {
	bubble(t, func(k *kit) {
		k.send(inviteText, "1")
		in := k.incoming()
		in.Respond(in.Response(603, ""))
		k.expect("603")
		if end := k.want("ended").(End); end.Remote || end.Status != 603 {
			t.Errorf("ended as %+v", end)
		}
		in.Respond(in.Response(200, "")) // too late
		k.quiet(time.Second)
	})
}

func TestCallerCancels(t *testing.T) {
	bubble(t, func(k *kit) {
		k.send(inviteText, "1")
		in := k.incoming()
		in.Respond(in.Response(180, ""))
		k.expect("180")
		k.send(strings.NewReplacer("INVITE", "CANCEL", "Content-Type: application/sdp",
			`Reason: SIP;cause=200`, "\nv=0 offer\n", "").Replace(inviteText), "1")
		k.expect("200")
		k.expect("487")
		if end := k.want("ended").(End); !end.Remote || end.Status != 487 || end.Reason != "SIP;cause=200" {
			t.Errorf("ended as %+v", end)
		}
		in.Respond(in.Response(200, ""))
		k.quiet(time.Second)
	})
}

func TestBYEInEarlyDialog(t *testing.T) {
	bubble(t, func(k *kit) {
		k.send(inviteText, "1")
		in := k.incoming()
		in.Respond(in.Response(180, ""))
		k.send(inDialog("BYE", 11, k.expect("180").ToTag(), ""))
		k.expect("200")
		k.expect("487")
		if end := k.want("ended").(End); !end.Remote || end.Status != 487 {
			t.Errorf("ended as %+v", end)
		}
	})
}

func TestAcceptRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		text   string
		status string
	}{
		"extension": {strings.Replace(inviteText, "Max-", "Require: 100rel, foo\nMax-", 1), "420"},
		"contact":   {strings.Replace(inviteText, "<sip:alice@192.0.2.7:40000;transport=tcp>", "<tel:+15551234>", 1), "400"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(k *kit) {
				k.send(test.text, "1")
				resp := k.expect(test.status)
				if test.status == "420" && resp.Get(sip.HeaderUnsupported) != "100rel, foo" {
					t.Errorf("Unsupported is %q", resp.Get(sip.HeaderUnsupported))
				}
				if n := k.ua.Len(); n != 0 {
					t.Errorf("%d sessions", n)
				}
			})
		})
	}
}

func TestMergedRequest(t *testing.T) {
	bubble(t, func(k *kit) {
		k.send(inviteText, "1")
		in := k.incoming()
		k.send(inviteText, "2") // the same request on another path
		k.expect("482")
		in.Respond(in.Response(486, ""))
		k.expect("486")
		k.want("ended")
	})
}

func TestLimit(t *testing.T) {
	bubble(t, func(k *kit) {
		k.ua.cfg.Limit = 1
		k.send(inviteText, "1")
		in := k.incoming()
		k.send(strings.ReplaceAll(inviteText, "c1", "c2"), "2")
		if resp := k.expect("503"); resp.Get(sip.HeaderRetryAfter) == "" {
			t.Error("503 has no Retry-After")
		}
		in.Respond(in.Response(486, ""))
		k.expect("486")
	})
}

func TestRequestsOfPeer(t *testing.T) {
	bubble(t, func(k *kit) {
		_, tag := called(k)
		answer := func(method, status string) {
			t.Helper()
			in := k.want("request " + method).(*Incoming)
			in.Respond(in.Response(200, ""))
			k.expect(status)
		}
		k.send(inDialog("INFO", 11, tag, ""))
		answer("INFO", "200")
		k.send(inDialog("OPTIONS", 15, tag, "")) // gaps are allowed
		answer("OPTIONS", "200")
		k.send(inDialog("INFO", 14, tag, "")) // going back is not
		k.expect("500")
		k.send(inDialog("PRACK", 16, tag, "\nRAck: 1 10 INVITE"))
		k.expect("481")
		k.send(inDialog("INFO", 17, tag, "\nRequire: foo"))
		k.expect("420")
		k.send(strings.ReplaceAll(inDialog("INFO", 18, tag, ""), "tag=a1", "tag=a2"))
		k.expect("481")
		k.send(inDialog("INFO", 18, "other", ""))
		k.expect("481")
	})
}

func TestTargetRefresh(t *testing.T) {
	bubble(t, func(k *kit) {
		s, tag := called(k)
		k.send(inDialog("INVITE", 11, tag, "\nContact: <sip:alice@198.51.100.9>"))
		in := k.want("request INVITE").(*Incoming)
		in.Respond(in.Response(488, "")) // refused: the target stays
		k.expect("488")
		if got := s.dialog.Target(); got != "sip:alice@192.0.2.7:40000;transport=tcp" {
			t.Errorf("after 488 the target is %q", got)
		}
		k.send(inDialog("INVITE", 12, tag, "\nContact: <sip:alice@198.51.100.9>"))
		in = k.want("request INVITE").(*Incoming)
		in.Respond(in.Response(200, ""))
		k.expect("200")
		k.send(inDialog("ACK", 12, tag, ""))
		k.want("acknowledged")
		s.End(0, "")
		bye := k.expect("BYE sip:alice@198.51.100.9 SIP/2.0")
		var routes []string
		for r := range bye.Values(sip.HeaderRoute) {
			routes = append(routes, r)
		}
		if got := strings.Join(routes, ","); got != "<sip:p2.example;lr>,<sip:p1.example;lr>" {
			t.Errorf("Route is %q", got)
		}
		k.want("ended")
		k.reply(bye, 200, "", "")
	})
}

func TestGlare(t *testing.T) {
	bubble(t, func(k *kit) {
		s, tag := called(k)
		done := make(chan error, 5)
		outcome := func(_ *Outgoing, resp *sip.Message, err error) {
			if resp != nil {
				err = errors.New(resp.Reason())
			}
			done <- err
		}
		o := s.Request(sip.INVITE, nil, outcome)
		ours := k.expect("INVITE")
		k.send(inDialog("INVITE", 11, tag, "\nContact: <sip:alice@192.0.2.7>"))
		k.expect("491") // rfc3261#14.2
		k.send(inDialog("UPDATE", 12, tag, "\nContact: <sip:alice@192.0.2.7>\nContent-Type: application/sdp\n\nv=0"))
		k.expect("491") // rfc3311#5.2
		k.send(inDialog("INFO", 13, tag, ""))
		in := k.want("request INFO").(*Incoming)
		in.Respond(in.Response(200, ""))
		k.expect("200")
		s.Request(sip.INVITE, nil, outcome)
		if err := <-done; !errors.Is(err, ErrPending) {
			t.Errorf("a second INVITE: %v", err)
		}
		k.reply(ours, 200, "", "Contact: <sip:alice@192.0.2.7>")
		if err := <-done; err.Error() != "OK" {
			t.Errorf("our INVITE: %v", err)
		}
		o.ACK(nil)
		ack := k.expect("ACK")
		k.reply(ours, 200, "", "Contact: <sip:alice@192.0.2.7>") // again
		if again := k.expect("ACK"); again.Text() != ack.Text() {
			t.Errorf("the second ACK differs:\n%s", again.Text())
		}

		k.send(inDialog("INVITE", 14, tag, "\nContact: <sip:alice@192.0.2.7>"))
		k.want("request INVITE")
		k.send(inDialog("INVITE", 15, tag, "\nContact: <sip:alice@192.0.2.7>"))
		if resp := k.expect("500"); resp.Get(sip.HeaderRetryAfter) != "3" {
			t.Errorf("Retry-After is %q", resp.Get(sip.HeaderRetryAfter))
		}
		s.Request(sip.UPDATE, nil, outcome)
		if err := <-done; !errors.Is(err, ErrPending) {
			t.Errorf("an UPDATE during the peer's INVITE: %v", err)
		}
		k.send(inDialog("BYE", 16, tag, ""))
		k.expect("200")
		k.expect("487") // rfc3261#15.1.2
		k.want("ended")
	})
}

func TestReinviteWithoutAnswer(t *testing.T) {
	bubble(t, func(k *kit) {
		s, _ := called(k)
		told := make(chan error, 1)
		s.Request(sip.INVITE, nil, func(_ *Outgoing, _ *sip.Message, err error) { told <- err })
		ours := k.expect("INVITE")
		k.reply(ours, 180, "", "")
		k.quiet(patience - time.Second)
		k.expect("CANCEL")
		k.expect("BYE") // rfc3261#12.2.1.2
		if err := <-told; !errors.Is(err, transaction.ErrTimeout) {
			t.Errorf("the INVITE: %v", err)
		}
		k.want("ended")
	})
}

func TestReinvitePendingAtTheEnd(t *testing.T) {
	bubble(t, func(k *kit) {
		s, _ := called(k)
		s.Request(sip.INVITE, nil, nil)
		ours := k.expect("INVITE")
		k.reply(ours, 100, "", "")
		s.End(0, "")
		k.expect("CANCEL")
		k.expect("BYE")
		k.want("ended")
		time.Sleep(time.Minute)
		if st := k.layer.Stats(); st.Clients != 0 {
			t.Errorf("%d transactions are left", st.Clients)
		}
	})
}

func TestReinviteCancelled(t *testing.T) {
	bubble(t, func(k *kit) {
		s, tag := called(k)
		k.send(inDialog("INVITE", 11, tag, "\nContact: <sip:alice@192.0.2.7>"))
		in := k.want("request INVITE").(*Incoming)
		k.send(strings.ReplaceAll(inDialog("CANCEL", 11, tag, ""), "11CANCEL", "11INVITE"))
		k.expect("200")
		k.expect("487")
		if k.want("cancelled").(*Incoming) != in {
			t.Error("another request was cancelled")
		}
		s.End(0, "")
		k.reply(k.expect("BYE"), 200, "", "")
		k.want("ended")
	})
}

func TestPeerIsLost(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		end    error
	}{
		"481":     {481, ErrGone},
		"408":     {408, ErrGone},
		"silence": {0, transaction.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(k *kit) {
				s, _ := called(k)
				told := make(chan error, 1)
				s.Request(sip.INFO, nil, func(_ *Outgoing, _ *sip.Message, err error) { told <- err })
				req := k.expect("INFO")
				if test.status != 0 {
					k.reply(req, test.status, "", "")
				}
				k.expect("BYE")
				if err := <-told; (err == nil) != (test.status != 0) {
					t.Errorf("INFO: %v", err)
				}
				if end := k.want("ended").(End); !errors.Is(end.Err, test.end) {
					t.Errorf("ended as %+v", end)
				}
			})
		})
	}
}

func TestFlowIsGone(t *testing.T) {
	bubble(t, func(k *kit) {
		s, _ := called(k)
		close(k.wire.done)
		told := make(chan error, 1)
		s.Request(sip.INFO, nil, func(_ *Outgoing, _ *sip.Message, err error) { told <- err })
		if err := <-told; !errors.Is(err, ErrFlow) {
			t.Errorf("INFO: %v", err)
		}
		s.End(0, "")
		k.want("ended")
	})
}

func TestTooManyPending(t *testing.T) {
	bubble(t, func(k *kit) {
		_, tag := called(k)
		for i := range maxPending {
			k.send(inDialog("INFO", 11+i, tag, ""))
			k.want("request INFO")
		}
		k.send(inDialog("INFO", 30, tag, ""))
		k.expect("500")
	})
}
