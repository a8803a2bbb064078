package bridge

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"parley/sdp"
	"parley/xmpp"
	"parley/xmpp/jingle"
)

func pick[T any](t *rapid.T, what string, from ...T) T { return rapid.SampledFrom(from).Draw(t, what) }

func maybe(t *rapid.T, what string) bool { return rapid.Bool().Draw(t, what) }

// anyMedium writes an m= line and what follows it, of what both protocols can say.
func anyMedium(t *rapid.T, n int) []string {
	kind := pick(t, "kind", "audio", "video")
	form := pick(t, "form", sdp.Plain, sdp.SDES, sdp.DTLS)
	formats := rapid.SliceOfNDistinct(rapid.IntRange(96, 127), 1, 4, rapid.ID).Draw(t, "formats")
	out, head := []string{fmt.Sprintf("a=mid:m%d", n)}, ""
	feedback := false
	for _, f := range formats {
		head += fmt.Sprintf(" %d", f)
		out = append(out, fmt.Sprintf("a=rtpmap:%d %s", f, pick(t, "codec", "opus/48000/2", "H264/90000", "speex/16000", "telephone-event/8000")))
		if fmtp := pick(t, "fmtp", "", "0-15", "a=1;b=2=3", "mode=20", "96/96"); fmtp != "" {
			out = append(out, fmt.Sprintf("a=fmtp:%d %s", f, fmtp))
		}
		if maybe(t, "nack") {
			feedback = true
			out = append(out, fmt.Sprintf("a=rtcp-fb:%d %s", f, pick(t, "fb", "nack", "nack pli", "ccm fir", "ccm tmmbr smaxpr=120", "trr-int 50")))
		}
	}
	proto := form.String()
	if feedback && form != sdp.DTLS {
		proto += "F"
	}
	add := func(name string, lines ...string) {
		if maybe(t, name) {
			out = append(out, lines...)
		}
	}
	add("bandwidth", "b="+pick(t, "b", "AS:64", "TIAS:64000"))
	add("ptime", "a=ptime:20")
	add("maxptime", "a=maxptime:60")
	add("mux", "a=rtcp-mux")
	add("extmap", fmt.Sprintf("a=extmap:%d%s urn:x a=b", n+1, pick(t, "way", "", "/sendonly", "/recvonly", "/inactive")))
	add("mixed", "a=extmap-allow-mixed")
	add("ssrc", fmt.Sprintf("a=ssrc:%d cname:x", n), fmt.Sprintf("a=ssrc:%d msid:s t", n), "a=ssrc-group:FID 1 2")
	out = append(out, "a="+rapid.SampledFrom([]string{"sendrecv", "sendonly", "recvonly", "inactive"}).Draw(t, "direction"))
	if form == sdp.SDES {
		out = append(out, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20|1:32 KDR=1", "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:x")
	}
	if form == sdp.DTLS {
		out = append(out, "a=fingerprint:sha-256 AB:CD", "a=fingerprint:sha-1 01:02", "a=setup:"+pick(t, "setup", "actpass", "active", "passive"))
	}
	out = append(out, anyICE(t)...)
	return append([]string{fmt.Sprintf("m=%s 9 %s%s", kind, proto, head)}, rapid.Permutation(out).Draw(t, "order")...)
}

func anyICE(t *rapid.T) (out []string) {
	if !maybe(t, "ice") {
		return nil
	}
	out = []string{"a=ice-ufrag:" + pick(t, "ufrag", "abcd", "wx/+"), "a=ice-pwd:0123456789012345678901"}
	for i := range rapid.IntRange(0, 3).Draw(t, "candidates") {
		c := fmt.Sprintf("a=candidate:%s %d udp %d %s %d typ %s", pick(t, "foundation", "f", "1", "99"),
			pick(t, "component", 1, 2), 1000+i, pick(t, "ip", "192.0.2.1", "2001:db8::1", "x.local"), 5000+i, pick(t, "typ", "host", "prflx"))
		out = append(out, c+pick(t, "more", "", " raddr 10.0.0.1 rport 9", " network 3"))
	}
	if maybe(t, "complete") {
		return append(out, "a=end-of-candidates")
	}
	return append(out, "a=ice-options:trickle")
}

func anyOffer(t *rapid.T) string {
	out := []string{"v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0"}
	count := rapid.IntRange(1, 3).Draw(t, "media")
	if maybe(t, "bundle") {
		group := "a=group:BUNDLE"
		for n := range count {
			group += fmt.Sprintf(" m%d", n)
		}
		out = append(out, group)
	}
	for n := range count {
		out = append(out, anyMedium(t, n)...)
	}
	return lines(out...)
}

// saidBy are the lines of a description without where the media go, in order within each medium; foundations are numbered.
func saidBy(d *sdp.Description) (all [][]string) {
	f := &Foundations{}
	section := []string{}
	for _, l := range strings.Split(strings.TrimSpace(d.String()), "\r\n") {
		switch {
		case strings.HasPrefix(l, "m="):
			slices.Sort(section)
			all, section = append(all, section), []string{strings.Join(slices.Delete(strings.Fields(l), 1, 2), " ")}
			continue
		case strings.HasPrefix(l, "c="):
			continue
		case strings.HasPrefix(l, "a=candidate:"):
			foundation, rest, _ := strings.Cut(strings.TrimPrefix(l, "a=candidate:"), " ")
			l = "a=candidate:" + f.Number(foundation) + " " + rest
		}
		section = append(section, l)
	}
	slices.Sort(section)
	return append(all, section)
}

// TestSDPComesBack takes descriptions through Jingle as it is on the wire. What both can say is there again.
func TestSDPComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		by := pick(t, "by", jingle.Initiator, jingle.Responder)
		d := parsed(t, anyOffer(t))
		m, err := Read(d, by)
		if err != nil {
			t.Fatalf("%v\n%s", err, d)
		}
		j, err := m.Initiate("a")
		if err != nil {
			t.Fatal(err)
		}
		there, err := Take(reread(t, j), by)
		if err != nil {
			t.Fatal(err)
		}
		back, err := there.Describe(here(), false)
		if err != nil {
			t.Fatal(err)
		}
		if want, got := saidBy(d), saidBy(back); !reflect.DeepEqual(want, got) {
			t.Fatalf("got\n%s\nof\n%s", back, d)
		}
	})
}

// unnamed is the media without the names of candidates, which SDP does not have, nor what was kept of a line of SDP.
func unnamed(m Media) Media {
	m = m.clone()
	for i := range m.Lines {
		l := &m.Lines[i]
		l.Proto, l.Formats, l.held = "", nil, nil
		if l.Gone {
			l.Content = naming(l.Content)
			l.Generation = 0
		}
		if t := l.Content.Transport; t != nil {
			n := *t
			n.Candidates = slices.Clone(t.Candidates)
			for k := range n.Candidates {
				n.Candidates[k].ID = ""
			}
			l.Content.Transport = &n
		}
	}
	return m
}

// TestJingleComesBack takes media of Jingle through SDP as it is on the wire.
func TestJingleComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		by := pick(t, "by", jingle.Initiator, jingle.Responder)
		m, err := Read(parsed(t, anyOffer(t)), by)
		if err != nil {
			t.Fatal(err)
		}
		d, err := m.Describe(here(), false)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Read(parsed(t, d.String()), by)
		if err != nil {
			t.Fatal(err)
		}
		// Names and creators are those of the contents, whoever makes them.
		if want, got := unnamed(m), unnamed(back); !reflect.DeepEqual(want, got) {
			t.Fatalf("got\n%+v\nof\n%+v\nby\n%s", got, want, d)
		}
	})
}

// TestChangesAreWhatChanges applies to one offer the requests that tell of another one, and gets the other one.
func TestChangesAreWhatChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		by := pick(t, "by", jingle.Initiator, jingle.Responder)
		before, err := Read(parsed(t, anyOffer(t)), by)
		if err != nil {
			t.Fatal(err)
		}
		again := parsed(t, anyOffer(t))
		for len(again.Media) < len(before.Lines) { // rfc3264#8: no line goes away
			again.RefuseAs("audio", "RTP/AVP", []string{"0"})
		}
		after, err := Read(again, by, before)
		if err != nil {
			t.Fatal(err)
		}
		all := after.Changes(before, "a")
		got := before
		for _, j := range all {
			if got, err = got.Apply(reread(t, j), Media{}); err != nil {
				t.Fatalf("%v: %s", err, j.XML())
			}
		}
		for i, l := range after.Lines {
			g := got.Lines[i]
			if g.Gone != l.Gone || !l.Gone && (g.Content.Senders != l.Content.Senders || !g.Content.Same(l.Content)) {
				t.Fatalf("line %d is %+v, want %+v, after\n%s", i, g, l, xml(all))
			}
			if l.Gone {
				continue
			}
			want, have := l.Content.Transport, g.Content.Transport
			if want.UFrag != "" && (want.UFrag != have.UFrag || want.Pwd != have.Pwd || g.Generation < l.Generation && len(want.Candidates) > 0) {
				t.Fatalf("line %d goes by %+v, want %+v, after\n%s", i, have, want, xml(all))
			}
			for _, c := range want.Candidates {
				if !slices.Contains(have.Candidates, c) {
					t.Fatalf("line %d lacks %+v, after\n%s", i, c, xml(all))
				}
			}
		}
		if rest := got.Changes(got, "a"); len(rest) != 0 {
			t.Fatalf("nothing has changed, and is told as %s", xml(rest))
		}
	})
}

func FuzzReadDescription(f *testing.F) {
	f.Add(browser, true)
	f.Add(lines("v=0", "o=- 1 1 IN IP4 h", "m=audio 1 RTP/AVP 0 0 96 x", "a=mid:a b", "a=extmap:0 x", "a=candidate:1", "a=group:BUNDLE"), false)
	f.Fuzz(func(t *testing.T, text string, initiator bool) {
		d, err := sdp.Parse(text)
		if err != nil {
			return
		}
		by := jingle.Responder
		if initiator {
			by = jingle.Initiator
		}
		m, err := Read(d, by)
		if err != nil {
			return
		}
		written, err := m.Describe(here(), false)
		if err != nil {
			t.Fatal(err)
		}
		if len(written.Media) != len(d.Media) {
			t.Fatalf("%d media of %d", len(written.Media), len(d.Media))
		}
		again, err := sdp.Parse(written.String())
		if err != nil {
			t.Fatalf("%v: wrote\n%s", err, written)
		}
		if len(again.Media) != len(written.Media) {
			t.Fatalf("wrote\n%s", written)
		}
		j, err := m.Initiate("a")
		if err != nil {
			t.Fatal(err)
		}
		reread(t, j)
	})
}

func FuzzTakeJingle(f *testing.F) {
	d, err := sdp.Parse(browser)
	if err != nil {
		f.Fatal(err)
	}
	m, err := Read(d, jingle.Initiator)
	if err != nil {
		f.Fatal(err)
	}
	j, err := m.Initiate("a")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(j.XML())
	f.Fuzz(func(t *testing.T, text string) {
		e, err := xmpp.ParseElement(text)
		if err != nil {
			return
		}
		j, err := jingle.Parse(e)
		if err != nil {
			return
		}
		if applied, err := m.Apply(j, Media{}); err == nil {
			checkWritten(t, applied)
		}
		if taken, err := Take(j, jingle.Responder); err == nil {
			checkWritten(t, taken)
		}
	})
}

// checkWritten asks that a description of it can be read, with no line that nobody wrote.
func checkWritten(t *testing.T, m Media) {
	t.Helper()
	d, err := m.Describe(here(), true)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sdp.Parse(d.String())
	if err != nil || len(again.Media) != len(m.Lines) {
		t.Fatalf("%v: wrote\n%s\nof\n%+v", err, d, m)
	}
}
