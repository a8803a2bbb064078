package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
)

// connector opens connections without a name in database/sql's list of drivers.
type connector struct {
	dsn    string
	driver driver.Driver
}

func (c connector) Connect(context.Context) (driver.Conn, error) {
	opened, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	base, ok := opened.(connection)
	if !ok {
		return nil, errors.Join(errors.New("db: the driver is not the one that was expected"), opened.Close())
	}
	return &conn{connection: base, prepared: map[string]*statement{}}, nil
}

func (c connector) Driver() driver.Driver { return c.driver }

// connection is what the driver's connections can do.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn remembers the statements it has run, so that those which are run again and again are parsed once.
type conn struct {
	connection
	prepared map[string]*statement
}

// statement is one that is remembered.
type statement struct {
	driver.Stmt
	runner
	busy bool // its rows are being read
}

type runner interface {
	driver.StmtExecContext
	driver.StmtQueryContext
}

const (
	maxPrepared  = 128
	longPrepared = 2 << 10
)

// ExecContext runs a statement.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.connection.ExecContext(ctx, query, args)
	}
	return s.ExecContext(ctx, args)
}

// QueryContext runs a query.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.connection.QueryContext(ctx, query, args)
	}
	r, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &rows{r, s}, nil
}

// rows give their statement back when they are closed.
type rows struct {
	driver.Rows
	statement *statement
}

func (r *rows) Close() error {
	r.statement.busy = false
	return r.Rows.Close()
}

// statement is a remembered one; nil if it is to be run as it is: a script of several, or one that runs within itself.
func (c *conn) statement(ctx context.Context, query string) (*statement, error) {
	if s := c.prepared[query]; s != nil {
		if s.busy {
			return nil, nil
		}
		return s, nil
	}
	if len(query) > longPrepared || strings.Contains(query, ";") || len(c.prepared) >= maxPrepared && !c.forget() {
		return nil, nil
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	run, ok := prepared.(runner)
	if !ok {
		return nil, errors.Join(errors.New("db: the driver is not the one that was expected"), prepared.Close())
	}
	s := &statement{Stmt: prepared, runner: run}
	c.prepared[query] = s
	return s, nil
}

// forget drops the statements that are not busy, and says whether there were any. What they say at their end is the
// error of their last run, which was told then.
func (c *conn) forget() bool {
	before := len(c.prepared)
	for query, s := range c.prepared {
		if !s.busy {
			_ = s.Close()
			delete(c.prepared, query)
		}
	}
	return len(c.prepared) < before
}

// Close ends the connection.
func (c *conn) Close() error {
	c.forget()
	return c.connection.Close()
}
