package interop

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// Dino is the app Dino, before a screen and a sound card that are not there: Xvfb and PulseAudio. It takes commands over
// D-Bus as its notifications give them; for the rest a hand types and clicks. What it knows stands in its database.
//
// It finds a server by its domain alone. So it lives in a mount namespace where the domain has an address of this
// machine, with a line to the server at the usual port, and where the server's certificate is one to trust.
type Dino struct {
	user     string
	server   *harness.Server
	dir, bus string
	env      []string
	speech   string

	process  *harness.Process
	speaking *harness.Process
	hearing  *harness.Process
	since    int // of its log, this call
	calls    int // ended or going on, in its database
}

// NewDino prepares it; speech is what it says from when a call is established.
func NewDino(t testing.TB, s *harness.Server, user, speech string) *Dino {
	t.Helper()
	a := &Dino{user: user, server: s, dir: t.TempDir(), speech: speech}
	socket := filepath.Join(a.dir, "sound")
	a.env = []string{"HOME=" + a.dir, "XDG_RUNTIME_DIR=" + a.dir, "PULSE_SERVER=unix:" + socket}
	screen := a.start(t, "screen", "Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp")
	a.env = append(a.env, "DISPLAY=:"+screen.Wait(t, `(?m)^(\d+)$`)[1])
	bus := a.start(t, "bus", "dbus-daemon", "--session", "--nofork", "--print-address")
	a.bus = bus.Wait(t, `(?m)^(unix:.*)$`)[1]
	a.env = append(a.env, "DBUS_SESSION_BUS_ADDRESS="+a.bus)
	a.write(t, "sound.pa", strings.Join([]string{
		"load-module module-native-protocol-unix auth-anonymous=1 socket=" + socket,
		"load-module module-null-sink sink_name=ear rate=48000 channels=1",
		"load-module module-null-sink sink_name=mouth rate=48000 channels=1",
		"load-module module-remap-source master=mouth.monitor source_name=microphone",
		"set-default-sink ear", "set-default-source microphone",
	}, "\n")+"\n")
	a.start(t, "sound card", "pulseaudio", "-n", "-F", filepath.Join(a.dir, "sound.pa"), "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes")
	harness.Eventually(t, "there is a sound card", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	return a
}

func (a *Dino) start(t testing.TB, name string, command ...string) *harness.Process {
	t.Helper()
	return harness.Start(t, harness.Command{Name: a.user + "'s Dino's " + name, Args: command, Env: a.env})
}

// Name is the app's.
func (a *Dino) Name() string { return "dino" }

// Register has it sign in as the account of its user.
func (a *Dino) Register(t testing.TB) {
	t.Helper()
	a.query(t, fmt.Sprintf("CREATE TABLE account (id INTEGER PRIMARY KEY AUTOINCREMENT, bare_jid TEXT NOT NULL UNIQUE, "+
		"resourcepart TEXT, password TEXT, alias TEXT, enabled INTEGER, roster_version TEXT, mam_earliest_synced INTEGER); "+
		"INSERT INTO account (bare_jid, resourcepart, password, alias, enabled) VALUES ('%s', 'dino', '%s', '', 1)",
		a.server.Address(a.user), user(a.user, "").Password))
	a.write(t, "hosts", fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", a.line(t), a.server.Domain))
	a.write(t, "resolv.conf", "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
	a.env = append(a.env, "GDK_BACKEND=x11", "GSK_RENDERER=cairo", "GTK_A11Y=none", "GIO_USE_VFS=local", "G_MESSAGES_DEBUG=rtp")
	a.process = a.start(t, "window", "unshare", "--map-root-user", "--mount", "sh", "-ec",
		`mount --bind "$0/hosts" /etc/hosts
		mount --bind "$0/resolv.conf" "$(realpath /etc/resolv.conf)"
		mount --bind "$1" /etc/ssl/certs/ca-certificates.crt
		exec dino-im --print-xmpp=all`, a.dir, filepath.Join(a.server.Dir, "data", "self-signed.crt"))
	a.process.Wait(t, "jabber:iq:roster")
	a.process.Wait(t, `XMPP OUT .*\n<\{jabber:client\}:presence`)
}

// line leads from port 5222 of an address of this machine that nobody else has to the server.
func (a *Dino) line(t testing.TB) netip.Addr {
	t.Helper()
	port := a.server.XMPP.Port() // is this test's alone
	address := netip.AddrFrom4([4]byte{127, 77, byte(port >> 8), byte(port)})
	// Whatever listens there on all addresses, another test's server, is in the way.
	harness.Eventually(t, "Dino has a line to the server", func() bool {
		listener, err := net.Listen("tcp4", netip.AddrPortFrom(address, 5222).String())
		if err == nil {
			newLine(t, listener, a.server.XMPP)
		}
		return err == nil
	})
	return address
}

func (a *Dino) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// query asks its database.
func (a *Dino) query(t testing.TB, sql string) string {
	t.Helper()
	dir := filepath.Join(a.dir, ".local", "share", "dino")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(run(t, "sqlite3", "-cmd", ".timeout 5000", filepath.Join(dir, "dino.db"), sql))
}

// ask calls a method of the application.
func (a *Dino) ask(t testing.TB, method string, args ...string) {
	t.Helper()
	run(t, "gdbus", append([]string{"call", "--address", a.bus, "--dest", "im.dino.Dino", "--object-path", "/im/dino/Dino",
		"--method", method}, args...)...)
}

// sound asks the sound card who uses it: "sink-inputs", "source-outputs".
func (a *Dino) sound(t testing.TB, what string) string {
	t.Helper()
	return run(t, "env", append(a.env[:len(a.env):len(a.env)], "pactl", "list", "short", what)...)
}

// hand moves the mouse, clicks and types.
func (a *Dino) hand(t testing.TB, does ...string) {
	t.Helper()
	run(t, "env", append(append(a.env[:len(a.env):len(a.env)], "xdotool"), does...)...)
}

// Where things are on the screen. No window manager moves the windows, and they have the size that they are made for.
var (
	entryField  = []string{"mousemove", "700", "662", "click", "1"}
	callButton  = []string{"mousemove", "978", "28", "sleep", "0.3", "click", "1", "sleep", "1"}
	audioCall   = []string{"mousemove", "960", "84", "sleep", "0.3", "click", "1"}
	wakeButtons = []string{"mousemove", "300", "300", "sleep", "0.2", "mousemove", "421", "475", "sleep", "0.5"}
)

// open shows the conversation with somebody.
func (a *Dino) open(t testing.TB, bare string) {
	t.Helper()
	a.ask(t, "org.freedesktop.Application.Open", "['xmpp:"+bare+"?message']", "{}")
}

// Write sends a chat message.
func (a *Dino) Write(t testing.TB, to, text string) {
	t.Helper()
	a.open(t, to)
	harness.Eventually(t, "Dino has a conversation with "+to, func() bool { return a.conversation(t, to) != "" })
	a.hand(t, append(entryField, "type", "--delay", "20", text)...)
	a.hand(t, "key", "Return")
	harness.Eventually(t, "Dino has sent "+text, func() bool { return a.message(t, 1, to, text) })
}

// AwaitText waits until a message from somebody's bare address is there.
func (a *Dino) AwaitText(t testing.TB, from, text string) {
	t.Helper()
	harness.Eventually(t, "Dino has got "+text, func() bool { return a.message(t, 0, from, text) })
}

// message says whether one is in its database: got (0) or sent (1).
func (a *Dino) message(t testing.TB, direction int, with, text string) bool {
	t.Helper()
	return a.query(t, fmt.Sprintf("SELECT 1 FROM message m, jid j WHERE m.counterpart_id = j.id AND j.bare_jid = '%s' "+
		"AND m.direction = %d AND m.body = '%s' LIMIT 1", with, direction, text)) != ""
}

func (a *Dino) conversation(t testing.TB, with string) string {
	t.Helper()
	return a.query(t, fmt.Sprintf("SELECT c.id FROM conversation c, jid j WHERE c.jid_id = j.id AND j.bare_jid = '%s'", with))
}

// AwaitContact waits until a contact with a subscription is on its list (rfc6121#2.1.2.5).
func (a *Dino) AwaitContact(t testing.TB, who, subscription string) {
	t.Helper()
	harness.Eventually(t, "Dino has the contact "+who, func() bool {
		return a.query(t, fmt.Sprintf("SELECT subscription FROM roster WHERE jid = '%s'", who)) == subscription
	})
}

// Dial calls; an address may be one of SIP. It can't call whom it doesn't know to take calls.
func (a *Dino) Dial(t testing.TB, address string) {
	t.Helper()
	bare := strings.TrimPrefix(address, "sip:")
	a.begin()
	a.open(t, bare)
	harness.Eventually(t, "Dino calls", func() bool {
		a.hand(t, append(callButton, audioCall...)...)
		return a.newCall(t, 1, 2*time.Second)
	})
}

// newCall waits for the next call to be in the database: got (0) or placed (1).
func (a *Dino) newCall(t testing.TB, direction int, limit time.Duration) bool {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if a.query(t, fmt.Sprintf("SELECT 1 FROM call WHERE id = %d AND direction = %d", a.calls+1, direction)) != "" {
			a.calls++
			return true
		}
	}
	return false
}

// begin is before a call.
func (a *Dino) begin() { a.since = a.process.Log.Len() }

// AwaitRinging waits for an incoming call.
func (a *Dino) AwaitRinging(t testing.TB) {
	t.Helper()
	if !a.newCall(t, 0, harness.Patience) {
		t.Fatal("Dino is not called")
	}
	a.begin()
}

// ofCall gives a command for the call that rings.
func (a *Dino) ofCall(t testing.TB, action string) {
	t.Helper()
	ids := strings.Split(a.query(t, fmt.Sprintf("SELECT v.id, c.id FROM conversation v, call c "+
		"WHERE v.jid_id = c.counterpart_id AND c.id = %d", a.calls)), "|")
	if len(ids) != 2 {
		t.Fatalf("the call is in Dino's database as %q", ids)
	}
	a.ask(t, "org.gtk.Actions.Activate", action, fmt.Sprintf("[<(%s, %s)>]", ids[0], ids[1]), "{}")
}

// Answer accepts the call.
func (a *Dino) Answer(t testing.TB) { t.Helper(); a.ofCall(t, "accept-call") }

// Decline rejects the call that rings.
func (a *Dino) Decline(t testing.TB) { t.Helper(); a.ofCall(t, "reject-call") }

// AwaitTalking waits until the call's media is connected, then speaks.
func (a *Dino) AwaitTalking(t testing.TB) {
	t.Helper()
	a.process.WaitFrom(t, a.since, "RTCP is ready")
	for _, stream := range []string{"source-outputs", "sink-inputs"} {
		harness.Eventually(t, "Dino has "+stream+" of sound", func() bool { return strings.Contains(a.sound(t, stream), "protocol-native") })
	}
	a.hearing = a.start(t, "ear", "parec", "--device=ear.monitor", "--rate=8000", "--format=s16le", "--channels=1", "--raw", a.heardFile())
	a.speaking = a.start(t, "mouth", "paplay", "--device=mouth", a.speech)
}

func (a *Dino) heardFile() string { return filepath.Join(a.dir, fmt.Sprintf("heard-%d", a.calls)) }

// HangUp ends the call by the red button, or gives up one that nobody has answered.
func (a *Dino) HangUp(t testing.TB) {
	t.Helper()
	harness.Eventually(t, "Dino has hung up", func() bool {
		a.hand(t, append(wakeButtons, "click", "1")...)
		_, err := a.process.Log.WaitFor(a.since, ofOver, 2*time.Second)
		return err == nil
	})
}

var ofOver = regexp.MustCompile(`action='session-terminate'|jingle-message:0\}:(retract|reject)`)

// AwaitIdle waits until the call is over.
func (a *Dino) AwaitIdle(t testing.TB) {
	t.Helper()
	a.process.WaitFrom(t, a.since, ofOver.String())
}

// Heard ends the recording of the last call.
func (a *Dino) Heard(t testing.TB) audio.Clip {
	t.Helper()
	for _, p := range []*harness.Process{a.speaking, a.hearing} {
		if err := p.Stop(harness.Patience); err != nil {
			t.Fatal(err)
		}
	}
	samples, err := os.ReadFile(a.heardFile())
	if err != nil {
		t.Fatal(err)
	}
	return clip(samples)
}
