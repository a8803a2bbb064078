package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"parley/sip"
	"parley/sip/proxy"
)

func TestPreprocess(t *testing.T) {
	t.Parallel()
	ours := func(u sip.URI) bool { return u.Host == "proxy.example.org" }
	for _, c := range []struct {
		name, target, routes string
		wantTarget, want     string
		popped               string
	}{
		{"no Route", "sip:bob@192.0.2.9", "", "sip:bob@192.0.2.9", "", "[]"},
		{"another's Route", "sip:bob@192.0.2.9", "<sip:far.example.org;lr>", "sip:bob@192.0.2.9", "<sip:far.example.org;lr>", "[]"},
		{
			"our double Record-Route, then another's", "sip:bob@192.0.2.9",
			"<sip:one@proxy.example.org;lr>,<sip:two@proxy.example.org;lr>\r\nRoute: <sip:far.example.org;lr>",
			"sip:bob@192.0.2.9", "<sip:far.example.org;lr>", "[sip:one@proxy.example.org;lr sip:two@proxy.example.org;lr]",
		},
		{
			"ours below another's stays", "sip:bob@192.0.2.9", "<sip:far.example.org;lr>, <sip:one@proxy.example.org;lr>",
			"sip:bob@192.0.2.9", "<sip:far.example.org;lr> <sip:one@proxy.example.org;lr>", "[]",
		},
		{
			"a strict router before us", "sip:one@proxy.example.org;lr",
			"<sip:two@proxy.example.org;lr>, <sip:far.example.org;lr>, <sip:bob@192.0.2.9>",
			"sip:bob@192.0.2.9", "<sip:far.example.org;lr>", "[sip:one@proxy.example.org;lr sip:two@proxy.example.org;lr]",
		},
		{
			"a strict router, nothing behind", "sip:one@proxy.example.org;lr", "<sip:bob@192.0.2.9;transport=tcp>",
			"sip:bob@192.0.2.9;transport=tcp", "", "[sip:one@proxy.example.org;lr]",
		},
		{
			"our domain is no Record-Route", "sip:bob@proxy.example.org", "<sip:far.example.org;lr>",
			"sip:bob@proxy.example.org", "<sip:far.example.org;lr>", "[]",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sc := &scene{}
			text := sc.request(sip.BYE)
			text = strings.Replace(text, "sip:bob@example.org SIP", c.target+" SIP", 1)
			if c.routes != "" {
				text = strings.Replace(text, "Max-Forwards", "Route: "+c.routes+"\r\nMax-Forwards", 1)
			}
			out, popped, err := proxy.Preprocess(parse(t, text), ours)
			if err != nil {
				t.Fatal(err)
			}
			if out.Target() != c.wantTarget {
				t.Errorf("the Request-URI is %s", out.Target())
			}
			if got := strings.Join(values(out, sip.HeaderRoute), " "); got != c.want {
				t.Errorf("Route is %s, not %s", got, c.want)
			}
			var names []string
			for _, u := range popped {
				names = append(names, u.String())
			}
			if fmt.Sprint(names) != c.popped {
				t.Errorf("popped %v, not %s", names, c.popped)
			}
		})
	}
}

func TestPreprocessUnreadableRoute(t *testing.T) {
	t.Parallel()
	ours := func(u sip.URI) bool { return u.Host == "proxy.example.org" }
	for _, routes := range []string{"<sip:one@proxy.example.org;lr>, <sip:", "<<>>"} {
		for _, target := range []string{"sip:bob@192.0.2.9", "sip:one@proxy.example.org;lr"} {
			text := (&scene{}).request(sip.BYE, "Route: "+routes)
			m := parse(t, strings.Replace(text, "sip:bob@example.org SIP", target+" SIP", 1))
			if _, _, err := proxy.Preprocess(m, ours); err == nil {
				t.Errorf("%s %s was taken", target, routes)
			}
		}
	}
}

func ack(t *testing.T, more ...string) *sip.Message {
	t.Helper()
	return parse(t, (&scene{}).request(sip.ACK, append(more, "Authorization: Digest secret")...))
}

func TestACKForSuccess(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	m := ack(t, "Route: <sip:far.example.org;lr>")
	for range 2 {
		if err := sc.proxy.ForwardACK(m, bob.wire, func(b *sip.Builder) { b.Remove(sip.HeaderAuthorization) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := sc.proxy.ForwardACK(ack(t, "Route: <sip:else.example.org;lr>"), bob.wire, nil); err != nil {
		t.Fatal(err)
	}
	sent := bob.all()
	wantHeader(t, sent[0], sip.HeaderMaxForwards, "69")
	wantHeader(t, sent[0], sip.HeaderRoute, "<sip:far.example.org;lr>")
	wantHeader(t, sent[0], sip.HeaderAuthorization)
	if vias := values(sent[0], sip.HeaderVia); len(vias) != 2 || vias[1] != m.Get(sip.HeaderVia) {
		t.Errorf("Via is %q", vias)
	}
	if sent[0].Target() != m.Target() || sent[0].Method() != sip.ACK {
		t.Errorf("the ACK became %s %s", sent[0].Method(), sent[0].Target())
	}
	if sent[0].Text() != sent[1].Text() {
		t.Error("a copy of the ACK went out as another request")
	}
}

func TestACKsAreToldApart(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	one := ack(t)
	two, err := one.Edit().Set(sip.HeaderTo, "<sip:bob@example.org>;tag=other").Message()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*sip.Message{one, two} {
		if err := sc.proxy.ForwardACK(m, bob.wire, nil); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := bob.all()[0].Via()
	b, _ := bob.all()[1].Via()
	if a.Branch == b.Branch {
		t.Error("two ACKs have the same branch")
	}
}

func TestACKOverAStrictRoute(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	if err := sc.proxy.ForwardACK(ack(t, "Route: <sip:strict.example.org>"), bob.wire, nil); err != nil {
		t.Fatal(err)
	}
	m := bob.first()
	if m.Target() != "sip:strict.example.org" {
		t.Errorf("the Request-URI is %s", m.Target())
	}
	wantHeader(t, m, sip.HeaderRoute, "<sip:bob@example.org>")
}

func TestACKThatGoesNowhere(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	none := parse(t, strings.Replace(ack(t).Text(), "Max-Forwards: 70", "Max-Forwards: 0", 1))
	if err := sc.proxy.ForwardACK(none, bob.wire, nil); err == nil || len(bob.all()) > 0 {
		t.Error("an ACK without hops went on")
	}
	if err := sc.proxy.ForwardACK(ack(t, "Route: <sip:"), bob.wire, nil); err == nil {
		t.Error("an ACK with an unreadable Route went on")
	}
	bob.setDown()
	if err := sc.proxy.ForwardACK(ack(t), bob.wire, nil); err == nil {
		t.Error("a broken way was not told")
	}
}
