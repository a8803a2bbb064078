package bridge

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"parley/sdp"
	"parley/sip"
	"parley/xmpp"
	"parley/xmpp/jingle"
)

func lines(s ...string) string { return strings.Join(s, "\r\n") + "\r\n" }

func parsed(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string) *sdp.Description {
	t.Helper()
	d, err := sdp.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

func here() sdp.Origin { return sdp.Origin{Host: netip.MustParseAddr("192.0.2.9"), ID: 1, Version: 1} }

// browser is an offer as a browser makes it, shortened.
var browser = lines(
	"v=0", "o=- 42 2 IN IP4 127.0.0.1", "s=-", "t=0 0",
	"a=group:BUNDLE 0 1",
	"m=audio 50000 UDP/TLS/RTP/SAVPF 111 9 0 126",
	"c=IN IP4 192.0.2.5",
	"b=AS:64",
	"a=mid:0",
	"a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1",
	"a=rtpmap:126 telephone-event/8000", "a=fmtp:126 0-15",
	"a=ptime:20",
	"a=rtcp-mux",
	"a=rtcp-fb:111 transport-cc",
	"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", "a=extmap:2/sendonly urn:x",
	"a=ssrc:11 cname:abc", "a=ssrc:11 msid:s t",
	"a=sendrecv",
	"a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901",
	"a=candidate:3314562 1 udp 2113937151 192.0.2.5 50000 typ host generation 0 network-id 1",
	"a=candidate:99 1 udp 1113937151 198.51.100.5 50001 typ srflx raddr 192.0.2.5 rport 50000",
	"a=candidate:3314562 2 udp 2113937150 192.0.2.5 50002 typ host",
	"a=fingerprint:sha-256 AB:CD", "a=setup:actpass",
	"m=video 50000 UDP/TLS/RTP/SAVPF 96 97",
	"c=IN IP4 192.0.2.5",
	"a=mid:1",
	"a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f",
	"a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96",
	"a=rtcp-mux",
	"a=rtcp-fb:* nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 trr-int 100",
	"a=ssrc-group:FID 21 22", "a=ssrc:21 cname:abc", "a=ssrc:22 cname:abc",
	"a=recvonly",
	"a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901",
	"a=fingerprint:sha-256 AB:CD", "a=setup:actpass",
)

func TestABrowsersOffer(t *testing.T) {
	t.Parallel()
	m, err := Read(parsed(t, browser), jingle.Initiator)
	if err != nil {
		t.Fatal(err)
	}
	j, err := m.Initiate("a73")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'><content name='0'/><content name='1'/></group>",
		"<payload-type id='111' name='opus' clockrate='48000' channels='2' ptime='20'><parameter name='minptime' value='10'/>",
		"<payload-type id='126' name='telephone-event' clockrate='8000' ptime='20'><parameter name='events' value='0-15'/></payload-type>",
		"<payload-type id='0' name='PCMU' clockrate='8000' ptime='20'/>",
		"<rtcp-mux/>", "<bandwidth type='AS'>64</bandwidth>",
		"<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='2' uri='urn:x' senders='initiator'/>",
		"<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AB:CD</fingerprint>",
		"component='2' foundation='1'", "component='1' foundation='2'",
		"<content creator='initiator' name='1' senders='responder'>",
		"<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='100'/>",
	} {
		if !strings.Contains(j.XML(), want) {
			t.Errorf("there is no %s in\n%s", want, j.XML())
		}
	}
	back := reread(t, j)
	again, err := Take(back, jingle.Initiator)
	if err != nil {
		t.Fatal(err)
	}
	d, err := again.Describe(here(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"m=audio 50001 UDP/TLS/RTP/SAVPF 111 9 0 126", "c=IN IP4 198.51.100.5", "a=fmtp:126 0-15", "a=fmtp:111 minptime=10;useinbandfec=1",
		"a=candidate:1 2 udp 2113937150 192.0.2.5 50002 typ host\r\n", "a=group:BUNDLE 0 1", "a=rtcp-fb:96 trr-int 100",
		"a=ssrc-group:FID 21 22", "a=ssrc:11 msid:s t", "a=extmap:2/sendonly urn:x", "a=setup:actpass", "a=recvonly", "m=video 9 ",
	} {
		if !strings.Contains(d.String(), want) {
			t.Errorf("there is no %s in\n%s", want, d)
		}
	}
}

// reread is the request as the other party reads it.
func reread(t interface {
	Helper()
	Fatalf(string, ...any)
}, j *jingle.Jingle) *jingle.Jingle {
	t.Helper()
	e, err := xmpp.ParseElement(j.XML())
	if err != nil {
		t.Fatalf("%v: %s", err, j.XML())
	}
	back, err := jingle.Parse(e)
	if err != nil {
		t.Fatalf("%v: %s", err, j.XML())
	}
	return back
}

func offerOf(t *testing.T, text string) Media {
	t.Helper()
	m, err := Read(parsed(t, text), jingle.Initiator)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnAnswerOfJingleRefusesWhatIsNotInIt(t *testing.T) {
	t.Parallel()
	offer := offerOf(t, browser)
	accept := &jingle.Jingle{Action: jingle.SessionAccept, SID: "a", Contents: offer.Contents()[:1]}
	accept.Contents[0].Senders = jingle.FromResponder
	answer, err := Take(accept, jingle.Responder, offer)
	if err != nil {
		t.Fatal(err)
	}
	d, err := answer.Describe(here(), true)
	if err != nil || len(d.Media) != 2 || d.Media[1].Port != 0 || d.Media[1].Kind != "video" || d.Media[1].Proto != "UDP/TLS/RTP/SAVPF" {
		t.Fatalf("%v\n%s", err, d)
	}
	if d.Media[0].Direction() != sdp.SendOnly {
		t.Errorf("the responder alone sends: %v", d.Media[0].Direction())
	}
	accept.Contents[0].Name = "other"
	if _, err := Take(accept, jingle.Responder, offer); !errors.Is(err, ErrContent) {
		t.Errorf("a content nobody offered: %v", err)
	}
}

func TestAnAnswerOfSDPRemovesWhatItRefuses(t *testing.T) {
	t.Parallel()
	offer := offerOf(t, browser)
	answer, err := Read(parsed(t, lines("v=0", "o=- 1 1 IN IP4 192.0.2.7", "s=-", "c=IN IP4 192.0.2.7", "t=0 0",
		"m=audio 4000 RTP/AVP 0", "a=sendonly", "m=video 0 RTP/AVP 96")), jingle.Responder, offer)
	if err != nil {
		t.Fatal(err)
	}
	all, err := answer.Accept("a73")
	if err != nil || len(all) != 2 || all[0].Action != jingle.ContentRemove || all[1].Action != jingle.SessionAccept {
		t.Fatalf("%v: %v", err, all)
	}
	if c := all[0].Contents[0]; c.Name != "1" || c.Creator != jingle.Initiator {
		t.Errorf("removed is %+v", c)
	}
	if c := all[1].Contents[0]; c.Name != "0" || c.Senders != jingle.FromResponder {
		t.Errorf("accepted is %+v", c)
	}
}

func TestWhatJingleCannotSayIsGone(t *testing.T) {
	t.Parallel()
	head := lines("v=0", "o=- 1 1 IN IP4 192.0.2.7", "s=-", "c=IN IP4 192.0.2.7", "t=0 0")
	if _, err := Read(parsed(t, head+"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"), jingle.Initiator); !errors.Is(err, ErrNoMedia) {
		t.Errorf("a data channel alone: %v", err)
	}
	m, err := Read(parsed(t, head+"m=image 4000 udptl t38\r\nm=audio 4000 RTP/AVP 0 8\r\n"), jingle.Initiator)
	if err != nil || len(m.Contents()) != 1 || m.Contents()[0].Name != "1" {
		t.Errorf("fax and audio: %v: %+v", err, m)
	}
}

// TestHold puts a call on hold from either side, and takes it off.
func TestHold(t *testing.T) {
	t.Parallel()
	before := offerOf(t, browser)
	info := func(k jingle.InfoKind) *jingle.Jingle {
		return &jingle.Jingle{Action: jingle.SessionInfo, SID: "a", Infos: []jingle.Info{{Kind: k}}}
	}
	held, err := before.Apply(info(jingle.Hold), Media{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := held.Describe(here(), false)
	if err != nil || d.Media[0].Direction() != sdp.SendOnly || d.Media[1].Direction() != sdp.Inactive {
		t.Fatalf("%v: held is\n%s", err, d)
	}
	if before.Lines[0].Content.Senders != jingle.Both {
		t.Error("what was before has changed")
	}
	back, err := held.Apply(info(jingle.Active), Media{})
	if err != nil || !reflect.DeepEqual(back, before) {
		t.Errorf("%v: taken off hold it is %+v", err, back)
	}
	after, err := Read(d, jingle.Initiator, before)
	if err != nil {
		t.Fatal(err)
	}
	all := after.Changes(before, "a")
	if !hasInfo(all, jingle.Hold) || all[0].Action != jingle.ContentModify || all[0].Contents[0].Senders != jingle.FromInitiator {
		t.Errorf("a hold of SIP is %s", xml(all))
	}
	if all := before.Changes(after, "a"); !hasInfo(all, jingle.Unhold) {
		t.Errorf("its end is %s", xml(all))
	}
	old := parsed(t, strings.ReplaceAll(lines("v=0", "o=- 1 1 IN IP4 h", "s=-", "c=IN IP4 0.0.0.0", "t=0 0", "m=audio 4 RTP/AVP 0"), "h", "192.0.2.1"))
	if m, err := Read(old, jingle.Responder); err != nil || m.Lines[0].Content.Senders != jingle.FromResponder {
		t.Errorf("%v: the old way to hold is %+v", err, m)
	}
}

func hasInfo(all []*jingle.Jingle, k jingle.InfoKind) bool {
	for _, j := range all {
		for _, i := range j.Infos {
			if i.Kind == k {
				return true
			}
		}
	}
	return false
}

func xml(all []*jingle.Jingle) (s string) {
	for _, j := range all {
		s += j.XML() + "\n"
	}
	return s
}

func TestICEBeginsAnew(t *testing.T) {
	t.Parallel()
	before := offerOf(t, browser)
	after, err := Read(parsed(t, strings.ReplaceAll(browser, "a=ice-ufrag:abcd", "a=ice-ufrag:wxyz")), jingle.Initiator, before)
	if err != nil {
		t.Fatal(err)
	}
	all := after.Changes(before, "a")
	if len(all) != 1 || all[0].Action != jingle.TransportInfo || all[0].Contents[0].Transport.Candidates[0].Generation != 1 {
		t.Fatalf("it is told as %s", xml(all))
	}
	same, err := Read(parsed(t, browser), jingle.Initiator, before)
	if all := same.Changes(before, "a"); err != nil || len(all) != 0 {
		t.Errorf("%v: the same again is told as %s", err, xml(all))
	}
	applied, err := before.Apply(all[0], Media{})
	if err != nil || applied.Lines[0].Generation != 1 || applied.Lines[0].Content.Transport.UFrag != "wxyz" {
		t.Errorf("%v: applied it is %+v", err, applied.Lines[0])
	}
}

func TestContentsComeAndGo(t *testing.T) {
	t.Parallel()
	audio, _, _ := strings.Cut(browser, "m=video")
	audio = strings.Replace(audio, "BUNDLE 0 1", "BUNDLE 0", 1)
	one, two := offerOf(t, audio), offerOf(t, browser)
	peer := Media{By: jingle.Responder, Lines: two.Lines}
	more, err := Read(parsed(t, browser), jingle.Responder, one)
	if err != nil || more.Lines[0].Content.Creator != jingle.Initiator || more.Lines[1].Content.Creator != jingle.Responder {
		t.Fatalf("%v: creators are %+v", err, more.Lines)
	}
	add := more.Changes(Media{By: jingle.Responder, Lines: one.Lines}, "a")[0]
	if add.Action != jingle.ContentAdd || len(add.Contents) != 1 {
		t.Fatalf("added with %s", add.XML())
	}
	reply := peer.Reply(&jingle.Jingle{SID: "a", Contents: []jingle.Content{two.Lines[1].Content, {Creator: jingle.Responder, Name: "x"}}})
	if len(reply) != 2 || reply[0].Action != jingle.ContentAccept || reply[1].Action != jingle.ContentReject {
		t.Errorf("replied with %s", xml(reply))
	}
	grown, err := one.Apply(&jingle.Jingle{Action: jingle.ContentAdd, Contents: two.Contents()[1:]}, Media{})
	if err != nil || len(grown.Contents()) != 2 {
		t.Fatalf("%v: added it is %+v", err, grown)
	}
	shrunk, err := grown.Apply(&jingle.Jingle{Action: jingle.ContentRemove, Contents: two.Contents()[:1]}, Media{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := shrunk.Describe(here(), false)
	if err != nil || len(d.Media) != 2 || d.Media[0].Port != 0 || d.Media[0].Kind != "audio" || d.Media[1].Port == 0 {
		t.Errorf("%v: removed it is\n%s", err, d)
	}
	if _, err := one.Apply(&jingle.Jingle{Action: jingle.ContentModify, Contents: two.Contents()[1:]}, Media{}); !errors.Is(err, ErrContent) {
		t.Errorf("an unknown content: %v", err)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, c := range jingle.Conditions() {
		if status := Status(&jingle.Reason{Condition: c}); status < 400 || sip.ReasonPhrase(status) == "" {
			t.Errorf("%s is answered with %d", c, status)
		}
	}
	for status := 300; status < 700; status++ {
		if r := Reason(status, "x"); r.Condition == "" || r.Condition == jingle.Success {
			t.Errorf("%d is %q", status, r.Condition)
		}
	}
	for _, c := range []jingle.Condition{jingle.Busy, jingle.Cancel, jingle.Decline, jingle.Gone, jingle.Timeout, jingle.GeneralError} {
		if back := Reason(Status(&jingle.Reason{Condition: c}), "").Condition; back != c {
			t.Errorf("%s comes back as %s", c, back)
		}
	}
	for header, want := range map[string]jingle.Reason{
		"":                                 {Condition: jingle.Cancel},
		Elsewhere:                          {Condition: jingle.Cancel, Text: "Call completed elsewhere"},
		`SIP ;cause=486 ;text="Busy Here"`: {Condition: jingle.Busy, Text: "Busy Here"},
		"Q.850;cause=17":                   {Condition: jingle.Busy},
		"Q.850;cause=99, SIP;cause=603":    {Condition: jingle.Decline},
		"SIP;cause=x":                      {Condition: jingle.Cancel},
		"preemption;cause=1":               {Condition: jingle.Cancel},
	} {
		b := sip.NewRequest(sip.CANCEL, "sip:a@x.example").Add(sip.HeaderVia, "SIP/2.0/UDP h;branch=z9hG4bKa").
			Add(sip.HeaderFrom, "<sip:a@x>;tag=1").Add(sip.HeaderTo, "<sip:b@x>").Add(sip.HeaderCallID, "c").Add(sip.HeaderCSeq, "1 CANCEL")
		if header != "" {
			b.Add(sip.HeaderReason, header)
		}
		m, err := b.Message()
		if err != nil {
			t.Fatal(err)
		}
		if got := Ended(m, jingle.Cancel); *got != want {
			t.Errorf("%s is %+v", header, got)
		}
	}
	if h := Header(&jingle.Reason{Condition: jingle.Busy, Text: "a\"b\r\nc"}); h != `SIP;cause=486;text="a\"b  c"` {
		t.Errorf("busy is %s", h)
	}
	if h := Header(&jingle.Reason{Condition: jingle.Success}); h != "" {
		t.Errorf("success is %s", h)
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		i    jingle.Intent
		want int
	}{
		{jingle.Intent{Step: jingle.Ring}, 180},
		{jingle.Intent{Step: jingle.Reject}, 603},
		{jingle.Intent{Step: jingle.Reject, Reason: &jingle.Reason{Condition: jingle.Busy}}, 486},
		{jingle.Intent{Step: jingle.Proceed}, 0},
	} {
		if got := Outcome(&x.i); got != x.want {
			t.Errorf("%+v is %d", x.i, got)
		}
	}
	p, ok := offerOf(t, browser).Proposal("a")
	if !ok || p.XML() != "<propose xmlns='urn:xmpp:jingle-message:0' id='a'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"+
		"<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'/></propose>" {
		t.Errorf("proposed with %s", p.XML())
	}
	if i, ok := Progress(180); !ok || Provisional(i) != 180 {
		t.Error("180 does not come back")
	}
	if _, ok := Progress(183); ok {
		t.Error("183 is ringing")
	}
}
