package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// versionTable holds, for each feature, how many of its migrations are done.
const versionTable = `CREATE TABLE IF NOT EXISTS schema_version (
	feature TEXT   NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL
)`

// Migrate brings a feature's tables to the version this program knows. files holds
// migrations/0001_what.sql, 0002_what.sql and so on, without a gap; they only go
// forward, and one that was released never changes. Each runs with its mark in one
// transaction. A folder that a newer program wrote is refused with ErrNewer.
func (d *DB) Migrate(ctx context.Context, feature string, files fs.FS) error {
	steps, err := readSteps(files)
	if err != nil {
		return fmt.Errorf("db: migrations of %s: %w", feature, err)
	}
	have, err := d.version(ctx, feature)
	if err != nil {
		return fmt.Errorf("db: read the version of %s: %w", feature, explain(err))
	}
	if have > len(steps) {
		return fmt.Errorf("%w: feature %s has version %d, this one knows %d", ErrNewer, feature, have, len(steps))
	}
	for v := have + 1; v <= len(steps); v++ {
		step := steps[v-1]
		if err := d.Write(ctx, func(tx *sql.Tx) error { return step.apply(ctx, tx, feature, v) }); err != nil {
			return fmt.Errorf("db: migrate %s with %s: %w", feature, step.name, err)
		}
	}
	return nil
}

func (d *DB) version(ctx context.Context, feature string) (v int, err error) {
	err = d.reader.QueryRowContext(ctx, `SELECT version FROM schema_version WHERE feature = $1`, feature).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return v, err
}

type step struct{ name, text string }

func (s step) apply(ctx context.Context, tx *sql.Tx, feature string, version int) error {
	if _, err := tx.ExecContext(ctx, s.text); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO schema_version (feature, version) VALUES ($1, $2)
		ON CONFLICT (feature) DO UPDATE SET version = excluded.version`, feature, version)
	return err
}

func readSteps(files fs.FS) ([]step, error) {
	names, err := fs.Glob(files, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("there are none")
	}
	var steps []step
	for i, name := range names {
		number, _, ok := strings.Cut(path.Base(name), "_")
		if n, err := strconv.Atoi(number); !ok || err != nil || n != i+1 {
			return nil, fmt.Errorf("%s is not number %04d", name, i+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step{name: path.Base(name), text: string(text)})
	}
	return steps, nil
}
