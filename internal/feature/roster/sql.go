package roster

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"

	"parley/internal/db"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

//go:embed migrations/*.sql
var migrations embed.FS

// NewStore keeps rosters in the database, whose tables it brings up to date.
func NewStore(ctx context.Context, d *db.DB) (Store, error) {
	if err := d.Migrate(ctx, "roster", migrations); err != nil {
		return nil, err
	}
	return &sqlStore{d}, nil
}

type sqlStore struct{ db *db.DB }

func (s *sqlStore) Load(ctx context.Context, owner jid.JID) (out Stored, err error) {
	q := s.db.Read()
	err = q.QueryRowContext(ctx, `SELECT version, oldest FROM roster_version WHERE domain = $1 AND local = $2`,
		owner.Domain, owner.Local).Scan(&out.Version, &out.Oldest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return out, fmt.Errorf("roster: load version: %w", err)
	}
	if out.Contacts, err = loadContacts(ctx, q, owner); err != nil {
		return out, fmt.Errorf("roster: load contacts: %w", err)
	}
	if out.Removed, err = loadRemoved(ctx, q, owner); err != nil {
		return out, fmt.Errorf("roster: load removed contacts: %w", err)
	}
	return out, nil
}

func loadContacts(ctx context.Context, q db.Reader, owner jid.JID) (all []*roster.Contact, err error) {
	rows, err := q.QueryContext(ctx, `SELECT contact, name, groups, subscription, asking, asked, approved, listed, version, request
		FROM roster_item WHERE domain = $1 AND local = $2`, owner.Domain, owner.Local)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

func scan(rows *sql.Rows) (*roster.Contact, error) {
	var address, groups, subscription string
	var asking, asked bool
	c := &roster.Contact{}
	err := rows.Scan(&address, &c.Name, &groups, &subscription, &asking, &asked, &c.Approved, &c.Listed, &c.Version, &c.Request)
	if err != nil {
		return nil, err
	}
	var ok bool
	if c.State, ok = roster.Join(subscription, asking, asked); !ok {
		return nil, fmt.Errorf("roster: %q is no subscription", subscription)
	}
	if c.JID, err = jid.Parse(address); err != nil {
		return nil, err
	}
	if groups != "" {
		err = json.Unmarshal([]byte(groups), &c.Groups)
	}
	return c, err
}

func loadRemoved(ctx context.Context, q db.Reader, owner jid.JID) (all []Removed, err error) {
	rows, err := q.QueryContext(ctx, `SELECT contact, version FROM roster_removed WHERE domain = $1 AND local = $2`,
		owner.Domain, owner.Local)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var address string
		var r Removed
		if err := rows.Scan(&address, &r.Version); err != nil {
			return nil, err
		}
		if r.JID, err = jid.Parse(address); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func (s *sqlStore) Save(ctx context.Context, changes []Change) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		for i := range changes {
			if err := save(ctx, tx, &changes[i]); err != nil {
				return fmt.Errorf("roster: write: %w", err)
			}
		}
		return nil
	})
}

func save(ctx context.Context, tx *sql.Tx, c *Change) error {
	w := writer{ctx: ctx, tx: tx, owner: c.Owner}
	if c.All {
		w.exec(`DELETE FROM roster_item WHERE domain = $1 AND local = $2`)
		w.exec(`DELETE FROM roster_removed WHERE domain = $1 AND local = $2`)
		w.exec(`DELETE FROM roster_version WHERE domain = $1 AND local = $2`)
		return w.err
	}
	for _, j := range c.Back {
		w.exec(`DELETE FROM roster_removed WHERE domain = $1 AND local = $2 AND contact = $3`, j.String())
	}
	for _, x := range c.Put {
		w.put(x)
	}
	for _, j := range c.Delete {
		w.exec(`DELETE FROM roster_item WHERE domain = $1 AND local = $2 AND contact = $3`, j.String())
	}
	for _, r := range c.Removed {
		w.exec(`INSERT INTO roster_removed (domain, local, contact, version) VALUES ($1, $2, $3, $4)
			ON CONFLICT (domain, local, contact) DO UPDATE SET version = excluded.version`, r.JID.String(), r.Version)
	}
	w.exec(`DELETE FROM roster_removed WHERE domain = $1 AND local = $2 AND version <= $3`, c.Oldest)
	w.exec(`INSERT INTO roster_version (domain, local, version, oldest) VALUES ($1, $2, $3, $4)
		ON CONFLICT (domain, local) DO UPDATE SET version = excluded.version, oldest = excluded.oldest`, c.Version, c.Oldest)
	return w.err
}

// writer writes for one owner, up to the first error.
type writer struct {
	ctx   context.Context
	tx    *sql.Tx
	owner jid.JID
	err   error
}

// exec has the owner's domain and local part as the first two parameters.
func (w *writer) exec(query string, args ...any) {
	if w.err == nil {
		_, w.err = w.tx.ExecContext(w.ctx, query, append([]any{w.owner.Domain, w.owner.Local}, args...)...)
	}
}

func (w *writer) put(c *roster.Contact) {
	groups := ""
	if len(c.Groups) > 0 {
		text, err := json.Marshal(c.Groups)
		if err != nil {
			w.err = err
			return
		}
		groups = string(text)
	}
	w.exec(`INSERT INTO roster_item (domain, local, contact, name, groups, subscription, asking, asked, approved, listed, version, request)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (domain, local, contact) DO UPDATE SET name = excluded.name, groups = excluded.groups,
		subscription = excluded.subscription, asking = excluded.asking, asked = excluded.asked, approved = excluded.approved,
		listed = excluded.listed, version = excluded.version, request = excluded.request`,
		c.JID.String(), c.Name, groups, c.State.Subscription(), c.State.IsAsking(), c.State.IsAsked(), c.Approved, c.Listed, c.Version, c.Request)
}
