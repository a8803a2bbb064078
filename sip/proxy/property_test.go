package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/sip"
	"parley/sip/proxy"
)

// fork is one random call: some waves of phones, and what happens to them in what order.
type fork struct {
	*scene
	rt     *rapid.T
	method sip.Method
	invite *sip.Message
	phones []*phone
	limit  uint32
	state  map[*phone]string // what the phone did last: "", "rings", "answered", "refused"
	won    int               // 2xx that phones sent while the caller could have them
	hungUp bool
	began  time.Time
}

func newFork(t *testing.T, rt *rapid.T) *fork {
	f := &fork{scene: newScene(t), rt: rt, state: map[*phone]string{}}
	f.method = rapid.SampledFrom([]sip.Method{sip.INVITE, sip.INVITE, sip.INVITE, sip.MESSAGE}).Draw(rt, "method")
	f.limit = rapid.Uint32Range(3, 8).Draw(rt, "Max-Breadth")
	for range rapid.IntRange(0, 3).Draw(rt, "waves") {
		f.addWave()
	}
	f.began = f.clock.Now()
	f.invite = f.sends(f.request(f.method, fmt.Sprintf("Max-Breadth: %d", f.limit)))
	return f
}

func (f *fork) addWave() {
	ring := rapid.SampledFrom([]time.Duration{0, 5 * time.Second, 20 * time.Second}).Draw(f.rt, "ring time")
	w := proxy.Wave{Timeout: ring}
	for range rapid.IntRange(0, 3).Draw(f.rt, "targets") {
		target := f.addPhone()
		if rapid.IntRange(0, 4).Draw(f.rt, "has another flow") == 0 {
			next := f.addPhone()
			target.Next = &next
		}
		w.Targets = append(w.Targets, target)
	}
	f.forward.Waves = append(f.forward.Waves, w)
}

func (f *fork) addPhone() proxy.Target {
	p := f.phone(fmt.Sprintf("p%d", len(f.phones)))
	f.phones = append(f.phones, p)
	target := p.target()
	switch rapid.IntRange(0, 9).Draw(f.rt, "way") {
	case 0:
		p.setDown()
	case 1:
		target.Fail = rapid.SampledFrom([]int{430, 480, 603}).Draw(f.rt, "fails")
	}
	return target
}

// step lets one thing happen.
func (f *fork) step() {
	switch rapid.IntRange(0, 12).Draw(f.rt, "step") {
	case 0:
		if !f.hungUp {
			f.hungUp = true
			f.cancels(f.invite)
		}
	case 1:
		f.context().Cancel(rapid.SampledFrom([]int{0, 503}).Draw(f.rt, "status"), "")
		f.clock.settle()
	case 2, 3, 4:
		f.clock.leap(time.Duration(rapid.IntRange(1, 40).Draw(f.rt, "seconds"))*time.Second, time.Second)
	default:
		f.phoneActs()
	}
	f.check()
}

func (f *fork) phoneActs() {
	var able []*phone
	for _, p := range f.phones {
		if p.last(f.method) != nil && (f.state[p] == "" || f.state[p] == "rings") {
			able = append(able, p)
		}
	}
	if len(able) == 0 {
		return
	}
	p := rapid.SampledFrom(able).Draw(f.rt, "phone")
	status := rapid.SampledFrom([]int{100, 180, 183, 200, 200, 302, 401, 408, 430, 486, 487, 503, 603}).Draw(f.rt, "answer")
	alive := !f.over(p) // or the proxy hears it no more
	open := alive && len(f.finals()) == 0 && !f.late()
	before := f.answers()
	p.answers(status)
	switch {
	case status < 200:
		if alive {
			f.state[p] = "rings"
		}
		return
	case status >= 300:
		f.state[p] = "refused"
		return
	}
	f.state[p] = "answered"
	f.won++
	if after := f.answers(); open && after != before+1 {
		f.rt.Fatalf("%s answered, but the caller has %s", p.name, f.got())
	}
}

// late says that the caller no longer waits for an answer to what is no INVITE.
func (f *fork) late() bool {
	return f.method != sip.INVITE && f.clock.Now().Sub(f.began) >= 32*time.Second
}

// over says that the proxy is done with a phone.
func (f *fork) over(p *phone) bool { return strings.Contains(f.heard.String(), p.name+" done") }

// answers is how many 2xx the caller has.
func (f *fork) answers() (n int) {
	for _, m := range f.finals() {
		if m.Status() < 300 {
			n++
		}
	}
	return n
}

// check is what holds all the time.
func (f *fork) check() {
	finals, answers := len(f.finals()), f.answers()
	if finals > 1 && answers != finals {
		f.rt.Fatalf("the caller got %s", f.got())
	}
	if answers > f.won || answers > 1 && f.method != sip.INVITE {
		f.rt.Fatalf("the caller got %s for %d answers", f.got(), f.won)
	}
	var breadth uint32
	for _, p := range f.phones {
		if p.last(f.method) != nil && !f.over(p) {
			breadth += p.breadth()
		}
	}
	if breadth > f.limit {
		f.rt.Fatalf("branches with a Max-Breadth of %d in all, of %d allowed", breadth, f.limit)
	}
}

// end lets all timers run out and checks what holds at the end.
func (f *fork) end() {
	for i := 0; i < 100 && (f.proxy.Active() > 0 || f.layer.Stats().Servers > 0); i++ {
		f.acks()
		f.clock.leap(20*time.Second, time.Second)
	}
	f.check()
	heard := f.heard.String()
	if n := len(f.finals()); n == 0 && f.method == sip.INVITE {
		f.rt.Fatalf("the caller got no final response; observer: %s", heard)
	}
	for _, p := range f.phones {
		f.checkPhone(p)
	}
	told := strings.Count(heard, "caller told")
	if strings.Count(heard, "ended") != 1 || !strings.HasSuffix(heard, "ended") || told != len(f.finals()) {
		f.rt.Fatalf("the caller got %s, the observer heard %s", f.got(), heard)
	}
	if st := f.layer.Stats(); f.proxy.Active() != 0 || st.Clients != 0 || st.Servers != 0 {
		f.rt.Fatalf("left: %d contexts, %+v", f.proxy.Active(), st)
	}
}

// checkPhone sees that a phone which the proxy rang is not left ringing.
func (f *fork) checkPhone(p *phone) {
	heard := f.heard.String()
	tried := p.last(f.method) != nil
	if n := strings.Count(heard, p.name+" done"); n > 1 || tried && n != 1 {
		f.rt.Fatalf("%s was done %d times: %s", p.name, n, heard)
	}
	if f.method == sip.INVITE && f.state[p] == "rings" && p.last(sip.CANCEL) == nil {
		f.rt.Fatalf("%s is left ringing: %s", p.name, heard)
	}
	if p.last(sip.CANCEL) != nil && (f.method != sip.INVITE || f.state[p] == "") {
		f.rt.Fatalf("%s must not have got a CANCEL", p.name)
	}
}

func TestAnyFork(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		f := newFork(t, rt)
		defer f.layer.Close()
		f.check()
		for range rapid.IntRange(0, 25).Draw(rt, "steps") {
			f.step()
		}
		f.end()
	})
}
