package digest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/sip/digest"
)

// The worked examples of the standards (rfc2617#3.5, rfc7616#3.9.1).
func TestWorkedExamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, password, credentials string
	}{
		{"RFC 2617 MD5", "Circle Of Life", `Digest username="Mufasa",
 realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html",
 qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1",
 opaque="5ccc069c403ebaf9f0171e9517f40e41"`},
		{"RFC 7616 MD5", "Circle of Life", `Digest username="Mufasa",
 realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5,
 nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,
 cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,
 response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`},
		{"RFC 7616 SHA-256", "Circle of Life", `Digest username="Mufasa",
 realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256,
 nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,
 cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,
 response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
 opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := digest.ParseCredentials(strings.ReplaceAll(c.credentials, "\n", ""))
			if err != nil {
				t.Fatal(err)
			}
			ha1, err := digest.HA1(got.Algorithm, got.Username, got.Realm, c.password)
			if err != nil {
				t.Fatal(err)
			}
			if err := got.Verify(ha1, "GET"); err != nil {
				t.Error(err)
			}
			if err := got.Verify(ha1, "POST"); !errors.Is(err, digest.ErrMismatch) {
				t.Errorf("another method: %v", err)
			}
		})
	}
}

func TestCredentialsThatAreRefused(t *testing.T) {
	t.Parallel()
	const rest = `, realm="r", nonce="n", uri="sip:r", response="0123456789abcdef0123456789abcdef"`
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"another scheme", `Basic YWxpY2U6c2VjcmV0`, digest.ErrScheme},
		{"the scheme alone", `Digest`, digest.ErrScheme},
		{"nothing", ``, digest.ErrScheme},
		{"no user name", `Digest realm="r", nonce="n", uri="u", response="00"`, digest.ErrSyntax},
		{"a parameter twice", `Digest username="a", username="b"` + rest, digest.ErrSyntax},
		{"an open quote", `Digest username="a` + rest, digest.ErrSyntax},
		{"no comma", `Digest username="a" realm="r"`, digest.ErrSyntax},
		{"a name without value", `Digest username` + rest, digest.ErrSyntax},
		{"a session key", `Digest username="a", algorithm=MD5-sess` + rest, digest.ErrAlgorithm},
		{"an unknown algorithm", `Digest username="a", algorithm=SHA-512-256` + rest, digest.ErrAlgorithm},
		{"a body hash", `Digest username="a", qop=auth-int, nc=00000001, cnonce="c"` + rest, digest.ErrQop},
		{"qop without a count", `Digest username="a", qop=auth, cnonce="c"` + rest, digest.ErrSyntax},
		{"qop without a client nonce", `Digest username="a", qop=auth, nc=00000001` + rest, digest.ErrSyntax},
		{"a count that is no number", `Digest username="a", qop=auth, nc=0000000g, cnonce="c"` + rest, digest.ErrSyntax},
		{"a hash of the wrong length", `Digest username="a", algorithm=SHA-256` + rest, digest.ErrSyntax},
		{"a hashed user name", `Digest username="a", userhash=true` + rest, digest.ErrUserhash},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := digest.ParseCredentials(c.text); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// What phones in use write, right or not.
func TestCredentialsThatAreTaken(t *testing.T) {
	t.Parallel()
	const hash = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		name, text string
		want       digest.Credentials
	}{
		{"quoted qop, algorithm and nc, lower-case scheme",
			`digest username="alice@example.org",realm="r",nonce="a=b,c",uri="sip:r;x=1",response="` + hash + `",qop="auth",nc="0000000A",cnonce="",algorithm="md5",`,
			digest.Credentials{Username: "alice@example.org", Realm: "r", Nonce: "a=b,c", URI: "sip:r;x=1", Proof: hash,
				Algorithm: digest.MD5, Qop: "auth", NC: "0000000A"}},
		{"old form, with spaces",
			`Digest   username = "al\"ice" , realm="", nonce="n", uri="sip:r", response="` + hash + `"`,
			digest.Credentials{Username: `al"ice`, Nonce: "n", URI: "sip:r", Proof: hash, Algorithm: digest.MD5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := digest.ParseCredentials(c.text)
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestAnswerIsVerified(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -!#-\[\]-~]{1,20}`)
		c := digest.Challenge{
			Realm:     text.Draw(t, "realm"),
			Nonce:     text.Draw(t, "nonce"),
			Opaque:    text.Draw(t, "opaque"),
			Algorithm: rapid.SampledFrom([]digest.Algorithm{"", digest.MD5, digest.SHA256}).Draw(t, "algorithm"),
			Qop:       rapid.SampledFrom([][]string{nil, {"auth"}, {"auth-int", "auth"}}).Draw(t, "qop"),
			Stale:     rapid.Bool().Draw(t, "stale"),
		}
		read, err := digest.Choose([]string{`Digest realm="x", nonce="y", algorithm=SHA-512-256`, c.String()})
		if err != nil {
			t.Fatal(err)
		}
		if read.String() != c.String() {
			t.Fatalf("read %s, wrote %s", read, c)
		}
		user, password := rapid.String().Filter(oneLine).Draw(t, "user"), rapid.String().Draw(t, "password")
		creds, err := read.Answer(user, password, digest.Request{
			Method: "REGISTER", URI: "sip:example.org", Cnonce: text.Draw(t, "cnonce"), Count: rapid.Uint32().Draw(t, "count"),
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := digest.ParseCredentials(creds.String())
		if err != nil {
			t.Fatalf("%v in %s", err, creds)
		}
		if got.Username != user {
			t.Fatalf("user %q became %q", user, got.Username)
		}
		ha1, err := digest.HA1(got.Algorithm, user, c.Realm, password)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Verify(ha1, "REGISTER"); err != nil {
			t.Fatal(err)
		}
		other, err := digest.HA1(got.Algorithm, user, c.Realm, password+"x")
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Verify(other, "REGISTER"); !errors.Is(err, digest.ErrMismatch) {
			t.Fatalf("wrong password: %v", err)
		}
	})
}

func oneLine(s string) bool { return !strings.ContainsAny(s, "\r\n") }

func TestChallengesThatNobodyCanAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want error
	}{
		{`Digest realm="r", nonce="n", qop="auth-int"`, digest.ErrQop},
		{`Digest realm="r", nonce="n", algorithm=MD5-sess`, digest.ErrAlgorithm},
		{`Digest realm="r"`, digest.ErrSyntax},
		{`Bearer realm="r"`, digest.ErrScheme},
	} {
		if _, err := digest.Choose([]string{c.text}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.text, err, c.want)
		}
	}
	if _, err := digest.Choose(nil); err == nil {
		t.Error("chose from nothing")
	}
}

// Whoever makes a challenge or credentials by hand hears of what can't be done.
func TestWhatCannotBeComputed(t *testing.T) {
	t.Parallel()
	if _, err := digest.HA1("SHA-512-256", "a", "r", "p"); !errors.Is(err, digest.ErrAlgorithm) {
		t.Errorf("HA1: %v", err)
	}
	if _, err := (digest.Challenge{Algorithm: "MD5-sess"}).Answer("a", "p", digest.Request{}); !errors.Is(err, digest.ErrAlgorithm) {
		t.Errorf("answer to a session: %v", err)
	}
	if _, err := (digest.Challenge{Qop: []string{"auth-int"}}).Answer("a", "p", digest.Request{}); !errors.Is(err, digest.ErrQop) {
		t.Errorf("answer to auth-int: %v", err)
	}
	if err := (digest.Credentials{Algorithm: "x"}).Verify("ha1", "INVITE"); !errors.Is(err, digest.ErrAlgorithm) {
		t.Errorf("unknown algorithm: %v", err)
	}
	if err := (digest.Credentials{Qop: "auth-int"}).Verify("ha1", "INVITE"); !errors.Is(err, digest.ErrQop) {
		t.Errorf("auth-int: %v", err)
	}
	if err := (digest.Credentials{}).Verify("ha1", "INVITE"); !errors.Is(err, digest.ErrMismatch) {
		t.Errorf("no response: %v", err)
	}
}

func TestNonceLivesItsTime(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef0123456789abcdef")
	n, other := digest.NewNonces(key, time.Minute), digest.NewNonces(nil, time.Minute)
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	nonce := n.Make(start)
	changed := "B" + nonce[1:]
	if nonce[0] == 'B' {
		changed = "C" + nonce[1:]
	}
	for _, c := range []struct {
		name  string
		by    *digest.Nonces
		nonce string
		after time.Duration
		want  digest.Freshness
	}{
		{"at once", n, nonce, 0, digest.Fresh},
		{"on another node with the key", digest.NewNonces(key, time.Minute), nonce, 0, digest.Fresh},
		{"just in time", n, nonce, time.Minute, digest.Fresh},
		{"too late", n, nonce, time.Minute + time.Millisecond, digest.Stale},
		{"from a clock ahead", n, nonce, -10 * time.Second, digest.Fresh},
		{"from the future", n, nonce, -time.Hour, digest.Stale},
		{"of another server", other, nonce, 0, digest.Bad},
		{"changed", n, changed, 0, digest.Bad},
		{"cut", n, nonce[1:], 0, digest.Bad},
		{"empty", n, "", 0, digest.Bad},
		{"not base64", n, strings.Repeat("*", len(nonce)), 0, digest.Bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.by.Check(c.nonce, start.Add(c.after)); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if n.Make(start) == nonce {
		t.Error("two nonces of one moment are equal")
	}
	short := digest.NewNonces([]byte("weak"), 0) // takes a random key and the usual lifetime
	again := short.Make(start)
	if short.Check(again, start.Add(digest.DefaultLifetime)) != digest.Fresh ||
		short.Check(again, start.Add(digest.DefaultLifetime+time.Second)) != digest.Stale ||
		digest.NewNonces([]byte("weak"), 0).Check(again, start) != digest.Bad {
		t.Error("a weak key is used as it is, or the default lifetime is not")
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add(`Digest username="alice", realm="r", nonce="n", uri="sip:r", response="0123456789abcdef0123456789abcdef"`)
	f.Add(`Digest username="a\"b", realm="r\\", nonce="n", uri="sip:r", response="0123456789abcdef0123456789abcdef", qop=auth, nc=00000001, cnonce="c", algorithm=MD5, opaque="o"`)
	f.Add(`digest username = x ,, realm=y`)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := digest.ParseCredentials(s)
		if err != nil {
			return
		}
		again, err := digest.ParseCredentials(c.String())
		if err != nil || again != c {
			t.Errorf("%q\nread %+v\nthen %+v, %v", s, c, again, err)
		}
		if _, err := c.Response("ha1", "INVITE"); err != nil {
			t.Error(err)
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="r", nonce="n", opaque="o", stale=TRUE, algorithm=SHA-256, qop="auth,auth-int"`)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := digest.ParseChallenge(s)
		if err != nil {
			return
		}
		again, err := digest.ParseChallenge(c.String())
		if err != nil || again.String() != c.String() {
			t.Errorf("%q\nread %s\nthen %s, %v", s, c, again, err)
		}
	})
}
