package main

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// regTrans is the one outstanding registration of a user.
type regTrans struct {
	t0, last int64 // unix ns of the first send and of the last one
	cseq     int32
	auth     bool // the answer to the challenge has been sent
	active   bool
	retrans  int8
	msg      []byte // last request, for retransmission
}

// registrar drives registrations of users [0,n) from one socket (UDP) or from
// a set of TCP connections.
type registrar struct {
	o       *opts
	dst     *net.UDPAddr
	udp     *batchConn
	tcp     []*tcpSIP
	users   []user
	contact func(i int) int // contact port of user i
	tr      []regTrans
	proto   string
	run     string
	lat     hist
	retrans int64
	done    atomic.Int64
	failed  atomic.Int64
	busy    int64 // user still had one outstanding: not offered
	mu      sync.Mutex
}

type tcpSIP struct {
	c    net.Conn
	mu   sync.Mutex
	out  []byte
	port int
}

var runSeq atomic.Int64

func newRegistrar(o *opts, n int, udp *batchConn, conns int) *registrar {
	r := &registrar{o: o, users: makeUsers(o, n), tr: make([]regTrans, n), udp: udp}
	r.run = fmt.Sprintf("%x%d", time.Now().UnixNano()&0xffffffff, runSeq.Add(1))
	r.dst = &net.UDPAddr{IP: net.ParseIP(o.host), Port: o.port}
	r.proto = "UDP"
	if udp == nil {
		r.proto = "TCP"
		for i := 0; i < conns; i++ {
			c, err := net.Dial("tcp", net.JoinHostPort(o.host, strconv.Itoa(o.port)))
			if err != nil {
				fatal("dial: %v", err)
			}
			t := &tcpSIP{c: c, port: c.LocalAddr().(*net.TCPAddr).Port}
			r.tcp = append(r.tcp, t)
			go r.serveTCP(t)
		}
	}
	return r
}

func (r *registrar) appendRegister(b []byte, i int, t *regTrans, chal *sipMsg) []byte {
	u := &r.users[i]
	var port int
	host, extra := r.o.host, ""
	if r.udp != nil {
		port = r.udp.port
	} else {
		port, extra = r.tcp[i%len(r.tcp)].port, ";transport=tcp"
	}
	idx := strconv.Itoa(i)
	uri := "sip:" + r.o.domain
	b = append(b, "REGISTER "+uri+" SIP/2.0\r\nVia: SIP/2.0/"+r.proto+" "+host+":"...)
	b = strconv.AppendInt(b, int64(port), 10)
	b = append(b, ";rport;branch=z9hG4bK"+r.run+"-"+idx+"-"...)
	b = strconv.AppendInt(b, int64(t.cseq), 10)
	aor := "<sip:" + u.name + "@" + r.o.domain + ">"
	b = append(b, "\r\nMax-Forwards: 70\r\nFrom: "+aor+";tag=f"+idx+"\r\nTo: "+aor+"\r\nCall-ID: r"+idx+"-"+r.run+"\r\nCSeq: "...)
	b = strconv.AppendInt(b, int64(t.cseq), 10)
	cport := port
	if r.contact != nil {
		cport = r.contact(i)
	}
	b = append(b, " REGISTER\r\nContact: <sip:"+u.name+"@"+host+":"...)
	b = strconv.AppendInt(b, int64(cport), 10)
	b = append(b, extra+">\r\nExpires: 3600\r\nUser-Agent: pbench\r\n"...)
	if chal != nil {
		b = u.appendAuth(b, chal, "REGISTER", uri, r.o.pass)
	}
	return append(b, "Content-Length: 0\r\n\r\n"...)
}

// send builds and sends the next request of user i; the transport's lock is held.
func (r *registrar) send(i int, chal *sipMsg) {
	t := &r.tr[i]
	t.cseq++
	t.auth = chal != nil
	t.last = time.Now().UnixNano()
	if r.udp != nil {
		b := r.appendRegister(r.udp.buf(), i, t, chal)
		t.msg = append(t.msg[:0], b...)
		r.udp.queue(b, r.dst)
	} else {
		c := r.tcp[i%len(r.tcp)]
		c.out = r.appendRegister(c.out, i, t, chal)
	}
}

func (r *registrar) start(i int) {
	t := &r.tr[i]
	if t.active {
		r.busy++
		return
	}
	t.active, t.retrans, t.t0 = true, 0, time.Now().UnixNano()
	r.send(i, nil)
}

func (r *registrar) handle(p []byte) {
	var m sipMsg
	if !parseSIP(p, &m) || m.status < 200 || len(m.callID) < 3 || m.callID[0] != 'r' {
		return
	}
	d := bytes.IndexByte(m.callID, '-')
	if d < 0 || string(m.callID[d+1:]) != r.run {
		return
	}
	i, err := strconv.Atoi(string(m.callID[1:d]))
	if err != nil || i >= len(r.tr) || !r.tr[i].active {
		return
	}
	t := &r.tr[i]
	if sp := bytes.IndexByte(m.cseq, ' '); sp < 0 || string(m.cseq[:sp]) != strconv.Itoa(int(t.cseq)) {
		return // answer to a retransmission
	}
	switch {
	case m.status == 200:
		t.active = false
		r.mu.Lock()
		r.lat.add(time.Now().UnixNano() - t.t0)
		r.mu.Unlock()
		r.done.Add(1)
	case (m.status == 401 || m.status == 407) && !t.auth && m.chal != nil:
		r.send(i, &m)
	default:
		t.active = false
		if r.failed.Add(1) == 1 {
			logf("first failure: %s", bytes.SplitN(p, []byte("\r\n"), 2)[0])
		}
	}
}

func (r *registrar) serveTCP(t *tcpSIP) {
	buf := make([]byte, 0, 65536)
	for {
		n, err := t.c.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return
		}
		buf = buf[:len(buf)+n]
		t.mu.Lock()
		rest := buf
		for {
			e := bytes.Index(rest, []byte("\r\n\r\n"))
			if e < 0 {
				break
			}
			var m sipMsg
			parseSIP(rest[:e+4], &m)
			if e+4+m.clen > len(rest) {
				break
			}
			r.handle(rest[:e+4])
			rest = rest[e+4+m.clen:]
		}
		buf = append(buf[:0], rest...)
		t.flush()
		t.mu.Unlock()
	}
}

func (t *tcpSIP) flush() {
	if len(t.out) > 0 {
		t.c.Write(t.out)
		t.out = t.out[:0]
	}
}

// drive offers registrations at rate for total units, users taken in turn.
func (r *registrar) drive(rate float64, total int, first int) (offered int) {
	before := r.done.Load() + r.failed.Load()
	p := newPacer(rate)
	sweepAt := time.Now()
	next := first
	for offered < total {
		n := min(p.due(), total-offered)
		if r.udp != nil {
			r.udp.mu.Lock()
			for k := 0; k < n; k++ {
				r.start(next % len(r.users))
				next++
			}
			r.udp.flush()
			r.udp.mu.Unlock()
		} else {
			for k := 0; k < n; k++ {
				i := next % len(r.users)
				c := r.tcp[i%len(r.tcp)]
				c.mu.Lock()
				r.start(i)
				c.flush()
				c.mu.Unlock()
				next++
			}
		}
		offered += n
		if time.Since(sweepAt) > 100*time.Millisecond {
			sweepAt = time.Now()
			r.sweep()
		}
		time.Sleep(time.Millisecond)
	}
	for i := 0; i < 50 && r.done.Load()+r.failed.Load()-before < int64(offered); i++ { // late answers
		time.Sleep(20 * time.Millisecond)
		r.sweep()
	}
	return
}

// sweep retransmits (T1 = 500 ms, doubled) and gives up after 4 tries.
func (r *registrar) sweep() {
	if r.udp == nil {
		return
	}
	now := time.Now().UnixNano()
	r.udp.mu.Lock()
	for i := range r.tr {
		t := &r.tr[i]
		if !t.active || now-t.last < int64(500*time.Millisecond)<<t.retrans {
			continue
		}
		if t.retrans == 4 {
			t.active = false
			r.failed.Add(1)
			continue
		}
		t.retrans++
		t.last = now
		r.retrans++
		r.udp.queue(append(r.udp.buf(), t.msg...), r.dst)
	}
	r.udp.flush()
	r.udp.mu.Unlock()
}

func (r *registrar) reset() {
	r.mu.Lock()
	r.lat = hist{}
	r.mu.Unlock()
	r.done.Store(0)
	r.failed.Store(0)
	r.retrans, r.busy = 0, 0
	if r.udp != nil { // forget what an overload left unanswered
		r.udp.mu.Lock()
		for i := range r.tr {
			r.tr[i].active = false
		}
		r.udp.mu.Unlock()
	}
}

func sipRegisterMain(args []string) {
	o := newOpts("sip-register")
	users := o.fs.Int("users", 20000, "users, each with one binding")
	rate := o.fs.Float64("rate", 2000, "offered registrations (401 + 200) per second")
	fill := o.fs.Float64("fill-rate", 4000, "rate of the first round")
	dur := o.fs.Duration("dur", 10*time.Second, "length of the measured window")
	tcp := o.fs.Bool("tcp", false, "over TCP")
	conns := o.fs.Int("conns", 200, "TCP connections")
	maxRate := o.fs.Bool("max", false, "also search the highest rate with <= 0.1 % retransmitted or failed")
	o.parse(args)

	t := o.toyOr("sip", *users)
	var udp *batchConn
	if !*tcp {
		udp = listenBatch(o.host, 0)
	}
	r := newRegistrar(o, *users, udp, *conns)
	if udp != nil {
		go udp.serve(r.handle)
	}
	rep := o.report(map[string]any{"users": *users, "rate": *rate, "proto": r.proto, "dur_s": dur.Seconds()})
	m0 := t.mem()
	// The first half may reuse memory that loading the accounts left free.
	r.drive(*fill, *users/2, 0)
	time.Sleep(500 * time.Millisecond)
	mh := t.mem()
	r.drive(*fill, *users-*users/2, *users/2)
	if r.done.Load() < int64(*users) {
		logf("fill: %d of %d registered, %d failed, %d retransmitted", r.done.Load(), *users, r.failed.Load(), r.retrans)
	}
	time.Sleep(500 * time.Millisecond)
	m1 := t.mem()
	rep.add("bytes_per_binding", (m1.pss-mh.pss)*1024/float64(*users-*users/2), "B")
	rep.add("pss_before", m0.pss/1024, "MiB")

	r.reset()
	m := startMeter(t)
	off := r.drive(*rate, int(*rate*dur.Seconds()), 0)
	m.stop()
	rep.add("achieved_rate", float64(r.done.Load())/m.wall, "1/s")
	m.add(rep, 1e4, "10k_registrations", float64(r.done.Load()))
	rep.add("latency_p50", r.lat.q(.5), "ms")
	rep.add("latency_p99", r.lat.q(.99), "ms")
	rep.add("retrans_or_failed_share", float64(r.retrans+r.failed.Load())/float64(off), "1")
	if *maxRate {
		best := searchMax(t, *rate, func(x float64) bool {
			r.reset()
			m := startMeter(t)
			n := int(x * 3)
			r.drive(x, n, 0)
			m.stop()
			bad := r.retrans + r.failed.Load() + int64(n) - r.done.Load() - r.failed.Load()
			logf("try %.0f/s: done %d of %d, retrans %d, failed %d, busy %d, server %.2f cores, generator %.2f, p99 %.1f ms",
				x, r.done.Load(), n, r.retrans, r.failed.Load(), r.busy, m.cpu()/m.wall, m.gen/m.wall, r.lat.q(.99))
			time.Sleep(time.Second)
			return float64(bad) <= float64(n)/1000 && m.wall < 3.6
		})
		rep.add("max_rate", best, "1/s")
	}
	m2 := t.mem()
	rep.add("pss_after", m2.pss/1024, "MiB")
	rep.add("peak_rss_sum", m2.hwm/1024, "MiB")
}

// searchMax grows the rate by a third until try fails, then bisects four times.
// A failed try gets a second chance, since the machine may have stalled, and the
// server gets time to work off what an overload left in its queues.
func searchMax(t tree, start float64, try func(float64) bool) float64 {
	ok := func(x float64) bool {
		if try(x) {
			return true
		}
		settle(t)
		if try(x) {
			return true
		}
		settle(t)
		return false
	}
	lo, hi := 0.0, start
	for i := 0; i < 12; i++ {
		if !ok(hi) {
			break
		}
		lo, hi = hi, hi*4/3
	}
	if lo == 0 {
		lo = start / 4
	}
	for i := 0; i < 4; i++ {
		mid := (lo + hi) / 2
		if ok(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// settle waits until the server is all but idle, 10 s at most.
func settle(t tree) {
	for i := 0; i < 20; i++ {
		c := t.cpu()
		time.Sleep(500 * time.Millisecond)
		if u, s := t.cpu().since(c); u+s < 0.03 {
			return
		}
	}
}
