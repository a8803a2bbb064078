package admission

import (
	"context"
	"testing"

	"parley/internal/core"
)

type book map[core.Address]core.Account

func (b book) Account(_ context.Context, a core.Address) (core.Account, error) {
	if account, ok := b[a]; ok {
		return account, nil
	}
	return core.Account{}, core.ErrNoAccount
}

func (b book) HA1(context.Context, core.Address, core.Algorithm, bool) (string, error) {
	return "", core.ErrNoAccount
}

func at(local string) core.Address { return core.Address{Local: local, Domain: "example.org"} }

func TestWhoReachesWhom(t *testing.T) {
	t.Parallel()
	r := &Router{
		Accounts: book{at("open"): {Strangers: true}, at("closed"): {}},
		Services: []string{"echo"},
	}
	for _, c := range []struct {
		to     string
		known  bool
		reason core.Reason
		ok     bool
	}{
		{"open", true, 0, true},
		{"open", false, 0, true},
		{"closed", true, 0, true},
		{"closed", false, core.Forbidden, false},
		{"nobody", true, core.NotFound, false},
		{"nobody", false, core.Forbidden, false},
		{"echo", true, 0, true},
		{"echo", false, core.Forbidden, false},
	} {
		err := r.Route(t.Context(), &core.Call{To: at(c.to), From: core.Caller{Known: c.known}}, &core.Plan{})
		if (err == nil) != c.ok || !c.ok && core.AsError(err).Reason != c.reason {
			t.Errorf("%s, known %v: got %v", c.to, c.known, err)
		}
	}
}

func TestAStrangerCanNotTellWhoIsThere(t *testing.T) {
	t.Parallel()
	r := &Router{Accounts: book{at("closed"): {}}}
	closed := r.Route(t.Context(), &core.Call{To: at("closed")}, &core.Plan{})
	nobody := r.Route(t.Context(), &core.Call{To: at("nobody")}, &core.Plan{})
	if closed.Error() != nobody.Error() || core.AsError(closed).Reason != core.AsError(nobody).Reason {
		t.Errorf("a closed account says %v, a missing one %v", closed, nobody)
	}
}
