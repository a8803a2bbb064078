package sasl

import (
	"bytes"
	"context"
	"errors"
	"strings"
)

// Tokens is what OAUTHBEARER asks about those who sign in.
type Tokens interface {
	// Token gives the user whose token it is. authzid is the identity that the client named with it, "" if none: it has to
	// be that user's. For any token that is not good, it returns a *Error with NotAuthorized.
	Token(ctx context.Context, authzid, token string) (user string, err error)
}

// Bearer is the mechanism OAUTHBEARER (RFC 7628): a token that is as good as a password, for connections that are encrypted.
type Bearer struct{ Tokens Tokens }

// Name is OAUTHBEARER.
func (Bearer) Name() string { return "OAUTHBEARER" }

// Begin starts a try.
func (b Bearer) Begin() Exchange { return &bearerExchange{tokens: b.Tokens} }

type bearerExchange struct {
	tokens Tokens
	user   string
	failed *Error // which the client was told, and has to confirm
}

func (b *bearerExchange) User() string { return b.user }

// Step takes the token; if that is not good, it tells so in a challenge, to which the client has to say something before the
// exchange can fail (rfc7628#3.2.3).
func (b *bearerExchange) Step(ctx context.Context, response []byte) ([]byte, bool, error) {
	if b.failed != nil {
		return nil, false, b.failed // whatever is said
	}
	authzid, token, err := readBearer(response)
	if err != nil {
		return nil, false, err
	}
	b.user = authzid
	user, err := b.tokens.Token(ctx, authzid, token)
	if refused, ok := errors.AsType[*Error](err); ok && refused.Condition == NotAuthorized {
		b.failed = refused
		return []byte(`{"status":"invalid_token"}`), false, nil // rfc7628#3.2.2
	}
	if err != nil {
		return nil, false, err
	}
	b.user = user
	return nil, true, nil
}

// readBearer reads the client's message: a GS2 header and pairs of key and value, each ended by a ^A (rfc7628#3.1).
func readBearer(response []byte) (authzid, token string, err error) {
	header, pairs, ok := strings.Cut(string(response), "\x01")
	if !ok {
		return "", "", fail(MalformedRequest, "the message has no ^A")
	}
	if authzid, err = bearerHeader(header); err != nil {
		return "", "", err
	}
	pairs, ended := strings.CutSuffix(pairs, "\x01")
	if !ended || pairs != "" && !strings.HasSuffix(pairs, "\x01") {
		return "", "", fail(MalformedRequest, "the message has no end")
	}
	for pair := range strings.SplitSeq(strings.TrimSuffix(pairs, "\x01"), "\x01") {
		key, value, ok := strings.Cut(pair, "=")
		switch {
		case !ok || !isKey(key) || !isValue(value):
			return "", "", fail(MalformedRequest, "the message has a part that is no key and value")
		case key != "auth":
			continue // host and port, and what we don't know (rfc7628#3.1)
		case token != "":
			return "", "", fail(MalformedRequest, "the message has two tokens")
		}
		if token, ok = cutScheme(value); !ok {
			return "", "", fail(MalformedRequest, "the token is no Bearer token")
		}
	}
	if token == "" {
		return "", "", fail(MalformedRequest, "the message has no token")
	}
	return authzid, token, nil
}

// bearerHeader reads the GS2 header (rfc5801#4); there is no channel binding without -PLUS.
func bearerHeader(header string) (authzid string, err error) {
	parts := strings.Split(header, ",")
	if len(parts) != 3 || parts[2] != "" || parts[0] != "n" && parts[0] != "y" {
		return "", fail(MalformedRequest, "the message's beginning is not n,,")
	}
	if parts[1] == "" || parts[1] == "a=" { // strophe.js writes one without a name
		return "", nil
	}
	return saslName(parts[1], "a=")
}

// cutScheme gives what follows "Bearer " (rfc6750#2.1).
func cutScheme(value string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(value, " ")
	token = strings.TrimLeft(token, " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && isToken(token)
}

func isToken(text string) bool {
	core := strings.TrimRight(text, "=")
	return core != "" && strings.IndexFunc(core, func(r rune) bool {
		return !(r < 0x80 && (isLetter(byte(r)) || '0' <= r && r <= '9' || strings.ContainsRune("-._~+/", r)))
	}) < 0
}

func isKey(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 || !isLetter(byte(r)) }) < 0
}

func isValue(text string) bool {
	return bytes.IndexFunc([]byte(text), func(r rune) bool {
		return (r < ' ' || r > '~') && r != '\t' && r != '\r' && r != '\n'
	}) < 0
}
