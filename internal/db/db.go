// Package db keeps what must last: it opens the database in the data folder, runs the
// features' migrations, and writes.
//
// There is one writer. Writes that arrive while another is being synced to the disk are
// collected and committed together, each in a savepoint of its own, so that a
// thousand small writes a second cost a few dozen syncs; every caller is told after
// the commit of his. Readers have a pool and never wait for the writer.
//
// The database is SQLite, later PostgreSQL too, and one text of SQL serves both:
//   - parameters are $1, $2 ... in the order of their appearance, each used once;
//   - times are BIGINT (milliseconds since 1970, see Millis), durations too;
//   - columns are TEXT, BIGINT, BOOLEAN or BYTEA (SQLite keeps the bytes as they are);
//     no arrays, no JSON operators, no AUTOINCREMENT;
//   - INSERT ... ON CONFLICT (key) DO NOTHING | DO UPDATE SET x = excluded.x, never OR REPLACE;
//   - TRUE and FALSE, not 1 and 0; LIMIT n, and pages by key rather than OFFSET;
//   - text is compared by its bytes in Go where the order matters beyond one database.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// file is the database's name in the data folder.
const file = "parley.db"

// Config of a database. The zero value of each field but Dir takes the default.
type Config struct {
	Dir     string // the data folder; made with mode 0700 if it is not there
	Queue   int    // writes that may wait; default 1024. Past it callers wait
	Batch   int    // writes committed together at most; default 256
	Readers int    // connections of the reading pool; default 4
	Log     *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Queue <= 0 {
		c.Queue = 1024
	}
	if c.Batch <= 0 {
		c.Batch = 256
	}
	if c.Readers <= 0 {
		c.Readers = 4
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Reader is what stores read with: the pool, or the transaction of a write.
type Reader interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is an open database.
type DB struct {
	config Config
	writer *sql.DB // one connection, used by run alone
	reader *sql.DB

	mu     sync.RWMutex // held for reading while a write is queued
	closed bool
	queue  chan *write
	done   chan struct{} // closed when run has ended
}

// Open opens the database of a data folder, making both if they are not there. The caller
// holds the folder's Lock.
func Open(ctx context.Context, c Config) (*DB, error) {
	c = c.withDefaults()
	path, err := prepareFile(c.Dir)
	if err != nil {
		return nil, err
	}
	d := &DB{
		config: c,
		writer: connections(path, 1, "immediate", "query_only(0)"),
		reader: connections(path, c.Readers, "deferred", "query_only(1)"),
		queue:  make(chan *write, c.Queue),
		done:   make(chan struct{}),
	}
	if err := d.begin(ctx, filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, explain(err)), d.writer.Close(), d.reader.Close())
	}
	go d.run()
	return d, nil
}

// syncNames makes the names of new files last: a file that is synced is lost if its name is not.
func syncNames(dirs ...string) error {
	for _, dir := range dirs {
		f, err := os.Open(dir)
		if errors.Is(err, fs.ErrPermission) { // the folder's parent is not ours
			continue
		}
		if err != nil {
			return fmt.Errorf("db: sync the data folder: %w", err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("db: sync the data folder: %w", err)
		}
	}
	return nil
}

// prepareFile makes the folder and the file before SQLite does, which would make it
// readable for everyone; its side files take the mode of this one.
func prepareFile(dir string) (string, error) {
	if err := makeDir(dir); err != nil {
		return "", err
	}
	path, err := filepath.Abs(filepath.Join(dir, file))
	if err != nil {
		return "", fmt.Errorf("db: find the data folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("db: open the database: %w", err)
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return "", fmt.Errorf("db: protect the database: %w", err)
	}
	return path, nil
}

func makeDir(dir string) error {
	if dir == "" {
		return errors.New("db: no data folder given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("db: make the data folder: %w", err)
	}
	return nil
}

// connections is a pool whose connections all have the same settings.
func connections(path string, n int, lock, mode string) *sql.DB {
	q := url.Values{"_txlock": {lock}, "_pragma": {
		"busy_timeout(5000)", // for a backup or an operator's shell beside us
		"journal_mode(wal)",
		"synchronous(full)", // a commit is on the disk when it returns
		"foreign_keys(1)",
		"journal_size_limit(67108864)", // the log shrinks again after an import
		"temp_store(memory)",           // what savepoints need is not written to a file
		mode,
	}}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	pool := sql.OpenDB(connector{dsn: dsn.String(), driver: &sqlite.Driver{}})
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	return pool
}

// begin checks that the settings took hold and makes the table of versions.
func (d *DB) begin(ctx context.Context, dir string) error {
	var mode string
	if err := d.writer.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("db: the data folder's file system can't hold a write-ahead log (journal mode is %s)", mode)
	}
	if _, err := d.writer.ExecContext(ctx, versionTable); err != nil {
		return err
	}
	return syncNames(dir, filepath.Dir(dir)) // the log has its name by now
}

// Read is the pool to read with. A read sees every write that has returned before.
func (d *DB) Read() Reader { return d.reader }

// Close ends taking writes, commits those that wait, and closes the database.
func (d *DB) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		<-d.done
		return nil
	}
	d.closed = true
	close(d.queue)
	d.mu.Unlock()
	<-d.done
	// The last one to close moves the log into the database; readers go first.
	err := d.reader.Close()
	return errors.Join(err, d.writer.Close())
}

// Millis is a time as the database keeps it: milliseconds since 1970, 0 for no time.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Time is Millis backwards.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
