package roster

import (
	"reflect"
	"slices"
	"testing"

	"parley/internal/db"
	"parley/internal/db/dbtest"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
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

func wantStored(t *testing.T, s Store, owner jid.JID, want Stored) {
	t.Helper()
	got, err := s.Load(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []*Stored{&got, &want} {
		x.Contacts = slices.Clone(x.Contacts)
		b := newBook(*x)
		x.Contacts, x.Removed = b.contacts, b.removed
	}
	if !reflect.DeepEqual(got, want) && (len(got.Contacts)+len(want.Contacts)+len(got.Removed)+len(want.Removed) > 0 ||
		got.Version != want.Version || got.Oldest != want.Oldest) {
		t.Errorf("stored is %+v, want %+v", got, want)
	}
}

func saveAll(t *testing.T, s Store, changes ...Change) {
	t.Helper()
	if err := s.Save(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
}

func contact(name string, s roster.State) *roster.Contact {
	return &roster.Contact{Item: roster.Item{JID: jid.JID{Local: name, Domain: "bücher.example"}, Standing: roster.Standing{State: s}}}
}

func TestStoreKeepsEveryFieldOfAContact(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		var all []*roster.Contact
		for st := roster.None; st <= roster.Both; st++ {
			c := contact(string('a'+rune(st)), st)
			c.Listed, c.Version = true, int64(st)
			all = append(all, c)
		}
		all[0].Name, all[0].Groups, all[0].Approved = `"B" & 'Söhne'`, []string{"Friends\nof", `a "group"`, "日本"}, true
		all[2].Listed, all[2].Request = false, "<presence type='subscribe'/>"
		all = append(all, &roster.Contact{Item: roster.Item{JID: jid.JID{Domain: "gateway.example"}}, Listed: true})
		saveAll(t, s, Change{Owner: alice, Version: 9, Oldest: 2, Put: all})
		wantStored(t, s, alice, Stored{Version: 9, Oldest: 2, Contacts: all})
		wantStored(t, s, bob, Stored{})
	})
}

func TestStoreChangesOneAccountsRosterAlone(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		x, y := contact("x", roster.To), contact("y", roster.From)
		saveAll(t, s,
			Change{Owner: alice, Version: 5, Oldest: 1, Put: []*roster.Contact{x, y}},
			Change{Owner: bob, Version: 6, Oldest: 1, Put: []*roster.Contact{x}})
		gone := []Removed{{x.JID, 7}, {jid.JID{Domain: "z.example"}, 8}}
		saveAll(t, s, Change{Owner: alice, Version: 8, Oldest: 1, Put: []*roster.Contact{x}, Delete: []jid.JID{x.JID}, Removed: gone})
		wantStored(t, s, alice, Stored{Version: 8, Oldest: 1, Contacts: []*roster.Contact{y}, Removed: gone})
		wantStored(t, s, bob, Stored{Version: 6, Oldest: 1, Contacts: []*roster.Contact{x}})
		changed := *y
		changed.Name, changed.State, changed.Version = "Y", roster.Both, 9
		saveAll(t, s, Change{Owner: alice, Version: 9, Oldest: 7, Put: []*roster.Contact{&changed}, Back: []jid.JID{gone[1].JID}})
		wantStored(t, s, alice, Stored{Version: 9, Oldest: 7, Contacts: []*roster.Contact{&changed}})
		saveAll(t, s, Change{Owner: alice, All: true})
		wantStored(t, s, alice, Stored{})
		wantStored(t, s, bob, Stored{Version: 6, Oldest: 1, Contacts: []*roster.Contact{x}})
	})
}
