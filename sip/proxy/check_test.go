package proxy_test

import (
	"strings"
	"testing"

	"parley/sip"
	"parley/sip/proxy"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, old, new string
		want           string
	}{
		{"fine", "", "", ""},
		{"no hops left", "Max-Forwards: 70", "Max-Forwards: 0", "483"},
		{"one hop left", "Max-Forwards: 70", "Max-Forwards: 1", ""},
		{"no breadth left", "Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Breadth: 0", "440"},
		{"a known extension", "Max-Forwards: 70", "Max-Forwards: 70\r\nProxy-Require: Sec-Agree", ""},
		{"unknown extensions", "Max-Forwards: 70", "Max-Forwards: 70\r\nProxy-Require: foo, sec-agree\r\nProxy-Require: bar", "420"},
		{"a telephone number", "sip:bob@example.org SIP", "tel:+15550100 SIP", ""},
		{"an unknown scheme", "sip:bob@example.org SIP", "http://example.org SIP", "416"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sc := newSceneWith(t, proxy.Config{Extensions: []string{"sec-agree"}})
			bob := sc.phone("bob")
			sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
			sc.sends(strings.Replace(sc.request(sip.INVITE), c.old, c.new, 1))
			sc.callerGot(c.want)
			if (c.want == "") != (bob.last(sip.INVITE) != nil) {
				t.Error("refused and forwarded, or neither")
			}
			if c.want == "" {
				return
			}
			m := sc.finals()[0]
			if m.ToTag() == "" {
				t.Error("the response has no To tag")
			}
			if c.want == "420" {
				wantHeader(t, m, sip.HeaderUnsupported, "foo", "bar")
			}
			sc.nothingLeft()
		})
	}
}

// Nobody checked: a request without hops is not forwarded all the same.
func TestNoHopsLeftUnchecked(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	sc.hold = sc.start
	sc.sends(strings.Replace(sc.request(sip.INVITE), "Max-Forwards: 70", "Max-Forwards: 0", 1))
	bob.gotNo(sip.INVITE)
	sc.callerGot("483")
	sc.nothingLeft()
}

func TestLoop(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	first := sc.invites("Route: <sip:far.example.org;lr>")
	forwarded := bob.got(sip.INVITE)
	other := sc.proxy.Check(first)
	if other != nil {
		t.Fatalf("the request itself is refused: %v", other)
	}
	for _, c := range []struct {
		name string
		edit func(*sip.Builder)
		loop bool
	}{
		{"comes back as it was", func(*sip.Builder) {}, true},
		{"over another hop", func(b *sip.Builder) {
			b.Prepend(sip.HeaderVia, "SIP/2.0/TCP far.example.org;branch=z9hG4bKfar;odd=\"a,b\", SIP/2.0/TLS x;branch=1")
		}, true},
		{"with other hops and credentials of no concern", func(b *sip.Builder) {
			b.Set(sip.HeaderMaxForwards, "3").Add(sip.HeaderRecordRoute, "<sip:far.example.org;lr>")
		}, true},
		{"to another address", func(b *sip.Builder) { b.SetTarget("sip:carol@example.org") }, false},
		{"over another route", func(b *sip.Builder) { b.Pop(sip.HeaderRoute) }, false},
		{"with credentials that were taken off on the way", func(b *sip.Builder) { b.Add(sip.HeaderProxyAuthorization, "Digest x") }, true},
		{"as another request", func(b *sip.Builder) { b.Set(sip.HeaderCSeq, "2 INVITE") }, false},
	} {
		b := forwarded.Edit().SetTarget(first.Target())
		c.edit(b)
		m, err := b.Message()
		if err != nil {
			t.Fatal(err)
		}
		v := sc.proxy.Check(m)
		if (v != nil && v.Status == 482) != c.loop {
			t.Errorf("%s: %v", c.name, v)
		}
	}
	elsewhere := proxy.New(proxy.Config{Layer: sc.layer})
	m, _ := forwarded.Edit().SetTarget(first.Target()).Message()
	if v := elsewhere.Check(m); v != nil {
		t.Errorf("another proxy takes it for its own loop: %v", v)
	}
}
