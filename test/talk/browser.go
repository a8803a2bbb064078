package talk

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"parley/sip"
	"parley/sip/siptest"
	"parley/test/harness"
	"parley/test/harness/audio"
)

// browser is a scripted web page: by a token of its own it is a phone and an app, which are one device. Its calls are WebRTC's.
type browser struct {
	*phone
	chat         *app
	password, id string
}

func (b *browser) asApp() *app { return b.chat }

// browsers is the kind of actor that a web page is.
func browsers() kind {
	return kind{
		introduced: whole(`(.+) is a browser at (\S+?)@(\S+) with (password|the wrong password) (\S+)`),
		account: func(m []string) (harness.User, bool) {
			return harness.User{Name: m[2], Password: m[5]}, m[4] == "password"
		},
		make:      newBrowser,
		sentences: browserSentences(),
	}
}

func newBrowser(p *play, m []string) Actor {
	words := strings.Fields(m[1])
	address := m[2] + "@" + m[3]
	b := &browser{
		phone:    &phone{name: m[1], address: address},
		chat:     &app{name: m[1], address: address, transport: "WebSocket", mechanism: "OAUTHBEARER", resource: words[len(words)-1]},
		password: m[5],
	}
	b.connect(p)
	b.phone.engine = func() *audio.Browser {
		e, err := audio.NewBrowser()
		if err != nil {
			p.Fatalf("%v", err)
		}
		p.Cleanup(func() { _ = e.Close() })
		return e
	}
	return b
}

// connect opens its WebSocket for calls.
func (b *browser) connect(p *play) {
	b.Peer = siptest.WebSocket(p, b.phone.address, "wss://"+p.server.HTTPS.String()+"/sip", anyone())
	b.Timeout = harness.Patience
}

func browserSentences() []sentence {
	return slices.Concat(browsing(), calling(), beingCalled(), inACall(), speaking(), looking(), signingIn(), beingThere(), hearingBack(), chatting())
}

// opens makes a sentence of a browser.
func opens(pattern string, do func(p *play, b *browser, m []string)) sentence {
	return sentence{whole(pattern), func(p *play, a Actor, m []string) { do(p, a.(*browser), m) }}
}

func browsing() []sentence {
	return []sentence{
		opens(`gets a token`, func(p *play, b *browser, _ []string) {
			if status := b.ask(p, http.MethodPost); status != http.StatusCreated {
				p.Fatalf("it gets %d", status)
			}
		}),
		opens(`tries to get a token`, func(p *play, b *browser, _ []string) { b.chat.refused = strconv.Itoa(b.ask(p, http.MethodPost)) }),
		opens(`takes the token of (.+)`, func(p *play, b *browser, m []string) {
			other, ok := p.actors[m[1]].(*browser)
			if !ok {
				p.Fatalf("%s is no browser", m[1])
			}
			b.token, b.chat.password, b.id = other.token, other.token, other.id
		}),
		opens(`registers`, func(_ *play, b *browser, _ []string) {
			b.request = b.Register(b.proof()...)
			b.last = b.Expect("200 REGISTER")
		}),
		opens(`tries to register`, func(_ *play, b *browser, _ []string) { b.request = b.Register(b.proof()...) }),
		opens(`loads the page again`, func(p *play, b *browser, _ []string) {
			b.Close()
			b.chat.Cut()
			b.connect(p)
		}),
		opens(`signs out`, func(p *play, b *browser, _ []string) {
			if status := b.ask(p, http.MethodDelete); status != http.StatusNoContent {
				p.Fatalf("it gets %d", status)
			}
		}),
	}
}

// ask asks for a token by the password, or gives it back.
func (b *browser) ask(p *play, method string) (status int) {
	body, err := json.Marshal(map[string]string{"address": b.phone.address, "password": b.password, "name": b.phone.name, "kind": "browser"})
	if err != nil {
		p.Fatalf("%v", err)
	}
	req, err := http.NewRequestWithContext(p.Context(), method, "https://"+p.server.HTTPS.String()+"/api/device", bytes.NewReader(body))
	if err != nil {
		p.Fatalf("%v", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodDelete {
		req.Header.Set("Authorization", "Bearer "+b.token)
	}
	page := http.Client{Timeout: harness.Patience, Transport: &http.Transport{TLSClientConfig: anyone(), DisableKeepAlives: true}}
	resp, err := page.Do(req)
	if err != nil {
		p.Fatalf("%v", err)
	}
	var got struct{ ID, Token string }
	if resp.StatusCode == http.StatusCreated {
		err = json.NewDecoder(resp.Body).Decode(&got)
		b.id, b.token, b.chat.password = got.ID, got.Token, got.Token
	}
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		p.Fatalf("%v", err)
	}
	return resp.StatusCode
}

// proof shows the token, if there is one (rfc8898#2.1.3, rfc8898#2.1.4).
func (f *phone) proof() []siptest.Edit {
	if f.token == "" {
		return nil
	}
	return []siptest.Edit{siptest.With(sip.HeaderAuthorization, "Bearer "+f.token)}
}

// anyone takes the server's certificate, which is its own.
func anyone() *tls.Config { return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} }
