package db

import (
	"context"
	"database/sql/driver"
)

// connector opens connections without a name in database/sql's list of drivers.
type connector struct {
	dsn    string
	driver driver.Driver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }
