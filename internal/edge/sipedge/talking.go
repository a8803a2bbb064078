package sipedge

import "parley/internal/core"

// agentPrefix begins the names of targets that are services inside the process.
const agentPrefix = "agent:"

// talk counts the answered calls of each account.
type talk struct {
	calls map[core.Address]int
	tell  func(a core.Address, on bool)
}

// parties are the accounts that a call has on the phone, the callee last.
func parties(call *core.Call) (list []core.Address) {
	if call.From.Known {
		list = append(list, call.From.Address)
	}
	return append(list, call.To)
}

func (t *talk) begin(all []core.Address) {
	if t.calls == nil {
		t.calls = map[core.Address]int{}
	}
	for _, a := range all {
		if t.calls[a]++; t.calls[a] == 1 && t.tell != nil {
			t.tell(a, true)
		}
	}
}

func (t *talk) end(all []core.Address) {
	for _, a := range all {
		if t.calls[a]--; t.calls[a] > 0 {
			continue
		}
		delete(t.calls, a)
		if t.tell != nil {
			t.tell(a, false)
		}
	}
}
