package account

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/db/dbtest"
)

var (
	alice = core.Address{Local: "alice", Domain: "example.org"}
	bob   = core.Address{Local: "bob", Domain: "example.org"}
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// stores runs a test on every store there is.
func stores(t *testing.T, f func(t *testing.T, s *sqlStore)) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, err := openSQL(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		f(t, s)
	})
}

func record(a core.Address) Record {
	return Record{
		Account: core.Account{Address: a, Created: start, Strangers: true},
		Keys:    Keys{SCRAMSHA1: []byte("one"), HA1MD5: {0, 255, 1}, HA1SHA256Full: []byte("six")},
	}
}

func wantRecord(t *testing.T, s Store, want Record) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Address)
	if err != nil {
		t.Errorf("get %s: %v", want.Address, err)
		return
	}
	got.Created = got.Created.UTC()
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("stored is %+v, want %+v", *got, want)
	}
}

func TestStoreKeepsAnAccountUntilItIsDeleted(t *testing.T) {
	stores(t, func(t *testing.T, s *sqlStore) {
		if _, err := s.Get(t.Context(), alice); !errors.Is(err, core.ErrNoAccount) {
			t.Errorf("get of nobody: %v", err)
		}
		if err := s.Insert(t.Context(), record(alice)); err != nil {
			t.Fatal(err)
		}
		other := record(alice)
		other.Keys = Keys{}
		if err := s.Insert(t.Context(), other); !errors.Is(err, ErrExists) {
			t.Errorf("the same address again: %v", err)
		}
		wantRecord(t, s, record(alice))
		if err := s.Delete(t.Context(), alice); err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), alice); !errors.Is(err, core.ErrNoAccount) {
			t.Errorf("deleting nobody: %v", err)
		}
		if _, err := s.Get(t.Context(), alice); !errors.Is(err, core.ErrNoAccount) {
			t.Errorf("get of a deleted account: %v", err)
		}
	})
}

func TestStoreChangesOneAccountAlone(t *testing.T) {
	stores(t, func(t *testing.T, s *sqlStore) {
		if err := errors.Join(s.Insert(t.Context(), record(alice)), s.Insert(t.Context(), record(bob))); err != nil {
			t.Fatal(err)
		}
		want := record(alice)
		want.Strangers = false
		want.Keys = Keys{SCRAMSHA256: []byte("two"), HA1MD5: []byte("three"), HA1SHA256: []byte("four"), HA1MD5Full: []byte("five")}
		change := func(r *Record) { r.Strangers, r.Keys = want.Strangers, want.Keys }
		if err := s.Update(t.Context(), alice, change); err != nil {
			t.Fatal(err)
		}
		wantRecord(t, s, want)
		wantRecord(t, s, record(bob))
		nobody := core.Address{Local: "carol", Domain: "example.org"}
		if err := s.Update(t.Context(), nobody, change); !errors.Is(err, core.ErrNoAccount) {
			t.Errorf("changing nobody: %v", err)
		}
	})
}

func TestStoreChangesSeeEachOther(t *testing.T) {
	stores(t, func(t *testing.T, s *sqlStore) {
		if err := s.Insert(t.Context(), Record{Account: core.Account{Address: alice, Created: start}}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				add := func(r *Record) { r.Keys[HA1MD5] = append(r.Keys[HA1MD5], 'x') }
				if err := s.Update(t.Context(), alice, add); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		want := Record{Account: core.Account{Address: alice, Created: start}}
		want.Keys[HA1MD5] = []byte("xxxxxxxxxxxxxxxxxxxx")
		wantRecord(t, s, want)
	})
}

func TestStoreListsInPages(t *testing.T) {
	stores(t, func(t *testing.T, s *sqlStore) {
		var want []core.Address
		for _, domain := range []string{"a.example", "b.example"} {
			for i := range 5 {
				a := core.Address{Local: fmt.Sprint("user", i), Domain: domain}
				want = append(want, a)
				if err := s.Insert(t.Context(), record(a)); err != nil {
					t.Fatal(err)
				}
			}
		}
		var got []core.Address
		var after core.Address
		for {
			page, err := s.List(t.Context(), after, 3)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page {
				if !a.Strangers || !a.Created.Equal(start) {
					t.Errorf("listed is %+v", a)
				}
				got = append(got, a.Address)
			}
			if len(page) < 3 {
				break
			}
			after = page[2].Address
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("listed are %v, want %v", got, want)
		}
		if n, err := s.Count(t.Context()); err != nil || n != 10 {
			t.Errorf("counted are %d, %v", n, err)
		}
	})
}

func TestStoreStagesAnImport(t *testing.T) {
	stores(t, func(t *testing.T, s *sqlStore) {
		row := func(line int, a core.Address) Row { return Row{Line: line, Record: record(a)} }
		twice, err := s.Add(t.Context(), []Row{row(2, alice), row(3, bob), row(4, alice)})
		if err != nil || len(twice) != 1 || twice[0].Line != 4 || twice[0].First != 2 {
			t.Errorf("alice in lines 2 and 4: %v, %v", twice, err)
		}
		if twice, err = s.Add(t.Context(), []Row{row(5, bob)}); err != nil || len(twice) != 1 || twice[0].First != 3 {
			t.Errorf("bob in lines 3 and 5: %v, %v", twice, err)
		}
		if n, err := s.Count(t.Context()); err != nil || n != 0 {
			t.Errorf("%d accounts are there before the end, %v", n, err)
		}
		if err := s.Insert(t.Context(), record(bob)); err != nil {
			t.Fatal(err)
		}
		taken, n, err := s.Taken(t.Context(), 10)
		if err != nil || n != 1 || len(taken) != 1 || taken[0].Line != 3 || taken[0].Address != bob {
			t.Errorf("taken are %v, %d, %v", taken, n, err)
		}
		if _, err := s.Commit(t.Context(), db.Millis(start)); !errors.Is(err, ErrExists) {
			t.Errorf("commit with one taken: %v", err)
		}
		if err := s.Delete(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		if made, err := s.Commit(t.Context(), db.Millis(start)); err != nil || made != 2 {
			t.Errorf("commit: %d, %v", made, err)
		}
		wantRecord(t, s, record(alice))
		wantRecord(t, s, record(bob))
		if made, err := s.Commit(t.Context(), db.Millis(start)); err != nil || made != 0 {
			t.Errorf("commit of an empty stage: %d, %v", made, err)
		}
		if _, err := s.Add(t.Context(), []Row{row(2, core.Address{Local: "carol", Domain: "x.y"})}); err != nil {
			t.Fatal(err)
		}
		if err := s.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		if made, err := s.Commit(t.Context(), db.Millis(start)); err != nil || made != 0 {
			t.Errorf("commit of a cleared stage: %d, %v", made, err)
		}
	})
}

func TestStoreSealIsTheFirst(t *testing.T) {
	stores(t, func(t *testing.T, s *sqlStore) {
		for _, sample := range []string{"first", "second"} {
			if got, err := s.Seal(t.Context(), []byte(sample)); err != nil || string(got) != "first" {
				t.Errorf("after %s the sample is %q, %v", sample, got, err)
			}
		}
	})
}
