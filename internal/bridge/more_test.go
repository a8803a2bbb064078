package bridge

import (
	"errors"
	"strings"
	"testing"

	"parley/sdp"
	"parley/xmpp/jingle"
)

func content(t *jingle.Transport, payloads ...jingle.Payload) *jingle.Jingle {
	return &jingle.Jingle{Action: jingle.SessionInitiate, SID: "a", Contents: []jingle.Content{{
		Creator: jingle.Initiator, Name: "voice call", Description: &jingle.Description{Media: "audio", Payloads: payloads}, Transport: t,
	}}}
}

func describe(t *testing.T, j *jingle.Jingle, answer bool) *sdp.Description {
	t.Helper()
	m, err := Take(j, jingle.Initiator)
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.Describe(here(), answer)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhatJingleLeavesOut(t *testing.T) {
	t.Parallel()
	d := describe(t, content(&jingle.Transport{Fingerprints: []jingle.Fingerprint{{Hash: "sha-256", Value: "AB:CD"}}},
		jingle.Payload{ID: 0, Name: "PCMU"}, jingle.Payload{ID: 96, Name: "speex"}, jingle.Payload{ID: 97}, jingle.Payload{ID: 9, Name: "G722"}), false)
	for _, want := range []string{
		"m=audio 9 UDP/TLS/RTP/SAVPF 0 96 9\r\n", "a=mid:0\r\n", "a=rtpmap:0 PCMU/8000\r\n", "a=rtpmap:96 speex/8000\r\n", "a=setup:actpass\r\n",
	} {
		if !strings.Contains(d.String(), want) {
			t.Errorf("there is no %q in\n%s", want, d)
		}
	}
	video := content(&jingle.Transport{}, jingle.Payload{ID: 96, Name: "VP8"})
	video.Contents[0].Description.Media = "video"
	if d := describe(t, video, false); !strings.Contains(d.String(), "a=rtpmap:96 VP8/90000") {
		t.Errorf("video has no rate of its own:\n%s", d)
	}
	// The static rate of what the name is that of, not that of audio at large.
	odd := content(&jingle.Transport{}, jingle.Payload{ID: 8, Name: "PCMA"})
	odd.Contents[0].Description.Media = "video"
	if d := describe(t, odd, false); !strings.Contains(d.String(), "a=rtpmap:8 PCMA/8000") {
		t.Errorf("a static type has not its rate:\n%s", d)
	}
	if d := describe(t, content(&jingle.Transport{Fingerprints: []jingle.Fingerprint{{Hash: "sha-1", Value: "AB"}}}, jingle.Payload{}), true); !strings.Contains(d.String(), "a=setup:active") {
		t.Errorf("an answer that does not say its role:\n%s", d)
	}
}

func TestTheAddressThatStands(t *testing.T) {
	t.Parallel()
	c := func(kind, ip string, component uint8) jingle.Candidate {
		return jingle.Candidate{Component: component, Foundation: "1", IP: ip, Port: 5000, Priority: 1, Protocol: "udp", Type: kind}
	}
	all := []jingle.Candidate{c("host", "192.0.2.1", 1), c("relay", "192.0.2.4", 1), c("srflx", "192.0.2.3", 1), c("relay", "192.0.2.5", 2), c("host", "x.local", 1)}
	for n, want := range map[int]string{1: "192.0.2.1", 5: "192.0.2.4"} {
		d := describe(t, content(&jingle.Transport{UFrag: "abcd", Pwd: "p", Candidates: all[:n]}, jingle.Payload{}), false)
		if got := d.Media[0].Address(); got.Addr().String() != want || got.Port() != 5000 {
			t.Errorf("of %d candidates %v stands", n, got)
		}
	}
}

// TestAHoldByDirectionOutlivesItsInfo has both ways of a hold one after the other, as Changes tells it.
func TestAHoldByDirectionOutlivesItsInfo(t *testing.T) {
	t.Parallel()
	m := offerOf(t, browser)
	do := func(j *jingle.Jingle) {
		t.Helper()
		var err error
		if m, err = m.Apply(j, Media{}); err != nil {
			t.Fatal(err)
		}
	}
	do(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Hold}}})
	do(&jingle.Jingle{Action: jingle.ContentModify, Contents: []jingle.Content{{Creator: jingle.Initiator, Name: "0", Senders: jingle.Nobody}}})
	do(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Unhold}}})
	if got := m.Lines[0].Content.Senders; got != jingle.Nobody {
		t.Errorf("the end of the hold undoes what was said since: %q", got)
	}
}

func TestARestartDropsOldCandidates(t *testing.T) {
	t.Parallel()
	m := offerOf(t, browser)
	fresh := jingle.Candidate{Component: 1, Foundation: "7", Generation: 1, ID: "x", IP: "192.0.2.77", Port: 7, Protocol: "udp", Type: "host"}
	c := naming(m.Lines[0].Content)
	c.Transport = &jingle.Transport{UFrag: "new1", Pwd: "newpwd", Candidates: []jingle.Candidate{fresh}}
	after, err := m.Apply(&jingle.Jingle{Action: jingle.TransportInfo, Contents: []jingle.Content{c}}, Media{})
	if err != nil {
		t.Fatal(err)
	}
	got := after.Lines[0].Content.Transport
	if len(got.Candidates) != 1 || got.Candidates[0] != fresh || len(got.Fingerprints) != 1 || after.Lines[0].Generation != 1 {
		t.Errorf("after a restart there is %+v", got)
	}
	if len(m.Lines[0].Content.Transport.Candidates) != 3 {
		t.Error("what was before has changed")
	}
}

// TestCandidatesOneByOne takes a transport-info to a phone that trickles, and back.
func TestCandidatesOneByOne(t *testing.T) {
	t.Parallel()
	m := offerOf(t, browser)
	c := naming(m.Lines[1].Content)
	c.Transport = &jingle.Transport{UFrag: "abcd", Pwd: "0123456789012345678901", Complete: true, Candidates: []jingle.Candidate{
		{Component: 1, Foundation: "1", IP: "192.0.2.77", Port: 7, Priority: 9, Protocol: "udp", Type: "host"},
	}}
	body, err := m.Fragment(&jingle.Jingle{Action: jingle.TransportInfo, Contents: []jingle.Content{c}})
	want := "m=video 9 RTP/AVP 0\r\na=mid:1\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" +
		"a=candidate:1 1 udp 9 192.0.2.77 7 typ host\r\na=end-of-candidates\r\n"
	if err != nil || body != want {
		t.Fatalf("%v:\n%s", err, body)
	}
	j, err := m.ReadFragment(body, "a", &Foundations{})
	if err != nil || len(j.Contents) != 1 || !j.Contents[0].Same(c) || !j.Contents[0].Transport.Complete {
		t.Fatalf("%v: %+v", err, j)
	}
	if got := j.Contents[0].Transport.Candidates; len(got) != 1 || got[0].IP != "192.0.2.77" || got[0].ID == "" {
		t.Errorf("back it is %+v", got)
	}
	reread(t, j)
	short := strings.Replace(strings.Replace(body, "a=ice-ufrag:abcd\r\n", "", 1), "a=ice-pwd:0123456789012345678901\r\n", "", 1)
	if j, err := m.ReadFragment(short, "a", &Foundations{}); err != nil || j.Contents[0].Transport.UFrag != "abcd" {
		t.Errorf("without its ufrag: %v, %+v", err, j)
	}
	if _, err := m.ReadFragment("x", "a", &Foundations{}); !errors.Is(err, ErrFragment) {
		t.Errorf("no fragment: %v", err)
	}
	if _, err := m.ReadFragment("m=audio 9 RTP/AVP 0\r\na=mid:9\r\n", "a", &Foundations{}); !errors.Is(err, ErrContent) {
		t.Errorf("of another medium: %v", err)
	}
}

func FuzzReadFragment(f *testing.F) {
	d, err := sdp.Parse(browser)
	if err != nil {
		f.Fatal(err)
	}
	m, err := Read(d, jingle.Responder)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a=ice-ufrag:abcd\r\na=ice-pwd:p\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 9 192.0.2.77 7 typ host\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		j, err := m.ReadFragment(body, "a", &Foundations{})
		if err != nil {
			return
		}
		if _, err := m.Fragment(reread(t, j)); err != nil {
			t.Fatal(err)
		}
	})
}
