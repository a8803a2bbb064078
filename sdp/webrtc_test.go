package sdp

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
)

func TestReadTransport(t *testing.T) {
	t.Parallel()
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
	const media = "m=audio 9 UDP/TLS/RTP/SAVPF 8\r\n"
	for name, test := range map[string]struct {
		text string
		want Transport
	}{
		"of the medium": {head + media + "a=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-256 AA\r\na=setup:active\r\n",
			Transport{Ufrag: "u", Password: "p", Fingerprints: []string{"sha-256 AA"}, Setup: "active"}},
		"of the session": {head + "a=ice-lite\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-1 BB\r\na=fingerprint:sha-256 AA\r\na=setup:actpass\r\n" + media,
			Transport{Ufrag: "u", Password: "p", Fingerprints: []string{"sha-1 BB", "sha-256 AA"}, Setup: "actpass", Lite: true}},
		"the medium's goes first": {head + "a=fingerprint:sha-256 BB\r\n" + media + "a=fingerprint:sha-256 AA\r\n",
			Transport{Fingerprints: []string{"sha-256 AA"}}},
		"none": {head + media, Transport{}},
	} {
		d, err := Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		got := d.Media[0].Transport()
		if got.Ufrag != test.want.Ufrag || got.Password != test.want.Password || got.Setup != test.want.Setup ||
			got.Lite != test.want.Lite || !slices.Equal(got.Fingerprints, test.want.Fingerprints) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// TestChangeOfForm turns a browser's offer into one for a desk phone, and back into one for a browser.
func TestChangeOfForm(t *testing.T) {
	t.Parallel()
	d, err := Parse(browser)
	if err != nil {
		t.Fatal(err)
	}
	host := netip.MustParseAddr("192.0.2.9")
	d.DropTransport()
	d.Redirect(host, func(i int, _ *Media) (uint16, uint16) { return uint16(4000 + 2*i), 0 })
	for _, m := range d.Media {
		for _, c := range m.Codecs() {
			if slices.Contains([]string{"red", "rtx", "ulpfec"}, strings.ToLower(c.Name)) {
				t.Errorf("%s is offered to a desk phone", c.Name)
			}
		}
		m.Proto = Plain.String()
	}
	if text := d.String(); strings.Contains(text, "ice-") || strings.Contains(text, "fingerprint") || strings.Contains(text, "mid:") || len(d.Bundled()) > 0 {
		t.Errorf("a desk phone is told\n%s", text)
	}
	var mids []string
	for i, m := range d.Media {
		m.Proto = DTLS.String()
		mids = append(mids, string(rune('0'+i)))
		m.Secure(Transport{Ufrag: "ufrag", Password: "password", Fingerprints: []string{"sha-256 AA"}, Setup: "actpass", Source: 7, Name: "n"}, mids[i], host)
	}
	d.Bundle(mids)
	var judge pion.SessionDescription
	if err := judge.UnmarshalString(d.String()); err != nil {
		t.Fatalf("%v\n%s", err, d)
	}
	if got, _ := judge.Attribute("group"); got != "BUNDLE "+strings.Join(mids, " ") {
		t.Errorf("group is %q", got)
	}
	for i, m := range judge.MediaDescriptions {
		if got, _ := m.Attribute("candidate"); got != "1 1 udp 2130706431 192.0.2.9 "+[]string{"4000", "4002"}[i]+" typ host" {
			t.Errorf("candidate of medium %d is %q", i, got)
		}
	}
}
