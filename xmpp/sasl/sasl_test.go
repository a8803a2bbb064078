package sasl

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// users are alice, whose password is "pencil", and nobody else.
type users struct{ broken error }

var salt = []byte("0123456789abcdef")

func (u users) Keys(_ context.Context, user, hash string) (Keys, error) {
	password := "pencil"
	if user != "alice" && user != "al,i=ce" {
		password = "nobody knows"
	}
	c, err := generator(hash).NewClientUnprepped(user, password, "")
	if err != nil {
		return Keys{}, err
	}
	return join(c, salt, u.broken)
}

func (u users) Password(_ context.Context, user, password string) error {
	if user != "alice" || password != "pencil" {
		return fail(NotAuthorized, "")
	}
	return u.broken
}

func (u users) Allows(_ context.Context, user, authzid string) (bool, error) {
	return user+"@example.org" == authzid, u.broken
}

func generator(hash string) scram.HashGeneratorFcn {
	if hash == "SHA-1" {
		return scram.SHA1
	}
	return scram.SHA256
}

var bindings = []Binding{
	{"tls-exporter", []byte("exported")}, {"tls-server-end-point", []byte("the certificate")},
}

func wantCondition(t *testing.T, err error, want Condition) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Condition != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// converse plays a client of another library against the mechanism.
func converse(t *testing.T, l *Login, c *scram.ClientConversation) error {
	t.Helper()
	challenge := ""
	for {
		response, err := c.Step(challenge)
		if err != nil {
			return err
		}
		reply, done, err := l.Step(t.Context(), []byte(response))
		if err != nil {
			return err
		}
		challenge = string(reply)
		if !done {
			continue
		}
		if _, err := c.Step(challenge); err != nil {
			return err
		}
		if !c.Valid() {
			t.Error("the client does not believe the server")
		}
		return nil
	}
}

func TestClientsOfAnotherLibrarySignIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hash, user, password, authzid string
		plus                          bool
		binding                       scram.ChannelBinding
		advertise                     bool
		bindings                      []Binding
		want                          Condition // "" for success
	}{
		"SHA-1":                         {hash: "SHA-1", user: "alice", password: "pencil"},
		"SHA-256":                       {hash: "SHA-256", user: "alice", password: "pencil"},
		"a name that has to be escaped": {hash: "SHA-256", user: "al,i=ce", password: "pencil"},
		"acting as oneself":             {hash: "SHA-256", user: "alice", password: "pencil", authzid: "alice@example.org"},
		"acting as another":             {hash: "SHA-256", user: "alice", password: "pencil", authzid: "bob@example.org", want: InvalidAuthzid},
		"a wrong password":              {hash: "SHA-256", user: "alice", password: "pen", want: NotAuthorized},
		"a wrong password, as another":  {hash: "SHA-256", user: "alice", password: "pen", authzid: "bob@example.org", want: NotAuthorized},
		"nobody":                        {hash: "SHA-1", user: "nobody", password: "pencil", want: NotAuthorized},
		"bound, SHA-1": {
			hash: "SHA-1", user: "alice", password: "pencil", plus: true, bindings: bindings,
			binding: scram.ChannelBinding{Type: "tls-exporter", Data: []byte("exported")},
		},
		"bound to the certificate": {
			hash: "SHA-256", user: "alice", password: "pencil", plus: true, bindings: bindings,
			binding: scram.ChannelBinding{Type: "tls-server-end-point", Data: []byte("the certificate")},
		},
		"bound to another connection": {
			hash: "SHA-256", user: "alice", password: "pencil", plus: true, bindings: bindings,
			binding: scram.ChannelBinding{Type: "tls-exporter", Data: []byte("another")}, want: NotAuthorized,
		},
		"bound by what is not offered": {
			hash: "SHA-256", user: "alice", password: "pencil", plus: true, bindings: bindings,
			binding: scram.ChannelBinding{Type: "tls-unique", Data: []byte("finished")}, want: NotAuthorized,
		},
		"bound without -PLUS": {
			hash: "SHA-256", user: "alice", password: "pencil", bindings: bindings,
			binding: scram.ChannelBinding{Type: "tls-exporter", Data: []byte("exported")}, want: MalformedRequest,
		},
		"-PLUS without a binding":        {hash: "SHA-256", user: "alice", password: "pencil", plus: true, bindings: bindings, want: MalformedRequest},
		"could bind, was not offered it": {hash: "SHA-256", user: "alice", password: "pencil", advertise: true},
		"could bind, was offered it":     {hash: "SHA-256", user: "alice", password: "pencil", advertise: true, bindings: bindings, want: NotAuthorized},
		"can't bind, was offered it":     {hash: "SHA-256", user: "alice", password: "pencil", bindings: bindings},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := generator(c.hash).NewClientUnprepped(c.user, c.password, c.authzid)
			if err != nil {
				t.Fatal(err)
			}
			conversation := client.NewConversation()
			switch {
			case c.advertise:
				conversation = client.NewConversationAdvertisingChannelBinding()
			case c.binding.Type != "":
				conversation = client.NewConversationWithChannelBinding(c.binding)
			}
			m := SCRAM{Users: users{}, Hash: c.hash, Plus: c.plus, Bindings: c.bindings}
			l, err := Begin([]Mechanism{m}, m.Name())
			if err != nil {
				t.Fatal(err)
			}
			err = converse(t, l, conversation)
			switch {
			case c.want != "":
				wantCondition(t, err, c.want)
			case err != nil:
				t.Error(err)
			case l.User() != c.user:
				t.Errorf("the user is %q, want %q", l.User(), c.user)
			}
			if _, _, err := l.Step(t.Context(), []byte("n,,n=alice,r=x")); err == nil {
				t.Error("the exchange goes on after its end")
			}
		})
	}
}

// The examples of rfc5802#5 and rfc7677#3, whose server nonces are given.
func TestExamplesOfTheStandards(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ hash, user, first, challenge, final, success string }{
		{
			"SHA-1", "user", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			"SHA-256", "user", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	} {
		x := &scramExchange{SCRAM: SCRAM{Users: example{}, Hash: c.hash}}
		if _, _, err := x.Step(t.Context(), []byte(c.first)); err != nil {
			t.Fatalf("%s: %v", c.hash, err)
		}
		// The server's nonce is the example's from here on.
		x.nonce = strings.TrimPrefix(strings.Split(c.challenge, ",")[0], "r=")
		x.first = strings.TrimPrefix(c.first, "n,,") + "," + c.challenge
		success, done, err := x.Step(t.Context(), []byte(c.final))
		if err != nil || !done || string(success) != c.success {
			t.Errorf("%s: %q, %v, %v; want %q", c.hash, success, done, err, c.success)
		}
	}
}

// example has the keys of "pencil" with the standards' salts.
type example struct{ users }

func (example) Keys(_ context.Context, user, hash string) (Keys, error) {
	text := map[string]string{"SHA-1": "QSXCR+Q6sek8bf92", "SHA-256": "W22ZaJ0SNY7soEsUEjb6gQ=="}[hash]
	salt, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return Keys{}, err
	}
	c, err := generator(hash).NewClient(user, "pencil", "")
	if err != nil {
		return Keys{}, err
	}
	return join(c, salt, nil)
}

func join(c *scram.Client, salt []byte, broken error) (Keys, error) {
	k, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: 4096})
	return Keys{Iterations: 4096, Salt: salt, Stored: k.StoredKey, Server: k.ServerKey}, errors.Join(err, broken)
}

func TestFirstMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want Condition
	}{
		"nothing":                      {"", MalformedRequest},
		"no header":                    {"n=alice,r=abc", MalformedRequest},
		"half a header":                {"n,n=alice,r=abc", MalformedRequest},
		"an unknown flag":              {"x,,n=alice,r=abc", MalformedRequest},
		"no name":                      {"n,,r=abc", MalformedRequest},
		"an empty name":                {"n,,n=,r=abc", MalformedRequest},
		"a name with a bare =":         {"n,,n=al=ice,r=abc", MalformedRequest},
		"an escape in lower case":      {"n,,n=al=2cice,r=abc", MalformedRequest},
		"a name with a NUL":            {"n,,n=al\x00ice,r=abc", MalformedRequest},
		"a name that is not UTF-8":     {"n,,n=al\xffice,r=abc", MalformedRequest},
		"a long name":                  {"n,,n=" + strings.Repeat("a", 3072) + ",r=abc", MalformedRequest},
		"no nonce":                     {"n,,n=alice", MalformedRequest},
		"an empty nonce":               {"n,,n=alice,r=", MalformedRequest},
		"a nonce with a space":         {"n,,n=alice,r=a b", MalformedRequest},
		"a nonce that is not ASCII":    {"n,,n=alice,r=aéb", MalformedRequest},
		"a mandatory extension":        {"n,,m=x,n=alice,r=abc", MalformedRequest},
		"a mandatory extension, later": {"n,,n=alice,r=abc,m=x", MalformedRequest},
		"rubbish after the nonce":      {"n,,n=alice,r=abc,xyz", MalformedRequest},
		"a wrong authzid":              {"n,x=bob,n=alice,r=abc", MalformedRequest},
		"an empty authzid":             {"n,a=,n=alice,r=abc", MalformedRequest},
		"too much":                     {"n,,n=alice,r=" + strings.Repeat("x", maxResponse), MalformedRequest},
	} {
		l := &Login{exchange: SCRAM{Users: users{}, Hash: "SHA-256"}.Begin()}
		if _, _, err := l.Step(t.Context(), []byte(c.text)); err == nil {
			t.Errorf("%s is taken", name)
		} else if e, ok := errors.AsType[*Error](err); !ok || e.Condition != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestFinalMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(final string) string
		want Condition
	}{
		"no proof":        {func(s string) string { return s[:strings.Index(s, ",p=")] }, MalformedRequest},
		"no base64":       {func(s string) string { return s + "!" }, MalformedRequest},
		"a line end":      {func(s string) string { return s + "\n" }, MalformedRequest},
		"an empty proof":  {func(s string) string { return s[:strings.Index(s, ",p=")] + ",p=" }, NotAuthorized},
		"a short proof":   {func(s string) string { return s[:strings.Index(s, ",p=")] + ",p=AAAA" }, NotAuthorized},
		"a wrong proof":   {func(s string) string { return s[:len(s)-44] + strings.Repeat("A", 43) + "=" }, NotAuthorized},
		"another nonce":   {func(s string) string { return strings.Replace(s, ",r=", ",r=x", 1) }, NotAuthorized},
		"another header":  {func(s string) string { return strings.Replace(s, "c=biws", "c=eSws", 1) }, NotAuthorized},
		"no header":       {func(s string) string { return strings.TrimPrefix(s, "c=biws,") }, MalformedRequest},
		"no nonce":        {func(s string) string { return "c=biws" + s[strings.Index(s, ",p="):] }, MalformedRequest},
		"a mandatory one": {func(s string) string { return strings.Replace(s, ",p=", ",m=x,p=", 1) }, MalformedRequest},
		"an optional one": {func(s string) string { return strings.Replace(s, ",p=", ",x=y,p=", 1) }, NotAuthorized}, // not signed
		"nothing":         {func(string) string { return "" }, MalformedRequest},
	} {
		client, err := scram.SHA256.NewClient("alice", "pencil", "")
		if err != nil {
			t.Fatal(err)
		}
		conversation := client.NewConversation()
		first, _ := conversation.Step("")
		l := &Login{exchange: SCRAM{Users: users{}, Hash: "SHA-256"}.Begin()}
		challenge, _, err := l.Step(t.Context(), []byte(first))
		if err != nil {
			t.Fatal(err)
		}
		final, err := conversation.Step(string(challenge))
		if err != nil {
			t.Fatal(err)
		}
		_, done, err := l.Step(t.Context(), []byte(c.edit(final)))
		if e, ok := errors.AsType[*Error](err); !ok || e.Condition != c.want || done {
			t.Errorf("%s: %v, done %v; want %s", name, err, done, c.want)
		}
	}
}

func TestNoncesAreFreshAndExtendTheClients(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 50 {
		challenge, _, err := (SCRAM{Users: users{}, Hash: "SHA-1"}).Begin().Step(t.Context(), []byte("n,,n=alice,r=abc"))
		if err != nil {
			t.Fatal(err)
		}
		nonce, _, _ := strings.Cut(string(challenge), ",")
		if !strings.HasPrefix(nonce, "r=abc") || len(nonce) < len("r=abc")+24 || seen[nonce] {
			t.Fatalf("the nonce of %q is short, or not fresh", challenge)
		}
		seen[nonce] = true
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want Condition // "" for success
	}{
		"as it should be":        {"\x00alice\x00pencil", ""},
		"acting as oneself":      {"alice@example.org\x00alice\x00pencil", ""},
		"acting as another":      {"bob@example.org\x00alice\x00pencil", InvalidAuthzid},
		"another, wrong":         {"bob@example.org\x00alice\x00pen", NotAuthorized},
		"a wrong password":       {"\x00alice\x00pen", NotAuthorized},
		"nobody":                 {"\x00bob\x00pencil", NotAuthorized},
		"no password":            {"\x00alice\x00", MalformedRequest},
		"no name":                {"\x00\x00pencil", MalformedRequest},
		"two parts":              {"alice\x00pencil", MalformedRequest},
		"four parts":             {"\x00alice\x00pencil\x00", MalformedRequest},
		"nothing":                {"", MalformedRequest},
		"a name of bad UTF-8":    {"\x00al\xc3ice\x00pencil", MalformedRequest},
		"an authzid of the kind": {"\xff\x00alice\x00pencil", MalformedRequest},
	} {
		l, err := Begin([]Mechanism{Plain{users{}}}, "PLAIN")
		if err != nil {
			t.Fatal(err)
		}
		reply, done, err := l.Step(t.Context(), []byte(c.text))
		switch {
		case c.want == "" && (err != nil || !done || reply != nil || l.User() != "alice"):
			t.Errorf("%s: %q, %v, %v", name, reply, done, err)
		case c.want != "":
			if e, ok := errors.AsType[*Error](err); !ok || e.Condition != c.want || done {
				t.Errorf("%s: %v, done %v; want %s", name, err, done, c.want)
			}
		}
	}
}

func TestLoginWithoutAnInitialResponseIsAskedForOne(t *testing.T) {
	t.Parallel()
	l, err := Begin([]Mechanism{Plain{users{}}}, "PLAIN")
	if err != nil {
		t.Fatal(err)
	}
	reply, done, err := l.Step(t.Context(), nil)
	if err != nil || done || reply == nil || len(reply) != 0 {
		t.Fatalf("no initial response: %v, %v, %v", reply, done, err)
	}
	if _, done, err := l.Step(t.Context(), []byte("\x00alice\x00pencil")); err != nil || !done {
		t.Errorf("the response after it: %v, %v", done, err)
	}
	again, err := Begin([]Mechanism{Plain{users{}}}, "PLAIN")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := again.Step(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, _, err = again.Step(t.Context(), nil)
	wantCondition(t, err, MalformedRequest)
}

func TestMechanismThatWasNotOfferedIsRefused(t *testing.T) {
	t.Parallel()
	offered := []Mechanism{SCRAM{Users: users{}, Hash: "SHA-256"}, Plain{users{}}}
	if got := strings.Join(Names(offered), " "); got != "SCRAM-SHA-256 PLAIN" {
		t.Errorf("offered are %s", got)
	}
	for _, name := range []string{"", "plain", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "EXTERNAL"} {
		_, err := Begin(offered, name)
		wantCondition(t, err, InvalidMechanism)
	}
}

func TestTroubleOfOursIsTemporary(t *testing.T) {
	t.Parallel()
	broken := users{errors.New("the disk is gone")}
	for _, m := range []Mechanism{SCRAM{Users: broken, Hash: "SHA-1"}, Plain{broken}} {
		l, err := Begin([]Mechanism{m}, m.Name())
		if err != nil {
			t.Fatal(err)
		}
		text := "n,,n=alice,r=abc"
		if m.Name() == "PLAIN" {
			text = "\x00alice\x00pencil"
		}
		_, done, err := l.Step(t.Context(), []byte(text))
		wantCondition(t, err, TemporaryAuthFailure)
		if e, _ := errors.AsType[*Error](err); done || strings.Contains(e.XML(), "disk") || !strings.Contains(e.Error(), "disk") {
			t.Errorf("the peer hears %s, the log %v, done %v", e.XML(), err, done)
		}
	}
}

func TestBase64IsStrict(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"A", "AA", "AAA", "AA=A", "AAAA=", "====", "AA==AAAA", "AAAA\n", "\r\nAAAA", " AAAA", "AA-_", "AB==", "é", "=="} {
		_, err := Decode(bad)
		wantCondition(t, err, IncorrectEncoding)
	}
	for text, want := range map[string]string{"=": "", "AA==": "\x00", "YWxpY2U=": "alice"} {
		if got, err := Decode(text); err != nil || string(got) != want || got == nil {
			t.Errorf("%q is %q, %v", text, got, err)
		}
		if back := Encode([]byte(want)); back != text {
			t.Errorf("%q is written %q", want, back)
		}
	}
	if got, err := Decode(""); got != nil || err != nil {
		t.Errorf("no text is %q, %v", got, err)
	}
	if got := Encode(nil); got != "" {
		t.Errorf("no data is %q", got)
	}
}

func TestFailureIsWrittenAsTheStandardSays(t *testing.T) {
	t.Parallel()
	got := Fail(NotAuthorized, "who's there?", errors.New("secret")).XML()
	want := `<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text xml:lang='en'>who&apos;s there?</text></failure>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzSCRAM(f *testing.F) {
	f.Add("n,,n=alice,r=abc", "c=biws,r=abc,p=AAAA", false)
	f.Add("p=tls-exporter,a=bob,n=alice,r=abc,x=y", "c=biws,r=abc,x=y,p=AAAA", true)
	known := cached{}
	f.Fuzz(func(t *testing.T, first, final string, plus bool) {
		l := &Login{exchange: SCRAM{Users: known, Hash: "SHA-256", Plus: plus, Bindings: bindings}.Begin()}
		challenge, done, err := l.Step(t.Context(), []byte(first))
		if done {
			t.Fatal("somebody has signed in by a name alone")
		}
		if err == nil && !strings.HasPrefix(string(challenge), "r=") {
			t.Fatalf("the challenge is %q", challenge)
		}
		if _, done, _ := l.Step(t.Context(), []byte(final)); done {
			t.Fatal("somebody has signed in without the password")
		}
	})
}

// cached has keys of no password at all.
type cached struct{ users }

func (cached) Keys(context.Context, string, string) (Keys, error) {
	return Keys{Iterations: 4096, Salt: salt, Stored: make([]byte, 32), Server: make([]byte, 32)}, nil
}

func FuzzPlain(f *testing.F) {
	f.Add("\x00alice\x00pencil")
	f.Fuzz(func(t *testing.T, text string) {
		_, done, _ := (&Login{exchange: Plain{users{}}.Begin()}).Step(t.Context(), []byte(text))
		if done && !strings.HasSuffix(text, "\x00alice\x00pencil") {
			t.Fatalf("%q signs in", text)
		}
	})
}

func BenchmarkSCRAM(b *testing.B) {
	for _, hash := range []string{"SHA-1", "SHA-256"} {
		b.Run(hash, func(b *testing.B) {
			keys, err := users{}.Keys(b.Context(), "alice", hash)
			if err != nil {
				b.Fatal(err)
			}
			client, err := generator(hash).NewClient("alice", "pencil", "")
			if err != nil {
				b.Fatal(err)
			}
			conversation := client.NewConversation()
			first, _ := conversation.Step("")
			m := SCRAM{Users: fixed{keys: keys}, Hash: hash, Rand: zeros{}}
			challenge, _, err := m.Begin().Step(b.Context(), []byte(first))
			if err != nil {
				b.Fatal(err)
			}
			final, err := conversation.Step(string(challenge))
			if err != nil {
				b.Fatal(err)
			}
			one, two := []byte(first), []byte(final)
			b.ReportAllocs()
			for b.Loop() {
				x := m.Begin()
				if _, _, err := x.Step(b.Context(), one); err != nil {
					b.Fatal(err)
				}
				if _, done, err := x.Step(b.Context(), two); err != nil || !done {
					b.Fatal(err)
				}
			}
		})
	}
}

type fixed struct {
	users
	keys Keys
}

func (f fixed) Keys(context.Context, string, string) (Keys, error) { return f.keys, nil }

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
