package db

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Why the database could not do what it was asked; an error of Open, Migrate and Write is
// one of these, or f's own.
var (
	ErrClosed   = errors.New("db: closed")
	ErrFull     = errors.New("db: no space is left for the data folder")
	ErrIO       = errors.New("db: the data folder's disk failed")
	ErrDamaged  = errors.New("db: the database file is damaged or is none")
	ErrReadOnly = errors.New("db: the data folder can't be written")
	ErrBusy     = errors.New("db: another process holds the database")
	// ErrLocked: another server uses the data folder.
	ErrLocked = errors.New("db: data folder is in use")
	// ErrNewer: the data folder was written by a newer parley.
	ErrNewer = errors.New("db: data folder was written by a newer parley")
)

// explain puts the sentinel to an error of SQLite that is about the whole database.
func explain(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	var why error
	switch e.Code() & 0xff { // the rest of the code tells details
	case sqlite3.SQLITE_FULL:
		why = ErrFull
	case sqlite3.SQLITE_IOERR:
		why = ErrIO
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		why = ErrDamaged
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		why = ErrReadOnly
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		why = ErrBusy
	default:
		return err
	}
	return fmt.Errorf("%w: %w", why, err)
}

func isConstraint(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}
