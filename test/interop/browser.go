package interop

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// Browser is JsSIP in a page of Chromium: browser/phone.mjs, told what to do by lines of JSON.
type Browser struct {
	account Account
	server  *harness.Server
	process *harness.Process
	seen    int // of its log
}

// BrowserPage is where a page comes from, which a server has to allow: to be had before it starts.
type BrowserPage struct {
	port  int
	under []string // the command that the browser is started with; nil: none
}

// NewBrowserPage finds a port for the page.
func NewBrowserPage(t testing.TB) BrowserPage {
	t.Helper()
	return BrowserPage{port: harness.FreePorts(t, 1)[0]}
}

// Origin is the page's origin (RFC 6454).
func (p BrowserPage) Origin() string { return fmt.Sprintf("http://127.0.0.1:%d", p.port) }

// NewBrowser opens the page, which connects by secure WebSocket.
func NewBrowser(t testing.TB, s *harness.Server, p BrowserPage, a Account, speech string) *Browser {
	t.Helper()
	b := openBrowser(t, s, p, a, speech)
	b.start(t, "password", a.Password)
	return b
}

// NewBrowserDevice opens the page, which gets a token with the password and connects with that, and gives the token.
func NewBrowserDevice(t testing.TB, s *harness.Server, p BrowserPage, a Account, speech string) (b *Browser, token string) {
	t.Helper()
	b = openBrowser(t, s, p, a, speech)
	b.tell(t, "signIn", map[string]string{
		"api": fmt.Sprintf("https://%s/api/device", s.HTTPS), "address": s.Address(a.User), "password": a.Password,
	})
	event, token := b.await(t, "signIn done", "signIn refused")
	if event != "signIn done" {
		t.Fatalf("%s gets no token: %s", b.process.Name, token)
	}
	b.start(t, "token", token)
	return b, token
}

func openBrowser(t testing.TB, s *harness.Server, p BrowserPage, a Account, speech string) *Browser {
	t.Helper()
	dir, err := filepath.Abs("browser")
	if err != nil {
		t.Fatal(err)
	}
	b := &Browser{account: a, server: s}
	b.process = harness.Start(t, harness.Command{
		Name: a.User + "'s browser", Args: append(slices.Clone(p.under), "node", "phone.mjs", strconv.Itoa(p.port), speech), Dir: dir,
		Env: []string{"HOME=" + t.TempDir()},
	})
	b.await(t, "ready")
	return b
}

// start connects, to sign in by a password or a token.
func (b *Browser) start(t testing.TB, by, secret string) {
	t.Helper()
	b.tell(t, "start", map[string]string{
		"ws": fmt.Sprintf("wss://%s/sip", b.server.HTTPS), "uri": "sip:" + b.server.Address(b.account.User), by: secret,
	})
	b.await(t, "connected")
}

// AwaitCut waits until the connection is gone.
func (b *Browser) AwaitCut(t testing.TB) { t.Helper(); b.await(t, "disconnected") }

// await waits for an event and gives its detail; what came before it is past.
func (b *Browser) await(t testing.TB, events ...string) (event, detail string) {
	t.Helper()
	m := b.process.WaitFrom(t, b.seen, fmt.Sprintf(`(?m)^\{"event":"(%s)","detail":(".*")\}$`, strings.Join(events, "|")))
	b.seen += strings.Index(b.process.Log.String()[b.seen:], m[0]) + len(m[0])
	if err := json.Unmarshal([]byte(m[2]), &detail); err != nil {
		t.Fatalf("%s: %s: %v", b.process.Name, m[0], err)
	}
	return m[1], detail
}

func (b *Browser) tell(t testing.TB, what string, args map[string]string) {
	t.Helper()
	line := map[string]string{"do": what}
	for k, v := range args {
		line[k] = v
	}
	j, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(b.process.Stdin, "%s\n", j); err != nil {
		t.Fatalf("%s: %v", b.process.Name, err)
	}
}

// Relay has the browser's calls go through the server's relay alone, over "turn: transport=udp", "turn: transport=tcp" or
// "turns: transport=tcp".
func (b *Browser) Relay(t testing.TB, token, over string) {
	t.Helper()
	b.tell(t, "relay", map[string]string{"api": fmt.Sprintf("https://%s/api/turn", b.server.HTTPS), "token": token, "over": over})
	if event, detail := b.await(t, "relay done", "relay refused"); event != "relay done" || detail == "" {
		t.Fatalf("%s has no relay: %s", b.process.Name, detail)
	}
}

// Name is the library's and the browser's.
func (b *Browser) Name() string { return "jssip in chromium" }

// Register signs in.
func (b *Browser) Register(t testing.TB) {
	t.Helper()
	b.tell(t, "register", nil)
	if event, detail := b.await(t, "registered", "registrationFailed"); event != "registered" {
		t.Fatalf("%s is not registered: %s", b.process.Name, detail)
	}
}

// RegisterRefused signs in and gives the refusal.
func (b *Browser) RegisterRefused(t testing.TB) string {
	t.Helper()
	b.tell(t, "register", nil)
	event, detail := b.await(t, "registered", "registrationFailed")
	if event != "registrationFailed" {
		t.Fatalf("%s is registered", b.process.Name)
	}
	return detail
}

// Unregister signs out.
func (b *Browser) Unregister(t testing.TB) {
	t.Helper()
	b.tell(t, "unregister", nil)
	b.await(t, "unregistered")
}

// Dial calls.
func (b *Browser) Dial(t testing.TB, address string) {
	t.Helper()
	b.tell(t, "dial", map[string]string{"to": address, "video": b.account.Video})
}

// AwaitRinging waits for an incoming call.
func (b *Browser) AwaitRinging(t testing.TB) { t.Helper(); b.await(t, "incoming") }

// Answer accepts the call.
func (b *Browser) Answer(t testing.TB) {
	t.Helper()
	b.tell(t, "answer", map[string]string{"video": b.account.Video})
}

// Frames is how many pictures of the other side it has decoded.
func (b *Browser) Frames(t testing.TB) int {
	t.Helper()
	b.tell(t, "frames", nil)
	_, text := b.await(t, "frames done")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// AwaitTalking waits until the call is answered.
func (b *Browser) AwaitTalking(t testing.TB) { t.Helper(); b.await(t, "confirmed") }

// HangUp ends, cancels or declines the call.
func (b *Browser) HangUp(t testing.TB) { t.Helper(); b.tell(t, "hangup", nil) }

// Hold puts the call on hold.
func (b *Browser) Hold(t testing.TB) { t.Helper(); b.tell(t, "hold", nil); b.await(t, "hold done") }

// Resume takes the call off hold.
func (b *Browser) Resume(t testing.TB) {
	t.Helper()
	b.tell(t, "resume", nil)
	b.await(t, "resume done")
}

// Press sends a tone (RFC 4733).
func (b *Browser) Press(t testing.TB, key string) {
	t.Helper()
	b.tell(t, "press", map[string]string{"key": key, "by": "RFC2833"})
}

// PressINFO sends a key in an INFO.
func (b *Browser) PressINFO(t testing.TB, key string) {
	t.Helper()
	b.tell(t, "press", map[string]string{"key": key, "by": "INFO"})
}

// Speak has it know one codec alone.
func (b *Browser) Speak(t testing.TB, codec string) {
	t.Helper()
	b.tell(t, "speak", map[string]string{"codec": codec})
}

// AwaitFailed waits until a call fails and gives the cause.
func (b *Browser) AwaitFailed(t testing.TB) string {
	t.Helper()
	_, cause := b.await(t, "failed")
	return cause
}

// AwaitIdle waits until the call is over.
func (b *Browser) AwaitIdle(t testing.TB) { t.Helper(); b.await(t, "ended", "failed") }

// Heard asks for the recording.
func (b *Browser) Heard(t testing.TB) audio.Clip {
	t.Helper()
	b.tell(t, "recording", nil)
	_, text := b.await(t, "recording done")
	samples, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return clip(samples)
}

// clip is what a page has heard (browser/ear.js).
func clip(samples []byte) audio.Clip {
	c := audio.Clip{Rate: 8000, Samples: make([]int16, len(samples)/2)}
	for i := range c.Samples {
		c.Samples[i] = int16(binary.LittleEndian.Uint16(samples[2*i:]))
	}
	return c
}
