package location

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"parley/internal/core"
	"parley/internal/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// NewStore keeps bindings in the database, whose tables it brings up to date.
func NewStore(ctx context.Context, d *db.DB) (Store, error) {
	if err := d.Migrate(ctx, "location", migrations); err != nil {
		return nil, err
	}
	return &sqlStore{d}, nil
}

type sqlStore struct{ db *db.DB }

func (s *sqlStore) Load(ctx context.Context, now time.Time, each func(core.Binding)) error {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT local, domain, key, contact, call_id, cseq, q, flow, network,
		source, nated, instance, reg_id, user_agent, device, path, messages, since, updated, expires
		FROM binding WHERE expires > $1`, db.Millis(now))
	if err != nil {
		return fmt.Errorf("location: load bindings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		b, err := scan(rows)
		if err != nil {
			return fmt.Errorf("location: load bindings: %w", err)
		}
		each(b)
	}
	return rows.Err()
}

func scan(rows *sql.Rows) (b core.Binding, err error) {
	var source, path string
	var since, updated, expires int64
	err = rows.Scan(&b.Account.Local, &b.Account.Domain, &b.Key, &b.Contact, &b.CallID, &b.CSeq, &b.Q, &b.Flow, &b.Network,
		&source, &b.NATed, &b.Instance, &b.RegID, &b.UserAgent, &b.Device, &path, &b.Messages, &since, &updated, &expires)
	if err != nil {
		return b, err
	}
	if source != "" {
		if b.Source, err = netip.ParseAddrPort(source); err != nil {
			return b, err
		}
	}
	if path != "" {
		b.Path = strings.Split(path, "\n")
	}
	b.Since, b.Updated, b.Expires = db.Time(since), db.Time(updated), db.Time(expires)
	return b, nil
}

func (s *sqlStore) Save(ctx context.Context, put, drop []core.Binding) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		for _, b := range drop {
			if _, err := tx.ExecContext(ctx, `DELETE FROM binding WHERE local = $1 AND domain = $2 AND key = $3`,
				b.Account.Local, b.Account.Domain, b.Key); err != nil {
				return fmt.Errorf("location: delete binding: %w", err)
			}
		}
		for _, b := range put {
			if err := upsert(ctx, tx, b); err != nil {
				return fmt.Errorf("location: write binding: %w", err)
			}
		}
		return nil
	})
}

func upsert(ctx context.Context, tx *sql.Tx, b core.Binding) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO binding (local, domain, key, contact, call_id, cseq, q, flow, network, source, nated,
		instance, reg_id, user_agent, device, path, messages, since, updated, expires)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
		ON CONFLICT (local, domain, key) DO UPDATE SET contact = excluded.contact, call_id = excluded.call_id,
		cseq = excluded.cseq, q = excluded.q, flow = excluded.flow, network = excluded.network, source = excluded.source,
		nated = excluded.nated, instance = excluded.instance, reg_id = excluded.reg_id, user_agent = excluded.user_agent,
		device = excluded.device, path = excluded.path, messages = excluded.messages, since = excluded.since, updated = excluded.updated,
		 expires = excluded.expires`,
		b.Account.Local, b.Account.Domain, b.Key, b.Contact, b.CallID, int64(b.CSeq), b.Q, b.Flow, b.Network,
		sourceText(b.Source), b.NATed, b.Instance, int64(b.RegID), b.UserAgent, b.Device, strings.Join(b.Path, "\n"), int64(b.Messages),
		db.Millis(b.Since), db.Millis(b.Updated), db.Millis(b.Expires))
	return err
}

// sourceText is "" for a user agent of this process, which has no address.
func sourceText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (s *sqlStore) Expire(ctx context.Context, now time.Time) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM binding WHERE expires <= $1`, db.Millis(now)); err != nil {
			return fmt.Errorf("location: delete expired bindings: %w", err)
		}
		return nil
	})
}
