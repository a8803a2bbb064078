// Package harness runs the real program for tests: built once with the race detector, with a
// configuration and a data folder of its own, on free ports of 127.0.0.1, stopped by its
// process number, its log part of a failed test's output.
package harness

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// StandIn names the environment variable with a command that runs in parley's place: to tell a
// driver's fault from the server's, the same tests can run against another server (see
// test/interop/kamailio.sh and prosody.sh). It gets DOMAIN, DIR, UDP, TCP, TLS, XMPP, XMPPTLS, HTTPS (ports) and
// USERS ("alice:secret bob:secret") in its environment, and is there when it answers SIP or takes XMPP connections.
const StandIn = "PARLEY_STAND_IN"

// User is an account of a test.
type User struct{ Name, Password string }

// Options of a server. The zero value is a server for example.org without accounts.
type Options struct {
	Domain string // default example.org
	Users  []User
	// Set has further settings as TOML: "registrar.min_expires": `"1s"`.
	Set map[string]string
}

// raceDetector sets it up for the programs: by itself it has each of them sleep for a second at its end.
const raceDetector = "GORACE=exitcode=66 atexit_sleep_ms=20"

// Server is a running parley.
type Server struct {
	Domain string
	Dir    string
	// Where it listens.
	UDP, TCP, TLS, HTTPS netip.AddrPort
	XMPP, XMPPTLS        netip.AddrPort
	*Process

	options Options
	binary  string
	crashed []*Process
}

// StartServer starts a server with its accounts and waits until it answers. It is stopped
// when the test ends: by SIGTERM, which it has to obey with exit code 0.
func StartServer(t T, o Options) *Server {
	t.Helper()
	if o.Domain == "" {
		o.Domain = "example.org"
	}
	ports := FreePorts(t, 5)
	s := &Server{
		Domain: o.Domain, Dir: shortTempDir(t), options: o,
		UDP: Loopback(ports[0]), TCP: Loopback(ports[0]), TLS: Loopback(ports[1]), HTTPS: Loopback(ports[2]),
		XMPP: Loopback(ports[3]), XMPPTLS: Loopback(ports[4]),
	}
	if os.Getenv(StandIn) == "" {
		s.binary = Binary(t)
		s.configure(t)
		for _, u := range o.Users {
			s.MustRun(t, "user", "add", s.Address(u.Name), "--password", u.Password)
		}
	}
	s.start(t)
	return s
}

func (s *Server) start(t T) {
	t.Helper()
	c := Command{Name: "parley", Dir: s.Dir, Env: []string{raceDetector}}
	if other := os.Getenv(StandIn); other != "" {
		c.Name, c.Args, c.Env = "the stand-in", []string{other}, s.standInEnv()
	} else {
		c.Args = []string{s.binary, "serve", "--config", s.configFile(), "--data", s.dataDir()}
	}
	s.Process = Start(t, c)
	process := s.Process
	t.Cleanup(func() { s.checkStop(t, process) })
	s.awaitAnswer(t)
}

func (s *Server) standInEnv() []string {
	var users []string
	for _, u := range s.options.Users {
		users = append(users, u.Name+":"+u.Password)
	}
	return []string{
		"DOMAIN=" + s.Domain, "DIR=" + s.Dir, "USERS=" + strings.Join(users, " "),
		fmt.Sprintf("UDP=%d", s.UDP.Port()), fmt.Sprintf("TCP=%d", s.TCP.Port()),
		fmt.Sprintf("TLS=%d", s.TLS.Port()), fmt.Sprintf("HTTPS=%d", s.HTTPS.Port()),
		fmt.Sprintf("XMPP=%d", s.XMPP.Port()), fmt.Sprintf("XMPPTLS=%d", s.XMPPTLS.Port()),
	}
}

// checkStop stops the process and holds it to what it must do then.
func (s *Server) checkStop(t T, p *Process) {
	err := p.Stop(20 * time.Second)
	if s.binary == "" || slices.Contains(s.crashed, p) {
		return
	}
	if err != nil {
		t.Errorf("parley does not stop on SIGTERM: %v", err)
	}
	code, _ := p.Ended(0)
	text := p.Log.String()
	switch {
	case strings.Contains(text, "WARNING: DATA RACE"):
		t.Error("parley has a data race")
	case strings.Contains(text, "panic:") || strings.Contains(text, "fatal error:"):
		t.Error("parley panicked")
	case err == nil && code != 0:
		t.Errorf("parley ended with exit code %d, want 0", code)
	}
}

// Restart stops the server as an operator would, and starts it again on the same data.
func (s *Server) Restart(t T) {
	t.Helper()
	if err := s.Process.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	s.start(t)
}

// Crash kills the server without a word, and starts it again on the same data.
func (s *Server) Crash(t T) {
	t.Helper()
	s.crashed = append(s.crashed, s.Process)
	if err := s.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Process.Done()
	s.start(t)
}

func (s *Server) configFile() string { return filepath.Join(s.Dir, "parley.toml") }
func (s *Server) dataDir() string    { return filepath.Join(s.Dir, "data") }

// configure writes the configuration file.
func (s *Server) configure(t T) {
	t.Helper()
	listen := func(a netip.AddrPort) string { return fmt.Sprintf("[%q]", a.String()) }
	set := map[string]string{
		"server.domains": fmt.Sprintf("[%q]", s.Domain),
		"sip.udp":        listen(s.UDP),
		"sip.tcp":        listen(s.TCP),
		"sip.tls":        listen(s.TLS),
		"xmpp.c2s":       listen(s.XMPP),
		"xmpp.c2s_tls":   listen(s.XMPPTLS),
		"web.https":      listen(s.HTTPS),
		"media.address":  `"127.0.0.1"`,
		"calls.drain":    `"1s"`,
		"log.level":      `"debug"`,
	}
	maps.Copy(set, s.options.Set)
	if err := os.WriteFile(s.configFile(), []byte(toml(set)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// toml writes settings named "section.name" as a file.
func toml(set map[string]string) string {
	var b strings.Builder
	section := ""
	for _, name := range slices.Sorted(maps.Keys(set)) {
		in, setting, _ := strings.Cut(name, ".")
		if in != section {
			fmt.Fprintf(&b, "[%s]\n", in)
			section = in
		}
		fmt.Fprintf(&b, "%s = %s\n", setting, set[name])
	}
	return b.String()
}

// Address is a user's address.
func (s *Server) Address(user string) string { return user + "@" + s.Domain }

// URI is where the server listens for a transport: "udp", "tcp" or "tls".
func (s *Server) URI(transport string) string {
	return fmt.Sprintf("sip:%s;transport=%s", s.At(transport), transport)
}

// At is the server's address and port for a transport.
func (s *Server) At(transport string) netip.AddrPort {
	switch transport {
	case "tls":
		return s.TLS
	case "tcp":
		return s.TCP
	case "ws", "wss":
		return s.HTTPS
	}
	return s.UDP
}

// Run runs a parley command on the server's data and gives what it printed and its exit code.
func (s *Server) Run(t T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	if s.binary == "" {
		t.Fatalf("parley %s: another server stands in for parley", strings.Join(args, " "))
	}
	cmd := exec.Command(s.binary, append(args, "--config", s.configFile(), "--data", s.dataDir())...)
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), raceDetector)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("parley %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// MustRun is Run for a command that has to succeed.
func (s *Server) MustRun(t T, args ...string) string {
	t.Helper()
	out, errs, code := s.Run(t, args...)
	if code != 0 {
		t.Fatalf("parley %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// IsStandIn says that another server stands in for parley.
func (s *Server) IsStandIn() bool { return s.binary == "" }

// awaitAnswer asks OPTIONS over UDP until there is an answer, and TCP connections on the other
// ports are taken.
func (s *Server) awaitAnswer(t T) {
	t.Helper()
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		select {
		case <-s.Done():
			t.Fatalf("%s has ended", s.Name)
		default:
		}
		if s.answers() || s.IsStandIn() && takes(s.XMPP, s.XMPPTLS, s.HTTPS) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not answer on %v, %v and %v", s.Name, s.UDP, s.TLS, s.HTTPS)
}

// takes says whether all ports take connections.
func takes(ports ...netip.AddrPort) bool {
	for _, at := range ports {
		c, err := net.DialTimeout("tcp", at.String(), time.Second)
		if err != nil {
			return false
		}
		c.Close()
	}
	return true
}

func (s *Server) answers() bool {
	if !takes(s.TCP, s.TLS, s.HTTPS) {
		return false
	}
	c, err := net.Dial("udp", s.UDP.String())
	if err != nil {
		return false
	}
	defer c.Close()
	me := c.LocalAddr().String()
	fmt.Fprintf(c, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKready;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%s>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: ready%s\r\nCSeq: 1 OPTIONS\r\nContact: <sip:%s>\r\nContent-Length: 0\r\n\r\n",
		s.Domain, me, me, s.Domain, me, me)
	if c.SetReadDeadline(time.Now().Add(time.Second)) != nil {
		return false
	}
	b := make([]byte, 2048)
	n, err := c.Read(b)
	return err == nil && bytes.HasPrefix(b[:n], []byte("SIP/2.0 "))
}

// shortTempDir is a temporary folder whose name is short enough for a Unix socket in it.
func shortTempDir(t T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "parley")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
	return dir
}

// Binary is the program to test, built with the race detector into the module's bin folder when
// it is not up to date. PARLEY_BIN names another one.
func Binary(t T) string {
	t.Helper()
	if named := os.Getenv("PARLEY_BIN"); named != "" {
		return named
	}
	name, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

var built = sync.OnceValues(build)

func build() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	// Test packages run side by side; one of them builds.
	lock, err := os.OpenFile(filepath.Join(bin, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	name := filepath.Join(bin, "parley-race")
	args := []string{"build", "-race", "-o", name}
	if exec.Command("pkg-config", "--exists", "opus").Run() == nil { // Opus is in a build that can have it
		args = append(args, "-tags", "opus")
	}
	cmd := exec.Command("go", append(args, "./cmd/parley")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/parley: %w\n%s", err, out)
	}
	return name, nil
}

// Root is the module's folder.
func Root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
