package account

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"parley/internal/core"
	"parley/internal/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// keyColumns are the columns of Keys in their order.
const keyColumns = `scram_sha_1, scram_sha_256, ha1_md5, ha1_sha256, ha1_md5_full, ha1_sha256_full`

// sqlStore is Store and Stage in a database.
type sqlStore struct{ db *db.DB }

var (
	_ Store = (*sqlStore)(nil)
	_ Stage = (*sqlStore)(nil)
)

func openSQL(ctx context.Context, d *db.DB) (*sqlStore, error) {
	if err := d.Migrate(ctx, "account", migrations); err != nil {
		return nil, err
	}
	return &sqlStore{db: d}, nil
}

func (s *sqlStore) Get(ctx context.Context, a core.Address) (*Record, error) {
	return get(ctx, s.db.Read(), a)
}

func get(ctx context.Context, q db.Reader, a core.Address) (*Record, error) {
	r := &Record{Account: core.Account{Address: a}}
	var created int64
	err := q.QueryRowContext(ctx,
		`SELECT created, strangers, `+keyColumns+` FROM account WHERE domain = $1 AND local = $2`, a.Domain, a.Local,
	).Scan(append([]any{&created, &r.Strangers}, r.Keys.pointers()...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, core.ErrNoAccount
	}
	r.Created = db.Time(created)
	return r, err
}

func (k *Keys) pointers() []any {
	list := make([]any, len(k))
	for i := range k {
		list[i] = &k[i]
	}
	return list
}

// values are the keys as parameters: NULL where one is missing.
func (k *Keys) values() []any {
	list := make([]any, len(k))
	for i, key := range k {
		if key != nil {
			list[i] = key
		}
	}
	return list
}

func (s *sqlStore) Insert(ctx context.Context, r Record) error {
	args := append([]any{r.Address.Domain, r.Address.Local, db.Millis(r.Created), r.Strangers}, r.Keys.values()...)
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, `INSERT INTO account (domain, local, created, strangers, `+keyColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (domain, local) DO NOTHING`, args...))
		if err == nil && n == 0 {
			return ErrExists
		}
		return err
	})
}

func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (s *sqlStore) Update(ctx context.Context, a core.Address, f func(*Record)) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		r, err := get(ctx, tx, a)
		if err != nil {
			return err
		}
		f(r)
		args := append([]any{r.Strangers}, r.Keys.values()...)
		_, err = tx.ExecContext(ctx, `UPDATE account SET strangers = $1, scram_sha_1 = $2, scram_sha_256 = $3,
			ha1_md5 = $4, ha1_sha256 = $5, ha1_md5_full = $6, ha1_sha256_full = $7
			WHERE domain = $8 AND local = $9`, append(args, a.Domain, a.Local)...)
		return err
	})
}

func (s *sqlStore) Delete(ctx context.Context, a core.Address) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, `DELETE FROM account WHERE domain = $1 AND local = $2`, a.Domain, a.Local))
		if err == nil && n == 0 {
			return core.ErrNoAccount
		}
		return err
	})
}

func (s *sqlStore) List(ctx context.Context, after core.Address, limit int) (list []core.Account, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT domain, local, created, strangers FROM account
		WHERE (domain, local) > ($1, $2) ORDER BY domain, local LIMIT $3`, after.Domain, after.Local, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var a core.Account
		var created int64
		if err := rows.Scan(&a.Address.Domain, &a.Address.Local, &created, &a.Strangers); err != nil {
			return nil, err
		}
		a.Created = db.Time(created)
		list = append(list, a)
	}
	return list, rows.Err()
}

func (s *sqlStore) Count(ctx context.Context) (n int, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM account`).Scan(&n)
	return n, err
}

// Seal gives the sample that is stored, storing this one if there is none.
func (s *sqlStore) Seal(ctx context.Context, sample []byte) (stored []byte, err error) {
	const query = `SELECT sample FROM account_seal WHERE id = 1`
	err = s.db.Read().QueryRowContext(ctx, query).Scan(&stored)
	if !errors.Is(err, sql.ErrNoRows) {
		return stored, err
	}
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO account_seal (id, sample) VALUES (1, $1)`, sample)
		return err
	})
	return sample, err
}

func (s *sqlStore) Clear(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM account_import`)
		return err
	})
}

func (s *sqlStore) Add(ctx context.Context, rows []Row) (twice []Twice, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		twice = nil
		insert, err := tx.PrepareContext(ctx, `INSERT INTO account_import (domain, local, line, strangers, `+keyColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (domain, local) DO NOTHING`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for _, r := range rows {
			args := append([]any{r.Address.Domain, r.Address.Local, r.Line, r.Strangers}, r.Keys.values()...)
			n, err := affected(insert.ExecContext(ctx, args...))
			if err != nil {
				return err
			}
			if n > 0 {
				continue
			}
			again := Twice{Row: r}
			err = tx.QueryRowContext(ctx, `SELECT line FROM account_import WHERE domain = $1 AND local = $2`,
				r.Address.Domain, r.Address.Local).Scan(&again.First)
			if err != nil {
				return err
			}
			twice = append(twice, again)
		}
		return nil
	})
	return twice, err
}

// joined are the staged rows whose address has an account.
const joined = ` FROM account_import i JOIN account a ON a.domain = i.domain AND a.local = i.local`

func (s *sqlStore) Taken(ctx context.Context, limit int) (list []Row, n int, err error) {
	if err := s.db.Read().QueryRowContext(ctx, `SELECT count(*)`+joined).Scan(&n); err != nil {
		return nil, 0, err
	}
	rows, err := s.db.Read().QueryContext(ctx, `SELECT i.line, i.domain, i.local`+joined+` ORDER BY i.line LIMIT $1`, limit)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var r Row
		if err := rows.Scan(&r.Line, &r.Address.Domain, &r.Address.Local); err != nil {
			return nil, 0, err
		}
		list = append(list, r)
	}
	return list, n, rows.Err()
}

func (s *sqlStore) Commit(ctx context.Context, created int64) (int, error) {
	var made int64
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		var taken int
		if err := tx.QueryRowContext(ctx, `SELECT count(*)`+joined).Scan(&taken); err != nil {
			return err
		}
		if taken > 0 {
			return ErrExists
		}
		var err error
		made, err = affected(tx.ExecContext(ctx, `INSERT INTO account (domain, local, created, strangers, `+keyColumns+`)
			SELECT domain, local, $1, strangers, `+keyColumns+` FROM account_import`, created))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM account_import`)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("commit the import: %w", err)
	}
	return int(made), nil
}
