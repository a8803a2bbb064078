package archive

import (
	"strings"
	"testing"

	"parley/internal/db"
	"parley/internal/db/dbtest"
	"parley/xmpp/jid"
)

// Queries go by the indexes that they need, whatever they ask for.
func TestQueriesUseTheirIndexes(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	if _, err := Open(t.Context(), d, Config{}, nil); err != nil {
		t.Fatal(err)
	}
	owner := jid.JID{Local: "alice", Domain: "example.org"}
	peer := jid.JID{Local: "bob", Domain: "example.org"}
	for _, c := range []struct {
		with                   jid.JID
		begin, end, tail, want string
	}{
		{jid.JID{}, columns, first, "", "(owner=? AND id>? AND id<?)"},
		{jid.JID{}, columns, last, "", "(owner=? AND id>? AND id<?)"},
		{jid.JID{}, number, limited, subquery, "(owner=? AND id>? AND id<?)"},
		{peer, columns, first, "", "archive_message_peer (owner=? AND peer=? AND id>? AND id<?)"},
		{peer, columns, last, "", "archive_message_peer (owner=? AND peer=? AND id>? AND id<?)"},
		{peer, number, limited, subquery, "archive_message_peer (owner=? AND peer=? AND id>? AND id<?)"},
		{peer.With("x"), columns, last, "", "archive_message_peer (owner=? AND peer=? AND id>? AND id<?)"},
	} {
		text, args := filter{owner: owner, with: c.with, before: maxID}.query(c.begin, c.end, 10, c.tail)
		wantPlan(t, d.Read(), c.want, text, args...)
	}
	wantPlan(t, d.Read(), "archive_message_origin (owner=? AND origin=?)", byOrigin, "x", "y")
}

func wantPlan(t *testing.T, r db.Reader, want, text string, args ...any) {
	t.Helper()
	rows, err := r.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan string
	for rows.Next() {
		var a, b, c int
		var line string
		if err := rows.Scan(&a, &b, &c, &line); err != nil {
			t.Fatal(err)
		}
		plan += line + "\n"
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan, want) || strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "SCAN archive") {
		t.Errorf("%s\nis done by\n%swant %s", text, plan, want)
	}
}
