package interop

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// Linphone is linphone-daemon, which takes commands on a Unix socket in /tmp. It speaks a file by
// its in-call player, and ALSA is set up so that its loudspeaker is a file too.
type Linphone struct {
	account Account
	server  *harness.Server
	dir     string
	speech  string
	process *harness.Process
	conn    net.Conn
	earlier int // recordings of earlier calls
}

// NewLinphone starts a phone that speaks the WAV file in every call.
func NewLinphone(t testing.TB, s *harness.Server, a Account, speech string) *Linphone {
	t.Helper()
	l := &Linphone{account: a, server: s, dir: t.TempDir(), speech: speech}
	l.home(t)
	pipe := "parley-test-" + rand.Text()
	l.process = harness.Start(t, harness.Command{
		Name: a.User + "'s linphone",
		Args: []string{"linphone-daemon", "--config", "linphonerc", "--log", "linphone.log", "--pipe", pipe},
		Dir:  l.dir,
		Env:  l.env(),
	})
	t.Cleanup(func() { l.cleanup(t, pipe) })
	harness.Eventually(t, "linphone-daemon listens", func() bool {
		c, err := net.Dial("unix", filepath.Join("/tmp", pipe))
		l.conn = c
		return err == nil
	})
	if a.Codec != "" {
		l.must(t, "audio-codec-disable ALL")
		format := "/8000/1"
		if a.Codec == "opus" {
			format = "/48000/2"
		}
		l.must(t, "audio-codec-enable "+a.Codec+format)
	}
	return l
}

// home is the folder that it lives in.
func (l *Linphone) home(t testing.TB) {
	t.Helper()
	for _, folder := range []string{".local/share/linphone", ".config"} { // it doesn't start without them
		if err := os.MkdirAll(filepath.Join(l.dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ports, s, a := harness.FreePorts(t, 2), l.server, l.account
	encryption, mandatory := a.encryption()
	l.write(t, "linphonerc", fmt.Sprintf(linphoneConfig, ports[0], ports[1],
		s.URI(a.Transport), s.Address(a.User), a.User, a.Password, s.Domain, encryption, mandatory))
	l.write(t, "asound.conf", fmt.Sprintf(linphoneSound, l.loudspeaker()))
}

func (l *Linphone) env() []string {
	return []string{
		"HOME=" + l.dir, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=",
		"ALSA_CONFIG_PATH=" + l.dir + "/asound.conf", "PULSE_SERVER=none",
	}
}

// encryption is the account's as linphone has it.
func (a Account) encryption() (kind string, mandatory int) {
	kind, _, insists := strings.Cut(a.Encryption, "-")
	if kind == "" {
		kind = "none"
	}
	if insists {
		mandatory = 1
	}
	return kind, mandatory
}

// The daemon's own command for signing in can't name a route, and without one Linphone looks the
// domain up; so it signs in as it starts. Ports by number, for port 0 means 5060 to it. Echo cancellation would change what is said.
const linphoneConfig = `[sip]
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
verify_server_certs=0
verify_server_cn=0
media_encryption=%[8]s
media_encryption_mandatory=%[9]d
default_proxy=0
composing_idle_timeout=4
[net]
firewall_policy=none
[rtp]
audio_rtp_port=%[1]d
video_rtp_port=%[2]d
[misc]
store_friends=0
[video]
enabled=0
capture=0
display=0
[sound]
echocancellation=0
agc=0
ec_filter=none
local_ring=/dev/null
remote_ring=/dev/null
[proxy_0]
reg_proxy=<%[3]s>
reg_route=<%[3]s>
reg_identity=sip:%[4]s
reg_expires=60
reg_sendregister=1
publish=0
[auth_info_0]
username=%[5]s
passwd=%[6]s
domain=%[7]s
`

const linphoneSound = `pcm.null { type null }
pcm.loudspeaker { type file slave.pcm "null" file "%s" format "raw" truncate false }
pcm.!default {
	type asym
	playback.pcm { type plug slave { pcm "loudspeaker" rate 8000 format S16_LE channels 1 } }
}
`

// loudspeaker is what the first sound goes to. Each call, and each ringing tone, goes to a file
// of its own: the same name with a number.
func (l *Linphone) loudspeaker() string { return filepath.Join(l.dir, "loudspeaker.raw") }

func (l *Linphone) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (l *Linphone) cleanup(t testing.TB, pipe string) {
	if l.conn != nil {
		l.conn.Close()
	}
	// The process is stopped before the temporary folder goes, or it would write to it still.
	_ = l.process.Stop(5 * time.Second)
	_ = os.Remove(filepath.Join("/tmp", pipe)) // it is left behind by a daemon that was stopped
	if t.Failed() {
		if b, err := os.ReadFile(filepath.Join(l.dir, "linphone.log")); err == nil {
			t.Logf("---- %s logged:\n%s", l.process.Name, harness.Tail(string(b), 20000))
		}
	}
}

// tell gives a command and returns its answer.
func (l *Linphone) tell(t testing.TB, command string) string {
	t.Helper()
	if _, err := fmt.Fprintf(l.conn, "%s\n", command); err != nil {
		t.Fatalf("%s: %v", l.process.Name, err)
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, err := l.conn.Read(b)
	if err != nil {
		t.Fatalf("%s: %s: %v", l.process.Name, command, err)
	}
	return string(b[:n])
}

// must is tell for a command that has to succeed.
func (l *Linphone) must(t testing.TB, command string) string {
	t.Helper()
	answer := l.tell(t, command)
	if !strings.Contains(answer, "Status: Ok") {
		t.Fatalf("%s: %s: %s", l.process.Name, command, answer)
	}
	return answer
}

var linphoneState = regexp.MustCompile(`State: Linphone(?:Call|Registration)(\w+)`)

// state is the last state that a command reports; "" when there is nothing.
func (l *Linphone) state(t testing.TB, command string) string {
	t.Helper()
	all := linphoneState.FindAllStringSubmatch(l.tell(t, command), -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

func (l *Linphone) await(t testing.TB, command string, states ...string) string {
	t.Helper()
	got := ""
	harness.Eventually(t, fmt.Sprintf("%s: %s is %s", l.process.Name, command, strings.Join(states, " or ")), func() bool {
		got = l.state(t, command)
		for _, s := range states {
			if s == got {
				return true
			}
		}
		return false
	})
	return got
}

// Name is linphone.
func (l *Linphone) Name() string { return "linphone" }

// Register signs in.
func (l *Linphone) Register(t testing.TB) {
	t.Helper()
	if l.await(t, "register-status ALL", "Ok", "Failed") != "Ok" {
		t.Fatalf("%s is not registered", l.process.Name)
	}
}

// RegisterRefused signs in, and is refused.
func (l *Linphone) RegisterRefused(t testing.TB) {
	t.Helper()
	if l.await(t, "register-status ALL", "Ok", "Failed") != "Failed" {
		t.Fatalf("%s is registered", l.process.Name)
	}
}

// Unregister signs out.
func (l *Linphone) Unregister(t testing.TB) {
	t.Helper()
	l.must(t, "unregister ALL")
}

// Dial calls.
func (l *Linphone) Dial(t testing.TB, address string) {
	t.Helper()
	l.begin(t)
	l.must(t, "call "+address)
}

// begin forgets what an earlier call let it hear.
func (l *Linphone) begin(t testing.TB) {
	t.Helper()
	l.earlier = len(l.recordings(t))
}

func (l *Linphone) recordings(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(l.loudspeaker() + "*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// AwaitRinging waits for an incoming call.
func (l *Linphone) AwaitRinging(t testing.TB) {
	t.Helper()
	l.await(t, "call-status", "IncomingReceived")
}

// Answer accepts the call.
func (l *Linphone) Answer(t testing.TB) {
	t.Helper()
	l.begin(t)
	l.must(t, "answer")
}

// AwaitTalking waits until the call is answered, and begins to speak.
func (l *Linphone) AwaitTalking(t testing.TB) {
	t.Helper()
	l.await(t, "call-status", "StreamsRunning")
	l.must(t, "incall-player-start "+l.speech)
}

// HangUp ends, cancels or declines the call.
func (l *Linphone) HangUp(t testing.TB) { t.Helper(); l.must(t, "terminate") }

// AwaitIdle waits until the call is over.
func (l *Linphone) AwaitIdle(t testing.TB) {
	t.Helper()
	l.await(t, "call-status", "", "End", "Released", "Error")
}

// Hold puts the call on hold.
func (l *Linphone) Hold(t testing.TB) { t.Helper(); l.must(t, "call-pause") }

// Resume takes the call off hold; it is the only call, and the daemon counts from 1.
func (l *Linphone) Resume(t testing.TB) { t.Helper(); l.must(t, "call-resume 1") }

// Messages is its log, with all SIP messages.
func (l *Linphone) Messages(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, "linphone.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Heard reads what came out of the loudspeaker.
func (l *Linphone) Heard(t testing.TB) audio.Clip {
	t.Helper()
	heard := audio.Clip{Rate: 8000}
	for _, name := range l.recordings(t)[l.earlier:] {
		c, err := audio.ReadRaw(name, heard.Rate)
		if err != nil {
			t.Fatal(err)
		}
		heard.Samples = append(heard.Samples, c.Samples...)
	}
	return heard
}

// Write sends a message to an address.
func (l *Linphone) Write(t testing.TB, to, text string) {
	t.Helper()
	l.must(t, "message "+to+" "+text)
}

// AwaitText waits for a message from somebody's address; what else happens before is passed over.
func (l *Linphone) AwaitText(t testing.TB, from, text string) {
	t.Helper()
	var told strings.Builder
	harness.Eventually(t, fmt.Sprintf("%s gets %q from %s", l.process.Name, text, from), func() bool {
		event := l.tell(t, "pop-event")
		told.WriteString(event)
		return strings.Contains(event, text) && strings.Contains(event, "sip:"+from)
	})
}
