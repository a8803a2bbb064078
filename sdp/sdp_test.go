package sdp

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
)

func lines(s ...string) string { return strings.Join(s, "\r\n") + "\r\n" }

// phone is an offer as a desk phone makes it.
var phone = lines(
	"v=0",
	"o=alice 2890844526 2890844526 IN IP4 192.168.1.20",
	"s=-",
	"c=IN IP4 192.168.1.20",
	"t=0 0",
	"m=audio 49170 RTP/AVP 9 0 8 101",
	"a=rtpmap:9 G722/8000",
	"a=rtpmap:101 telephone-event/8000",
	"a=fmtp:101 0-15",
	"a=ptime:20",
	"a=sendrecv",
	"m=video 51372 RTP/AVP 99",
	"b=AS:1000",
	"a=rtpmap:99 H264/90000",
)

// browser is an offer as a browser makes it, shortened.
var browser = lines(
	"v=0",
	"o=- 42 2 IN IP4 127.0.0.1",
	"s=-",
	"t=0 0",
	"a=group:BUNDLE 0",
	"a=fingerprint:sha-256 AB:CD",
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 126",
	"c=IN IP4 0.0.0.0",
	"a=rtcp:9 IN IP4 0.0.0.0",
	"a=candidate:1 1 udp 2113937151 192.0.2.5 50000 typ host",
	"a=ice-ufrag:abcd",
	"a=ice-pwd:0123456789012345678901",
	"a=rtcp-mux",
	"a=rtpmap:111 opus/48000/2",
	"a=fmtp:111 minptime=10;useinbandfec=1",
	"a=rtpmap:126 telephone-event/8000",
)

func parsed(t *testing.T, text string) *Description {
	t.Helper()
	d, err := Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

func TestParseKeepsEverything(t *testing.T) {
	t.Parallel()
	odd := lines("v=0", "o=- 1 1 IN IP4 192.0.2.1", "t=0 0", "y=what", "b=NEW:1", "a=x:y:z",
		"m=image 4000/2 udptl t38", "c=IN IP4 192.0.2.2", "a=T38FaxVersion:0", "m=new 0 A/B")
	for _, text := range []string{phone, browser, odd} {
		if got := parsed(t, text).String(); got != text {
			t.Errorf("wrote\n%s\nof\n%s", got, text)
		}
	}
	if got := parsed(t, strings.ReplaceAll(phone, "\r\n", "\n")).String(); got != phone {
		t.Errorf("with bare LF: %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"empty":      {"", ErrSyntax},
		"version":    {"v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n", ErrSyntax},
		"no origin":  {"v=0\r\ns=-\r\n", ErrSyntax},
		"origin":     {"v=0\r\no=- 1 1\r\n", ErrSyntax},
		"origins":    {head + "o=- 1 1 IN IP4 192.0.2.1\r\n", ErrSyntax},
		"no equals":  {head + "hello\r\n", ErrSyntax},
		"upper case": {head + "M=audio 1 RTP/AVP 0\r\n", ErrSyntax},
		"port":       {head + "m=audio 65536 RTP/AVP 0\r\n", ErrSyntax},
		"minus":      {head + "m=audio -1 RTP/AVP 0\r\n", ErrSyntax},
		"ports":      {head + "m=audio 1/0 RTP/AVP 0\r\n", ErrSyntax},
		"short":      {head + "m=audio 1\r\n", ErrSyntax},
		"zero byte":  {head + "a=\x00\r\n", ErrSyntax},
		"long":       {head + strings.Repeat("a=x\r\n", MaxLength/5), ErrLimit},
		"lines":      {head + strings.Repeat("a=x\r\n", MaxLines), ErrLimit},
		"media":      {head + strings.Repeat("m=audio 1 RTP/AVP 0\r\n", MaxMedia+1), ErrLimit},
		"formats":    {head + "m=audio 1 RTP/AVP" + strings.Repeat(" 0", MaxFormats+1) + "\r\n", ErrLimit},
	} {
		if _, err := Parse(test.text); !errors.Is(err, test.want) {
			t.Errorf("%s: error is %v, want %v", name, err, test.want)
		}
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"
	for _, test := range []struct {
		media string
		want  Form
	}{
		{"m=audio 1 RTP/AVP 0\r\n", Plain},
		{"m=audio 1 RTP/AVPF 0\r\na=crypto:1 x\r\n", Plain},
		{"m=audio 1 RTP/SAVP 0\r\na=crypto:1 x\r\n", SDES},
		{"m=audio 1 RTP/SAVPF 0\r\na=fingerprint:sha-256 AB\r\n", DTLS},
		{"m=audio 1 UDP/TLS/RTP/SAVPF 0\r\n", DTLS},
		{"m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nm=audio 1 RTP/AVP 0\r\n", Plain},
		{"m=image 1 udptl t38\r\n", Other},
		{"", Other},
	} {
		if got := parsed(t, head+test.media).Form(); got != test.want {
			t.Errorf("%q: form %q, want %q", test.media, got, test.want)
		}
	}
	if !parsed(t, browser).HasICE() || parsed(t, phone).HasICE() {
		t.Error("ICE is in the browser's offer alone")
	}
}

func TestDirection(t *testing.T) {
	t.Parallel()
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n"
	for _, test := range []struct {
		text string
		want Direction
	}{
		{head + "m=audio 1 RTP/AVP 0\r\n", SendRecv},
		{head + "a=sendonly\r\nm=audio 1 RTP/AVP 0\r\n", SendOnly},
		{head + "a=sendonly\r\nm=audio 1 RTP/AVP 0\r\na=inactive\r\n", Inactive},
		{head + "m=audio 1 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", SendOnly},
		{head + "m=audio 1 RTP/AVP 0\r\nc=IN IP6 ::\r\na=recvonly\r\n", Inactive},
	} {
		if got := parsed(t, test.text).Media[0].Direction(); got != test.want {
			t.Errorf("%q: %v, want %v", test.text, got, test.want)
		}
	}
	for d := SendRecv; d <= Inactive; d++ {
		if r := d.Reverse(); r.Sends() != d.Receives() || r.Receives() != d.Sends() {
			t.Errorf("reverse of %v is %v", d, r)
		}
		if got := d.And(SendRecv); got != d {
			t.Errorf("%v and sendrecv is %v", d, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"
	for _, test := range []struct {
		more      string
		rtp, rtcp string
	}{
		{"", "192.0.2.1:4000", "192.0.2.1:4001"},
		{"c=IN IP6 2001:db8::1\r\n", "[2001:db8::1]:4000", "[2001:db8::1]:4001"},
		{"c=IN IP4 224.0.0.1/127\r\n", "224.0.0.1:4000", "224.0.0.1:4001"},
		{"a=rtcp:5000\r\n", "192.0.2.1:4000", "192.0.2.1:5000"},
		{"a=rtcp:5000 IN IP4 192.0.2.9\r\n", "192.0.2.1:4000", "192.0.2.9:5000"},
		{"a=rtcp:nonsense\r\n", "192.0.2.1:4000", "192.0.2.1:4001"},
		{"a=rtcp-mux\r\n", "192.0.2.1:4000", "192.0.2.1:4000"},
	} {
		m := parsed(t, head+test.more).Media[0]
		if m.Address() != netip.MustParseAddrPort(test.rtp) || m.RTCP() != netip.MustParseAddrPort(test.rtcp) {
			t.Errorf("%q: %v and %v", test.more, m.Address(), m.RTCP())
		}
	}
	if m := parsed(t, head+"c=IN IP4 host.example\r\n").Media[0]; m.Address().Addr().IsValid() {
		t.Errorf("a name became %v", m.Address())
	}
}

func TestCodecs(t *testing.T) {
	t.Parallel()
	got := parsed(t, phone).Media[0].Codecs()
	want := []Codec{
		{9, "G722", 8000, 1, ""},
		{0, "PCMU", 8000, 1, ""},
		{8, "PCMA", 8000, 1, ""},
		{101, "telephone-event", 8000, 1, "0-15"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("codecs are %+v", got)
	}
	if c := parsed(t, browser).Media[0].Codecs()[0]; c != (Codec{111, "opus", 48000, 2, "minptime=10;useinbandfec=1"}) {
		t.Errorf("Opus is %+v", c)
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	d := parsed(t, phone)
	d.Redirect(netip.MustParseAddr("2001:db8::9"), func(i int, m *Media) (uint16, uint16) {
		if m.Kind == "video" {
			return 0, 0
		}
		return 30000, 30001
	})
	want := lines(
		"v=0",
		"o=alice 2890844526 2890844526 IN IP6 2001:db8::9",
		"s=-",
		"c=IN IP6 2001:db8::9",
		"t=0 0",
		"m=audio 30000 RTP/AVP 9 0 8 101",
		"a=rtpmap:9 G722/8000",
		"a=rtpmap:101 telephone-event/8000",
		"a=fmtp:101 0-15",
		"a=ptime:20",
		"a=sendrecv",
		"m=video 0 RTP/AVP 99",
	)
	if got := d.String(); got != want {
		t.Errorf("wrote\n%s", got)
	}
}

func TestRedirectHold(t *testing.T) {
	t.Parallel()
	d := parsed(t, lines("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "t=0 0", "a=sendrecv",
		"m=audio 4000 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=rtcp:4009"))
	d.Redirect(netip.MustParseAddr("192.0.2.9"), func(int, *Media) (uint16, uint16) { return 30000, 30005 })
	want := lines("v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0", "a=sendrecv",
		"m=audio 30000 RTP/AVP 0", "a=sendonly", "a=rtcp:30005")
	if got := d.String(); got != want {
		t.Errorf("wrote\n%s", got)
	}
	if d.Media[0].Direction() != SendOnly {
		t.Errorf("direction is %v", d.Media[0].Direction())
	}
}

func TestDrop(t *testing.T) {
	t.Parallel()
	d := parsed(t, browser)
	d.DropICE()
	d.DropBundle()
	if text := d.String(); strings.Contains(text, "ice-") || strings.Contains(text, "candidate") ||
		strings.Contains(text, "group:") || !strings.Contains(text, "a=rtcp-mux") {
		t.Errorf("left\n%s", text)
	}
}

func ourCodecs() []Codec {
	return []Codec{
		{111, "opus", 48000, 2, ""}, {9, "G722", 8000, 1, ""}, {0, "PCMU", 8000, 1, ""},
		{8, "PCMA", 8000, 1, ""}, {101, "telephone-event", 8000, 1, "0-15"},
	}
}

func local() Local {
	return Local{Host: netip.MustParseAddr("192.0.2.9"), RTP: 30000, RTCP: 30001, ID: 7, Version: 1}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	d, a, err := local().Answer(parsed(t, phone), ourCodecs())
	if err != nil {
		t.Fatal(err)
	}
	want := lines(
		"v=0",
		"o=- 7 1 IN IP4 192.0.2.9",
		"s=-",
		"c=IN IP4 192.0.2.9",
		"t=0 0",
		"m=audio 30000 RTP/AVP 9 101",
		"a=rtpmap:9 G722/8000",
		"a=rtpmap:101 telephone-event/8000",
		"a=fmtp:101 0-15",
		"a=sendrecv",
		"m=video 0 RTP/AVP 99",
	)
	if got := d.String(); got != want {
		t.Errorf("wrote\n%s", got)
	}
	if a.Index != 0 || a.Codec.Name != "G722" || a.Events.Payload != 101 || a.Direction != SendRecv ||
		a.RTP.String() != "192.168.1.20:49170" || a.RTCP.Port() != 49171 {
		t.Errorf("agreed %+v", a)
	}
	if err := new(pion.SessionDescription).UnmarshalString(d.String()); err != nil {
		t.Errorf("another parser: %v", err)
	}
}

func TestAnswerHold(t *testing.T) {
	t.Parallel()
	for theirs, ours := range map[string]string{
		"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive", "sendrecv": "sendrecv",
	} {
		d, a, err := local().Answer(parsed(t, strings.Replace(phone, "sendrecv", theirs, 1)), ourCodecs())
		if err != nil {
			t.Fatal(err)
		}
		if a.Direction.String() != ours || !strings.Contains(d.String(), "a="+ours) {
			t.Errorf("%s was answered %v", theirs, a.Direction)
		}
	}
}

func TestAnswerRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		offer string
		want  error
	}{
		"browser":   {browser, ErrSecure},
		"no audio":  {strings.Replace(phone, "m=audio", "m=image", 1), ErrNoAudio},
		"refused":   {strings.Replace(phone, "audio 49170", "audio 0", 1), ErrNoAudio},
		"no codec":  {strings.Replace(phone, "AVP 9 0 8 101", "AVP 18", 1), ErrCodec},
		"DTMF only": {strings.Replace(phone, "AVP 9 0 8 101", "AVP 101", 1), ErrCodec},
	} {
		if _, _, err := local().Answer(parsed(t, test.offer), ourCodecs()); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	// A plain medium beside an encrypted one is taken.
	both := strings.Replace(phone, "m=video 51372 RTP/AVP 99", "m=audio 51372 RTP/SAVP 0", 1)
	if _, a, err := local().Answer(parsed(t, both), ourCodecs()); err != nil || a.Index != 0 {
		t.Errorf("with both: %v, %+v", err, a)
	}
}

func TestOfferAndAccept(t *testing.T) {
	t.Parallel()
	offer := local().Offer(ourCodecs())
	if err := new(pion.SessionDescription).UnmarshalString(offer.String()); err != nil {
		t.Errorf("another parser: %v", err)
	}
	peer := Local{Host: netip.MustParseAddr("2001:db8::1"), RTP: 4000, RTCP: 5000, ID: 1, Version: 1}
	answer, _, err := peer.Answer(parsed(t, offer.String()), ourCodecs()[2:])
	if err != nil {
		t.Fatal(err)
	}
	a, err := local().Accept(parsed(t, answer.String()), ourCodecs())
	if err != nil {
		t.Fatal(err)
	}
	if a.Codec.Name != "PCMU" || a.RTP.String() != "[2001:db8::1]:4000" || a.RTCP.Port() != 5000 {
		t.Errorf("agreed %+v", a)
	}
	if _, err := local().Accept(parsed(t, phone), ourCodecs()); !errors.Is(err, ErrNoAudio) {
		t.Errorf("two media for one: %v", err)
	}
}

// TestCandidatesToComeAreNoHold has a description whose candidates are still to come go through a relay.
func TestCandidatesToComeAreNoHold(t *testing.T) {
	t.Parallel()
	text := "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
	for _, c := range []struct {
		text string
		want Direction
	}{{text, SendRecv}, {strings.Replace(text, "a=ice-ufrag:abcd\r\n", "", 1), SendOnly}} {
		d, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		d.DropICE()
		d.Redirect(netip.MustParseAddr("192.0.2.1"), func(int, *Media) (uint16, uint16) { return 4000, 4001 })
		if got := d.Media[0].Direction(); got != c.want {
			t.Errorf("it is %s, want %s:\n%s", got, c.want, d)
		}
	}
}
