package echo

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/core"
	"parley/media/rtp"
	"parley/sdp"
	"parley/sip"
	"parley/sip/siptest"
	"parley/sip/transaction"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit is the service with one caller.
type kit struct {
	*testing.T
	clock *siptest.Clock
	echo  *Echo
	alice *siptest.Peer
	ports *rtp.Ports
	voice *net.UDPConn // alice's
}

func newKit(t *testing.T, c Config) *kit {
	t.Helper()
	k := &kit{T: t, clock: siptest.NewClock()}
	var err error
	k.ports, err = rtp.NewPorts(rtp.PortsConfig{Addresses: []rtp.Address{{Bind: netip.MustParseAddr("127.0.0.1")}}})
	if err != nil {
		t.Fatal(err)
	}
	layer := transaction.New(transaction.Config{
		Clock:     k.clock,
		OnRequest: func(s *transaction.Server) { k.echo.Serve(s) },
		OnACK:     func(f sip.Flow, ack *sip.Message) { k.echo.ACK(f, ack) },
	})
	c.Layer, c.Ports = layer, k.ports
	k.echo = New(c)
	k.alice = siptest.Join(t, k.clock, "alice@example.com", sip.UDP, layer.Receive)
	k.voice, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = k.voice.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // the peers don't answer any more
		_ = k.echo.Close(ctx)
		layer.Close()
		if n := k.ports.InUse(); n != 0 {
			t.Errorf("%d pairs of ports are still open", n)
		}
	})
	return k
}

func (k *kit) address() netip.AddrPort {
	a, ok := k.voice.LocalAddr().(*net.UDPAddr)
	if !ok {
		k.Fatal("no address")
	}
	return a.AddrPort()
}

// offer is alice's, with the given m= part.
func (k *kit) offer(media string) string {
	return fmt.Sprintf("v=0\r\no=alice 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		strings.ReplaceAll(media, "\n", "\r\n")+"\r\n", k.address().Port())
}

const audio = "m=audio %d RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\na=sendrecv"

// call gets a call up and gives its dialog and our description.
func (k *kit) call(media string) (*siptest.Dialog, *sdp.Description) {
	k.Helper()
	invite := k.alice.Invite("echo@example.com", siptest.WithSDP(k.offer(media)))
	k.alice.Expect("180")
	ok := k.alice.Expect("200 INVITE")
	d := k.alice.Dialog(invite, ok)
	d.Ack()
	k.clock.Settle()
	return d, k.description(ok)
}

func (k *kit) description(m *sip.Message) *sdp.Description {
	k.Helper()
	d, err := sdp.Parse(m.Body())
	if err != nil {
		k.Fatalf("%v\n%s", err, m.Text())
	}
	return d
}

func (k *kit) say(to *sdp.Description, payload uint8, seq uint16, what string) {
	k.Helper()
	p := rtp.Packet{Type: payload, Sequence: seq, Timestamp: 160 * uint32(seq), SSRC: 7, Payload: []byte(what)}
	if _, err := k.voice.WriteToUDPAddrPort(p.Append(nil), to.Media[0].Address()); err != nil {
		k.Fatal(err)
	}
}

func (k *kit) hear(want string) {
	k.Helper()
	b := make([]byte, 2000)
	if err := k.voice.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		k.Fatal(err)
	}
	n, err := k.voice.Read(b)
	if err != nil {
		k.Fatal(err)
	}
	p, ok := rtp.Read(b[:n])
	if !ok || string(p.Payload) != want || p.SSRC == 7 {
		k.Fatalf("heard %+v, want %q", p, want)
	}
}

func TestVoiceComesBack(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	d, ours := k.call(audio)
	k.say(ours, 8, 1, "hello")
	k.hear("hello")
	k.say(ours, 101, 2, "digit")
	k.hear("digit")
	d.Bye()
	k.alice.Expect("200 BYE")
	k.clock.Settle()
	if n := k.echo.Calls(); n != 0 {
		t.Errorf("%d calls after BYE", n)
	}
}

func TestAnswersOfMedia(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, offer, status, warning string
		ours                         []string
	}{
		{"opus", "m=audio %d RTP/AVP 111 0\na=rtpmap:111 opus/48000/2\na=fmtp:111 useinbandfec=1", "200", "",
			[]string{" RTP/AVP 111\r\n", "a=rtpmap:111 opus/48000/2"}},
		{"video is refused", audio + "\nm=video 4002 RTP/AVP 99\na=rtpmap:99 H264/90000", "200", "",
			[]string{"m=video 0 RTP/AVP 99"}},
		{"hold", strings.Replace(audio, "sendrecv", "sendonly", 1), "200", "", []string{"a=recvonly"}},
		{"a codec that is only passed", "m=audio %d RTP/AVP 18\na=fmtp:18 annexb=no", "200", "",
			[]string{"a=fmtp:18 annexb=no"}},
		{"encrypted", "m=audio %d RTP/SAVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "488", "302", nil},
		{"browser", "m=audio %d UDP/TLS/RTP/SAVPF 8", "488", "302", nil},
		{"codec", "m=audio %d RTP/AVP 96\na=rtpmap:96 EVS/16000", "488", "305", nil},
		{"no audio", "m=video %d RTP/AVP 99", "488", "304", nil},
		{"nonsense", "m=audio %d\nwhat", "400", "399", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, Config{})
			k.alice.Ignore("180")
			invite := k.alice.Invite("echo@example.com", siptest.WithSDP(k.offer(test.offer)))
			resp := k.alice.Expect(test.status + " INVITE")
			k.alice.Ack(invite, resp)
			if w := resp.Get(sip.HeaderWarning); !strings.HasPrefix(w, test.warning) {
				t.Errorf("Warning is %q, want code %s", w, test.warning)
			}
			for _, want := range test.ours {
				if !strings.Contains(resp.Body(), want) {
					t.Errorf("answer lacks %q:\n%s", want, resp.Body())
				}
			}
		})
	}
}

func TestOtherBody(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Ignore("180")
	k.alice.Invite("echo@example.com", siptest.WithBody("text/plain", "hello"))
	if resp := k.alice.Expect("415"); resp.Get(sip.HeaderAccept) != sdpType {
		t.Errorf("Accept is %q", resp.Get(sip.HeaderAccept))
	}
}

func TestOfferIsOurs(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Ignore("180")
	invite := k.alice.Invite("echo@example.com", siptest.WithBody("", ""))
	ok := k.alice.Expect("200 INVITE")
	ours := k.description(ok)
	if c := ours.Media[0].Codecs(); len(c) != len(offered()) {
		t.Errorf("offered %+v", c)
	}
	d := k.alice.Dialog(invite, ok)
	d.Ack(siptest.WithSDP(k.offer("m=audio %d RTP/AVP 9")))
	k.clock.Settle()
	k.say(ours, 9, 1, "wide")
	k.hear("wide")
}

func TestAnswerThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Ignore("180")
	invite := k.alice.Invite("echo@example.com", siptest.WithBody("", ""))
	d := k.alice.Dialog(invite, k.alice.Expect("200 INVITE"))
	d.Ack() // without an answer
	bye := k.alice.Expect("BYE")
	if !strings.Contains(bye.Get(sip.HeaderReason), "cause=488") {
		t.Errorf("Reason is %q", bye.Get(sip.HeaderReason))
	}
	k.alice.Respond(bye, 200)
}

func TestHoldAndBack(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	d, first := k.call(audio)
	k.say(first, 8, 1, "before")
	k.hear("before")

	d.Request(sip.INVITE, siptest.WithSDP(k.offer(strings.Replace(audio, "sendrecv", "sendonly", 1))))
	held := k.description(k.alice.Expect("200 INVITE"))
	d.Ack()
	if dir := held.Media[0].Direction(); dir != sdp.RecvOnly {
		t.Errorf("held with %v", dir)
	}
	if held.Media[0].Port != first.Media[0].Port {
		t.Errorf("port moved from %d to %d", first.Media[0].Port, held.Media[0].Port)
	}
	if !strings.Contains(held.String(), " 2 IN IP4") {
		t.Errorf("the version did not grow:\n%s", held)
	}
	k.say(first, 8, 2, "music")
	for deadline := time.Now().Add(5 * time.Second); k.echo.list()[0].media.Stats().Received < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the music did not come")
		}
	}

	d.Request(sip.UPDATE, siptest.WithSDP(k.offer(audio)))
	k.alice.Expect("200 UPDATE")
	k.say(first, 8, 3, "after")
	k.hear("after") // and not the music
}

func TestOfferRefusedInCall(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	d, ours := k.call(audio)
	d.Request(sip.INVITE, siptest.WithSDP(k.offer("m=audio %d RTP/SAVP 8")))
	k.alice.Expect("488")
	k.say(ours, 8, 1, "still here")
	k.hear("still here")
}

func TestTimeIsUp(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxDuration: func() time.Duration { return time.Minute }})
	k.call(audio)
	k.clock.Advance(59 * time.Second)
	k.alice.Silent(0)
	k.clock.Advance(2 * time.Second)
	k.alice.Respond(k.alice.Expect("BYE"), 200)
	k.clock.Settle()
	if n := k.echo.Calls(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestNoAudio(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{Dead: 50 * time.Millisecond})
	k.call(audio)
	for deadline := time.Now().Add(5 * time.Second); k.echo.Calls() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a silent call stays")
		}
	}
	if bye := k.alice.Expect("BYE"); !strings.Contains(bye.Get(sip.HeaderReason), "No audio") {
		t.Errorf("Reason is %q", bye.Get(sip.HeaderReason))
	}
}

func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxCalls: func() int { return 1 }})
	d, _ := k.call(audio)
	k.alice.Invite("echo@example.com")
	k.alice.Expect("486")
	d.Bye()
	k.alice.Expect("200 BYE")
	k.call(audio)
}

func TestNoPort(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	taken, err := k.ports.Open(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	full, err := rtp.NewPorts(rtp.PortsConfig{
		Addresses: []rtp.Address{{Bind: netip.MustParseAddr("127.0.0.1")}},
		Low:       taken.RTPPort(), High: taken.RTCPPort(),
	})
	if err != nil {
		t.Fatal(err)
	}
	k.echo.c.Ports = full
	k.alice.Ignore("180")
	k.alice.Invite("echo@example.com")
	k.alice.Expect("503")
	k.clock.Settle()
	if n := k.echo.Calls(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestOtherRequests(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{Server: "parley"})
	k.alice.Request(sip.OPTIONS, "echo@example.com")
	if resp := k.alice.Expect("200 OPTIONS"); resp.Get(sip.HeaderAllow) != allow || resp.Get(sip.HeaderServer) != "parley" {
		t.Errorf("answered\n%s", resp.Text())
	}
	k.alice.Request(sip.MESSAGE, "echo@example.com")
	if resp := k.alice.Expect("405"); resp.Get(sip.HeaderAllow) != allow {
		t.Errorf("Allow is %q", resp.Get(sip.HeaderAllow))
	}
	k.alice.Request(sip.BYE, "<sip:echo@example.com>;tag=unknown")
	k.alice.Expect("481")
	d, _ := k.call(audio)
	for method, status := range map[sip.Method]string{
		sip.OPTIONS: "200", sip.INFO: "200", sip.MESSAGE: "405", sip.UPDATE: "200",
	} {
		d.Request(method)
		k.alice.Expect(status + " " + string(method))
	}
}

func TestCancelComesLate(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Ignore("180")
	invite := k.alice.Invite("echo@example.com")
	ok := k.alice.Expect("200 INVITE")
	k.alice.Cancel(invite)
	k.alice.Expect("200 CANCEL")
	d := k.alice.Dialog(invite, ok)
	d.Ack()
	d.Bye()
	k.alice.Expect("200 BYE")
}

func TestCallerVanishes(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Ignore("180", "200")
	k.alice.Invite("echo@example.com")
	k.clock.Advance(33 * time.Second)
	k.alice.Expect("BYE")
	if n := k.echo.Calls(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.call(audio)
	done := make(chan error)
	go func() { done <- k.echo.Close(context.Background()) }()
	if err := <-done; err != nil {
		t.Error(err)
	}
	k.alice.Respond(k.alice.Expect("BYE"), 200)
	if n := k.ports.InUse(); n != 0 {
		t.Errorf("%d pairs of ports are open", n)
	}
	k.alice.Invite("echo@example.com")
	k.alice.Expect("503")
}

func TestSignalling(t *testing.T) {
	t.Parallel()
	for via, want := range map[string]string{
		"SIP/2.0/UDP 192.168.1.2:5060;branch=z9hG4bK2;received=198.51.100.7;rport=9": "198.51.100.7",
		"SIP/2.0/TCP 198.51.100.9;branch=z9hG4bK2":                                   "198.51.100.9",
		"SIP/2.0/WS abc.invalid;branch=z9hG4bK2":                                     "invalid IP",
		"SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK2":                             "2001:db8::1",
	} {
		req := siptest.Request(sip.INVITE, "a@b", "c@d", func(b *sip.Builder) { b.Add(sip.HeaderVia, via) })
		if got := signalling(req); got.String() != want {
			t.Errorf("%s: %v, want %s", via, got, want)
		}
	}
	if got := signalling(siptest.Request(sip.INVITE, "a@b", "c@d")); got.IsValid() {
		t.Errorf("of a single Via: %v", got)
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	r := &Router{Name: "echo"}
	for _, test := range []struct {
		to   string
		want string
	}{{"echo", "proxied: agent:echo"}, {"bob", "nothing"}} {
		p := &core.Plan{}
		if err := r.Route(t.Context(), &core.Call{To: core.Address{Local: test.to, Domain: "example.com"}}, p); err != nil {
			t.Fatal(err)
		}
		if p.String() != test.want {
			t.Errorf("%s: %s, want %s", test.to, p, test.want)
		}
	}
}

// TestNoLeakOfManyCalls makes and drops many calls.
func TestNoLeakOfManyCalls(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	for range siptest.Soak(200, 3000) {
		d, _ := k.call(audio)
		d.Bye()
		k.alice.Expect("200 BYE")
	}
	k.clock.Advance(40 * time.Second)
	if n := k.echo.Calls(); n != 0 {
		t.Errorf("%d calls", n)
	}
}
