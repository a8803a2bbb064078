package block

import (
	"errors"
	"slices"
	"testing"

	"parley/internal/db"
	"parley/internal/db/dbtest"
	"parley/xmpp/jid"
)

func texts(list []jid.JID) []string {
	var out []string
	for _, j := range list {
		out = append(out, j.String())
	}
	slices.Sort(out)
	return out
}

// TestStore holds every store there is to what Store promises.
func TestStore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, err := NewStore(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		bob := jid.JID{Local: "bob", Domain: "example.org"}
		list := func(texts ...string) (out []jid.JID) {
			for _, text := range texts {
				out = append(out, parse(t, text))
			}
			return out
		}
		want := func(owner jid.JID, want ...string) {
			t.Helper()
			got, err := s.Load(t.Context(), owner)
			if err != nil || !slices.Equal(texts(got), want) {
				t.Errorf("the list of %s is %q, %v; want %q", owner, texts(got), err, want)
			}
		}
		want(alice)
		added, err := s.Add(t.Context(), alice, list("a@x.example", "bücher.example", "a@x.example", "a@x.example/R"), 3, start)
		if err != nil || !slices.Equal(texts(added), []string{"a@x.example", "a@x.example/R", "bücher.example"}) {
			t.Errorf("added are %q, %v", texts(added), err)
		}
		if added, err = s.Add(t.Context(), bob, list("a@x.example"), 3, start); err != nil || len(added) != 1 {
			t.Errorf("added are %q, %v", added, err)
		}
		if _, err := s.Add(t.Context(), alice, list("one@too.many"), 3, start); !errors.Is(err, ErrFull) {
			t.Errorf("a fourth of three: %v", err)
		}
		want(alice, "a@x.example", "a@x.example/R", "bücher.example")
		removed, err := s.Remove(t.Context(), alice, list("a@x.example", "b@x.example"))
		if err != nil || !slices.Equal(texts(removed), []string{"a@x.example"}) {
			t.Errorf("removed are %q, %v", texts(removed), err)
		}
		want(alice, "a@x.example/R", "bücher.example")
		if removed, err = s.Remove(t.Context(), alice, nil); err != nil || len(removed) != 2 {
			t.Errorf("removed are %q, %v", texts(removed), err)
		}
		if removed, err = s.Remove(t.Context(), alice, nil); err != nil || len(removed) != 0 {
			t.Errorf("removed of an empty list are %q, %v", texts(removed), err)
		}
		want(alice)
		want(bob, "a@x.example")
	})
}
