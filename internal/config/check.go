package config

import (
	"fmt"
	"net"
	"strings"
)

// check finds settings that are fine each, but not together.
func (l *loader) check() Problems {
	before := len(l.problems)
	c := &l.config
	r := c.Registrar
	l.ordered("registrar.min_expires", "registrar.default_expires", r.MinExpires <= r.DefaultExpires)
	l.ordered("registrar.default_expires", "registrar.max_expires", r.DefaultExpires <= r.MaxExpires)
	l.ordered("auth.first_delay", "auth.max_delay", c.Auth.FirstDelay <= c.Auth.MaxDelay)
	l.ordered("sip.t1", "sip.t2", c.SIP.T1 <= c.SIP.T2)
	l.ordered("calls.ring", "calls.timer_c", c.Calls.Ring <= c.Calls.TimerC)
	if c.Media.Ports.Low <= c.TURN.Ports.High && c.TURN.Ports.Low <= c.Media.Ports.High {
		l.complain("expected none of media.ports, which are "+c.Media.Ports.String(), "turn.ports", "media.ports")
	}
	l.together("tls.certificate", "tls.key", c.TLS.Certificate, c.TLS.Key)
	l.listeners()
	found := l.problems[before:]
	l.problems = l.problems[:before]
	return found
}

// complain reports a problem at the first of keys that the file sets.
func (l *loader) complain(expected string, keys ...string) {
	for _, k := range keys {
		if at, ok := l.set[k]; ok {
			l.report(at, k, l.lookup(k).value.text(), expected)
			return
		}
	}
	l.problems = append(l.problems, &Problem{File: l.file, Key: keys[0], Expected: expected})
}

func (l *loader) lookup(key string) field {
	section, name, _ := strings.Cut(key, ".")
	return l.byName[section][name]
}

func (l *loader) ordered(low, high string, ok bool) {
	if ok {
		return
	}
	if _, set := l.set[low]; set {
		l.complain(fmt.Sprintf("expected no more than %s, which is %s", high, l.lookup(high).value.text()), low)
		return
	}
	l.complain(fmt.Sprintf("expected no less than %s, which is %s", low, l.lookup(low).value.text()), high)
}

func (l *loader) together(a, b, va, vb string) {
	switch {
	case va != "" && vb == "":
		l.complain("expected "+b+" too", a)
	case va == "" && vb != "":
		l.complain("expected "+a+" too", b)
	}
}

// listeners finds an address that two listeners want.
func (l *loader) listeners() {
	c := &l.config
	taken := map[string]string{}
	for _, x := range []struct {
		key, network string
		addresses    []string
	}{
		{"sip.udp", "udp", c.SIP.UDP},
		{"sip.tcp", "tcp", c.SIP.TCP},
		{"sip.tls", "tcp", c.SIP.TLS},
		{"xmpp.c2s", "tcp", c.XMPP.C2S},
		{"xmpp.c2s_tls", "tcp", c.XMPP.C2STLS},
		{"web.https", "tcp", c.Web.HTTPS},
		{"web.http", "tcp", c.Web.HTTP},
		{"turn.udp", "udp", c.TURN.UDP},
		{"turn.tcp", "tcp", c.TURN.TCP},
		{"turn.tls", "tcp", c.TURN.TLS},
	} {
		for _, a := range x.addresses {
			if _, port, err := net.SplitHostPort(a); err != nil || port == "0" {
				continue // the system gives each a port of its own
			}
			id := x.network + " " + a
			if other, ok := taken[id]; ok {
				l.complain(fmt.Sprintf("expected %s to be listened on once only, %s has it too", a, other), x.key, other)
			}
			taken[id] = x.key
		}
	}
	if len(c.SIP.UDP)+len(c.SIP.TCP)+len(c.SIP.TLS)+len(c.XMPP.C2S)+len(c.XMPP.C2STLS)+len(c.Web.HTTPS)+len(c.Web.HTTP) == 0 {
		l.complain("expected at least one address to listen on, here or in another of sip, xmpp and web",
			"sip.udp", "sip.tcp", "sip.tls", "xmpp.c2s", "xmpp.c2s_tls", "web.https", "web.http")
	}
}
