package db_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"parley/internal/db"
	"parley/internal/db/dbtest"
)

type counter struct{ n atomic.Int64 }

func (c *counter) next() int { return int(c.n.Add(1)) }

func yield() { runtime.Gosched() }

func TestDataFolderIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a?b%41 c#", "data")
	d := dbtest.OpenDir(t, dir)
	write(t, d, `CREATE TABLE x (y BIGINT)`)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("files of an open database: %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestSettingsThatDurabilityNeeds(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	want := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"}
	for name, value := range want {
		var got string
		err := d.Write(t.Context(), func(tx *sql.Tx) error { return tx.QueryRow(`PRAGMA ` + name).Scan(&got) })
		if err != nil || got != value {
			t.Errorf("the writer's %s is %q, %v; want %q", name, got, err, value)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, "parley.db"), []byte(strings.Repeat("not a database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Open(t.Context(), db.Config{Dir: garbage}); !errors.Is(err, db.ErrDamaged) {
		t.Errorf("a file that is no database: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Open(t.Context(), db.Config{Dir: file}); err == nil {
		t.Error("a file is taken for a data folder")
	}
	if _, err := db.Open(t.Context(), db.Config{}); err == nil {
		t.Error("no data folder at all is taken")
	}
}

func migrations(texts ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for i, text := range texts {
		files[fmt.Sprintf("migrations/%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestMigrationsGoForwardOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		first := `CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT); INSERT INTO note VALUES (1, 'a');`
		second := `ALTER TABLE note ADD COLUMN star BOOLEAN NOT NULL DEFAULT FALSE`
		for _, files := range []fstest.MapFS{migrations(first), migrations(first), migrations(first, second), migrations(first, second)} {
			if err := d.Migrate(t.Context(), "notes", files); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Migrate(t.Context(), "other", migrations(`CREATE TABLE other (id BIGINT PRIMARY KEY)`)); err != nil {
			t.Fatal(err)
		}
		write(t, d, `INSERT INTO note (id, text, star) VALUES (2, 'b', TRUE)`)
		if n := count(t, d); n != 2 {
			t.Errorf("%d rows are there, want 2", n)
		}
		err := d.Migrate(t.Context(), "notes", migrations(first))
		want := "data folder was written by a newer parley: feature notes has version 2, this one knows 1"
		if !errors.Is(err, db.ErrNewer) || !strings.Contains(err.Error(), want) {
			t.Errorf("an older program gets %v", err)
		}
	})
}

func TestMigrationThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		good := `CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT)`
		err := d.Migrate(t.Context(), "notes", migrations(good, `INSERT INTO note VALUES (1, 'x'); SELECT nonsense FROM nowhere`))
		if err == nil || !strings.Contains(err.Error(), "0002_step.sql") {
			t.Errorf("the broken migration ended with %v", err)
		}
		if n := count(t, d); n != 0 {
			t.Errorf("it left %d rows", n)
		}
		if err := d.Migrate(t.Context(), "notes", migrations(good, `INSERT INTO note VALUES (2, 'x')`)); err != nil {
			t.Errorf("mended, it ends with %v", err)
		}
	})
}

func TestMigrationFilesAreNumberedWithoutGap(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	for name, files := range map[string]fstest.MapFS{
		"none":       {},
		"gap":        {"migrations/0002_x.sql": {}},
		"no number":  {"migrations/first.sql": {}},
		"two of one": {"migrations/0001_a.sql": {}, "migrations/0001_b.sql": {}},
	} {
		if err := d.Migrate(t.Context(), "notes", files); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, err := db.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Lock(dir)
	want := "data folder is in use: " + dir + " is held by process " + strconv.Itoa(os.Getpid())
	if !errors.Is(err, db.ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("the second server gets %v", err)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := db.Lock(dir)
	if err != nil {
		t.Fatalf("the first has ended, but: %v", err)
	}
	if err := again.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestTimesAreMilliseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 5, 6, 7, 8, 9, 123_000_000, time.UTC)
	if got := db.Time(db.Millis(at)); !got.Equal(at) {
		t.Errorf("%v came back as %v", at, got)
	}
	if !db.Time(0).IsZero() || db.Millis(time.Time{}) != 0 {
		t.Error("no time is not 0")
	}
}

const crashDir = "PARLEY_TEST_CRASH_DIR"

// crashWriter is the other process of the test below: it writes and prints each number
// that was acknowledged, until it is killed.
func crashWriter() bool {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return false
	}
	d, err := db.Open(context.Background(), db.Config{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		return true
	}
	for i := 0; ; i++ {
		if err := d.Write(context.Background(), insert(i)); err != nil {
			fmt.Println("error", err)
			return true
		}
		fmt.Println(i)
	}
}

func TestWhatWasAcknowledgedSurvivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := dbtest.OpenDir(t, dir)
	write(t, d, `CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT)`)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := osexec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatalf("the writer says %q", lines.Text())
		}
		if last == 30 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	var n int
	after := dbtest.OpenDir(t, dir)
	if err := after.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM note WHERE id <= $1`, last).Scan(&n); err != nil || n != last+1 {
		t.Errorf("%d of %d acknowledged rows are there, %v", n, last+1, err)
	}
}

func TestAQueryMayRunWithinItself(t *testing.T) {
	t.Parallel()
	d := withTable(t)
	for i := range 3 {
		write(t, d, `INSERT INTO note (id, text) VALUES ($1, $2)`, i, "x")
	}
	n := 0
	var each func(tx *sql.Tx, after, depth int) error
	each = func(tx *sql.Tx, after, depth int) error {
		rows, err := tx.Query(`SELECT id FROM note WHERE id > $1 ORDER BY id`, after)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int
			if err := rows.Scan(&id); err != nil {
				return err
			}
			n++
			if err := each(tx, id, depth+1); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	for range 2 {
		n = 0
		if err := d.Write(t.Context(), func(tx *sql.Tx) error { return each(tx, -1, 0) }); err != nil || n != 7 {
			t.Errorf("%d rows were read, %v; want 7", n, err)
		}
	}
}

// Statements are remembered; what they are about may change meanwhile.
func TestStatementsAreRunAgainAfterTheTablesHaveChanged(t *testing.T) {
	t.Parallel()
	d := withTable(t)
	for i := range 3 {
		write(t, d, `INSERT INTO note (id, text) VALUES ($1, $2)`, i, "x")
		write(t, d, fmt.Sprintf(`ALTER TABLE note ADD COLUMN c%d TEXT`, i))
	}
	for i := range 300 { // more than are remembered
		write(t, d, fmt.Sprintf(`INSERT INTO note (id, text) VALUES ($1, '%d')`, i), 1000+i)
		write(t, d, `DELETE FROM note WHERE id = $1`, 1000+i)
	}
	if err := d.Write(t.Context(), exec(`INSERT INTO note (id, text) VALUES ($1, $2)`, 1, "again")); err == nil {
		t.Error("a row that is there is written again")
	}
	write(t, d, `INSERT INTO note (id, text) VALUES ($1, $2)`, 5, "x")
	write(t, d, `DROP TABLE note`)
	if err := d.Write(t.Context(), exec(`INSERT INTO note (id, text) VALUES ($1, $2)`, 6, "x")); err == nil {
		t.Error("a row is written to a table that is gone")
	}
	write(t, d, `CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT)`)
	write(t, d, `INSERT INTO note (id, text) VALUES ($1, $2)`, 7, "x")
	if n := count(t, d); n != 1 {
		t.Errorf("%d rows are there, want 1", n)
	}
}
