package harness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for a thing that should happen at once: long, for machines
// under load, and never spent when all is well.
const Patience = 30 * time.Second

// T is the part of testing.T that the harness needs.
type T interface {
	testing.TB
}

// Log keeps a process's output, line by line.
type Log struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

// NewLog makes an empty log.
func NewLog() *Log { return &Log{changed: make(chan struct{})} }

// Write adds text and wakes those who wait.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	close(l.changed)
	l.changed = make(chan struct{})
	return len(p), nil
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Len is how much is written; WaitFor can begin there.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Len()
}

// WaitFor waits until the text after from matches, and gives the match and its groups.
func (l *Log) WaitFor(from int, pattern *regexp.Regexp, limit time.Duration) ([]string, error) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		text, changed := l.text.String(), l.changed
		l.mu.Unlock()
		if m := pattern.FindStringSubmatch(text[min(from, len(text)):]); m != nil {
			return m, nil
		}
		select {
		case <-changed:
		case <-deadline.C:
			return nil, fmt.Errorf("harness: no line matches %q after %v", pattern, limit)
		}
	}
}

// Process is a running program of a test.
type Process struct {
	Name  string
	Log   *Log
	Stdin io.WriteCloser

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// Command is how a Process is started.
type Command struct {
	Name string // who it is in the test's output: "alice's baresip"
	Args []string
	Dir  string
	Env  []string // added to the test's own
}

// Start runs a command until the test ends. If the test fails, what the process printed is part
// of the test's output.
func Start(t T, c Command) *Process {
	t.Helper()
	p := &Process{Name: c.Name, Log: NewLog(), done: make(chan struct{})}
	p.cmd = exec.Command(c.Args[0], c.Args[1:]...)
	p.cmd.Dir = c.Dir
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p.Log, p.Log
	// A test that is killed takes its processes along.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.WaitDelay = 5 * time.Second
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	p.Stdin = stdin
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s does not start: %v", c.Name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.Stop(10 * time.Second)
		if t.Failed() {
			t.Logf("---- %s printed:\n%s", p.Name, Tail(p.Log.String(), 20000))
		}
	})
	return p
}

// Tail is the end of a long text.
func Tail(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return "(the beginning is left out)\n" + s[len(s)-most:]
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended waits for the process to end by itself and gives its exit code.
func (p *Process) Ended(limit time.Duration) (int, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-timer.C:
		return 0, fmt.Errorf("harness: %s has not ended after %v", p.Name, limit)
	}
}

var errKilled = errors.New("harness: had to be killed")

// Stop asks the process to end (SIGTERM), and ends it if it has not after limit.
func (p *Process) Stop(limit time.Duration) error {
	_ = p.Stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended: that is what we want
	if _, err := p.Ended(limit); err == nil {
		return nil
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("%s: %w", p.Name, errKilled)
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Wait waits for a line that matches, and fails the test if none comes.
func (p *Process) Wait(t T, pattern string) []string {
	t.Helper()
	return p.WaitFrom(t, 0, pattern)
}

// WaitFrom is Wait for what is printed after from.
func (p *Process) WaitFrom(t T, from int, pattern string) []string {
	t.Helper()
	m, err := p.Log.WaitFor(from, regexp.MustCompile(pattern), Patience)
	if err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	return m
}

// Eventually waits until f says true, and fails the test with what if it does not.
func Eventually(t T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not within %v: %s", Patience, what)
}
