package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"parley/internal/db"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/mam"
)

type store struct{ db *db.DB }

// message is one message of an archive.
type message struct {
	id                            im.ID
	owner, peer, resource, origin string
	stanza                        string
}

// maxID is beyond every ID.
const maxID = im.ID(math.MaxInt64)

// insert puts a message; one that is repeated is there already.
func insert(ctx context.Context, tx *sql.Tx, id im.ID, m message) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO archive_message (owner, id, peer, resource, origin, stanza)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (owner, id) DO NOTHING`,
		m.owner, int64(id), m.peer, m.resource, m.origin, m.stanza)
	if err != nil {
		return fmt.Errorf("archive: write message: %w", err)
	}
	return nil
}

const byOrigin = `SELECT id, stanza FROM archive_message
	WHERE owner = $1 AND origin = $2 AND origin <> '' ORDER BY id DESC LIMIT 1`

// repeated looks at the last message that the account has sent with that origin-id.
func repeated(ctx context.Context, tx *sql.Tx, c im.Copy) (im.ID, bool, error) {
	var id int64
	var text string
	err := tx.QueryRowContext(ctx, byOrigin, c.Owner.String(), c.Origin).Scan(&id, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("archive: look for a repeated message: %w", err)
	}
	before, err := xmpp.Parse(text)
	if err != nil {
		return 0, false, nil //nolint:nilerr // a row that can't be read is no reason to refuse a new message
	}
	same := before.To() == c.Stanza.To() && before.Type() == c.Stanza.Type() && before.Inner() == c.Stanza.Inner()
	return im.ID(id), same, nil
}

// filter is which messages of an archive are wanted: those after one ID and before another, with somebody or all.
type filter struct {
	owner         jid.JID
	with          jid.JID
	after, before im.ID
}

const (
	// With BETWEEN, SQLite goes by the peer's index where one is given; with two comparisons it does not.
	columns  = `SELECT id, stanza FROM archive_message WHERE owner = $1 AND id BETWEEN $2 AND $3`
	number   = `SELECT count(*) FROM (SELECT 1 FROM archive_message WHERE owner = $1 AND id BETWEEN $2 AND $3`
	bare     = ` AND peer = $4`
	full     = ` AND peer = $4 AND resource = $5`
	first    = ` ORDER BY id LIMIT `
	last     = ` ORDER BY id DESC LIMIT `
	limited  = ` LIMIT `
	subquery = `) AS some`
)

// query is the text of a query for what the filter says, and its parameters.
func (f filter) query(begin, end string, limit int, tail string) (string, []any) {
	args := []any{f.owner.String(), int64(f.after) + 1, int64(f.before) - 1}
	switch {
	case f.with.IsZero():
		return begin + end + "$4" + tail, append(args, limit)
	case f.with.IsBare():
		return begin + bare + end + "$5" + tail, append(args, f.with.String(), limit)
	}
	return begin + full + end + "$6" + tail, append(args, f.with.Bare().String(), f.with.Resource, limit)
}

// page gives the first or the last messages that the filter lets through, in the order of IDs.
func (s *store) page(ctx context.Context, f filter, fromEnd bool, limit int) (page []message, err error) {
	order := first
	if fromEnd {
		order = last
	}
	text, args := f.query(columns, order, limit, "")
	rows, err := s.db.Read().QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("archive: read messages: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m message
		var id int64
		if err := rows.Scan(&id, &m.stanza); err != nil {
			return nil, fmt.Errorf("archive: read messages: %w", err)
		}
		m.id = im.ID(id)
		page = append(page, m)
	}
	if fromEnd {
		slices.Reverse(page)
	}
	return page, rows.Err()
}

// count is how many messages the filter lets through, or limit if there are more.
func (s *store) count(ctx context.Context, f filter, limit int) (n int, err error) {
	text, args := f.query(number, limited, limit, subquery)
	if err := s.db.Read().QueryRowContext(ctx, text, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("archive: count messages: %w", err)
	}
	return n, nil
}

// get gives one message; ok is false if it is not there.
func (s *store) get(ctx context.Context, owner jid.JID, id im.ID) (m message, ok bool, err error) {
	m.id = id
	err = s.db.Read().QueryRowContext(ctx, `SELECT peer, resource, stanza FROM archive_message
		WHERE owner = $1 AND id = $2`, owner.String(), int64(id)).Scan(&m.peer, &m.resource, &m.stanza)
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("archive: read message: %w", err)
	}
	return m, true, nil
}

// ownerAfter is the next account that has an archive, "" if there is none.
func (s *store) ownerAfter(ctx context.Context, owner string) (next string, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT owner FROM archive_message WHERE owner > $1 ORDER BY owner LIMIT 1`,
		owner).Scan(&next)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("archive: find archives: %w", err)
	}
	return next, nil
}

// deleted is how many messages are deleted in one transaction: others wait that long.
const deleted = 500

// deleteBefore deletes an account's messages before an ID, the oldest first (xep0313#3.2).
func (s *store) deleteBefore(ctx context.Context, owner string, before im.ID) (n int, err error) {
	for {
		var some int64
		err := s.db.Write(ctx, func(tx *sql.Tx) error {
			r, err := tx.ExecContext(ctx, `DELETE FROM archive_message WHERE owner = $1 AND id IN (
				SELECT id FROM archive_message WHERE owner = $2 AND id < $3 ORDER BY id LIMIT $4)`, owner, owner, int64(before), deleted)
			if err == nil {
				some, err = r.RowsAffected()
			}
			if err != nil {
				return fmt.Errorf("archive: delete messages: %w", err)
			}
			return nil
		})
		n += int(some)
		if err != nil || some < deleted {
			return n, err
		}
	}
}

func (s *store) prefs(ctx context.Context, owner jid.JID) (p mam.Prefs, found bool, err error) {
	var text string
	err = s.db.Read().QueryRowContext(ctx, `SELECT prefs FROM archive_prefs WHERE owner = $1`, owner.String()).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("archive: read preferences: %w", err)
	}
	e, err := xmpp.ParseElement(text)
	if err != nil {
		return p, false, fmt.Errorf("archive: read preferences: %w", err)
	}
	p, err = mam.ParsePrefs(e, maxListed)
	return p, true, err
}

func (s *store) setPrefs(ctx context.Context, owner jid.JID, p mam.Prefs) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO archive_prefs (owner, prefs) VALUES ($1, $2)
			ON CONFLICT (owner) DO UPDATE SET prefs = excluded.prefs`, owner.String(), p.XML())
		if err != nil {
			return fmt.Errorf("archive: write preferences: %w", err)
		}
		return nil
	})
}

func (s *store) dropPrefs(ctx context.Context, owner jid.JID) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM archive_prefs WHERE owner = $1`, owner.String()); err != nil {
			return fmt.Errorf("archive: delete preferences: %w", err)
		}
		return nil
	})
}
