package proxy_test

import (
	"fmt"
	"testing"

	"parley/sip"
	"parley/sip/proxy"
)

// Each line is one fork: what its phones answer, in order, and what the caller is told.
func TestBestResponse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answers []int
		want    int
	}{
		{[]int{486}, 486},
		{[]int{404, 302}, 302},
		{[]int{500, 404}, 404},
		{[]int{302, 603}, 603},
		{[]int{404, 604, 302}, 604},
		{[]int{404, 480}, 404},
		{[]int{480, 404}, 480},
		{[]int{404, 401}, 401},
		{[]int{404, 407}, 407},
		{[]int{486, 415}, 415},
		{[]int{486, 420}, 420},
		{[]int{486, 484}, 484},
		{[]int{484, 401}, 401},
		{[]int{404, 486}, 486},
		{[]int{408, 404}, 404},
		{[]int{430, 487, 480}, 480},
		{[]int{503}, 500},
		{[]int{503, 504}, 504},
		{[]int{503, 408}, 408},
	} {
		t.Run(fmt.Sprint(c.answers), func(t *testing.T) {
			t.Parallel()
			sc := newScene(t)
			var phones []*phone
			for i := range c.answers {
				phones = append(phones, sc.phone(fmt.Sprintf("phone%d", i)))
			}
			sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, phones...)}}
			sc.invites()
			for i, status := range c.answers {
				if i > 0 && len(sc.finals()) > 0 {
					t.Fatal("the caller was answered before all phones were done")
				}
				phones[i].answers(status)
			}
			sc.callerGot(fmt.Sprint(c.want))
			sc.nothingLeft()
		})
	}
}

func TestChallengesAreGathered(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	a, b, c := sc.phone("a"), sc.phone("b"), sc.phone("c")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, a, b, c)}}
	sc.invites()
	a.answers(401, header(sip.HeaderWWWAuthenticate, `Digest realm="a", nonce="1"`))
	b.answers(407, header(sip.HeaderProxyAuthenticate, `Digest realm="b", nonce="2"`))
	c.answers(401, header(sip.HeaderWWWAuthenticate, `Digest realm="c", nonce="3"`),
		header(sip.HeaderWWWAuthenticate, `Digest realm="c", nonce="4", algorithm=SHA-256`))
	sc.callerGot("401")
	m := sc.finals()[0]
	wantHeader(t, m, sip.HeaderWWWAuthenticate, `Digest realm="a", nonce="1"`, `Digest realm="c", nonce="3"`,
		`Digest realm="c", nonce="4", algorithm=SHA-256`)
	wantHeader(t, m, sip.HeaderProxyAuthenticate, `Digest realm="b", nonce="2"`)
	sc.nothingLeft()
}

func TestOutOfService(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	sc.invites()
	bob.answers(503, header(sip.HeaderRetryAfter, "30"), header(sip.HeaderReason, "Q.850;cause=41"))
	sc.callerGot("500")
	m := sc.finals()[0]
	wantHeader(t, m, sip.HeaderRetryAfter, "30")
	wantHeader(t, m, sip.HeaderReason, "Q.850;cause=41")
	if m.Reason() != "Server Internal Error" {
		t.Errorf("the reason phrase is %q", m.Reason())
	}
	ours := bob.target()
	ours.Fail = 503
	sc.forward = proxy.Forward{Waves: []proxy.Wave{{Targets: []proxy.Target{ours}}}}
	sc.invites()
	sc.callerGot("500 503") // our own says that we are
	sc.nothingLeft()
}
