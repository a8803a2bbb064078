package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// desk is Devices with a clock, that notes who was signed out.
type desk struct {
	*Devices
	t     *testing.T
	now   time.Time
	ended []string
}

func newDesk(t *testing.T, d *db.DB, c Config) *desk {
	t.Helper()
	store, err := NewStore(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	k := &desk{t: t, now: start}
	c.Now = func() time.Time { return k.now }
	c.Ended = func(_ context.Context, a core.Address, id string) {
		if k.Stands(t.Context(), a, id) {
			t.Errorf("%s still stands while what it has connected is ended", id)
		}
		k.ended = append(k.ended, id)
	}
	k.Devices = New(c, store)
	return k
}

func (k *desk) create(a core.Address, name string) (core.Device, string) {
	k.t.Helper()
	d, token, err := k.Create(k.t.Context(), a, name, "browser", "192.0.2.7")
	if err != nil {
		k.t.Fatal(err)
	}
	return d, token
}

// good says whose a token is, "" if it is not good.
func (k *desk) good(token string) string {
	k.t.Helper()
	d, err := k.Token(k.t.Context(), token, "192.0.2.8")
	if err != nil && !errors.Is(err, core.ErrNoDevice) {
		k.t.Fatal(err)
	}
	return d.ID
}

func TestATokenIsGoodUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, Config{})
		web, token := k.create(alice, " Web\x1b\n "+strings.Repeat("ä", 100))
		if web.Account != alice || !strings.HasPrefix(web.Name, "Web ä") || len(web.Name) > maxName || !web.Expires.Equal(start.Add(90*24*time.Hour)) {
			t.Errorf("the device is %+v", web)
		}
		other, otherToken := k.create(bob, "web")
		if k.good(token) != web.ID || k.good(otherToken) != other.ID || !k.Stands(t.Context(), alice, web.ID) {
			t.Error("a token that was just given is not good")
		}
		id, secret, _ := strings.Cut(token, ".")
		_, otherSecret, _ := strings.Cut(otherToken, ".")
		last := map[bool]string{true: "A", false: "Q"}[secret[42] != 'A']
		for _, wrong := range []string{
			"", ".", id, id + ".", "." + secret, id + "." + otherSecret, other.ID + "." + secret, id + "." + secret[:42], token + "=", token + "x",
			id + "." + secret[:42] + last, strings.ToUpper(id) + "." + secret, "nobody." + secret, id + "." + secret[:42] + "\n",
		} {
			if k.good(wrong) != "" {
				t.Errorf("%q is good", wrong)
			}
		}
		if k.Stands(t.Context(), bob, web.ID) || k.Stands(t.Context(), alice, "nobody") {
			t.Error("a device stands for somebody else")
		}
		if err := k.Revoke(t.Context(), bob, web.ID); !errors.Is(err, core.ErrNoDevice) {
			t.Errorf("bob signs alice's device out: %v", err)
		}
		if err := k.Revoke(t.Context(), alice, web.ID); err != nil {
			t.Fatal(err)
		}
		if k.good(token) != "" || k.Stands(t.Context(), alice, web.ID) || !slices.Equal(k.ended, []string{web.ID}) {
			t.Errorf("after it was revoked it is good, or not ended: %q", k.ended)
		}
		if err := k.Revoke(t.Context(), alice, web.ID); !errors.Is(err, core.ErrNoDevice) {
			t.Errorf("revoked twice: %v", err)
		}
		if k.good(otherToken) == "" {
			t.Error("bob's went with it")
		}
	})
}

func TestNoTokenIsStored(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	k := newDesk(t, d, Config{})
	_, token := k.create(alice, "web")
	_, secret, _ := strings.Cut(token, ".")
	records, err := k.store.List(t.Context(), alice)
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	if text := fmt.Sprintf("%s %q", records[0].Hash, records[0].Name); len(records[0].Hash) != 32 || strings.Contains(text, secret) {
		t.Errorf("stored is %q", text)
	}
}

func TestATokenEndsWhenItIsNotUsed(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	k := newDesk(t, d, Config{Unused: 10 * time.Hour})
	web, token := k.create(alice, "web")
	old, oldToken := k.create(alice, "old")
	k.now = k.now.Add(9 * time.Hour)
	if k.good(token) == "" {
		t.Error("it ended too early")
	}
	if err := k.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.now = k.now.Add(9 * time.Hour)
	if k.good(oldToken) != "" {
		t.Error("it is good although nobody used it for long")
	}
	list, err := k.List(t.Context(), alice)
	if err != nil || len(list) != 1 || list[0].ID != web.ID || list[0].Source != "192.0.2.8" || !list[0].Used.Equal(start.Add(9*time.Hour)) {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if err := k.Sweep(t.Context()); err != nil || !slices.Equal(k.ended, []string{old.ID}) {
		t.Errorf("swept are %q, %v", k.ended, err)
	}
	again := newDesk(t, d, Config{Unused: 10 * time.Hour}) // after a restart
	again.now = k.now
	if again.good(token) == "" {
		t.Error("the last use was not written")
	}
}

func TestATokenIsReplaced(t *testing.T) {
	t.Parallel()
	k := newDesk(t, dbtest.Open(t), Config{})
	web, token := k.create(alice, "web")
	d, next, err := k.Rotate(t.Context(), token, "192.0.2.9")
	if err != nil || d.ID != web.ID || next == token {
		t.Fatalf("the new one is %+v, %v", d, err)
	}
	if k.good(token) != "" || k.good(next) != web.ID || len(k.ended) > 0 || !k.Stands(t.Context(), alice, web.ID) {
		t.Error("the old one is good, the new one is not, or the device was ended")
	}
	if _, _, err := k.Rotate(t.Context(), token, ""); !errors.Is(err, core.ErrNoDevice) {
		t.Errorf("the old one is replaced again: %v", err)
	}
}

func TestAnAccountHasSoManyDevices(t *testing.T) {
	t.Parallel()
	k := newDesk(t, dbtest.Open(t), Config{PerAccount: 2})
	first, token := k.create(alice, "first")
	second, _ := k.create(alice, "second")
	var refused *core.Error
	if _, _, err := k.Create(t.Context(), alice, "third", "", ""); !errors.As(err, &refused) || refused.Reason != core.TooMany {
		t.Errorf("a third while two are in use: %v", err)
	}
	k.create(bob, "bob's")
	k.now = k.now.Add(2 * time.Hour)
	k.good(token) // the first is in use, as only memory knows
	third, _ := k.create(alice, "third")
	if !slices.Equal(k.ended, []string{second.ID}) {
		t.Errorf("%q gave way, want the second", k.ended)
	}
	list, err := k.List(t.Context(), alice)
	if err != nil || len(list) != 2 || list[0].ID != first.ID || list[1].ID != third.ID {
		t.Errorf("the list is %+v, %v", list, err)
	}
}

// What is connected shows its token once, and is in use for as long as it stays.
func TestWhatIsConnectedIsInUse(t *testing.T) {
	t.Parallel()
	var connected core.Device
	k := newDesk(t, dbtest.Open(t), Config{PerAccount: 2, Unused: 10 * time.Hour, Connected: func(a core.Address, each func(id, source string)) {
		if a.IsZero() || a == connected.Account {
			each(connected.ID, "192.0.2.99")
		}
	}})
	var token string
	connected, token = k.create(alice, "connected")
	k.now = k.now.Add(time.Minute)
	other, _ := k.create(alice, "not connected")
	k.now = k.now.Add(2 * time.Hour)
	k.create(alice, "third")
	if !slices.Equal(k.ended, []string{other.ID}) {
		t.Errorf("%q gave way, want what is not connected", k.ended)
	}
	for range 3 {
		k.now = k.now.Add(9 * time.Hour)
		if err := k.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	list, err := k.List(t.Context(), alice)
	if err != nil || len(list) != 1 || list[0].Source != "192.0.2.99" || !list[0].Used.Equal(k.now) || k.good(token) == "" {
		t.Errorf("the list is %+v, %v", list, err)
	}
}

func TestAllDevicesOfAnAccountEnd(t *testing.T) {
	t.Parallel()
	k := newDesk(t, dbtest.Open(t), Config{Cache: 1}) // one pushes the other out of memory
	_, a := k.create(alice, "a")
	_, b := k.create(alice, "b")
	_, c := k.create(bob, "c")
	for _, token := range []string{a, b, c} {
		if k.good(token) == "" {
			t.Error("a token is not good")
		}
	}
	if err := k.RevokeAll(t.Context(), alice); err != nil || len(k.ended) != 2 {
		t.Errorf("ended are %q, %v", k.ended, err)
	}
	if k.good(a) != "" || k.good(b) != "" || k.good(c) == "" {
		t.Error("one of alice's is good, or bob's is not")
	}
	if err := k.Forget(t.Context(), bob); err != nil || k.good(c) != "" {
		t.Errorf("bob's is kept: %v", err)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("abc.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add(".")
	f.Fuzz(func(t *testing.T, token string) {
		id, hash, ok := split(token)
		if ok && (!strings.HasPrefix(token, id+".") || len(hash) != 32 || len(token) != len(id)+44) {
			t.Fatalf("%q is read as %q", token, id)
		}
	})
}
