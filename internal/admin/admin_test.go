package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is the rest of a server.
type fake struct {
	mu        sync.Mutex
	accounts  map[core.Address]core.Account
	passwords map[core.Address]string
	revoked   string
	imported  chan string // each line of an import as it is read; nil: not wanted
}

var born = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newFake() *fake {
	return &fake{accounts: map[core.Address]core.Account{}, passwords: map[core.Address]string{}}
}

func (f *fake) Create(_ context.Context, a core.Address, password string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.accounts[a]; ok {
		return core.Fail(core.Conflict, a.String()+" is taken", errors.New("secret detail"))
	}
	f.accounts[a], f.passwords[a] = core.Account{Address: a, Created: born}, password
	return nil
}

func (f *fake) change(a core.Address, do func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.accounts[a]; !ok {
		return fmt.Errorf("fake: %w", core.ErrNoAccount)
	}
	do()
	return nil
}

func (f *fake) Delete(_ context.Context, a core.Address) error {
	return f.change(a, func() { delete(f.accounts, a) })
}

func (f *fake) SetPassword(_ context.Context, a core.Address, password string) error {
	return f.change(a, func() { f.passwords[a] = password })
}

func (f *fake) SetStrangers(_ context.Context, a core.Address, on bool) error {
	return f.change(a, func() { f.accounts[a] = core.Account{Address: a, Created: born, Strangers: on} })
}

func (f *fake) List(_ context.Context, after core.Address, limit int) ([]User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if after.Local == "broken" {
		return nil, errors.New("disk on fire")
	}
	var out []User
	for _, a := range slices.SortedFunc(maps.Keys(f.accounts), func(a, b core.Address) int {
		return strings.Compare(a.String(), b.String())
	}) {
		if (after.IsZero() || after.Less(a)) && len(out) < limit {
			out = append(out, User{f.accounts[a], 2, 1})
		}
	}
	return out, nil
}

func (f *fake) Devices(_ context.Context, a core.Address) ([]Device, error) {
	return devices(), f.change(a, func() {})
}

func devices() []Device {
	return []Device{
		{"abc", "ä \"web\"", "browser", "192.0.2.7", born, born.Add(time.Hour), &born, true, true, false},
		{"sip-1", "", "phone", "", born, born, nil, false, true, false},
	}
}

func (f *fake) RevokeDevice(_ context.Context, a core.Address, id string) error {
	return f.change(a, func() { f.revoked = id })
}

func (f *fake) Show(_ context.Context, a core.Address) (d Details, err error) {
	return details(a), f.change(a, func() {})
}

func details(a core.Address) Details {
	return Details{
		Address: a.String(), Created: born, Strangers: true,
		Phones: []Phone{{"sip:a@192.0.2.7", "UDP", "192.0.2.7:5060", true, "Phone 1", born, born.Add(time.Hour)}},
		Sessions: []Session{
			{"x", "TLS", true, "192.0.2.7:4711", "SCRAM-SHA-256", born, true, true, -5, "away"},
			{"ä \"y\"", "TCP", false, "192.0.2.7:4712", "PLAIN", born, false, false, 0, ""},
		},
	}
}

func (f *fake) Import(ctx context.Context, r io.Reader, progress func(Progress)) (Report, error) {
	lines, n := bufio.NewScanner(r), 0
	for lines.Scan() {
		n++
		if f.imported != nil {
			f.imported <- lines.Text()
		}
		progress(Progress{Step: "import", Done: n})
		switch lines.Text() {
		case "wrong":
			return Report{Refused: 1, Refusals: []Refusal{{Line: n, Address: "x", Reason: "wrong"}}}, nil
		case "broken":
			return Report{}, errors.New("disk on fire")
		case "taken":
			return Report{}, core.Fail(core.Conflict, "another import is running", nil)
		}
	}
	if err := lines.Err(); err != nil {
		return Report{}, err
	}
	return Report{Accounts: n}, ctx.Err()
}

func (f *fake) Status(context.Context) (Status, error) {
	return Status{
		Version: "1", Process: 7, Started: born, Domains: []string{"example.org"}, Accounts: 3,
		Listening:   map[string][]string{"sip-udp": {"127.0.0.1:5060"}},
		Connections: map[string]int{"TCP": 2}, Counters: map[string]uint64{"requests": 9},
	}, nil
}

func (f *fake) Explain(_ context.Context, from, to core.Address) (Explanation, error) {
	return Explanation{From: from.String(), To: to.String(), Plan: "proxied: x", Notes: []string{"a", "b"}}, nil
}

// serve starts a server on a data folder.
func serve(t *testing.T, dir string, f *fake) *Server {
	t.Helper()
	s := NewServer(Config{Dir: dir, Users: f, Reporter: f, Explainer: f})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func client(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func pair(t *testing.T) (*fake, *Client) {
	t.Helper()
	dir, f := t.TempDir(), newFake()
	serve(t, dir, f)
	return f, client(t, dir)
}

func addr(t *testing.T, text string) core.Address {
	t.Helper()
	a, err := ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestUsersThroughTheSocket(t *testing.T) {
	t.Parallel()
	f, c := pair(t)
	ctx := t.Context()
	alice, odd := addr(t, "alice@example.org"), addr(t, "o=1?+;ä@example.org")
	for _, a := range []core.Address{alice, odd} {
		if err := c.Create(ctx, a, "pa ss\u00e9"); err != nil {
			t.Fatal(err)
		}
		if f.passwords[a] != "pa ss\u00e9" {
			t.Errorf("%s has the password %q", a, f.passwords[a])
		}
		if err := c.SetPassword(ctx, a, "other"); err != nil || f.passwords[a] != "other" {
			t.Errorf("%s has the password %q after %v", a, f.passwords[a], err)
		}
		if err := c.SetStrangers(ctx, a, true); err != nil || !f.accounts[a].Strangers {
			t.Errorf("%s takes no strangers after %v", a, err)
		}
	}
	list, err := c.List(ctx, core.Address{}, 10)
	account := func(a core.Address) User { return User{core.Account{Address: a, Created: born, Strangers: true}, 2, 1} }
	if want := []User{account(alice), account(odd)}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("list is %v, %v; want %v", list, err, want)
	}
	if list, err = c.List(ctx, alice, 10); err != nil || len(list) != 1 || list[0].Address != odd {
		t.Errorf("after alice: %v, %v", list, err)
	}
	if got, err := c.Show(ctx, odd); err != nil || !reflect.DeepEqual(got, details(odd)) {
		t.Errorf("connected of %s are %+v, %v", odd, got, err)
	}
	if got, err := c.Devices(ctx, odd); err != nil || !reflect.DeepEqual(got, devices()) {
		t.Errorf("the devices of %s are %+v, %v", odd, got, err)
	}
	if err := c.RevokeDevice(ctx, odd, "a/b c"); err != nil || f.revoked != "a/b c" {
		t.Errorf("signed out is %q, %v", f.revoked, err)
	}
	if err := c.Delete(ctx, odd); err != nil || len(f.accounts) != 1 {
		t.Errorf("delete: %v", err)
	}
}

func TestFailuresCarryTheirPublicText(t *testing.T) {
	t.Parallel()
	_, c := pair(t)
	ctx := t.Context()
	alice := addr(t, "alice@example.org")
	if err := c.Create(ctx, alice, "x"); err != nil {
		t.Fatal(err)
	}
	nobody := core.Address{Local: "nobody", Domain: "example.org"}
	_, broken := c.List(ctx, core.Address{Local: "broken", Domain: "example.org"}, 1)
	_, limit := c.List(ctx, core.Address{}, 0)
	_, gone := c.Show(ctx, nobody)
	_, party := c.Explain(ctx, core.Address{Local: "a b", Domain: "x"}, alice)
	for _, x := range []struct {
		what   string
		err    error
		reason core.Reason
		text   string
	}{
		{"a second alice", c.Create(ctx, alice, "x"), core.Conflict, "alice@example.org is taken"},
		{"no such account", c.Delete(ctx, nobody), core.NotFound, "there is no such account"},
		{"nothing connected of nobody", gone, core.NotFound, "there is no such account"},
		{"no address", c.Create(ctx, core.Address{Local: "a b", Domain: "x"}, "x"), core.BadRequest, `"a b@x" is not an address: `},
		{"no address in the path", c.SetPassword(ctx, core.Address{Local: "a/b", Domain: "x"}, "x"), core.BadRequest, `"a/b@x" is not an address`},
		{"our own fault", broken, core.Internal, "internal error"},
		{"no limit", limit, core.BadRequest, "limit"},
		{"no caller", party, core.BadRequest, `"a b@x" is not an address`},
	} {
		e, ok := errors.AsType[*core.Error](x.err)
		if !ok || e.Reason != x.reason || !strings.HasPrefix(e.Public, x.text) {
			t.Errorf("%s: %#v, want reason %v and %q", x.what, x.err, x.reason, x.text)
		}
		if x.err != nil && (strings.Contains(x.err.Error(), "secret") || strings.Contains(x.err.Error(), "fire")) {
			t.Errorf("%s: %v tells what is for the log", x.what, x.err)
		}
	}
}

func TestStatusAndRoute(t *testing.T) {
	t.Parallel()
	f, c := pair(t)
	want, _ := f.Status(t.Context())
	if got, err := c.Status(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("status is %+v, %v", got, err)
	}
	from, err := ParseParty("sip:Stranger@[2001:db8::1]")
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Explain(t.Context(), from, addr(t, "bob@example.org"))
	if err != nil || e.From != "stranger@[2001:db8::1]" || e.To != "bob@example.org" || len(e.Notes) != 2 {
		t.Errorf("explanation is %+v, %v", e, err)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name, file string
		want       Report
		failure    string
		progress   int
	}{
		{"a good file", "a\nb\nc\n", Report{Accounts: 3}, "", 3},
		{"an empty file", "", Report{}, "", 0},
		{"a file with a bad row", "a\nwrong\nc\n", Report{Refused: 1, Refusals: []Refusal{{2, "x", "wrong"}}}, "", 2},
		{"a failing disk", "broken\n" + strings.Repeat("x\n", 1<<20), Report{}, "internal error", 1},
		{"another import", "taken\n", Report{}, "another import is running", 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			_, c := pair(t)
			var told []Progress
			report, err := c.Import(t.Context(), strings.NewReader(x.file), func(p Progress) { told = append(told, p) })
			if (err != nil || x.failure != "") && (err == nil || core.AsError(err).Public != x.failure) {
				t.Fatalf("fails with %v, want %q", err, x.failure)
			}
			if !reflect.DeepEqual(report, x.want) || len(told) != x.progress {
				t.Errorf("report %+v after %d lines, want %+v after %d", report, len(told), x.want, x.progress)
			}
		})
	}
}

func TestImportIsToldAsItGoes(t *testing.T) {
	t.Parallel()
	f, c := pair(t)
	f.imported = make(chan string)
	in, out := io.Pipe()
	told := make(chan int, 2)
	done := make(chan error, 1)
	go func() {
		_, err := c.Import(t.Context(), in, func(p Progress) { told <- p.Done })
		done <- err
	}()
	for i, line := range []string{"first", "second"} {
		if _, err := io.WriteString(out, line+"\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-f.imported; got != line {
			t.Fatalf("the server read %q, want %q", got, line)
		}
		if got := <-told; got != i+1 {
			t.Fatalf("told of %d rows while the file was still open, want %d", got, i+1)
		}
	}
	_ = out.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestClientThatLeavesEndsItsImport(t *testing.T) {
	t.Parallel()
	f, c := pair(t)
	f.imported = make(chan string)
	ctx, leave := context.WithCancel(t.Context())
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := c.Import(ctx, in, nil)
		done <- err
	}()
	go func() { _, _ = io.WriteString(out, "first\n") }()
	<-f.imported
	leave()
	_ = out.CloseWithError(io.ErrUnexpectedEOF)
	if err := <-done; err == nil {
		t.Error("the import of a client that left has succeeded")
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	serve(t, dir, newFake())
	h := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dir) },
	}}
	for _, x := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/", "", 404},
		{"GET", "/v2/status", "", 404},
		{"PATCH", "/v1/users", "", 404},
		{"POST", "/v1/users", "", 400},
		{"POST", "/v1/users", "{", 400},
		{"POST", "/v1/users", `{"address":"a@example.org","password":"x","admin":true}`, 400},
		{"POST", "/v1/users", `{"address":"` + strings.Repeat("a", maxBody) + `"}`, 400},
		{"PUT", "/v1/users/a@example.org/strangers", `{"strangers":1}`, 400},
		{"GET", "/v1/users?limit=x", "", 400},
		{"GET", "/v1/users?limit=1&after=x", "", 400},
		{"GET", "/v1/route?from=a@b.example", "", 400},
	} {
		req, err := http.NewRequestWithContext(t.Context(), x.method, "http://parley"+x.path, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := h.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != x.status || !strings.Contains(string(text), `"text":"`) {
			t.Errorf("%s %s: %s %s, want %d with a text", x.method, x.path, resp.Status, text, x.status)
		}
	}
}

func TestParseParty(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"alice@example.org":       "alice@example.org",
		"sip:Alice@Example.org":   "alice@example.org",
		"sips:alice@example.org.": "alice@example.org",
		"xmpp:alice@example.org":  "alice@example.org",
		"bob@192.0.2.1":           "bob@192.0.2.1",
		"alice":                   "",
		"@example.org":            "",
		"alice@":                  "",
		"tel:+1@example.org":      "",
	} {
		a, err := ParseParty(text)
		if (err != nil) != (want == "") || (want != "" && a.String() != want) {
			t.Errorf("%q is %v, %v; want %q", text, a, err, want)
		}
	}
}

func TestWelcome(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name       string
		uid        int
		known      bool
		own        int
		isTurnedUp bool
	}{
		{"the owner", 1000, true, 1000, true},
		{"root", 0, true, 1000, true},
		{"someone else", 1001, true, 1000, false},
		{"someone else at root's server", 1001, true, 0, false},
		{"nobody knows who", 0, false, 0, !peersAreKnown},
	} {
		if got := welcome(x.uid, x.known, x.own); got != x.isTurnedUp {
			t.Errorf("%s: %v, want %v", x.name, got, x.isTurnedUp)
		}
	}
}

func TestForeignUserIsTurnedAway(t *testing.T) {
	t.Parallel()
	for uid, welcome := range map[int]bool{1000: true, 0: true, 1001: false} {
		dir, f := t.TempDir(), newFake()
		l, err := listen(t.Context(), dir, systemPlaces())
		if err != nil {
			t.Fatal(err)
		}
		s := NewServer(Config{Dir: dir, Users: f, Reporter: f, Explainer: f})
		who := func(*net.UnixConn) (int, bool) { return uid, true }
		served := make(chan error, 1)
		go func() { served <- s.http.Serve(ownerOnly{l, 1000, who, s.config.Log}) }()
		if _, err := client(t, dir).Status(t.Context()); (err == nil) != welcome {
			t.Errorf("user %d asks user 1000's server: %v", uid, err)
		}
		_ = s.http.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}
}

func TestNotRunning(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none"), long} {
		if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
			t.Errorf("%s: %v, want ErrNotRunning", dir, err)
		}
	}
	dir := t.TempDir()
	stale(t, filepath.Join(dir, socketFile))
	if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a socket that nobody answers on: %v, want ErrNotRunning", err)
	}
}

// stale leaves a socket behind as a killed server does.
func stale(t *testing.T, name string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
}

func TestSocketsLife(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, socketFile)
	stale(t, name)
	s := NewServer(Config{Dir: dir, Users: newFake(), Reporter: newFake(), Explainer: newFake()})
	if err := s.Start(t.Context()); err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	if info, err := os.Lstat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	second := NewServer(Config{Dir: dir})
	if err := second.Start(t.Context()); !errors.Is(err, ErrTaken) {
		t.Errorf("a second server: %v, want ErrTaken", err)
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Errorf("stopping what never started: %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestWhatIsNoSocketStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, socketFile)
	if err := os.WriteFile(name, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewServer(Config{Dir: dir}).Start(t.Context()); !errors.Is(err, ErrForeign) {
		t.Errorf("%v, want ErrForeign", err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "mine" {
		t.Errorf("the file is now %q, %v", text, err)
	}
}

func TestLongFolderName(t *testing.T) {
	t.Parallel()
	short, err := os.MkdirTemp("", "p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := newFake()
	s := NewServer(Config{Dir: dir, Users: f, Reporter: f, Explainer: f})
	s.places = places{"", strings.Repeat("/x", 60), short}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, dir).Status(t.Context()); err != nil {
		t.Errorf("status: %v", err)
	}
	inner := filepath.Join(short, fmt.Sprintf("parley-%d", os.Geteuid()))
	if info, err := os.Stat(inner); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's folder: %v, %v", info, err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	for _, d := range []string{dir, inner} {
		if files, _ := os.ReadDir(d); len(files) != 0 {
			t.Errorf("left behind: %v", files)
		}
	}
}

func TestPlaceForASocketHasToBePrivate(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir string) error{
		"open to others": func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o755)) },
		"a file":         func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"a link":         func(dir string) error { return os.Symlink(t.TempDir(), dir) },
	} {
		dir := filepath.Join(t.TempDir(), "parley")
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if err := privateFolder(dir); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v, want ErrForeign", name, err)
		}
	}
	if _, _, err := socketName("/"+strings.Repeat("d", 120), places{strings.Repeat("/x", 60)}); err == nil {
		t.Error("a socket is put where its name is too long")
	}
}
