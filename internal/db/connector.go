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
	return &conn{connection: base, prepared: map[string]driver.StmtExecContext{}}, nil
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

// conn remembers the statements it has run, so that those of every write are parsed once. Queries are not among them: the
// same one may run within itself.
type conn struct {
	connection
	prepared map[string]driver.StmtExecContext
}

const (
	maxPrepared  = 128
	longPrepared = 2 << 10
)

// ExecContext runs a statement; a script of several is run as it is.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if s := c.prepared[query]; s != nil {
		return s.ExecContext(ctx, args)
	}
	if len(query) > longPrepared || strings.Contains(query, ";") {
		return c.connection.ExecContext(ctx, query, args)
	}
	s, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	run, ok := s.(driver.StmtExecContext)
	if !ok {
		return nil, errors.Join(errors.New("db: the driver is not the one that was expected"), s.Close())
	}
	if len(c.prepared) >= maxPrepared {
		c.forget()
	}
	c.prepared[query] = run
	return run.ExecContext(ctx, args)
}

// forget drops the statements. What they say then is the error of their last run.
func (c *conn) forget() {
	for query, s := range c.prepared {
		if s, ok := s.(driver.Stmt); ok {
			_ = s.Close()
		}
		delete(c.prepared, query)
	}
}

// Close ends the connection.
func (c *conn) Close() error {
	c.forget()
	return c.connection.Close()
}
