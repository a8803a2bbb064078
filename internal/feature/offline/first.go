package offline

import (
	"context"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// First is the first message that waits for an account, as a session would get it, nil if none does. It goes on waiting.
func (o *Store) First(ctx context.Context, owner jid.JID) *xmpp.Stanza {
	s := o.shard(owner)
	s.mu.Lock()
	mark := s.mark
	s.mu.Unlock()
	rows, _, err := o.store.page(ctx, owner, 0, mark, 1, 1)
	if err != nil {
		o.config.Log.Error("waiting messages not read", "account", owner.String(), "err", err)
	}
	if len(rows) == 0 {
		return nil
	}
	return o.read(owner, rows[0])
}
