package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server returns the process tree to measure: the one of -pid, or a peer
// started here from peers/NAME.sh (which must end in `exec SERVER`).
func (o *opts) server(users int, env ...string) tree {
	if o.peer == "" {
		return parsePids(o.pids)
	}
	o.pickPort()
	run, err := os.MkdirTemp("", "pbench-"+o.peer+"-")
	if err != nil {
		fatal("%v", err)
	}
	self, _ := os.Executable()
	script, _ := filepath.Abs(filepath.Join(o.peersDir, o.peer+".sh"))
	args := []string{"bash", script}
	if o.serverCPUs != "" {
		args = append([]string{"taskset", "-c", o.serverCPUs}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "RUN="+run, "PBENCH="+self, "HOST="+o.host,
		"PORT="+strconv.Itoa(o.port), "DOMAIN="+o.domain, "USERS="+strconv.Itoa(users),
		"USER_FMT="+o.userFmt, "PASS="+o.pass, "BENCH="+o.fs.Name())
	cmd.Env = append(cmd.Env, env...)
	cmd.Dir = run
	log, _ := os.Create(filepath.Join(run, "out.log"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		fatal("start %s: %v", o.peer, err)
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	t := tree{[]int{cmd.Process.Pid}}
	cleanups = append(cleanups, func() {
		pids := t.pids()
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
		}
		for _, p := range pids { // whatever of it is left
			syscall.Kill(p, syscall.SIGKILL)
		}
		if !o.keep {
			os.RemoveAll(run)
		}
	})
	ready := filepath.Join(run, "ready-udp")
	for i := 0; i < 1200; i++ {
		select {
		case <-exited:
			b, _ := os.ReadFile(filepath.Join(run, "out.log"))
			o.keep = true
			fatal("%s ended at start (log in %s):\n%s", o.peer, run, tail(b, 3000))
		default:
		}
		if _, err := os.Stat(ready); err == nil { // script says: UDP only, look in /proc
			if udpBound(o.port) {
				break
			}
		} else if c, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", o.host, o.port), time.Second); err == nil {
			c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
		if i == 1199 {
			o.keep = true
			fatal("%s is not listening after 60 s (log in %s)", o.peer, run)
		}
	}
	for i := 0; i < 600; i++ { // a script that loads accounts late says so
		_, late := os.Stat(filepath.Join(run, "wait-loaded"))
		_, done := os.Stat(filepath.Join(run, "loaded"))
		if late != nil || done == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(time.Second)
	return t
}

// pickPort makes sure that no other server answers on the peer's port: a run
// against somebody else's server would look like a fast one.
func (o *opts) pickPort() {
	free := func(p int) bool {
		a := net.JoinHostPort(o.host, strconv.Itoa(p))
		l, err := net.Listen("tcp", a)
		if err != nil {
			return false
		}
		defer l.Close()
		u, err := net.ListenPacket("udp", a)
		if err != nil {
			return false
		}
		u.Close()
		return true
	}
	if o.port != 0 {
		if !free(o.port) {
			fatal("port %d is taken", o.port)
		}
		return
	}
	for i := 0; i < 100; i++ {
		o.port = 12000 + 2*rand.IntN(2900) // below the relays' and the generator's ports
		if free(o.port) && free(o.port+1) {
			return
		}
	}
	fatal("no free port")
}

func udpBound(port int) bool {
	b, _ := os.ReadFile("/proc/net/udp")
	return strings.Contains(string(b), fmt.Sprintf(":%04X 00000000:0000", port))
}

func tail(b []byte, n int) string {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return string(b)
}
