package relay

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"parley/media/rtp"
	"parley/sdp"
)

// ua describes a phone's media as it goes through a call.
type ua struct {
	form sdp.Form // of its own descriptions
	key  []byte
	host string
}

func (u *ua) media(d *sdp.Description, kind string, port int, form sdp.Form, direction sdp.Direction, tag int, suite string) {
	formats := map[string][]string{"audio": {"8", "0"}, "video": {"96"}, "application": {"*"}}[kind]
	proto := form.Profile()
	if kind == "application" {
		proto = "UDP/BFCP"
	}
	m, _ := d.AddMedia(kind, port, proto, formats)
	if kind == "video" {
		m.Add("rtpmap", "96 VP8/90000")
	}
	if kind != "application" && port != 0 {
		m.Add(direction.String(), "")
		if tag > 0 {
			m.SetCryptos(sdp.Crypto{Tag: tag, Suite: suite, Key: u.key})
		}
	}
}

// answer answers what it is told: all lines, some refused; encrypted wherever that is offered.
func (u *ua) answer(t *rapid.T, offer *sdp.Description) string {
	d := sdp.New(sdp.Origin{Host: netip.MustParseAddr(u.host)})
	for i, m := range offer.Media {
		port := 5000 + 2*i
		if m.Port == 0 || rapid.IntRange(0, 4).Draw(t, "refuse") == 0 && i > 0 {
			port = 0
		}
		tag, suite := 0, ""
		for _, c := range m.Cryptos() {
			if c.Suite == "AES_CM_128_HMAC_SHA1_80" {
				tag, suite = c.Tag, c.Suite
			}
		}
		u.media(d, m.Kind, port, sdp.FormOf(m.Proto), m.Direction().Reverse(), tag, suite)
	}
	return d.String()
}

// TestOffersOfBoth has two phones of any forms offer each other, again and again, any change of their media.
func TestOffersOfBoth(t *testing.T) {
	t.Parallel()
	ports, err := rtp.NewPorts(rtp.PortsConfig{Addresses: []rtp.Address{
		{Bind: netip.MustParseAddr("127.0.0.1")}, {Bind: netip.MustParseAddr("::1")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{Ports: ports, Encryption: Opportunistically})
	rapid.Check(t, func(t *rapid.T) {
		a := r.Anchor()
		defer func() {
			a.Close()
			if n := ports.InUse(); n != 0 {
				t.Fatalf("%d pairs of ports are left open", n)
			}
		}()
		forms := []sdp.Form{sdp.Plain, sdp.SDES, sdp.Opportunistic}
		hosts := []string{"127.0.0.1", "::1"}
		both := [2]*ua{}
		for i := range both {
			both[i] = &ua{
				form: rapid.SampledFrom(forms).Draw(t, "form"), key: []byte(strings.Repeat(fmt.Sprint(i), 30)),
				host: rapid.SampledFrom(hosts).Draw(t, "host"),
			}
		}
		a.Leg(0, "caller", netip.MustParseAddr(both[0].host), "")
		a.Leg(1, "bob", netip.MustParseAddr(both[1].host), rapid.SampledFrom([]string{"", formPlain, formSDES, formOpportunistic}).Draw(t, "known"))
		kinds := []string{"audio"}
		var told [2]map[int]int // ports of media that each was told
		for turn := range rapid.IntRange(1, 8).Draw(t, "turns") {
			from := 0
			if turn > 0 {
				from = rapid.IntRange(0, 1).Draw(t, "who")
			}
			if len(kinds) < 4 && rapid.Bool().Draw(t, "one more") {
				kinds = append(kinds, rapid.SampledFrom([]string{"video", "application", "audio"}).Draw(t, "kind"))
			}
			exchange(t, a, both, from, kinds, &told)
		}
	})
}

// exchange has one of the two offer, and the other answer.
func exchange(t *rapid.T, a *Anchor, both [2]*ua, from int, kinds []string, told *[2]map[int]int) {
	to := 1 - from
	u := both[from]
	form, tag := a.legs[from].speaks(), 0
	if a.legs[from].said == nil {
		form = u.form
	}
	if form == sdp.SDES || form == sdp.Opportunistic {
		tag = 1
	}
	d := sdp.New(sdp.Origin{Host: netip.MustParseAddr(u.host)})
	for i, kind := range kinds {
		port := 4000 + 2*i
		if i > 0 && rapid.IntRange(0, 4).Draw(t, "off") == 0 {
			port = 0
		}
		u.media(d, kind, port, form, rapid.SampledFrom([]sdp.Direction{sdp.SendRecv, sdp.SendOnly, sdp.Inactive}).Draw(t, "direction"),
			tag, "AES_CM_128_HMAC_SHA1_80")
	}
	ctx := context.Background()
	body, err := a.Offer(ctx, from, to, d.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, d)
	}
	offer := inOrder(t, body, kinds)
	stays(t, told, to, offer)
	for i, m := range offer.Media {
		if m.Port != 0 && m.Direction() != d.Media[i].Direction() {
			t.Fatalf("%s became %s\n%s", d.Media[i].Direction(), m.Direction(), body)
		}
	}
	body, err = a.Answer(ctx, to, from, both[to].answer(t, offer))
	if err != nil {
		t.Fatalf("%v\n%s", err, offer)
	}
	answer := inOrder(t, body, kinds)
	stays(t, told, from, answer)
	for i, m := range answer.Media {
		was := d.Media[i]
		if m.Port != 0 && (was.Port == 0 || m.Proto != was.Proto) {
			t.Fatalf("%s was answered with\n%s", was.Proto, body)
		}
		if m.Port != 0 && tag > 0 && m.Kind != "application" && len(m.Cryptos()) == 0 && form == sdp.SDES {
			t.Fatalf("encrypted media was answered without a key\n%s", body)
		}
	}
}

// inOrder checks that a description has the lines of the call.
func inOrder(t *rapid.T, body string, kinds []string) *sdp.Description {
	d, err := sdp.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Media) != len(kinds) {
		t.Fatalf("%d lines, want %d\n%s", len(d.Media), len(kinds), body)
	}
	for i, m := range d.Media {
		if m.Kind != kinds[i] {
			t.Fatalf("line %d is %s, want %s", i, m.Kind, kinds[i])
		}
	}
	return d
}

// stays checks that a medium keeps the port that its leg was told, and that no other has it.
func stays(t *rapid.T, told *[2]map[int]int, leg int, d *sdp.Description) {
	seen := map[int]bool{}
	for i, m := range d.Media {
		if m.Port == 0 {
			continue
		}
		if seen[m.Port] {
			t.Fatalf("two media have port %d\n%s", m.Port, d)
		}
		seen[m.Port] = true
		if told[leg] == nil {
			told[leg] = map[int]int{}
		}
		if before := told[leg][i]; before != 0 && before != m.Port {
			t.Fatalf("medium %d has moved from port %d to %d", i, before, m.Port)
		}
		told[leg][i] = m.Port
	}
}
