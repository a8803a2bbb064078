package offline

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"parley/internal/db"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// row is a message that waits.
type row struct {
	id       im.ID
	archived bool
	stanza   string
}

// key names a row.
type key struct {
	owner jid.JID
	id    im.ID
}

type store struct{ db *db.DB }

// counts gives how many messages wait for each account, and the greatest ID of all. An index has it all.
func (s *store) counts(ctx context.Context, each func(owner string, n int)) (last im.ID, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT owner, count(*), max(id) FROM waiting GROUP BY owner`)
	if err != nil {
		return 0, fmt.Errorf("offline: count what waits: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var owner string
		var n int
		var id int64
		if err := rows.Scan(&owner, &n, &id); err != nil {
			return 0, fmt.Errorf("offline: count what waits: %w", err)
		}
		last = max(last, im.ID(id))
		each(owner, n)
	}
	return last, rows.Err()
}

// size is how many messages up to an ID wait for an account, and how long they are.
func (s *store) size(ctx context.Context, owner jid.JID, upTo im.ID) (n, bytes int, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT count(*), coalesce(sum(length(stanza)), 0) FROM waiting WHERE owner = $1 AND id <= $2`,
		owner.String(), int64(upTo)).Scan(&n, &bytes)
	if err != nil {
		return 0, 0, fmt.Errorf("offline: weigh what waits: %w", err)
	}
	return n, bytes, nil
}

// insert puts a message that is not there yet.
func insert(ctx context.Context, tx *sql.Tx, owner string, r row) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO waiting (owner, id, archived, stanza) VALUES ($1, $2, $3, $4)
		ON CONFLICT (owner, id) DO NOTHING`, owner, int64(r.id), r.archived, r.stanza)
	if err != nil {
		return fmt.Errorf("offline: write message: %w", err)
	}
	return nil
}

// page gives an account's first messages after an ID, up to another: at most limit, and none after those that have so many
// bytes. last says that there are no more.
func (s *store) page(ctx context.Context, owner jid.JID, after, upTo im.ID, limit, bytes int) (page []row, last bool, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT id, archived, stanza FROM waiting
		WHERE owner = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $4`, owner.String(), int64(after), int64(upTo), limit)
	if err != nil {
		return nil, false, fmt.Errorf("offline: read messages: %w", err)
	}
	defer rows.Close()
	for bytes > 0 && rows.Next() {
		var r row
		var id int64
		if err := rows.Scan(&id, &r.archived, &r.stanza); err != nil {
			return nil, false, fmt.Errorf("offline: read messages: %w", err)
		}
		r.id = im.ID(id)
		page = append(page, r)
		bytes -= len(r.stanza)
	}
	return page, bytes > 0 && len(page) < limit, rows.Err()
}

// maxPage is how many bytes are read at once to be forgotten.
const maxPage = 1 << 20

// remove takes out messages that sessions have.
func (s *store) remove(ctx context.Context, keys []key) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		for _, k := range keys {
			_, err := tx.ExecContext(ctx, `DELETE FROM waiting WHERE owner = $1 AND id = $2`, k.owner.String(), int64(k.id))
			if err != nil {
				return fmt.Errorf("offline: delete message: %w", err)
			}
		}
		return nil
	})
}

// old gives at most limit messages from before an ID.
func (s *store) old(ctx context.Context, before im.ID, limit int) (keys []key, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT owner, id FROM waiting WHERE id < $1 LIMIT $2`, int64(before), limit)
	if err != nil {
		return nil, fmt.Errorf("offline: find old messages: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var owner string
		var id int64
		if err := rows.Scan(&owner, &id); err != nil {
			return nil, fmt.Errorf("offline: find old messages: %w", err)
		}
		j, err := jid.Parse(owner)
		if err != nil {
			return nil, fmt.Errorf("offline: find old messages: %w", err)
		}
		keys = append(keys, key{j, im.ID(id)})
	}
	return keys, rows.Err()
}

// forget takes out all that waits for an account, some at a time.
func (s *store) forget(ctx context.Context, owner jid.JID) error {
	for {
		page, _, err := s.page(ctx, owner, -1, math.MaxInt64, batch, maxPage)
		if err != nil || len(page) == 0 {
			return err
		}
		var keys []key
		for _, r := range page {
			keys = append(keys, key{owner, r.id})
		}
		if err := s.remove(ctx, keys); err != nil {
			return err
		}
	}
}
