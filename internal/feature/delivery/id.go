package delivery

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"parley/internal/db"
	"parley/xmpp/im"
)

// ids makes the IDs of messages: each greater than any before, also after a restart or when the clock was set back.
// What is on disk is a bound a little ahead of the last one.
type ids struct {
	now  func() time.Time
	rand func() uint32

	mu    sync.Mutex
	last  im.ID
	bound im.ID // what is on disk: IDs below it may be used
}

// ahead is how far the bound is ahead of the last ID: after a restart IDs may be as much ahead of the clock.
const ahead = time.Second

func openIDs(ctx context.Context, r db.Reader, cfg Config) (*ids, error) {
	i := &ids{now: cfg.Now, rand: cfg.Rand}
	if i.now == nil {
		i.now = time.Now
	}
	if i.rand == nil {
		i.rand = rand.Uint32
	}
	var bound int64
	err := r.QueryRowContext(ctx, `SELECT bound FROM message_id WHERE one = 1`).Scan(&bound)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("delivery: read the last message ID: %w", err)
	}
	i.last, i.bound = im.ID(bound), im.ID(bound)
	return i, nil
}

// next makes an ID within a transaction. bound is what settle has to be told once that is on disk.
func (i *ids) next(ctx context.Context, tx *sql.Tx) (id, bound im.ID, err error) {
	id, old := i.make()
	if id < old {
		return id, old, nil
	}
	bound = im.FirstID(id.Time().Add(ahead))
	_, err = tx.ExecContext(ctx, `INSERT INTO message_id (one, bound) VALUES (1, $1)
		ON CONFLICT (one) DO UPDATE SET bound = excluded.bound`, int64(bound))
	if err != nil {
		return 0, 0, fmt.Errorf("delivery: write the last message ID: %w", err)
	}
	return id, bound, nil
}

// make is the next ID. Within a millisecond steps are at random, so that one does not tell the next.
func (i *ids) make() (id, bound im.ID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r := im.ID(i.rand())
	i.last = max(im.FirstID(i.now())+r&0x7ffff, i.last+1+r>>24)
	return i.last, i.bound
}

func (i *ids) settle(bound im.ID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.bound = max(i.bound, bound)
}
