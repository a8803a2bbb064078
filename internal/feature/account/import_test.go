package account

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/db/dbtest"
)

// stream hides that a reader can seek.
type stream struct{ io.Reader }

func count(t testing.TB, s *Accounts) int {
	t.Helper()
	n, err := s.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func stagedRows(t testing.TB, d *db.DB) (n int) {
	t.Helper()
	if err := d.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM account_import`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The example of the documentation does what is said there.
func TestTheDocumentedExample(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```csv\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("there is no example")
	}
	for kind := range kinds {
		if !strings.Contains(string(doc), "| `"+kind.String()+"` |") {
			t.Errorf("column %s is not documented", kind)
		}
	}
	s := open(t, dbtest.Open(t), Config{})
	r, err := s.Import(t.Context(), strings.NewReader(example), nil)
	if err != nil || !reflect.DeepEqual(r, Report{Accounts: 3}) {
		t.Fatalf("%+v, %v", r, err)
	}
	carol := core.Address{Local: "carol", Domain: "example.org"}
	for a, password := range map[core.Address]string{alice: "correct horse battery", bob: "bob1234", carol: "carol1234"} {
		if err := s.Check(t.Context(), a, password); err != nil {
			t.Errorf("%s logs in: %v", a, err)
		}
		got, err := s.Account(t.Context(), a)
		if err != nil || got.Strangers != (a == alice) || !got.Created.Equal(start) {
			t.Errorf("%s is %+v, %v", a, got, err)
		}
	}
	wantHA1(t, s, carol, core.MD5, false, "5fbcd30d063ecc0532759cfd0f568764")
	wantHA1(t, s, carol, core.MD5, true, "d42ce7e3882a42f5073d4eeba26f3a00")
	wantHA1(t, s, carol, core.SHA256, false, "")
	wantHA1(t, s, bob, core.MD5, false, "")
	if _, err := s.SCRAM(t.Context(), bob, "SHA-256"); err != nil {
		t.Errorf("bob's SCRAM key: %v", err)
	}
}

func TestRefusedRowsAreListedAndNothingIsImported(t *testing.T) {
	t.Parallel()
	const file = "address,password,scram_sha_1,ha1_md5,strangers\n" +
		"good@example.org,x,,,\n" + // 2
		"\n" +
		"no address,x,,,\n" + // 4
		"o'neill@example.org,x,,,\n" + // 5
		"nothing@example.org,,,,\n" + // 6
		"both@example.org,x,,5fbcd30d063ecc0532759cfd0f568764,\n" + // 7
		"hex@example.org,,,5fbcd30d,\n" + // 8
		"scram@example.org,,1:2:3:4,,\n" + // 9
		"strangers@example.org,x,,,perhaps\n" + // 10
		"short@example.org,x\n" + // 11
		"control@example.org,a\x01b,,,\n" + // 12
		"Good@Example.org,x,,,\n" + // 13
		"quote@example.org,a\"b,,,\n" + // 14
		"taken@example.org,x,,,\n" + // 15
		"far@example.com,x,,,\n" // 16
	want := []Refusal{
		{4, "no address", "there is no @ between a name and a domain"},
		{5, "o'neill@example.org", `the name before the @ has a character that SIP or XMPP does not allow: '\''`},
		{6, "nothing@example.org", "has neither a password nor a key"},
		{7, "both@example.org", "has a password and keys: which of them counts?"},
		{8, "hex@example.org", "ha1_md5: not 32 hexadecimal digits"},
		{9, "scram@example.org", "scram_sha_1: iterations are not 4096 to 1000000"},
		{10, "strangers@example.org", "strangers: neither true nor false"},
		{11, "short@example.org", "has 2 fields, not 5"},
		{12, "control@example.org", "a password is text of 1 to 1024 bytes without control characters"},
		{13, "good@example.org", "is in line 2 already"},
		{14, "", "not CSV: " + csv.ErrBareQuote.Error()},
		{15, "taken@example.org", "has an account already"},
		{16, "far@example.com", "example.com is not a domain of this server"},
	}
	for name, r := range map[string]io.Reader{"file": strings.NewReader(file), "stream": stream{strings.NewReader(file)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.Open(t)
			s := open(t, d, Config{Serves: func(d string) bool { return d == "example.org" }})
			create(t, s, core.Address{Local: "taken", Domain: "example.org"}, "x")
			report, err := s.Import(t.Context(), r, nil)
			if !errors.Is(err, ErrRefused) || report.Accounts != 0 || report.Refused != len(want) {
				t.Errorf("%d made, %d refused, %v", report.Accounts, report.Refused, err)
			}
			for i := range max(len(want), len(report.Refusals)) {
				if i >= len(want) || i >= len(report.Refusals) || report.Refusals[i] != want[i] {
					t.Fatalf("refused are\n%v\nwant\n%v", report.Refusals, want)
				}
			}
			if n := count(t, s); n != 1 || stagedRows(t, d) != 0 {
				t.Errorf("%d accounts are there, want the one of before", n)
			}
		})
	}
}

func TestImportOfManyTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	file.WriteString("\ufeffha1_md5,address\r\n")
	const rows = 1000
	for i := range rows {
		fmt.Fprintf(&file, "5fbcd30d063ecc0532759cfd0f568764,user%d@example.org\r\n", i)
	}
	for name, r := range map[string]io.Reader{"file": bytes.NewReader(file.Bytes()), "stream": stream{bytes.NewReader(file.Bytes())}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.Open(t)
			s := open(t, d, Config{})
			var seen []Progress
			report, err := s.Import(t.Context(), r, func(p Progress) { seen = append(seen, p) })
			if err != nil || report.Accounts != rows || count(t, s) != rows || stagedRows(t, d) != 0 {
				t.Fatalf("%+v, %v", report, err)
			}
			last, total := seen[len(seen)-1], 0
			if name == "file" {
				total = rows
				if seen[0] != (Progress{"check", 256, 0}) {
					t.Errorf("the first news is %+v", seen[0])
				}
			}
			if last != (Progress{"import", rows, total}) {
				t.Errorf("the last news is %+v", last)
			}
		})
	}
}

func TestImportStartsWhereTheFileStands(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	r := strings.NewReader("# a line that was read before\naddress,password\nalice@example.org,x\n")
	if _, err := r.Seek(30, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if report, err := s.Import(t.Context(), r, nil); err != nil || report.Accounts != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestFilesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "the file is empty"},
		"no header":        {"alice@example.org,secret\n", `there is no column "alice@example.org"`},
		"no address":       {"password\nx\n", "there is no column address"},
		"a column twice":   {"address,password,password\n", "column password is there twice"},
		"a quote not shut": {"address,password\nalice@example.org,\"" + strings.Repeat("x\n", 40<<10), "after line 1: a row is longer than 65536 bytes"},
		"a header no end":  {strings.Repeat("address", 20<<10), "longer than 65536 bytes"},
		"zero bytes":       {"\x00\x00\x00\x00", "there is no column"},
		"a torn reader":    {"torn", "torn"},
	} {
		r := io.Reader(strings.NewReader(c.text))
		if c.text == "torn" {
			r = io.MultiReader(strings.NewReader("address,password\n"), torn{})
		}
		if report, err := s.Import(t.Context(), r, nil); err == nil || !strings.Contains(err.Error(), c.want) || report.Accounts != 0 {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
}

type torn struct{}

func (torn) Read([]byte) (int, error) { return 0, errors.New("torn") }

func TestVeryManyRefusalsAreCountedButNotAllListed(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	file := "address,password\n" + strings.Repeat("nobody,x\n", 1500)
	report, err := s.Import(t.Context(), strings.NewReader(file), nil)
	if !errors.Is(err, ErrRefused) || report.Refused != 1500 || len(report.Refusals) != 1000 {
		t.Errorf("%d refused, %d listed, %v", report.Refused, len(report.Refusals), err)
	}
}

func TestImportThatIsGivenUpLeavesNothing(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	s := open(t, d, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	file := "address,ha1_md5\n"
	for i := range 600 {
		file += fmt.Sprintf("user%d@example.org,5fbcd30d063ecc0532759cfd0f568764\n", i)
	}
	report, err := s.Import(ctx, strings.NewReader(file), func(p Progress) {
		if p.Step == "import" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || report.Accounts != 0 || count(t, s) != 0 || stagedRows(t, d) != 0 {
		t.Errorf("%+v, %v, %d accounts, %d staged", report, err, count(t, s), stagedRows(t, d))
	}
}

// What a crash left on the stage must not become accounts of the next import.
func TestImportThatWasCutShortIsForgottenAtTheStart(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	s := open(t, d, Config{})
	if _, err := s.stage.Add(t.Context(), []Row{{Line: 2, Record: record(alice)}}); err != nil {
		t.Fatal(err)
	}
	open(t, d, Config{})
	if stagedRows(t, d) != 0 {
		t.Error("rows are on the stage still")
	}
}

func TestOneImportAtATime(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	const file = "address,ha1_md5\nalice@example.org,5fbcd30d063ecc0532759cfd0f568764\n"
	var inner error
	if _, err := s.Import(t.Context(), strings.NewReader(file), func(Progress) {
		_, inner = s.Import(t.Context(), strings.NewReader(file), nil)
	}); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(inner, ErrImporting) {
		t.Errorf("another import meanwhile: %v", inner)
	}
}

func TestAccountMadeDuringAnImportRefusesItsRow(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	s.stage = &late{s.stage, func() { create(t, s, bob, "x") }}
	const file = "address,ha1_md5\nalice@example.org,5fbcd30d063ecc0532759cfd0f568764\nbob@example.org,5fbcd30d063ecc0532759cfd0f568764\n"
	report, err := s.Import(t.Context(), strings.NewReader(file), nil)
	want := Report{Refused: 1, Refusals: []Refusal{{3, "bob@example.org", "has an account already"}}}
	if !errors.Is(err, ErrRefused) || !reflect.DeepEqual(report, want) {
		t.Errorf("%+v, %v", report, err)
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d accounts are there, want bob alone", n)
	}
}

// late does something just before the commit.
type late struct {
	Stage
	before func()
}

func (l *late) Commit(ctx context.Context, created int64) (int, error) {
	l.before()
	return l.Stage.Commit(ctx, created)
}

// An address that was asked for and not there is found once it is imported.
func TestImportedAccountsAreKnownAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	if _, err := s.Account(t.Context(), alice); !errors.Is(err, core.ErrNoAccount) {
		t.Fatal(err)
	}
	if _, err := s.Import(t.Context(), strings.NewReader("address,password\nalice@example.org,x\n"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Account(t.Context(), alice); err != nil {
		t.Error(err)
	}
}

func FuzzTable(f *testing.F) {
	f.Add("address,password\nalice@example.org,secret\n")
	f.Add("\ufeffaddress,scram_sha_1,ha1_md5,strangers\r\na@b,1:2:3:4,00,yes\r\n\"a\"\"b@c\",,,\n")
	f.Add("address\n\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := newTable(strings.NewReader(text))
		if err != nil {
			return
		}
		for {
			r, err := table.next(func(string) bool { return true })
			if err != nil {
				return
			}
			keys := len(r.ha1)
			for kind := range kinds {
				if r.Keys[kind] != nil {
					keys++
				}
			}
			if r.refusal == nil && (r.Address.IsZero() || r.Line < 2 || (r.password == "") == (keys == 0)) {
				t.Fatalf("%q is taken as %+v", text, r)
			}
		}
	})
}
