package sipedge

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"parley/internal/core"
)

// maxCalls bounds the table of live calls; past it a call still runs, but isn't listed.
const maxCalls = 100_000

// liveCall is a call that rings or is up.
type liveCall struct {
	From, To string
	By       string // who answered
	Since    time.Time
	Answered time.Time // zero while it rings

	talking []core.Address // accounts that it has on the phone once it is answered, the callee last
}

// calls is the table of live calls: what is counted for status and waited for at the end.
// A proxied call that nobody hangs up (both phones lost their power) is forgotten after the longest
// time a call may last.
type calls struct {
	mu   sync.Mutex
	byID map[string]*liveCall
	log  *slog.Logger
	talk talk // under mu
}

func (c *calls) begin(call *core.Call, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = map[string]*liveCall{}
	}
	if len(c.byID) >= maxCalls {
		return
	}
	if c.byID[call.ID] != nil {
		return // the same call on another path
	}
	c.byID[call.ID] = &liveCall{
		From: call.From.Address.String(), To: call.To.String(), Since: now, talking: parties(call),
	}
}

func (c *calls) answered(id, by string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call, ok := c.byID[id]; ok && call.Answered.IsZero() {
		call.By, call.Answered = by, now
		if strings.HasPrefix(by, agentPrefix) { // a machine has answered
			call.talking = call.talking[:len(call.talking)-1]
		}
		c.talk.begin(call.talking)
	}
}

// end takes a call out of the table.
func (c *calls) end(id, why string) {
	c.mu.Lock()
	call, ok := c.byID[id]
	delete(c.byID, id)
	if ok && !call.Answered.IsZero() {
		c.talk.end(call.talking)
	}
	c.mu.Unlock()
	if ok && c.log != nil {
		c.log.Info("call ended", "call", id, "from", call.From, "to", call.To, "by", call.By, "why", why)
	}
}

// endUnanswered takes a call out of the table if nobody answered it.
func (c *calls) endUnanswered(id string) {
	c.mu.Lock()
	call, ok := c.byID[id]
	over := ok && call.Answered.IsZero()
	c.mu.Unlock()
	if over {
		c.end(id, "not answered")
	}
}

// forget drops calls that began before a time.
func (c *calls) forget(before time.Time) {
	c.mu.Lock()
	var old []string
	for id, call := range c.byID {
		if call.Since.Before(before) {
			old = append(old, id)
		}
	}
	c.mu.Unlock()
	for _, id := range old {
		c.end(id, "longer than any call may last")
	}
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byID)
}
