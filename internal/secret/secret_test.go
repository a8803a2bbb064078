package secret

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestKeyIsMadeOnceForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Load(dir)
	if err != nil || second.bytes != first.bytes {
		t.Errorf("the second start has another key (%v)", err)
	}
	if first.bytes == [size]byte{} {
		t.Error("the key is all zeros")
	}
	info, err := os.Stat(filepath.Join(dir, "secret.key"))
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	other, err := Load(t.TempDir())
	if err != nil || other.bytes == first.bytes {
		t.Errorf("two folders have one key (%v)", err)
	}
}

func TestKeyFileThatIsWrongIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"empty":              {"", 0o600, "has 0 bytes"},
		"too short":          {strings.Repeat("k", 31), 0o600, "has 31 bytes"},
		"too long":           {strings.Repeat("k", 33), 0o600, "has 33 bytes"},
		"readable by others": {strings.Repeat("k", 32), 0o644, "can be read by others (mode 0644)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "secret.key")
			if err := errors.Join(os.WriteFile(path, []byte(c.content), 0o600), os.Chmod(path, c.mode)); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want one with %q", err, c.want)
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != c.content {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func TestDeriveGivesEachLabelItsOwnBytes(t *testing.T) {
	t.Parallel()
	k := New([size]byte{1})
	a, err := k.Derive("a", 32)
	b, err2 := k.Derive("b", 32)
	c, err3 := New([size]byte{2}).Derive("a", 32)
	again, err4 := k.Derive("a", 32)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a, b) || bytes.Equal(a, c) || !bytes.Equal(a, again) || len(a) != 32 {
		t.Errorf("derived %x %x %x %x", a, b, c, again)
	}
	if _, err := k.Derive("a", 255*32+1); err == nil {
		t.Error("more bytes than HKDF can give")
	}
}

func box(t testing.TB, key byte, label string) *Box {
	t.Helper()
	b, err := New([size]byte{key}).Box(label)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBoxOpensOnlyWhatItSealedForThatUse(t *testing.T) {
	t.Parallel()
	mine, otherLabel, otherKey := box(t, 1, "a"), box(t, 1, "b"), box(t, 2, "a")
	rapid.Check(t, func(rt *rapid.T) {
		plain, use := rapid.SliceOf(rapid.Byte()).Draw(rt, "plain"), rapid.SliceOf(rapid.Byte()).Draw(rt, "use")
		sealed := mine.Seal(plain, use)
		if got, err := mine.Open(sealed, use); err != nil || !bytes.Equal(got, plain) {
			rt.Fatalf("%x came back as %x, %v", plain, got, err)
		}
		if bytes.Equal(sealed, mine.Seal(plain, use)) {
			rt.Fatal("sealing twice gives the same bytes: the nonce is not fresh")
		}
		changed := bytes.Clone(sealed)
		changed[rapid.IntRange(0, len(sealed)-1).Draw(rt, "place")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		for name, open := range map[string]func() ([]byte, error){
			"another use":   func() ([]byte, error) { return mine.Open(sealed, append(use, 0)) },
			"another label": func() ([]byte, error) { return otherLabel.Open(sealed, use) },
			"another key":   func() ([]byte, error) { return otherKey.Open(sealed, use) },
			"a changed bit": func() ([]byte, error) { return mine.Open(changed, use) },
			"a part":        func() ([]byte, error) { return mine.Open(sealed[:len(sealed)-1], use) },
			"nothing":       func() ([]byte, error) { return mine.Open(nil, use) },
		} {
			if _, err := open(); !errors.Is(err, ErrSealed) {
				rt.Fatalf("%s: %v", name, err)
			}
		}
	})
}
