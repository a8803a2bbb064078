package archive

import (
	"database/sql"
	"fmt"
	"testing"

	"parley/internal/db/dbtest"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/mam"
	"parley/xmpp/rsm"
)

// BenchmarkQuery asks an archive of 100,000 messages with 100 people.
func BenchmarkQuery(b *testing.B) {
	d := dbtest.Open(b)
	a, err := Open(b.Context(), d, Config{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	owner := jid.JID{Local: "alice", Domain: "example.org"}
	peer := func(i int) jid.JID { return jid.JID{Local: fmt.Sprint("user", i), Domain: "example.org"} }
	const messages, people, first = 100_000, 100, 1 << 60
	for n := 0; n < messages; n += 1000 {
		err := d.Write(b.Context(), func(tx *sql.Tx) error {
			for i := n; i < n+1000; i++ {
				st := xmpp.Must(xmpp.Message, xmpp.Header{From: peer(i % people), To: owner, Type: "chat"}, "<body>"+fmt.Sprint("message ", i)+"</body>")
				w, err := a.Keep(b.Context(), im.Copy{Owner: owner, With: peer(i % people), Incoming: true, Stanza: st})
				if err != nil {
					return err
				}
				if err := w(b.Context(), tx, im.ID(first+i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for name, q := range map[string]mam.Query{
		"last 50":          {Page: rsm.Request{Max: 50, Last: true, Index: -1}},
		"50 in the middle": {Page: rsm.Request{Max: 50, After: im.ID(first + messages/2).String(), Index: -1}},
		"last 50 with one": {With: peer(7), Page: rsm.Request{Max: 50, Last: true, Index: -1}},
		"50 before, one":   {With: peer(7), Page: rsm.Request{Max: 50, Last: true, Before: im.ID(first + messages/2).String(), Index: -1}},
		"how many":         {Page: rsm.Request{Max: 0, Index: -1}},
		"how many, one":    {With: peer(7), Page: rsm.Request{Max: 0, Index: -1}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p, err := a.find(b.Context(), owner, q); err != nil || q.Page.Max > 0 && len(p.messages) != q.Page.Max {
					b.Fatalf("%d messages, %v", len(p.messages), err)
				}
			}
		})
	}
}
