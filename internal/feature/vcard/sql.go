package vcard

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"parley/internal/db"
	"parley/xmpp/jid"
)

//go:embed migrations/*.sql
var migrations embed.FS

// NewStore keeps cards in the database, whose tables it brings up to date.
func NewStore(ctx context.Context, d *db.DB) (Store, error) {
	if err := d.Migrate(ctx, "vcard", migrations); err != nil {
		return nil, err
	}
	return &sqlStore{d}, nil
}

type sqlStore struct{ db *db.DB }

func (s *sqlStore) Load(ctx context.Context, owner jid.JID) (xml string, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT xml FROM vcard WHERE owner = $1`, owner.String()).Scan(&xml)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("vcard: load a card: %w", err)
	}
	return xml, nil
}

func (s *sqlStore) Save(ctx context.Context, owner jid.JID, xml string, now time.Time) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO vcard (owner, xml, updated) VALUES ($1, $2, $3)
			ON CONFLICT (owner) DO UPDATE SET xml = excluded.xml, updated = excluded.updated`,
			owner.String(), xml, db.Millis(now))
		if err != nil {
			return fmt.Errorf("vcard: write a card: %w", err)
		}
		return nil
	})
}

func (s *sqlStore) Delete(ctx context.Context, owner jid.JID) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM vcard WHERE owner = $1`, owner.String()); err != nil {
			return fmt.Errorf("vcard: delete a card: %w", err)
		}
		return nil
	})
}
