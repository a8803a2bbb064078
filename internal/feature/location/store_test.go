package location

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/db/dbtest"
)

// stores runs a test on every store there is.
func stores(t *testing.T, f func(t *testing.T, s Store)) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, err := NewStore(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		f(t, s)
	})
}

func load(t *testing.T, s Store, now time.Duration) map[string]core.Binding {
	t.Helper()
	all := map[string]core.Binding{}
	err := s.Load(t.Context(), start.Add(now), func(b core.Binding) { all[b.Account.Local+" "+b.Key] = b })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantStored(t *testing.T, s Store, now time.Duration, want ...string) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(load(t, s, now))); !slices.Equal(got, want) {
		t.Errorf("%v later stored are %q, want %q", now, got, want)
	}
}

func TestStoreKeepsEveryFieldOfABinding(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		full := binding("full", 300, 1001*time.Millisecond, time.Hour)
		full.CSeq, full.RegID = 1<<32-1, 1<<31
		full.Source = netip.MustParseAddrPort("[2001:db8::1]:5060")
		bare := core.Binding{Account: alice, Key: "bare", Expires: start.Add(time.Hour)} // of a user agent of this process
		if err := s.Save(t.Context(), []core.Binding{full, bare}, nil); err != nil {
			t.Fatal(err)
		}
		got := load(t, s, 0)
		for _, want := range []core.Binding{full, bare} {
			if !equal(got["alice "+want.Key], want) {
				t.Errorf("stored is %+v, want %+v", got["alice "+want.Key], want)
			}
		}
	})
}

func TestStorePutsAndDropsOneAccountsBindingsAlone(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		his := binding("desk", 1000, 0, time.Hour)
		his.Account.Local = "bob"
		desk, web := binding("desk", 1000, 0, time.Hour), binding("web", 1000, 0, time.Hour)
		err := errors.Join(
			s.Save(t.Context(), []core.Binding{desk, web, his}, nil),
			s.Save(t.Context(), nil, []core.Binding{desk}),
		)
		if err != nil {
			t.Fatal(err)
		}
		wantStored(t, s, 0, "alice web", "bob desk")
		web.Contact, web.Path = "sip:moved@192.0.2.8", nil
		if err := s.Save(t.Context(), []core.Binding{web}, nil); err != nil {
			t.Fatal(err)
		}
		if got := load(t, s, 0)["alice web"]; !equal(got, web) {
			t.Errorf("stored is %+v, want %+v", got, web)
		}
	})
}

func TestStoreForgetsWhatHasExpired(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		short, long := binding("short", 1000, 0, time.Minute), binding("long", 1000, 0, time.Hour)
		if err := s.Save(t.Context(), []core.Binding{short, long}, nil); err != nil {
			t.Fatal(err)
		}
		wantStored(t, s, time.Minute-time.Millisecond, "alice long", "alice short")
		wantStored(t, s, time.Minute, "alice long")
		if err := s.Expire(t.Context(), start.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		wantStored(t, s, 0, "alice long")
	})
}
