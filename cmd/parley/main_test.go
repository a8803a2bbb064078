package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"parley/internal/admin"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"parley": main})
}

// TestScripts runs the scripts of testdata against the real program. Besides the usual
// commands they have
//
//	exits CODE ARG...   run parley with arguments and hold it to an exit code
//	ready [ARG...]      wait until parley status answers
//	says FILE TEXT      wait until a file (a server's log) has a text
//	signal NAME DIR     send TERM, INT or HUP to the server of a data folder
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector's second at each exit
			// Where a socket goes whose own name is too long.
			short, err := os.MkdirTemp("", "p")
			if err != nil {
				return err
			}
			e.Defer(func() { _ = os.RemoveAll(short) })
			e.Setenv("XDG_RUNTIME_DIR", short)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "ready": ready, "says": says, "signal": sendSignal,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	got := 0
	if err := ts.Exec("parley", args[1:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("parley %s: %v", strings.Join(args[1:], " "), err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("parley %s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func ready(ts *testscript.TestScript, _ bool, args []string) {
	await(ts, "the server answers", func() bool {
		return ts.Exec("parley", append([]string{"status"}, args...)...) == nil
	})
}

func says(ts *testscript.TestScript, _ bool, args []string) {
	await(ts, args[0]+" says "+args[1], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && strings.Contains(string(text), args[1])
	})
}

func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}
	text := ts.ReadFile(filepath.Join(args[1], "lock"))
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		ts.Fatalf("the lock file names no process: %v", err)
	}
	if err := syscall.Kill(pid, signals[args[0]]); err != nil {
		ts.Fatalf("signal %s to process %d: %v", args[0], pid, err)
	}
}

func await(ts *testscript.TestScript, what string, ok func() bool) {
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m 0s", 61 * time.Minute: "1h 1m",
		50 * time.Hour: "2d 2h",
	} {
		if got := age(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestStatusForPeople(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var b strings.Builder
	p := &program{out: &b}
	err := p.printStatus(admin.Status{
		Version: "v1", Process: 7, Started: now.Add(-time.Hour), Stopping: true, Domains: []string{"a.example", "b.example"},
		Data: "/data", Listening: map[string][]string{"sip-udp": {"[::]:5060"}, "https": {"[::]:8443"}},
		Certificate: admin.Certificate{Until: now.Add(36 * time.Hour)}, Sessions: 2, Calls: 3,
		Connections: map[string]int{"TCP": 2, "WS": 0}, Counters: map[string]uint64{"requests": 9, "malformed": 1},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := `parley v1    stopping for 1h 0m, process 7
domains      a.example, b.example
data         /data
sip-udp      [::]:5060
https        [::]:8443
certificate  of the operator, until 2026-01-03, which is in 1d 12h
accounts     0
devices      0
sessions     2
calls        3
connections  2 TCP
since start  1 malformed, 9 requests
`
	if b.String() != want {
		t.Errorf("status is\n%s\nwant\n%s", b.String(), want)
	}
	if line := certificateLine(admin.Certificate{Until: now.Add(-time.Hour)}, now); !strings.Contains(line, "EXPIRED") {
		t.Errorf("of an expired certificate it says %q", line)
	}
}

func TestAnAccountForPeople(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	d := admin.Details{
		Address: "alice@example.org", Created: now,
		Phones: []admin.Phone{
			{Contact: "sip:alice@192.0.2.7:5060", Network: "UDP", Source: "203.0.113.7:1024", BehindNAT: true, UserAgent: "Desk \x1b[31m1",
				Since: now, Expires: now.Add(59 * time.Minute)},
			{Contact: "sip:voicemail", Network: "memory", Since: now, Expires: now.Add(-time.Second)},
		},
		Sessions: []admin.Session{
			{Resource: "phone", Network: "TLS", Encrypted: true, Source: "[2001:db8::1]:4711", Mechanism: "SCRAM-SHA-256", Since: now,
				Available: true, Priority: -1, Show: "dnd"},
			{Resource: "old", Network: "TCP", Source: "192.0.2.9:4711", Mechanism: "PLAIN", Since: now},
			{Resource: "web", Network: "WebSocket", Encrypted: true, Source: "192.0.2.9:4712", Mechanism: "PLAIN", Since: now, Available: true, Waiting: true},
		},
	}
	var b strings.Builder
	if err := (&program{out: &b}).printUser(d, now); err != nil {
		t.Fatal(err)
	}
	want := `address    alice@example.org
created    2026-01-02 03:04:05
strangers  deny
phones     2
sessions   3

PHONE                     OVER    FROM                    CALLS ITSELF  SINCE                EXPIRES IN
sip:alice@192.0.2.7:5060  UDP     203.0.113.7:1024 (NAT)  Desk �[31m1   2026-01-02 03:04:05  59m 0s
sip:voicemail             memory  this server                           2026-01-02 03:04:05  0s

SESSION  OVER                FROM                SIGNED IN BY   SINCE                STATE
phone    TLS                 [2001:db8::1]:4711  SCRAM-SHA-256  2026-01-02 03:04:05  do not disturb, priority -1
old      TCP, not encrypted  192.0.2.9:4711      PLAIN          2026-01-02 03:04:05  not available
web      WebSocket           192.0.2.9:4712      PLAIN          2026-01-02 03:04:05  cut off, may resume; available, priority 0
`
	if b.String() != want {
		t.Errorf("the account is\n%s\nwant\n%s", b.String(), want)
	}
}

func TestWhereToPointAPhone(t *testing.T) {
	t.Parallel()
	got := phones(map[string][]string{
		"sip-udp": {"[::]:5060", "192.0.2.1:5070"}, "sip-tcp": {"[::]:5060"}, "sip-tls": {"0.0.0.0:5061"},
	})
	want := "any address of this machine, port 5060 (UDP, TCP), 192.0.2.1:5070 (UDP), any address of this machine, port 5061 (TLS)"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestWhereToPointAnApp(t *testing.T) {
	t.Parallel()
	got := apps(map[string][]string{"xmpp": {"[::]:5222"}, "xmpp-tls": {"192.0.2.1:5223"}})
	if want := "any address of this machine, port 5222 (STARTTLS), 192.0.2.1:5223 (TLS)"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := apps(nil); got != "" {
		t.Errorf("without a listener: %s", got)
	}
}

func TestDemoPasswords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		p := demoPassword()
		if groups := strings.Split(p, "-"); len(groups) != 4 || len(p) != 19 || seen[p] {
			t.Fatalf("%q is not four groups, or not the first of its kind", p)
		}
		seen[p] = true
	}
	dir := t.TempDir()
	if err := writeDemo(dir, map[string]string{"b@x": "2", "a@x": "1"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, demoFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	known, err := readDemo(dir)
	if err != nil || fmt.Sprint(known) != "map[a@x:1 b@x:2]" {
		t.Errorf("read again: %v, %v", known, err)
	}
}

// TestEveryVerbIsShown holds the help to the list of verbs, and every verb to a script.
func TestEveryVerbIsShown(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("scripts: %v, %v", scripts, err)
	}
	var all strings.Builder
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	verbs := []string{
		"serve", "user add", "user list", "user show", "user passwd", "user set", "user delete", "user import", "status",
		"route explain", "config reference", "config check", "version",
	}
	lines := strings.Split(all.String(), "\n")
	for _, v := range verbs {
		if !slices.ContainsFunc(lines, func(l string) bool {
			return strings.Contains(l, "exec parley "+v) || strings.HasPrefix(l, "exits ") && strings.Contains(l, " "+v)
		}) {
			t.Errorf("no script uses %q", v)
		}
	}
}
