package account

import (
	"context"

	"parley/internal/core"
)

// Record is an account as it is stored.
type Record struct {
	core.Account
	Keys Keys
}

// Store keeps accounts. What it has taken is on the disk.
type Store interface {
	// Get returns core.ErrNoAccount where there is none, as Update and Delete do.
	Get(context.Context, core.Address) (*Record, error)
	// Insert returns ErrExists if the address is taken.
	Insert(context.Context, Record) error
	// Update changes a record by f, which may be called twice; nobody writes between.
	Update(ctx context.Context, a core.Address, f func(*Record)) error
	Delete(context.Context, core.Address) error
	// List gives at most limit accounts after an address, by domain and local part.
	List(ctx context.Context, after core.Address, limit int) ([]core.Account, error)
	Count(context.Context) (int, error)
}

// Row is one account of an import.
type Row struct {
	Line int
	Record
}

// Stage holds what an import has read until all of it can become accounts at once.
type Stage interface {
	// Clear forgets everything.
	Clear(context.Context) error
	// Add takes rows; those whose address is already there are returned with the line that
	// has it.
	Add(context.Context, []Row) ([]Twice, error)
	// Taken gives the first of those rows whose address has an account, and how many there are.
	Taken(ctx context.Context, limit int) ([]Row, int, error)
	// Commit makes accounts of all rows, or returns ErrExists if one is taken.
	Commit(ctx context.Context, created int64) (int, error)
}

// Twice is a row whose address another line has too.
type Twice struct {
	Row
	First int
}
