package sasl

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// tokens knows one token, alice's.
type tokens struct{ asked int }

func (k *tokens) Token(_ context.Context, authzid, token string) (string, error) {
	k.asked++
	switch {
	case token == "broken":
		return "", errors.New("the disk is gone")
	case token == "wait":
		return "", Fail(TemporaryAuthFailure, "wait", nil)
	case token == "a.B-_~+/9==" && (authzid == "" || authzid == "alice@example.org"):
		return "alice", nil
	}
	return "", Fail(NotAuthorized, "", nil)
}

func TestBearer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, say, user, challenge, condition string }{
		{"a token alone", "n,,\x01auth=Bearer a.B-_~+/9==\x01\x01", "alice", "", ""},
		{"with host and port", "n,a=alice@example.org,\x01host=example.org\x01port=5222\x01auth=Bearer a.B-_~+/9==\x01\x01", "alice", "", ""},
		{"a client that could bind", "y,,\x01auth=bearer  a.B-_~+/9==\x01\x01", "alice", "", ""},
		{"strophe's empty name", "n,a=,\x01auth=Bearer a.B-_~+/9==\x01\x01", "alice", "", ""},
		{"a wrong token", "n,,\x01auth=Bearer x\x01\x01", "", `{"status":"invalid_token"}`, "not-authorized"},
		{"a foreign token", "n,a=bob@example.org,\x01auth=Bearer a.B-_~+/9==\x01\x01", "bob@example.org", `{"status":"invalid_token"}`, "not-authorized"},
		{"a fault", "n,,\x01auth=Bearer broken\x01\x01", "", "", "temporary-auth-failure"},
		{"too soon", "n,,\x01auth=Bearer wait\x01\x01", "", "", "temporary-auth-failure"},
		{"only ^A", "\x01", "", "", "malformed-request"},
		{"nothing", "", "", "", "malformed-request"},
		{"channel binding", "p=tls-exporter,,\x01auth=Bearer a\x01\x01", "", "", "malformed-request"},
		{"no end", "n,,\x01auth=Bearer a\x01", "", "", "malformed-request"},
		{"no token", "n,,\x01host=example.org\x01\x01", "", "", "malformed-request"},
		{"no pairs", "n,,\x01\x01", "", "", "malformed-request"},
		{"an empty token", "n,,\x01auth=Bearer \x01\x01", "", "", "malformed-request"},
		{"another scheme", "n,,\x01auth=Basic YTpi\x01\x01", "", "", "malformed-request"},
		{"two tokens", "n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01", "", "", "malformed-request"},
		{"a NUL", "n,,\x01auth=Bearer a\x01k=\x00\x01\x01", "", "", "malformed-request"},
		{"a key of digits", "n,,\x01auth=Bearer a\x011=x\x01\x01", "", "", "malformed-request"},
		{"letters beyond ASCII", "n,,\x01auth=Bearer \u0161\x01\x01", "", "", "malformed-request"},
		{"a bad name", "n,a=b=x,\x01auth=Bearer a\x01\x01", "", "", "malformed-request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			login, err := Begin([]Mechanism{Bearer{&tokens{}}}, "OAUTHBEARER")
			if err != nil {
				t.Fatal(err)
			}
			challenge, done, err := login.Step(t.Context(), []byte(test.say))
			if string(challenge) != test.challenge {
				t.Errorf("the challenge is %q, want %q", challenge, test.challenge)
			}
			if test.challenge != "" {
				_, done, err = login.Step(t.Context(), []byte{1}) // rfc7628#3.2.3
			}
			if got := condition(err); got != test.condition || done != (test.condition == "") {
				t.Errorf("it ends with %q, done %v; want %q", got, done, test.condition)
			}
			if login.User() != test.user {
				t.Errorf("the user is %q, want %q", login.User(), test.user)
			}
		})
	}
}

func condition(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return string(e.Condition)
	}
	return ""
}

// A good token does not make up for the wrong one before it.
func TestBearerHasOneTry(t *testing.T) {
	t.Parallel()
	k := &tokens{}
	login, err := Begin([]Mechanism{Bearer{k}}, "OAUTHBEARER")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := login.Step(t.Context(), []byte("n,,\x01auth=Bearer x\x01\x01")); err != nil {
		t.Fatal(err)
	}
	_, done, err := login.Step(t.Context(), []byte("n,,\x01auth=Bearer a.B-_~+/9==\x01\x01"))
	if done || condition(err) != "not-authorized" || k.asked != 1 {
		t.Errorf("a second token got done %v, %v after %d questions", done, err, k.asked)
	}
}

func FuzzBearer(f *testing.F) {
	for _, seed := range []string{
		"n,,\x01auth=Bearer abc\x01\x01", "y,a=alice=2Cx@example.org,\x01host=h\x01port=1\x01auth=Bearer a==\x01\x01", "\x01", "n,,\x01\x01",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		authzid, token, err := readBearer(response)
		if err != nil {
			if condition(err) != "malformed-request" {
				t.Fatalf("%q fails with %v", response, err)
			}
			return
		}
		if !isToken(token) {
			t.Fatalf("%q gives the token %q", response, token)
		}
		name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(authzid)
		if name != "" {
			name = "a=" + name
		}
		again, same, err := readBearer([]byte("n," + name + ",\x01auth=Bearer " + token + "\x01\x01"))
		if err != nil || again != authzid || same != token {
			t.Fatalf("%q read again: %q %q %v", response, again, same, err)
		}
	})
}
