// pbench: side-by-side performance harness for SIP, XMPP, RTP and TURN servers.
// See README.md. Every subcommand prints one JSON line per figure on stdout.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

var commands = map[string]func([]string){
	"sip-register": sipRegisterMain,
	"sip-call":     sipCallMain,
	"xmpp-c2s":     xmppC2SMain,
	"xmpp-muc":     xmppMUCMain,
	"rtp-relay":    rtpRelayMain,
	"turn-relay":   turnRelayMain,
	"limits":       limitsMain,
	"limit-server": limitServerMain,
	"accounts":     accountsMain,
	"cert":         certMain,
	"summary":      summaryMain,
}

// opts are the flags common to all benches.
type opts struct {
	fs         *flag.FlagSet
	peer       string
	target     string
	pids       string
	host       string
	port       int
	domain     string
	userFmt    string
	pass       string
	serverCPUs string
	genCPUs    string
	peersDir   string
	label      string
	keep       bool
}

func newOpts(name string) *opts {
	o := &opts{fs: flag.NewFlagSet(name, flag.ExitOnError)}
	o.fs.StringVar(&o.peer, "peer", "", "start this peer from peers/NAME.sh and measure it; toy: a minimal Go server of this program")
	o.fs.StringVar(&o.target, "target", "", "host:port of a server already running (with -pid)")
	o.fs.StringVar(&o.pids, "pid", "", "comma separated root pids of the running server")
	o.fs.IntVar(&o.port, "port", 0, "port the peer is started on (0: a free one)")
	o.fs.StringVar(&o.domain, "domain", "bench.test", "SIP/XMPP domain")
	o.fs.StringVar(&o.userFmt, "user-fmt", "u%06d", "user name pattern (printf, user index)")
	o.fs.StringVar(&o.pass, "pass", "secret", "password of every user")
	o.fs.StringVar(&o.serverCPUs, "server-cpus", "0", "CPUs the peer is pinned to (empty: no pinning)")
	o.fs.StringVar(&o.genCPUs, "gen-cpus", "1", "CPUs the generator is pinned to (empty: no pinning)")
	o.fs.StringVar(&o.peersDir, "peers-dir", "peers", "folder of the start scripts")
	o.fs.StringVar(&o.label, "label", "", "free text copied into each JSON line")
	o.fs.BoolVar(&o.keep, "keep", false, "keep the peer's run folder")
	return o
}

// parse reads the flags, pins the generator and raises the fd limit.
func (o *opts) parse(args []string) {
	o.fs.Parse(args)
	o.host = "127.0.0.1"
	if o.target != "" {
		i := strings.LastIndexByte(o.target, ':')
		if i < 0 {
			fatal("-target wants host:port")
		}
		o.host = o.target[:i]
		fmt.Sscanf(o.target[i+1:], "%d", &o.port)
	}
	if o.target == "" && o.peer == "" {
		fatal("give -peer NAME or -target host:port -pid PID")
	}
	pinSelf(o.genCPUs)
}

func raiseFD() {
	lim := syscall.Rlimit{Cur: 200000, Max: 200000}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim) != nil {
		syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim)
		lim.Cur = lim.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	}
}

// pinSelf re-executes this program under taskset, so that the Go runtime sees
// only those CPUs from its start.
func pinSelf(cpus string) {
	raiseFD()
	if cpus == "" || os.Getenv("PBENCH_PINNED") != "" {
		return
	}
	ts, err := exec.LookPath("taskset")
	self, err2 := os.Executable()
	if err != nil || err2 != nil {
		return
	}
	env := append(os.Environ(), "PBENCH_PINNED=1")
	argv := append([]string{ts, "-c", cpus, self}, os.Args[1:]...)
	if err := syscall.Exec(ts, argv, env); err != nil {
		fatal("exec taskset: %v", err)
	}
}

type figure struct {
	Bench  string         `json:"bench"`
	Peer   string         `json:"peer"`
	Figure string         `json:"figure"`
	Value  float64        `json:"value"`
	Unit   string         `json:"unit"`
	Params map[string]any `json:"params,omitempty"`
	Label  string         `json:"label,omitempty"`
	Time   string         `json:"time"`
}

type report struct {
	bench, peer, label string
	params             map[string]any
}

func (o *opts) report(params map[string]any) *report {
	p := o.peer
	if p == "" {
		p = "target"
	}
	return &report{o.fs.Name(), p, o.label, params}
}

func (r *report) add(name string, v float64, unit string) {
	b, _ := json.Marshal(figure{r.bench, r.peer, name, round4(v), unit, r.params, r.label, time.Now().UTC().Format(time.RFC3339)})
	fmt.Println(string(b))
}

func round4(v float64) float64 {
	var f float64
	fmt.Sscanf(fmt.Sprintf("%.5g", v), "%g", &f)
	return f
}

var cleanups []func()

func runCleanups() {
	for i := len(cleanups) - 1; i >= 0; i-- {
		cleanups[i]()
	}
	cleanups = nil
}

func fatal(f string, a ...any) {
	fmt.Fprintf(os.Stderr, "pbench: "+f+"\n", a...)
	runCleanups()
	os.Exit(1)
}

func logf(f string, a ...any) { fmt.Fprintf(os.Stderr, "# "+f+"\n", a...) }

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: pbench COMMAND [flags]; commands:")
		for k := range commands {
			fmt.Fprintln(os.Stderr, "  "+k)
		}
		os.Exit(2)
	}
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, os.Interrupt, syscall.SIGTERM)
	go func() { <-sig; fatal("interrupted") }()
	commands[os.Args[1]](os.Args[2:])
	runCleanups()
}
