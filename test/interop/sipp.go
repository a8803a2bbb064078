package interop

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// SIPp runs scenarios, one process each: the files in sipp/. It only signals; its voice is an
// audio.Endpoint of the test, whose port its session descriptions name.
type SIPp struct {
	account Account
	server  *harness.Server
	port    int
	idle    int // where SIPp may open its own media socket, which nobody is told of
	dir     string
	runs    int

	// Voice is what its session descriptions name.
	Voice *audio.Endpoint
}

// NewSIPp makes a phone at a port of its own.
func NewSIPp(t testing.TB, s *harness.Server, a Account) *SIPp {
	t.Helper()
	voice, err := audio.NewEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { voice.Close() })
	ports := harness.FreePorts(t, 2)
	return &SIPp{account: a, server: s, port: ports[0], idle: ports[1], Voice: voice, dir: t.TempDir()}
}

// Scenario is a running scenario.
type Scenario struct {
	*harness.Process
	name string
	log  string // what its log actions wrote
	msgs string // all its messages
}

// Begin starts a scenario. keys are words of the scenario file and what they stand for there.
func (p *SIPp) Begin(t testing.TB, scenario string, pause time.Duration, keys map[string]string) *Scenario {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("sipp", scenario+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	p.runs++
	base := filepath.Join(p.dir, fmt.Sprintf("%d-%s", p.runs, scenario))
	s := &Scenario{name: scenario, log: base + ".log", msgs: base + ".msg"}
	mode := map[string]string{"udp": "u1", "tcp": "t1"}[p.account.Transport]
	args := []string{
		"sipp", p.server.At(p.account.Transport).String(), "-sf", file, "-t", mode, "-i", "127.0.0.1", "-p", strconv.Itoa(p.port),
		"-m", "1", "-l", "1", "-nostdin", "-timeout", "60s", "-timeout_error", "-skip_rlimit",
		"-d", strconv.Itoa(int(pause.Milliseconds())), "-mp", strconv.Itoa(p.idle),
		"-trace_msg", "-message_file", s.msgs, "-trace_err", "-error_file", base + ".err", "-trace_logs", "-log_file", s.log,
		"-au", p.account.User, "-ap", p.account.Password, "-key", "user", p.account.User, "-key", "domain", p.server.Domain,
		"-key", "audioport", strconv.Itoa(p.Voice.Port()),
	}
	for k, v := range keys {
		args = append(args, "-key", k, v)
	}
	s.Process = harness.Start(t, harness.Command{
		Name: p.account.User + "'s sipp, scenario " + scenario, Args: args, Dir: p.dir,
		Env: []string{"TERM=dumb"},
	})
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, name := range []string{s.msgs, base + ".err"} {
			if b, err := os.ReadFile(name); err == nil {
				t.Logf("---- %s:\n%s", filepath.Base(name), harness.Tail(string(b), 10000))
			}
		}
	})
	return s
}

// Succeeded waits for the end of the scenario, and fails the test if it did not go as written.
func (s *Scenario) Succeeded(t testing.TB) {
	t.Helper()
	code, err := s.Ended(harness.Patience)
	if err != nil {
		t.Fatal(err)
	}
	if code != 0 {
		t.Fatalf("%s did not go as written (exit code %d)", s.Name, code)
	}
}

// Logged waits for a line of the scenario's log actions.
func (s *Scenario) Logged(t testing.TB, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var match []string
	harness.Eventually(t, s.Name+" logs "+pattern, func() bool {
		b, err := os.ReadFile(s.log)
		if err != nil {
			return false
		}
		match = re.FindStringSubmatch(string(b))
		return match != nil
	})
	return match
}

// Media waits until it is known where the other end wants to hear this one.
func (s *Scenario) Media(t testing.TB) netip.AddrPort {
	t.Helper()
	m := s.Logged(t, `media ([0-9.]+:[0-9]+)`)
	at, err := netip.ParseAddrPort(strings.TrimSpace(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Run runs a scenario to its end.
func (p *SIPp) Run(t testing.TB, scenario string, keys map[string]string) {
	t.Helper()
	p.Begin(t, scenario, 0, keys).Succeeded(t)
}

// Register signs in.
func (p *SIPp) Register(t testing.TB) {
	t.Helper()
	p.Run(t, "register", nil)
}

// AwaitListening waits until the scenario's UDP port is taken.
func (p *SIPp) AwaitListening(t testing.TB) {
	t.Helper()
	harness.Eventually(t, "sipp listens", func() bool {
		c, err := net.ListenPacket("udp4", harness.Loopback(p.port).String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// Elsewhere is an address of this machine that is not the server's.
func (p *SIPp) Elsewhere() netip.AddrPort { return harness.Loopback(p.idle) }
