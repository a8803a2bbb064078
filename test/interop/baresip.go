package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// Baresip is driven by its ctrl_tcp module: JSON in netstrings over TCP, commands one way,
// events and answers the other.
type Baresip struct {
	account Account
	server  *harness.Server
	dir     string
	process *harness.Process
	conn    net.Conn // JSON
	keys    net.Conn // single keys, for the commands that have no name

	mu     sync.Mutex
	events []baresipEvent
	seen   int // events that have been waited past
	more   chan struct{}

	earlier int  // recordings of earlier calls
	watches bool // it has contacts
	shown   int  // how much of what it printed of them has been looked at
}

type baresipEvent struct {
	Event    bool   `json:"event"`
	Response bool   `json:"response"`
	Type     string `json:"type"`
	Param    string `json:"param"`
	OK       bool   `json:"ok"`
	Data     string `json:"data"`
	Token    string `json:"token"`
}

// NewBaresip starts a phone that speaks the WAV file in every call. If it has contacts, it watches them, and publishes its own
// presence.
func NewBaresip(t testing.TB, s *harness.Server, a Account, speech string, contacts ...string) *Baresip {
	t.Helper()
	b := &Baresip{account: a, server: s, dir: t.TempDir(), more: make(chan struct{})}
	more := ""
	if len(contacts) > 0 {
		more, b.watches = "module_app contact.so\nmodule_app presence.so\n", true
		b.write(t, "contacts", "<sip:"+strings.Join(contacts, ">;presence=p2p\n<sip:")+">;presence=p2p\n")
	}
	// The module that takes commands needs a port by number; its SIP and RTP find their own.
	ports := harness.FreePorts(t, 2)
	config := fmt.Sprintf(baresipConfig, speech, b.dir, ports[0], ports[1]) + more
	if a.Video != "" {
		config += baresipVideo
	}
	b.write(t, "config", config)
	b.write(t, "accounts", "# given by command\n")
	if b.watches { // its presence is that of the accounts that it starts with
		b.write(t, "accounts", b.line(60)+";pubint=60\n")
	}
	b.process = harness.Start(t, harness.Command{
		Name: a.User + "'s baresip", Args: []string{"stdbuf", "-oL", "baresip", "-v", "-s", "-f", b.dir}, Dir: b.dir,
	})
	b.process.Wait(t, `baresip is ready`)
	b.conn, b.keys = dial(t, ports[0]), dial(t, ports[1])
	done := make(chan struct{})
	go func() { defer close(done); b.listen() }()
	t.Cleanup(func() { b.conn.Close(); <-done })
	return b
}

// ausine breaks G.711 calls and a sound card is not to be had: aufile speaks, aubridge stands
// for a loudspeaker, sndfile keeps what would come out of it.
const baresipConfig = `poll_method epoll
rtp_ports 27000-31998
sip_listen 127.0.0.1:0
audio_source aufile,%s
audio_player aubridge,nil
audio_alert aubridge,nil
ausrc_srate 8000
snd_path %s
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
module_app cons.so
ctrl_tcp_listen 127.0.0.1:%d
cons_listen 127.0.0.1:%d
`

// Its camera shows bars, and what it sees is thrown away.
const baresipVideo = `video_source fakevideo,nil
video_display fakevideo,nil
video_size 320x240
video_bitrate 300000
video_fps 10
module fakevideo.so
module vp8.so
module avcodec.so
`

func dial(t testing.TB, port int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", harness.Loopback(port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (b *Baresip) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *Baresip) listen() {
	r := bufio.NewReader(b.conn)
	for {
		event, err := readNetstring(r)
		if err != nil {
			return
		}
		var e baresipEvent
		if err := json.Unmarshal(event, &e); err != nil {
			continue // binary data in a parameter: not one of those that are waited for
		}
		b.mu.Lock()
		b.events = append(b.events, e)
		close(b.more)
		b.more = make(chan struct{})
		b.mu.Unlock()
	}
}

func readNetstring(r *bufio.Reader) ([]byte, error) {
	length, err := r.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		return nil, err
	}
	if n < 0 || n > 1<<20 {
		return nil, fmt.Errorf("a netstring of %d bytes", n)
	}
	text := make([]byte, n+1) // a comma follows
	_, err = io.ReadFull(r, text)
	return text[:n], err
}

// await waits for the next event that ok accepts; what came before it is past.
func (b *Baresip) await(t testing.TB, what string, ok func(baresipEvent) bool) baresipEvent {
	t.Helper()
	deadline := time.After(harness.Patience)
	for {
		b.mu.Lock()
		for b.seen < len(b.events) {
			e := b.events[b.seen]
			b.seen++
			if ok(e) {
				b.mu.Unlock()
				return e
			}
		}
		more := b.more
		b.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%s: no %s", b.process.Name, what)
		}
	}
}

func (b *Baresip) awaitType(t testing.TB, names ...string) baresipEvent {
	t.Helper()
	return b.await(t, strings.Join(names, " or "), func(e baresipEvent) bool {
		for _, name := range names {
			if e.Event && e.Type == name {
				return true
			}
		}
		return false
	})
}

// tell gives a command; its answer comes among the events.
func (b *Baresip) tell(t testing.TB, command, params string) {
	t.Helper()
	j, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(b.conn, "%d:%s,", len(j), j); err != nil {
		t.Fatalf("%s: %v", b.process.Name, err)
	}
}

// Name is baresip.
func (b *Baresip) Name() string { return "baresip" }

// Register signs in.
func (b *Baresip) Register(t testing.TB) {
	t.Helper()
	if b.watches {
		b.process.Wait(t, `200 OK \(parley\) \[1 binding\]`)
		return
	}
	if e := b.register(t); e.Type != "REGISTER_OK" {
		t.Fatalf("%s is not registered: %s", b.process.Name, e.Param)
	}
}

// RegisterRefused signs in and gives the refusal.
func (b *Baresip) RegisterRefused(t testing.TB) string {
	t.Helper()
	e := b.register(t)
	if e.Type != "REGISTER_FAIL" {
		t.Fatalf("%s is registered", b.process.Name)
	}
	return e.Param
}

func (b *Baresip) register(t testing.TB) baresipEvent {
	t.Helper()
	b.newUA(t, 60)
	return b.awaitType(t, "REGISTER_OK", "REGISTER_FAIL")
}

// Appear is there to call, but not signed in.
func (b *Baresip) Appear(t testing.TB) {
	t.Helper()
	b.newUA(t, 0)
	b.await(t, "new user agent", func(e baresipEvent) bool { return e.Response })
}

func (b *Baresip) newUA(t testing.TB, interval int) {
	t.Helper()
	b.tell(t, "uanew", b.line(interval))
}

// line is its account, as it is written down.
func (b *Baresip) line(interval int) string {
	return fmt.Sprintf(
		"<sip:%s;transport=%s>;auth_user=%s;auth_pass=%s;outbound=\"%s\";regint=%d;audio_codecs=%s;video_codecs=%s%s",
		b.server.Address(b.account.User), b.account.Transport, b.account.User, b.account.Password,
		b.server.URI(b.account.Transport), interval, b.codec(), strings.ToLower(b.account.Video), b.encryption())
}

// codec is what its account names it by: the sample rate, where an rtpmap has the clock's.
func (b *Baresip) codec() string {
	switch b.account.Codec {
	case "":
		return "PCMU/8000/1"
	case "G722":
		return "G722/16000/1"
	}
	return b.account.Codec + "/8000/1"
}

func (b *Baresip) encryption() string {
	if b.account.Encryption == "" {
		return ""
	}
	return ";mediaenc=" + b.account.Encryption
}

// Unregister signs out.
func (b *Baresip) Unregister(t testing.TB) {
	t.Helper()
	b.tell(t, "uadel", "sip:"+b.server.Address(b.account.User))
}

// Dial calls.
func (b *Baresip) Dial(t testing.TB, address string) {
	t.Helper()
	b.begin(t)
	b.tell(t, "dial", address)
}

// AwaitRinging waits for an incoming call.
func (b *Baresip) AwaitRinging(t testing.TB) { t.Helper(); b.awaitType(t, "CALL_INCOMING") }

// AwaitRingback waits until the other end rings.
func (b *Baresip) AwaitRingback(t testing.TB) {
	t.Helper()
	b.awaitType(t, "CALL_RINGING", "CALL_PROGRESS")
}

// Answer accepts the call.
func (b *Baresip) Answer(t testing.TB) { t.Helper(); b.begin(t); b.tell(t, "accept", "") }

// AwaitTalking waits until the call is answered.
func (b *Baresip) AwaitTalking(t testing.TB) { t.Helper(); b.awaitType(t, "CALL_ESTABLISHED") }

// HangUp ends, cancels or declines the call.
func (b *Baresip) HangUp(t testing.TB) { t.Helper(); b.tell(t, "hangup", "") }

// Kill ends the phone at once, without a word.
func (b *Baresip) Kill(t testing.TB) {
	t.Helper()
	if err := b.process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// AwaitTone waits until the other end presses a key, and gives it.
func (b *Baresip) AwaitTone(t testing.TB) string {
	t.Helper()
	return b.awaitType(t, "CALL_DTMF_START").Param
}

// AwaitIdle waits until the call is over.
func (b *Baresip) AwaitIdle(t testing.TB) { t.Helper(); b.AwaitClosed(t) }

// AwaitClosed waits until the call is over and gives the reason.
func (b *Baresip) AwaitClosed(t testing.TB) string {
	t.Helper()
	return b.awaitType(t, "CALL_CLOSED").Param
}

// Hold puts the call on hold.
func (b *Baresip) Hold(t testing.TB) { t.Helper(); b.press(t, "x") }

// Resume takes the call off hold.
func (b *Baresip) Resume(t testing.TB) { t.Helper(); b.press(t, "X") }

// AwaitSeen waits until it shows a contact so.
func (b *Baresip) AwaitSeen(t testing.TB, who, how string) {
	t.Helper()
	b.process.WaitFrom(t, b.shown, `sip:`+regexp.QuoteMeta(who)+`> changed status from .* to .*`+how)
	b.shown = b.process.Log.Len()
}

// Appears says of itself whether it is there.
func (b *Baresip) Appears(t testing.TB, there bool) {
	t.Helper()
	if there {
		b.tell(t, "presence_online", "")
		return
	}
	b.tell(t, "presence_offline", "")
}

// Traced waits until a SIP message that matches has passed since from, a length of Trace.
func (b *Baresip) Traced(t testing.TB, from int, pattern string) {
	t.Helper()
	b.process.WaitFrom(t, from, pattern)
}

// Messages is what it printed, with all SIP messages.
func (b *Baresip) Messages(testing.TB) string { return b.process.Log.String() }

// Trace is how much has been traced so far.
func (b *Baresip) Trace() int { return b.process.Log.Len() }

func (b *Baresip) press(t testing.TB, key string) {
	t.Helper()
	if _, err := b.keys.Write([]byte(key)); err != nil {
		t.Fatalf("%s: %v", b.process.Name, err)
	}
}

// begin forgets what an earlier call let it hear.
func (b *Baresip) begin(t testing.TB) {
	t.Helper()
	b.earlier = len(b.recordings(t))
}

// recordings has one file for each time that a call's sound began, before and after a hold.
func (b *Baresip) recordings(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(b.dir, "dump-*-dec.wav"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Heard reads what was recorded of the last call.
func (b *Baresip) Heard(t testing.TB) audio.Clip {
	t.Helper()
	heard := audio.Clip{Rate: 8000}
	for _, name := range b.recordings(t)[b.earlier:] {
		c, err := audio.ReadWAV(name)
		if err != nil {
			t.Fatal(err)
		}
		heard.Samples = append(heard.Samples, c.At(heard.Rate).Samples...)
	}
	return heard
}

var baresipPictures = regexp.MustCompile(`efps=[0-9.]+/([0-9.]+)`)

// Pictures is how many pictures a second of the other side it shows, measured over the last five seconds.
func (b *Baresip) Pictures(t testing.TB) float64 {
	t.Helper()
	all := baresipPictures.FindAllStringSubmatch(b.process.Log.String(), -1)
	if len(all) == 0 {
		return 0
	}
	n, err := strconv.ParseFloat(all[len(all)-1][1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
