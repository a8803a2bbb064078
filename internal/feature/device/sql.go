package device

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/internal/core"
	"parley/internal/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// NewStore keeps devices in the database, whose tables it brings up to date.
func NewStore(ctx context.Context, d *db.DB) (Store, error) {
	if err := d.Migrate(ctx, "device", migrations); err != nil {
		return nil, err
	}
	return &sqlStore{d}, nil
}

type sqlStore struct{ db *db.DB }

const columns = `id, domain, local, name, kind, hash, source, created, used`

func (s *sqlStore) Get(ctx context.Context, id string) (Record, error) {
	list, err := query(ctx, s.db.Read(), `SELECT `+columns+` FROM device WHERE id = $1`, id)
	switch {
	case err != nil:
		return Record{}, fmt.Errorf("device: read one: %w", err)
	case len(list) == 0:
		return Record{}, core.ErrNoDevice
	}
	return list[0], nil
}

func (s *sqlStore) List(ctx context.Context, a core.Address) ([]Record, error) {
	list, err := of(ctx, s.db.Read(), a)
	if err != nil {
		return nil, fmt.Errorf("device: list: %w", err)
	}
	return list, nil
}

func of(ctx context.Context, r db.Reader, a core.Address) ([]Record, error) {
	return query(ctx, r, `SELECT `+columns+` FROM device WHERE domain = $1 AND local = $2 ORDER BY created, id`, a.Domain, a.Local)
}

func query(ctx context.Context, r db.Reader, text string, args ...any) (list []Record, err error) {
	rows, err := r.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d Record
		var created, used int64
		if err := rows.Scan(&d.ID, &d.Account.Domain, &d.Account.Local, &d.Name, &d.Kind, &d.Hash, &d.Source, &created, &used); err != nil {
			return nil, err
		}
		d.Created, d.Used = db.Time(created), db.Time(used)
		list = append(list, d)
	}
	return list, rows.Err()
}

func (s *sqlStore) Add(ctx context.Context, d Record, choose func(now []Record) (drop []string, err error)) (dropped []string, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		now, err := of(ctx, tx, d.Account)
		if err != nil {
			return fmt.Errorf("device: count: %w", err)
		}
		if dropped, err = choose(now); err != nil {
			return err
		}
		for _, id := range dropped {
			if _, err := tx.ExecContext(ctx, `DELETE FROM device WHERE id = $1`, id); err != nil {
				return fmt.Errorf("device: make room: %w", err)
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO device (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			d.ID, d.Account.Domain, d.Account.Local, d.Name, d.Kind, d.Hash, d.Source, db.Millis(d.Created), db.Millis(d.Used))
		if err != nil {
			return fmt.Errorf("device: write: %w", err)
		}
		return nil
	})
	return dropped, err
}

func (s *sqlStore) SetHash(ctx context.Context, id string, old, hash []byte) error {
	return s.one(ctx, "rotate", `UPDATE device SET hash = $1 WHERE id = $2 AND hash = $3`, hash, id, old)
}

func (s *sqlStore) Delete(ctx context.Context, a core.Address, id string) error {
	return s.one(ctx, "delete", `DELETE FROM device WHERE id = $1 AND domain = $2 AND local = $3`, id, a.Domain, a.Local)
}

// one runs a statement that changes one row, or finds that it is not there.
func (s *sqlStore) one(ctx context.Context, verb, text string, args ...any) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return fmt.Errorf("device: %s: %w", verb, err)
		}
		n, err := r.RowsAffected()
		if err == nil && n == 0 {
			err = core.ErrNoDevice
		}
		return err
	})
}

func (s *sqlStore) DeleteAll(ctx context.Context, a core.Address) (gone []Record, err error) {
	return s.take(ctx, func(tx *sql.Tx) ([]Record, error) { return of(ctx, tx, a) })
}

func (s *sqlStore) Expire(ctx context.Context, before time.Time) (gone []Record, err error) {
	return s.take(ctx, func(tx *sql.Tx) ([]Record, error) {
		return query(ctx, tx, `SELECT `+columns+` FROM device WHERE used < $1 LIMIT 1000`, db.Millis(before))
	})
}

// take deletes what is chosen.
func (s *sqlStore) take(ctx context.Context, choose func(*sql.Tx) ([]Record, error)) (gone []Record, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) (err error) {
		if gone, err = choose(tx); err != nil {
			return err
		}
		for _, d := range gone {
			if _, err := tx.ExecContext(ctx, `DELETE FROM device WHERE id = $1`, d.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("device: delete: %w", err)
	}
	return gone, nil
}

func (s *sqlStore) Touch(ctx context.Context, uses []Use) error {
	for part := range slices.Chunk(uses, 500) {
		err := s.db.Write(ctx, func(tx *sql.Tx) error {
			for _, u := range part {
				_, err := tx.ExecContext(ctx, `UPDATE device SET used = $1, source = $2 WHERE id = $3`, db.Millis(u.At), u.Source, u.ID)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("device: note the last use: %w", err)
		}
	}
	return nil
}

// ErrFull is what a new device is refused with whose account has as many, all in use.
var ErrFull = errors.New("device: the account has too many devices")
