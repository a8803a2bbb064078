package watch

import (
	"context"

	"parley/internal/address"
	"parley/internal/core"
)

// Talking is told when an account's first call was answered, and when its last one is over. It does not block.
func (w *Watch) Talking(a core.Address, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[a] = on
	w.stir()
}

// talk has others see that an account is on the phone, or is no more.
func (w *Watch) talk(ctx context.Context, a core.Address, on bool) {
	owner := address.JID(a)
	if on {
		if exists, err := w.ports.Exists(ctx, owner); err != nil || !exists {
			return
		}
	}
	w.log(a, w.ports.Presence.Talking(ctx, owner, on))
}
