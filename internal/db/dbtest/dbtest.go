// Package dbtest gives tests a database of their own.
package dbtest

import (
	"testing"

	"parley/internal/db"
)

// Open is an empty database that goes with the test.
func Open(t testing.TB) *db.DB {
	t.Helper()
	return OpenDir(t, t.TempDir())
}

// OpenDir is the database of a data folder; closing it earlier than the test ends is fine.
func OpenDir(t testing.TB, dir string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Dir: dir})
	if err != nil {
		t.Fatalf("open the database: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return d
}

// Each runs a store's suite on every kind of database that parley knows.
func Each(t *testing.T, suite func(t *testing.T, d *db.DB)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		suite(t, Open(t))
	})
}
