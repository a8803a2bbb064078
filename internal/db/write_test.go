package db_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"parley/internal/db"
	"parley/internal/db/dbtest"
)

func TestMain(m *testing.M) {
	if crashWriter() {
		return
	}
	goleak.VerifyTestMain(m)
}

func withTable(t testing.TB) *db.DB {
	t.Helper()
	d := dbtest.Open(t)
	write(t, d, `CREATE TABLE note (id BIGINT NOT NULL PRIMARY KEY, text TEXT NOT NULL)`)
	return d
}

func write(t testing.TB, d *db.DB, text string, args ...any) {
	t.Helper()
	if err := d.Write(t.Context(), exec(text, args...)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func exec(text string, args ...any) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.Exec(text, args...)
		return err
	}
}

func insert(id int) func(*sql.Tx) error {
	return exec(`INSERT INTO note (id, text) VALUES ($1, $2)`, id, "x")
}

func count(t testing.TB, d *db.DB) (n int) {
	t.Helper()
	if err := d.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM note`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// hold keeps the writer busy until release is called, so that later writes queue up.
func hold(t *testing.T, d *db.DB) (release func()) {
	t.Helper()
	begun, end, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- d.Write(t.Context(), func(*sql.Tx) error { close(begun); <-end; return nil })
	}()
	<-begun
	return func() {
		close(end)
		if err := <-done; err != nil {
			t.Errorf("the write that held the others: %v", err)
		}
	}
}

// together runs writes that were queued in this order while the writer was busy.
func together(t *testing.T, d *db.DB, fs ...func(*sql.Tx) error) []error {
	t.Helper()
	release := hold(t, d)
	errs := make([]error, len(fs))
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() { errs[i] = d.Write(t.Context(), f) })
		for d.Waiting() <= i { // one after the other
			yield()
		}
	}
	release()
	wg.Wait()
	return errs
}

func TestWritesThatWaitAreCommittedTogether(t *testing.T) {
	t.Parallel()
	d := withTable(t)
	seen := map[*sql.Tx]int{}
	var fs []func(*sql.Tx) error
	for i := range 50 {
		fs = append(fs, func(tx *sql.Tx) error { seen[tx]++; return insert(i)(tx) })
	}
	for i, err := range together(t, d, fs...) {
		if err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if len(seen) != 1 || count(t, d) != 50 {
		t.Errorf("50 waiting writes took %d transactions and left %d rows", len(seen), count(t, d))
	}
}

func TestOneFailureDoesNotSpoilTheOthers(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	for name, bad := range map[string]struct {
		f    func(*sql.Tx) error
		want string
	}{
		"returns an error":      {func(tx *sql.Tx) error { return errors.Join(insert(100)(tx), mine) }, "mine"},
		"breaks a constraint":   {insert(1), "UNIQUE"},
		"panics":                {func(tx *sql.Tx) error { _ = insert(100)(tx); panic("oops") }, "db: write panicked: oops"},
		"rolls everything back": {exec(`ROLLBACK`), "savepoint"},
		"ends the transaction":  {func(tx *sql.Tx) error { return tx.Rollback() }, "already been committed or rolled back"},
		"fails at the commit":   {exec(`INSERT INTO child (id, note) VALUES (1, 77)`), "FOREIGN KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := withTable(t)
			write(t, d, `CREATE TABLE child (id BIGINT PRIMARY KEY, note BIGINT REFERENCES note (id) DEFERRABLE INITIALLY DEFERRED)`)
			errs := together(t, d, insert(1), insert(2), bad.f, insert(3))
			if err := errs[2]; err == nil || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("the bad write ended with %v, want one with %q", err, bad.want)
			}
			if err := errors.Join(errs[0], errs[1], errs[3]); err != nil {
				t.Errorf("a good write failed: %v", err)
			}
			if n := count(t, d); n != 3 {
				t.Errorf("%d rows are there, want the 3 of the good writes", n)
			}
		})
	}
}

func TestPanicIsLoggedWithItsPlace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d, err := db.Open(t.Context(), db.Config{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Write(t.Context(), func(*sql.Tx) error { panic("oops") })
	if err == nil || !strings.Contains(out.String(), "write_test.go") {
		t.Errorf("error %v, log %q", err, out.String())
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestWriteWhoseCallerLeavesEarlyIsNotRun(t *testing.T) {
	t.Parallel()
	d := withTable(t)
	release := hold(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	go func() { got <- d.Write(ctx, insert(1)) }()
	for d.Waiting() == 0 {
		yield()
	}
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("the write ended with %v", err)
	}
	release()
	write(t, d, `INSERT INTO note VALUES (2, 'after')`)
	if n := count(t, d); n != 1 {
		t.Errorf("%d rows are there: the abandoned write was run", n)
	}
	if err := d.Write(ctx, insert(3)); !errors.Is(err, context.Canceled) {
		t.Errorf("a write with a context that has ended: %v", err)
	}
}

func TestWriteThatIsBegunSaysHowItEndedThoughItsCallerWouldLeave(t *testing.T) {
	t.Parallel()
	d := withTable(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Write(ctx, func(tx *sql.Tx) error { cancel(); return insert(1)(tx) })
	if err != nil || count(t, d) != 1 {
		t.Errorf("the write ended with %v and left %d rows", err, count(t, d))
	}
}

func TestWriteInterruptedByItsCallerSpoilsNoOther(t *testing.T) {
	t.Parallel()
	d := withTable(t)
	ctx, cancel := context.WithCancel(t.Context())
	endless := func(tx *sql.Tx) error {
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := tx.ExecContext(ctx, `INSERT INTO note WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n) SELECT i, 'x' FROM n`)
		return err
	}
	errs := together(t, d, insert(1), endless, insert(2))
	if !errors.Is(errs[1], context.Canceled) {
		t.Errorf("the write that was interrupted ended with %v", errs[1])
	}
	if errs[0] != nil || errs[2] != nil || count(t, d) != 2 {
		t.Errorf("the others ended with %v, %v and left %d rows", errs[0], errs[2], count(t, d))
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), db.Config{Dir: t.TempDir(), Queue: 2})
	if err != nil {
		t.Fatal(err)
	}
	release := hold(t, d)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := d.Write(t.Context(), exec(`SELECT 1`)); err != nil {
				t.Error(err)
			}
		})
	}
	for d.Waiting() < 2 {
		yield()
	}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	go func() { got <- d.Write(ctx, exec(`SELECT 1`)) }()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("a write at a full queue ended with %v", err)
	}
	release()
	wg.Wait()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseWritesWhatWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := dbtest.OpenDir(t, dir)
	write(t, d, `CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT)`)
	release := hold(t, d)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := d.Write(t.Context(), insert(i)); err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	for d.Waiting() < 20 {
		yield()
	}
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	release()
	wg.Wait()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), insert(99)); !errors.Is(err, db.ErrClosed) {
		t.Errorf("a write after the end: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if n := count(t, dbtest.OpenDir(t, dir)); n != 20 {
		t.Errorf("%d rows are there, want 20", n)
	}
}

func TestFullDiskIsToldAndPasses(t *testing.T) {
	t.Parallel()
	d := withTable(t)
	write(t, d, `PRAGMA max_page_count = 20`)
	big := exec(`INSERT INTO note (id, text) VALUES (50, $1)`, strings.Repeat("x", 1<<20))
	errs := together(t, d, insert(1), big, insert(2))
	if !errors.Is(errs[1], db.ErrFull) {
		t.Errorf("what the disk has no room for ended with %v", errs[1])
	}
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("small writes beside it: %v, %v", errs[0], errs[2])
	}
	write(t, d, `PRAGMA max_page_count = 2000`)
	if err := d.Write(t.Context(), big); err != nil {
		t.Errorf("there is room again, but: %v", err)
	}
	if n := count(t, d); n != 3 {
		t.Errorf("%d rows are there, want 3", n)
	}
}

func TestReadersCantWriteAndSeeWhatWasWritten(t *testing.T) {
	t.Parallel()
	d := withTable(t)
	for i := range 100 {
		write(t, d, `INSERT INTO note VALUES ($1, 'x')`, i)
		if n := count(t, d); n != i+1 {
			t.Fatalf("a reader sees %d rows after %d writes", n, i+1)
		}
	}
	var id int
	err := d.Read().QueryRowContext(t.Context(), `DELETE FROM note RETURNING id`).Scan(&id)
	if err == nil || count(t, d) != 100 {
		t.Errorf("a reader's delete ended with %v and left %d rows", err, count(t, d))
	}
}

// Any mix of good and bad writes from many goroutines leaves what the good ones wrote.
func TestDatabaseHoldsExactlyWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	d := withTable(t)
	rapid.Check(t, func(rt *rapid.T) {
		write(t, d, `DELETE FROM note`)
		kinds := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 40).Draw(rt, "kinds")
		var mu sync.Mutex
		acknowledged := map[int]bool{}
		var wg sync.WaitGroup
		for i, kind := range kinds {
			wg.Go(func() {
				if d.Write(t.Context(), sabotage(kind, i)) == nil {
					mu.Lock()
					acknowledged[i] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if err := compare(d, acknowledged); err != nil {
			rt.Fatalf("kinds %v: %v", kinds, err)
		}
	})
}

func sabotage(kind, id int) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		if err := insert(id)(tx); err != nil {
			return err
		}
		switch kind {
		case 0:
			return errors.New("no")
		case 1:
			panic("no")
		case 2:
			return exec(`ROLLBACK`)(tx)
		}
		return nil
	}
}

func compare(d *db.DB, want map[int]bool) error {
	rows, err := d.Read().QueryContext(context.Background(), `SELECT id FROM note`)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			return err
		}
		if n++; !want[id] {
			return fmt.Errorf("row %d is there but its write failed", id)
		}
	}
	if n != len(want) {
		return fmt.Errorf("%d rows are there, %d were acknowledged", n, len(want))
	}
	return rows.Err()
}

func BenchmarkWrite(b *testing.B) {
	d := withTable(b)
	var id counter
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := d.Write(b.Context(), insert(id.next())); err != nil {
				b.Error(err)
			}
		}
	})
}
