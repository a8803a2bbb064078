package block

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"parley/internal/db"
	"parley/xmpp/jid"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrFull is what a list is refused with that would become too long.
var ErrFull = errors.New("block: too many addresses on the list")

// NewStore keeps block lists in the database, whose tables it brings up to date.
func NewStore(ctx context.Context, d *db.DB) (Store, error) {
	if err := d.Migrate(ctx, "block", migrations); err != nil {
		return nil, err
	}
	return &sqlStore{d}, nil
}

type sqlStore struct{ db *db.DB }

func (s *sqlStore) Load(ctx context.Context, owner jid.JID) ([]jid.JID, error) {
	return load(ctx, s.db.Read(), owner)
}

func load(ctx context.Context, r db.Reader, owner jid.JID) (list []jid.JID, err error) {
	rows, err := r.QueryContext(ctx, `SELECT jid FROM block WHERE owner = $1`, owner.String())
	if err != nil {
		return nil, fmt.Errorf("block: load a list: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("block: load a list: %w", err)
		}
		j, err := jid.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("block: load a list: %q: %w", text, err)
		}
		list = append(list, j)
	}
	return list, rows.Err()
}

func (s *sqlStore) Add(ctx context.Context, owner jid.JID, list []jid.JID, limit int, now time.Time) ([]jid.JID, error) {
	var added []jid.JID
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		added = nil
		for _, j := range list {
			r, err := tx.ExecContext(ctx, `INSERT INTO block (owner, jid, since) VALUES ($1, $2, $3)
				ON CONFLICT (owner, jid) DO NOTHING`, owner.String(), j.String(), db.Millis(now))
			if added, err = changed(added, j, r, err); err != nil {
				return fmt.Errorf("block: add to a list: %w", err)
			}
		}
		return within(ctx, tx, owner, limit)
	})
	return added, err
}

func within(ctx context.Context, tx *sql.Tx, owner jid.JID, limit int) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM block WHERE owner = $1`, owner.String()).Scan(&n); err != nil {
		return fmt.Errorf("block: count a list: %w", err)
	}
	if n > limit {
		return ErrFull
	}
	return nil
}

// changed adds j to list if the statement changed a row.
func changed(list []jid.JID, j jid.JID, r sql.Result, err error) ([]jid.JID, error) {
	if err != nil {
		return list, err
	}
	n, err := r.RowsAffected()
	if n > 0 {
		list = append(list, j)
	}
	return list, err
}

func (s *sqlStore) Remove(ctx context.Context, owner jid.JID, list []jid.JID) ([]jid.JID, error) {
	var removed []jid.JID
	err := s.db.Write(ctx, func(tx *sql.Tx) (err error) {
		removed = nil
		if len(list) == 0 {
			removed, err = clearList(ctx, tx, owner)
			return err
		}
		for _, j := range list {
			r, err := tx.ExecContext(ctx, `DELETE FROM block WHERE owner = $1 AND jid = $2`, owner.String(), j.String())
			if removed, err = changed(removed, j, r, err); err != nil {
				return fmt.Errorf("block: remove from a list: %w", err)
			}
		}
		return nil
	})
	return removed, err
}

func clearList(ctx context.Context, tx *sql.Tx, owner jid.JID) ([]jid.JID, error) {
	list, err := load(ctx, tx, owner)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM block WHERE owner = $1`, owner.String()); err != nil {
		return nil, fmt.Errorf("block: clear a list: %w", err)
	}
	return list, nil
}
