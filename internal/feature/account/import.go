package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"parley/internal/db"
)

// Report says what became of an import.
type Report struct {
	Accounts int // that were made; 0 if any row was refused
	Refused  int
	Refusals []Refusal // the first thousand, by line
}

// Refusal is a row that can't become an account.
type Refusal struct {
	Line    int
	Address string // as the row has it, cut to 100 bytes
	Reason  string
}

func (r Refusal) String() string {
	return fmt.Sprintf("line %d: %s: %s", r.Line, r.Address, r.Reason)
}

// FileError says why a file is no table of accounts at all.
type FileError struct{ Err error }

func (e *FileError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

// Progress is how far an import is. Total is 0 while it is not known.
type Progress struct {
	Step        string // "check" or "import"
	Done, Total int    // rows
}

const (
	maxRefusals = 1000
	maxRow      = 64 << 10
	batchSize   = 256
)

// Import makes accounts of a CSV file (docs/import.md), all of them or none: where rows
// are refused, the report lists them and the error is ErrRefused. A file is checked whole
// before the slow work begins; a stream is read once. Passwords are kept nowhere
// on the way. progress may be nil.
func (s *Accounts) Import(ctx context.Context, r io.Reader, progress func(Progress)) (Report, error) {
	if !s.importing.TryLock() {
		return Report{}, ErrImporting
	}
	defer s.importing.Unlock()
	if progress == nil {
		progress = func(Progress) {}
	}
	im := &importer{accounts: s, progress: progress}
	err := im.run(ctx, r)
	// The stage is cleared even if the caller has left.
	if failed := s.stage.Clear(context.WithoutCancel(ctx)); err == nil {
		err = failed
	}
	if err != nil && !errors.Is(err, ErrRefused) {
		err = fmt.Errorf("account: import: %w", err)
	}
	return im.report, err
}

type importer struct {
	accounts *Accounts
	progress func(Progress)
	report   Report
	total    int // rows, once a pass has counted them
}

func (im *importer) run(ctx context.Context, r io.Reader) error {
	if start, ok := seekable(r); ok {
		if err := im.pass(ctx, r, false); err != nil {
			return err
		}
		if _, err := r.(io.Seeker).Seek(start, io.SeekStart); err != nil {
			return err
		}
	}
	if err := im.pass(ctx, r, true); err != nil {
		return err
	}
	return im.commit(ctx)
}

// seekable tells a file, and where it stands, from a pipe.
func seekable(r io.Reader) (int64, bool) {
	s, ok := r.(io.Seeker)
	if !ok {
		return 0, false
	}
	at, err := s.Seek(0, io.SeekCurrent)
	return at, err == nil
}

// pass reads all rows onto the stage, with their keys or only to check them.
func (im *importer) pass(ctx context.Context, r io.Reader, withKeys bool) error {
	if err := im.accounts.stage.Clear(ctx); err != nil {
		return err
	}
	t, err := newTable(r)
	if err != nil {
		return &FileError{err}
	}
	step := Progress{Step: "check", Total: im.total}
	if withKeys {
		step.Step = "import"
	}
	for more := true; more; {
		var rows []row
		if rows, more, err = im.read(t); err != nil {
			return err
		}
		if err := im.add(ctx, rows, withKeys); err != nil {
			return err
		}
		step.Done = t.rows
		im.progress(step)
	}
	im.total = t.rows
	return im.taken(ctx)
}

// read takes a batch of rows from the table, refusing the bad ones.
func (im *importer) read(t *table) (rows []row, more bool, err error) {
	for range batchSize {
		r, err := t.next(im.accounts.config.Serves)
		if errors.Is(err, io.EOF) {
			return rows, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		if r.refusal != nil {
			im.refuse(*r.refusal)
			continue
		}
		rows = append(rows, r)
	}
	return rows, true, nil
}

func (im *importer) refuse(r Refusal) {
	im.report.Refused++
	if len(im.report.Refusals) < maxRefusals {
		im.report.Refusals = append(im.report.Refusals, r)
	}
}

func (im *importer) add(ctx context.Context, rows []row, withKeys bool) error {
	if withKeys && im.report.Refused == 0 { // else it would be for nothing
		if err := im.makeKeys(ctx, rows); err != nil {
			return err
		}
	}
	list := make([]Row, len(rows))
	for i, r := range rows {
		list[i] = r.Row
	}
	twice, err := im.accounts.stage.Add(ctx, list)
	for _, t := range twice {
		im.refuse(Refusal{t.Line, t.Address.String(), fmt.Sprintf("is in line %d already", t.First)})
	}
	return err
}

// makeKeys hashes the batch's passwords on all processors.
func (im *importer) makeKeys(ctx context.Context, rows []row) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(im.accounts.hashing))
	for i := range rows {
		r := &rows[i]
		g.Go(func() (err error) {
			if r.password != "" {
				r.Keys, err = im.accounts.keys(ctx, r.Address, r.password)
				return err
			}
			for kind, raw := range r.ha1 {
				r.Keys[kind] = im.accounts.seal(r.Address, kind, raw)
			}
			return nil
		})
	}
	return g.Wait()
}

// taken refuses rows whose address has an account, and ends the import if rows were refused.
func (im *importer) taken(ctx context.Context) error {
	rows, n, err := im.accounts.stage.Taken(ctx, maxRefusals)
	if err != nil {
		return err
	}
	for _, r := range rows {
		im.refuse(Refusal{r.Line, r.Address.String(), "has an account already"})
	}
	im.report.Refused += n - len(rows)
	if im.report.Refused == 0 {
		return nil
	}
	slices.SortStableFunc(im.report.Refusals, func(a, b Refusal) int { return a.Line - b.Line })
	return ErrRefused
}

func (im *importer) commit(ctx context.Context) error {
	made, err := im.accounts.stage.Commit(ctx, db.Millis(im.accounts.config.Now()))
	im.accounts.cache.clear()
	im.report.Accounts = made
	if errors.Is(err, ErrExists) { // made while we were reading
		if err := im.taken(ctx); err != nil {
			return err
		}
	}
	return err
}
