package account

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/db/dbtest"
	"parley/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, d *db.DB, c Config) *Accounts {
	t.Helper()
	if c.Key == nil {
		c.Key = secret.New([32]byte{1})
	}
	if c.Iterations == 0 {
		c.Iterations = 4096
	}
	if c.Now == nil {
		c.Now = func() time.Time { return start }
	}
	s, err := New(t.Context(), d, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t testing.TB, s *Accounts, a core.Address, password string) {
	t.Helper()
	if err := s.Create(t.Context(), a, password, false); err != nil {
		t.Fatalf("create %s: %v", a, err)
	}
}

func wantHA1(t *testing.T, s *Accounts, a core.Address, alg core.Algorithm, full bool, want string) {
	t.Helper()
	got, err := s.HA1(t.Context(), a, alg, full)
	if want == "" && errors.Is(err, core.ErrNoAccount) {
		return
	}
	if err != nil || got != want {
		t.Errorf("HA1 of %s with %s, full %v, is %q, %v; want %q", a, alg, full, got, err, want)
	}
}

func TestAnAccountIsMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	var deleted []core.Address
	s := open(t, dbtest.Open(t), Config{Deleted: func(a core.Address) { deleted = append(deleted, a) }})
	ctx := t.Context()
	if _, err := s.Account(ctx, alice); !errors.Is(err, core.ErrNoAccount) {
		t.Errorf("nobody: %v", err)
	}
	create(t, s, alice, "secret")
	if err := s.Create(ctx, alice, "other", false); !errors.Is(err, ErrExists) {
		t.Errorf("the same address again: %v", err)
	}
	if a, err := s.Account(ctx, alice); err != nil || a.Address != alice || a.Strangers || !a.Created.Equal(start) {
		t.Errorf("the new account is %+v, %v", a, err)
	}
	if err := s.SetStrangers(ctx, alice, true); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Account(ctx, alice); err != nil || !a.Strangers {
		t.Errorf("strangers may call, but: %+v, %v", a, err)
	}
	wantHA1(t, s, alice, core.MD5, false, "543e1aec5d3614f03141652d6ada51b2")
	if err := s.SetPassword(ctx, alice, "changed"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.HA1(ctx, alice, core.MD5, false); err != nil || got == "543e1aec5d3614f03141652d6ada51b2" {
		t.Errorf("the old password counts still (%v)", err)
	}
	if err := s.Delete(ctx, alice); err != nil || len(deleted) != 1 || deleted[0] != alice {
		t.Errorf("delete: %v, told of %v", err, deleted)
	}
	for name, f := range map[string]func() error{
		"account":       func() error { _, err := s.Account(ctx, alice); return err },
		"HA1":           func() error { _, err := s.HA1(ctx, alice, core.MD5, false); return err },
		"SCRAM":         func() error { _, err := s.SCRAM(ctx, alice, "SHA-1"); return err },
		"set password":  func() error { return s.SetPassword(ctx, alice, "x") },
		"set strangers": func() error { return s.SetStrangers(ctx, alice, false) },
		"delete":        func() error { return s.Delete(ctx, alice) },
	} {
		if err := f(); !errors.Is(err, core.ErrNoAccount) {
			t.Errorf("%s of a deleted account: %v", name, err)
		}
	}
	if len(deleted) != 1 {
		t.Errorf("a delete that failed was told: %v", deleted)
	}
}

func TestDigestKeysAreThoseOfTheStandard(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	create(t, s, alice, "secret")
	// Made with md5sum and sha256sum.
	wantHA1(t, s, alice, core.MD5, false, "543e1aec5d3614f03141652d6ada51b2")
	wantHA1(t, s, alice, core.SHA256, false, "d1659fff7a501be15962adc35514ca6a5868905695f2dd1093741f931e000a1f")
	wantHA1(t, s, alice, core.MD5, true, "1441a999b257bcd0cf5166930039876a")
	wantHA1(t, s, alice, core.SHA256, true, "eff6e137e37e2995cde26ec021fde2bc3b152390ab0cc9351c4d4475e0fe8848")
	wantHA1(t, s, alice, "SHA-512-256", false, "")
	wantHA1(t, s, bob, core.MD5, false, "")
}

// The examples of rfc5802#5 and rfc7677#3: user "user", password "pencil".
func TestSCRAMKeysAreThoseOfTheStandard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind                              Kind
		salt, messages, proof, serverSign string
	}{{
		SCRAMSHA1, "QSXCR+Q6sek8bf92",
		"n=user,r=fyko+d2lbbFgONRv9qkxdawL," +
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096," +
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
		"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	}, {
		SCRAMSHA256, "W22ZaJ0SNY7soEsUEjb6gQ==",
		"n=user,r=rOprNGfwEbeRWgbNEkqO," +
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	}} {
		salt, err := base64.StdEncoding.DecodeString(c.salt)
		if err != nil {
			t.Fatal(err)
		}
		key, err := makeSCRAM(c.kind, "pencil", salt, 4096)
		if err != nil {
			t.Fatal(err)
		}
		if got := base64.StdEncoding.EncodeToString(sum(c.kind.hash(), key.Server, c.messages)); got != c.serverSign {
			t.Errorf("%s: the server signs with %s, want %s", c.kind, got, c.serverSign)
		}
		proof, err := base64.StdEncoding.DecodeString(c.proof)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range sum(c.kind.hash(), key.Stored, c.messages) {
			proof[i] ^= b
		}
		h := c.kind.hash()()
		h.Write(proof) // the client's key
		if !hmac.Equal(h.Sum(nil), key.Stored) {
			t.Errorf("%s: the client's proof is not taken", c.kind)
		}
		if back, err := ParseSCRAM(c.kind, formatSCRAM(key)); err != nil || formatSCRAM(back) != formatSCRAM(key) {
			t.Errorf("%s: %s came back as %s, %v", c.kind, formatSCRAM(key), formatSCRAM(back), err)
		}
	}
}

func TestSCRAMKeysHaveFreshSaltsAndTheConfiguredIterations(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{Iterations: 5000})
	create(t, s, alice, "secret")
	create(t, s, bob, "secret")
	salts := map[string]bool{}
	for _, a := range []core.Address{alice, bob} {
		for _, hash := range []string{"SHA-1", "SHA-256"} {
			key, err := s.SCRAM(t.Context(), a, hash)
			if err != nil || key.Iterations != 5000 || len(key.Salt) != 16 {
				t.Errorf("%s of %s: %v, %v", hash, a, key, err)
			}
			salts[string(key.Salt)] = true
		}
	}
	if len(salts) != 4 {
		t.Errorf("four keys have %d salts", len(salts))
	}
	for _, hash := range []string{"", "MD5", "SHA-512", "ha1_md5"} {
		if k, err := s.SCRAM(t.Context(), alice, hash); err == nil || errors.Is(err, core.ErrNoAccount) || k.Stored != nil {
			t.Errorf("keys for %q: %v, %v", hash, k, err)
		}
	}
}

func TestWhoHasNoKeysLooksLikeWhoHas(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.Open(t), t.Context()
	s := open(t, d, Config{Iterations: 5000})
	create(t, s, alice, "secret")
	restarted := open(t, d, Config{Iterations: 5000})
	for hash, size := range map[string]int{"SHA-1": sha1.Size, "SHA-256": sha256.Size} {
		hers, err := s.SCRAM(ctx, alice, hash)
		if err != nil {
			t.Fatal(err)
		}
		made, err := s.SCRAM(ctx, bob, hash)
		if !errors.Is(err, core.ErrNoAccount) {
			t.Errorf("%s of nobody: %v", hash, err)
		}
		if made.Iterations != hers.Iterations || len(made.Salt) != len(hers.Salt) || len(made.Stored) != size || len(made.Server) != size {
			t.Errorf("%s of nobody has another form: %v, somebody's is %v", hash, made, hers)
		}
		other, _ := s.SCRAM(ctx, core.Address{Local: "carol", Domain: bob.Domain}, hash)
		again, _ := restarted.SCRAM(ctx, bob, hash)
		switch {
		case string(made.Salt) == string(other.Salt) || string(made.Stored) == string(other.Stored):
			t.Errorf("%s: two nobodies have the same keys", hash)
		case formatSCRAM(made) != formatSCRAM(again):
			t.Errorf("%s: the keys of nobody change with a restart", hash)
		case string(made.Stored[:size/2]) == string(made.Server[:size/2]) || string(made.Stored[:8]) == string(made.Salt[:8]):
			t.Errorf("%s: the keys of nobody are one", hash)
		}
	}
	one, _ := s.SCRAM(ctx, bob, "SHA-1")
	two, _ := s.SCRAM(ctx, bob, "SHA-256")
	if string(one.Salt) == string(two.Salt) {
		t.Error("the salts of nobody are the same for both hashes")
	}
	other := open(t, dbtest.Open(t), Config{Iterations: 5000, Key: secret.New([32]byte{2})})
	if elsewhere, _ := other.SCRAM(ctx, bob, "SHA-1"); string(elsewhere.Salt) == string(one.Salt) {
		t.Error("anybody can compute the salts of nobody")
	}
}

func TestPasswordIsCheckedForXMPP(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	create(t, s, alice, "secret")
	if err := s.Password(t.Context(), alice, "secret"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"a wrong one":     s.Password(t.Context(), alice, "Secret"),
		"none":            s.Password(t.Context(), alice, ""),
		"nobody's":        s.Password(t.Context(), bob, "secret"),
		"one of no UTF-8": s.Password(t.Context(), alice, "\xff"),
	} {
		if !errors.Is(err, core.ErrNoAccount) || err.Error() != core.ErrNoAccount.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.cache.clear()
	if err := s.Password(ctx, alice, "secret"); err == nil || errors.Is(err, core.ErrNoAccount) {
		t.Errorf("trouble of ours sounds like a wrong password: %v", err)
	}
}

func TestPasswordsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	for name, p := range map[string]string{
		"empty": "", "too long": strings.Repeat("x", 1025), "a control character": "a\x00b", "not UTF-8": "a\xff",
	} {
		if err := s.Create(t.Context(), alice, p, false); !errors.Is(err, ErrPassword) {
			t.Errorf("%s: %v", name, err)
		}
	}
	create(t, s, alice, strings.Repeat("x", 1024))
}

func TestOnePasswordInAllItsSpellings(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	create(t, s, alice, "pa\u0308ss\u00a0wort") // a with a combining mark, and a no-break space
	if err := s.Check(t.Context(), alice, "päss wort"); err != nil {
		t.Errorf("the same password as another keyboard writes it: %v", err)
	}
	if err := s.Check(t.Context(), alice, "Päss wort"); !errors.Is(err, ErrWrong) {
		t.Errorf("with a capital: %v", err)
	}
}

func TestWrongPasswordAndUnknownAccountLookAlike(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	create(t, s, alice, "secret")
	if err := s.Check(t.Context(), alice, "secret"); err != nil {
		t.Errorf("the right password: %v", err)
	}
	wrong, unknown := s.Check(t.Context(), alice, "Secret"), s.Check(t.Context(), bob, "secret")
	if !errors.Is(wrong, ErrWrong) || !errors.Is(unknown, ErrWrong) || wrong.Error() != unknown.Error() {
		t.Errorf("wrong: %v; unknown: %v", wrong, unknown)
	}
}

func TestAForeignDomainHasNoAccountsHere(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{Serves: func(d string) bool { return d == "example.org" }})
	if err := s.Create(t.Context(), core.Address{Local: "a", Domain: "example.com"}, "x", false); !errors.Is(err, ErrDomain) {
		t.Errorf("got %v", err)
	}
	create(t, s, alice, "x")
}

func TestAnotherServerKeyIsNoticedAtTheStart(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	open(t, d, Config{Key: secret.New([32]byte{1})})
	open(t, d, Config{Key: secret.New([32]byte{1})})
	if _, err := New(t.Context(), d, Config{Key: secret.New([32]byte{2})}); !errors.Is(err, ErrOtherKey) {
		t.Errorf("got %v", err)
	}
	if _, err := New(t.Context(), d, Config{}); err == nil {
		t.Error("no key at all is taken")
	}
}

// Whoever can write to the database but has no server key must not log in with what he moves about.
func TestAnHA1OpensForItsAccountAndKindAlone(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	create(t, s, alice, "secret")
	create(t, s, bob, "secret of bob")
	err := s.update(t.Context(), "change", alice, func(r *Record) {
		stolen, err := s.store.Get(context.Background(), alice)
		if err != nil {
			t.Error(err)
			return
		}
		r.Keys[HA1MD5Full] = stolen.Keys[HA1MD5]
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.HA1(t.Context(), alice, core.MD5, true); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("a key in another's place: %v", err)
	}
	his, err := s.store.Get(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.update(t.Context(), "change", alice, func(r *Record) { r.Keys = his.Keys }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.HA1(t.Context(), alice, core.MD5, false); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("bob's key at alice: %v", err)
	}
}

func TestNoPasswordAndNoPlainHA1IsInTheDataFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := dbtest.OpenDir(t, dir)
	s := open(t, d, Config{})
	create(t, s, alice, "correct horse battery")
	if _, err := s.Import(t.Context(), strings.NewReader("address,password\nbob@example.org,correct horse battery\n"), nil); err != nil {
		t.Fatal(err)
	}
	ha1 := md5.Sum([]byte("alice:example.org:correct horse battery"))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for name, secret := range map[string]string{"password": "correct horse", "HA1": string(ha1[:]), "HA1 in hex": hex.EncodeToString(ha1[:])} {
			if strings.Contains(string(b), secret) {
				t.Errorf("%s holds the %s", f, name)
			}
		}
	}
}

// An account that came with some of its keys gets the others at the first login by password.
func TestMissingKeysAreMadeAtTheFirstLogin(t *testing.T) {
	t.Parallel()
	const header = "address,scram_sha_1,scram_sha_256,ha1_md5,ha1_sha256,ha1_md5_full,ha1_sha256_full\n"
	scram1 := "4096:MDEyMzQ1Njc4OWFiY2RlZg==:LB+UPBhcYg2uYbdRAnr9gHh2cjs=:PXuyi3PjD/QKl/oTBHSJ+ygrsVw="
	scram256 := "4096:MDEyMzQ1Njc4OWFiY2RlZg==:yDG6eflFi23ePQAjog+HSeE0MblWxVPZfuhGJSlwTFU=:Lo/FlizeH1/JzWdUh+8QSJMXW5F0P9k9sCe38wFMqx0="
	md5Of := func(user string) string {
		h := md5.Sum([]byte(user + ":example.org:bob1234"))
		return hex.EncodeToString(h[:])
	}
	sha256Of := func(user string) string {
		h := sha256.Sum256([]byte(user + ":example.org:bob1234"))
		return hex.EncodeToString(h[:])
	}
	for name, row := range map[string]string{
		"SCRAM-SHA-1 alone":            scram1 + ",,,,,",
		"SCRAM-SHA-256 alone":          "," + scram256 + ",,,,",
		"HA1 MD5 alone":                ",," + md5Of("bob") + ",,,",
		"HA1 SHA-256 alone":            ",,," + sha256Of("bob") + ",,",
		"HA1 MD5 of the whole address": ",,,," + md5Of("bob@example.org") + ",",
		"HA1 SHA-256 of the whole":     ",,,,," + strings.ToUpper(sha256Of("bob@example.org")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, dbtest.Open(t), Config{})
			ctx := t.Context()
			if r, err := s.Import(ctx, strings.NewReader(header+"bob@example.org,"+row+"\n"), nil); err != nil {
				t.Fatal(r, err)
			}
			before, err := s.store.Get(ctx, bob)
			if err != nil || before.Keys.complete() {
				t.Fatal("all keys are there already", err)
			}
			if err := s.Complete(ctx, bob, "bob12345"); !errors.Is(err, ErrWrong) {
				t.Errorf("a wrong password: %v", err)
			}
			if now, err := s.store.Get(ctx, bob); err != nil || now.Keys.complete() {
				t.Error("a wrong password made keys", err)
			}
			if err := s.Complete(ctx, bob, "bob1234"); err != nil {
				t.Fatalf("the right password: %v", err)
			}
			wantHA1(t, s, bob, core.MD5, false, md5Of("bob"))
			wantHA1(t, s, bob, core.MD5, true, md5Of("bob@example.org"))
			wantHA1(t, s, bob, core.SHA256, false, sha256Of("bob"))
			wantHA1(t, s, bob, core.SHA256, true, sha256Of("bob@example.org"))
			now, err := s.store.Get(ctx, bob)
			if err != nil || !now.Keys.complete() {
				t.Fatalf("keys are missing still: %v", err)
			}
			for kind := range kinds {
				if before.Keys[kind] != nil && string(before.Keys[kind]) != string(now.Keys[kind]) {
					t.Errorf("%s was there and is another now", kind)
				}
			}
			if err := s.Complete(ctx, bob, "bob1234"); err != nil {
				t.Errorf("the next login: %v", err)
			}
		})
	}
}

// A password that was changed while another login was completing stays changed.
func TestCompleteDoesNotUndoANewPassword(t *testing.T) {
	t.Parallel()
	checked := Keys{HA1MD5: []byte("old")}
	made := Keys{SCRAMSHA1: []byte("made"), HA1MD5: []byte("made")}
	now := Keys{HA1MD5: []byte("new")}
	now.fill(&checked, &made)
	if now[SCRAMSHA1] != nil || string(now[HA1MD5]) != "new" {
		t.Errorf("filled is %q", now)
	}
	now = checked
	now.fill(&checked, &made)
	if string(now[SCRAMSHA1]) != "made" || string(now[HA1MD5]) != "old" {
		t.Errorf("filled is %q", now)
	}
}

func TestParseSCRAMRefuses(t *testing.T) {
	t.Parallel()
	good := "4096:MDEyMzQ1Njc4OWFiY2RlZg==:LB+UPBhcYg2uYbdRAnr9gHh2cjs=:PXuyi3PjD/QKl/oTBHSJ+ygrsVw="
	if _, err := ParseSCRAM(SCRAMSHA1, good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":             "",
		"three parts":         "4096:MDEyMzQ1Njc4OWFiY2RlZg==:LB+UPBhcYg2uYbdRAnr9gHh2cjs=",
		"five parts":          good + ":x",
		"too few iterations":  strings.Replace(good, "4096", "4095", 1),
		"too many iterations": strings.Replace(good, "4096", "1000001", 1),
		"no iterations":       strings.Replace(good, "4096", "many", 1),
		"salt too short":      strings.Replace(good, "MDEyMzQ1Njc4OWFiY2RlZg==", "MDEyMw==", 1),
		"salt not base64":     strings.Replace(good, "MDEyMzQ1Njc4OWFiY2RlZg==", "%%%%", 1),
		"key too short":       strings.Replace(good, "LB+UPBhcYg2uYbdRAnr9gHh2cjs=", "MDEyMzQ1Njc4OWFiY2RlZg==", 1),
	} {
		if _, err := ParseSCRAM(SCRAMSHA1, text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := ParseSCRAM(SCRAMSHA256, good); err == nil {
		t.Error("keys of SHA-1 are taken for SHA-256")
	}
	if sha1.Size == sha256.Size {
		t.Fatal("the test before tells nothing")
	}
}

func FuzzParseSCRAM(f *testing.F) {
	f.Add("4096:MDEyMzQ1Njc4OWFiY2RlZg==:LB+UPBhcYg2uYbdRAnr9gHh2cjs=:PXuyi3PjD/QKl/oTBHSJ+ygrsVw=", true)
	f.Add("4096:MDEyMzQ1Njc4OWFiY2RlZg==:yDG6eflFi23ePQAjog+HSeE0MblWxVPZfuhGJSlwTFU=:Lo/FlizeH1/JzWdUh+8QSJMXW5F0P9k9sCe38wFMqx0=", false)
	f.Add(":::", false)
	f.Fuzz(func(t *testing.T, text string, one bool) {
		kind := SCRAMSHA256
		if one {
			kind = SCRAMSHA1
		}
		s, err := ParseSCRAM(kind, text)
		if err != nil {
			return
		}
		if again, err := ParseSCRAM(kind, formatSCRAM(s)); err != nil || formatSCRAM(again) != formatSCRAM(s) {
			t.Fatalf("%q became %s, and that %s, %v", text, formatSCRAM(s), formatSCRAM(again), err)
		}
	})
}

// counting counts how often the store is read, and can be held up.
type counting struct {
	Store
	reads int
	hook  func()
}

func (c *counting) Get(ctx context.Context, a core.Address) (*Record, error) {
	c.reads++
	r, err := c.Store.Get(ctx, a)
	if c.hook != nil {
		c.hook()
	}
	return r, err
}

func TestLoginsDoNotReadTheDatabase(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	create(t, s, alice, "secret")
	c := &counting{Store: s.store}
	s.store = c
	for range 10 {
		wantHA1(t, s, alice, core.MD5, false, "543e1aec5d3614f03141652d6ada51b2")
		wantHA1(t, s, bob, core.MD5, false, "")
	}
	if c.reads != 2 {
		t.Errorf("ten logins of two addresses read %d times", c.reads)
	}
	create(t, s, bob, "secret")
	if _, err := s.HA1(t.Context(), bob, core.MD5, false); err != nil || c.reads != 3 {
		t.Errorf("an account made after it was asked for: %v, %d reads", err, c.reads)
	}
}

// A record that was read before a change and arrives after it must not be what counts.
func TestCacheKeepsNothingOld(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	create(t, s, alice, "secret")
	c := &counting{Store: s.store}
	s.store = c
	c.hook = func() {
		c.hook = nil
		if err := s.SetStrangers(context.Background(), alice, true); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Account(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Account(t.Context(), alice); err != nil || !a.Strangers {
		t.Errorf("the account is as it was before the change: %+v, %v", a, err)
	}
}

func TestCacheIsBoundedAndHoldsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 100).Draw(rt, "limit")
		c := newCache(limit)
		stored := map[core.Address]*Record{}
		for range rapid.IntRange(0, 300).Draw(rt, "steps") {
			a := core.Address{Local: rapid.StringMatching(`[a-z]{1,2}`).Draw(rt, "local"), Domain: "x.y"}
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				stored[a] = &Record{}
				c.drop(a)
			case 1:
				delete(stored, a)
				c.drop(a)
			default:
				r, found, epoch := c.get(a)
				if found && r != stored[a] {
					rt.Fatalf("%s: the cache has %v, stored is %v", a, r, stored[a])
				}
				if !found {
					c.put(a, stored[a], epoch)
				}
			}
		}
		total := 0
		for i := range c.shards {
			s := &c.shards[i]
			total += len(s.known.items) + len(s.unknown.items)
			if len(s.known.items) != s.known.order.Len() || len(s.unknown.items) != s.unknown.order.Len() {
				rt.Fatal("map and order differ")
			}
		}
		if total > 2*max(limit, 16) {
			rt.Fatalf("a cache of %d holds %d", limit, total)
		}
	})
}

// Names that nobody has must not push out those that somebody has.
func TestUnknownNamesDoNotEmptyTheCache(t *testing.T) {
	t.Parallel()
	c := newCache(64)
	c.put(alice, &Record{}, epochOf(c, alice))
	for i := range 5000 {
		a := core.Address{Local: hex.EncodeToString([]byte{byte(i), byte(i >> 8)}), Domain: "x.y"}
		c.put(a, nil, epochOf(c, a))
	}
	if r, found, _ := c.get(alice); !found || r == nil {
		t.Error("alice was pushed out")
	}
}

func epochOf(c *cache, a core.Address) uint64 {
	_, _, epoch := c.get(a)
	return epoch
}

func TestListAndCount(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Open(t), Config{})
	create(t, s, alice, "x")
	create(t, s, bob, "x")
	for _, limit := range []int{-1, 0, 1} {
		if list, err := s.List(t.Context(), core.Address{}, limit); err != nil || len(list) != 1 {
			t.Errorf("a page of %d: %v, %v", limit, list, err)
		}
	}
	if list, err := s.List(t.Context(), alice, 1<<30); err != nil || len(list) != 1 || list[0].Address != bob {
		t.Errorf("after alice: %v, %v", list, err)
	}
	if n, err := s.Count(t.Context()); err != nil || n != 2 {
		t.Errorf("counted are %d, %v", n, err)
	}
}

func BenchmarkHA1(b *testing.B) {
	s := open(b, dbtest.Open(b), Config{})
	create(b, s, alice, "secret")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.HA1(b.Context(), alice, core.MD5, false); err != nil {
			b.Fatal(err)
		}
	}
}
