package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"io"
	"strconv"
	"strings"
)

// Keys is what is kept of a user for SCRAM (rfc5802#3).
type Keys struct {
	Iterations           int
	Salt, Stored, Server []byte
}

// SCRAM is the mechanisms SCRAM-SHA-1 and SCRAM-SHA-256 and their -PLUS (RFC 5802, RFC 7677).
type SCRAM struct {
	Users Users
	Hash  string // "SHA-1" or "SHA-256"
	// Plus is the mechanism with channel binding.
	Plus bool
	// Bindings are the connection's. If there are any, the -PLUS was offered too: a client that says it
	// could bind but was not offered it then has been deceived.
	Bindings []Binding
	Rand     io.Reader // for nonces; default crypto/rand
}

// Name is the mechanism's.
func (m SCRAM) Name() string {
	if m.Plus {
		return "SCRAM-" + m.Hash + "-PLUS"
	}
	return "SCRAM-" + m.Hash
}

// Begin starts a try.
func (m SCRAM) Begin() Exchange { return &scramExchange{SCRAM: m} }

func (m SCRAM) newHash() hash.Hash {
	if m.Hash == "SHA-1" {
		return sha1.New()
	}
	return sha256.New()
}

func (m SCRAM) mac(key []byte, text string) []byte {
	h := hmac.New(m.newHash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

type scramExchange struct {
	SCRAM
	user, authzid string
	keys          Keys
	cbind         string // what the client's channel-binding has to be, in base64
	nonce         string
	first         string // client-first-message-bare and server-first-message, joined as the proof has them
}

func (x *scramExchange) User() string { return x.user }

func (x *scramExchange) Step(ctx context.Context, response []byte) ([]byte, bool, error) {
	if x.first == "" {
		challenge, err := x.clientFirst(ctx, string(response))
		return challenge, false, err
	}
	success, err := x.clientFinal(ctx, string(response))
	return success, err == nil, err
}

// clientFirst takes the client-first-message and gives the server-first-message (rfc5802#5).
func (x *scramExchange) clientFirst(ctx context.Context, text string) ([]byte, error) {
	bare, err := x.gs2Header(text)
	if err != nil {
		return nil, err
	}
	user, rest, _ := strings.Cut(bare, ",")
	if x.user, err = saslName(user, "n="); err != nil { // an "m=" before it is an extension nobody knows: rfc5802#5.1
		return nil, err
	}
	nonce, extensions, more := strings.Cut(rest, ",")
	if nonce, err = printable(nonce, "r="); err != nil {
		return nil, err
	}
	if more && !areExtensions(extensions) {
		return nil, fail(MalformedRequest, "what follows the nonce is no extension")
	}
	if x.keys, err = x.Users.Keys(ctx, x.user, x.Hash); err != nil {
		return nil, err
	}
	if x.nonce, err = x.extend(nonce); err != nil {
		return nil, err
	}
	challenge := "r=" + x.nonce + ",s=" + base64.StdEncoding.EncodeToString(x.keys.Salt) +
		",i=" + strconv.Itoa(x.keys.Iterations)
	x.first = bare + "," + challenge
	return []byte(challenge), nil
}

// extend adds our nonce to the client's.
func (x *scramExchange) extend(nonce string) (string, error) {
	source := x.Rand
	if source == nil {
		source = rand.Reader
	}
	var own [18]byte
	if _, err := io.ReadFull(source, own[:]); err != nil {
		return "", Fail(TemporaryAuthFailure, "", err)
	}
	return nonce + base64.StdEncoding.EncodeToString(own[:]), nil
}

// gs2Header takes what precedes the client-first-message-bare: the channel binding and the authzid (rfc5802#7).
func (x *scramExchange) gs2Header(text string) (bare string, err error) {
	flag, rest, ok := strings.Cut(text, ",")
	authzid, bare, more := strings.Cut(rest, ",")
	if !ok || !more {
		return "", fail(MalformedRequest, "the message has no header")
	}
	if authzid != "" {
		if x.authzid, err = saslName(authzid, "a="); err != nil {
			return "", err
		}
	}
	data, err := x.binding(flag)
	if err != nil {
		return "", err
	}
	header := text[:len(text)-len(bare)]
	x.cbind = base64.StdEncoding.EncodeToString(append([]byte(header), data...))
	return bare, nil
}

// binding is the data of the channel binding that a client names (rfc5802#6).
func (x *scramExchange) binding(flag string) ([]byte, error) {
	name, binds := strings.CutPrefix(flag, "p=")
	switch {
	case binds && x.Plus:
		for _, b := range x.Bindings {
			if b.Type == name {
				return b.Data, nil
			}
		}
		return nil, Fail(NotAuthorized, "this connection has no channel binding of that type", ErrBinding)
	case binds:
		return nil, fail(MalformedRequest, "channel binding needs a -PLUS mechanism")
	case flag != "n" && flag != "y":
		return nil, fail(MalformedRequest, "the message has no header")
	case x.Plus:
		return nil, fail(MalformedRequest, "a -PLUS mechanism needs channel binding")
	case flag == "y" && len(x.Bindings) > 0:
		// Somebody between us took -PLUS out of what we offered.
		return nil, Fail(NotAuthorized, "channel binding was offered, and did not arrive", ErrBinding)
	}
	return nil, nil
}

// clientFinal takes the client-final-message and gives the server-final-message.
func (x *scramExchange) clientFinal(ctx context.Context, text string) ([]byte, error) {
	at := strings.LastIndex(text, ",p=")
	if at < 0 {
		return nil, fail(MalformedRequest, "the message has no proof")
	}
	without := text[:at]
	proof, err := unbase64(text[at+len(",p="):])
	if err != nil {
		return nil, fail(MalformedRequest, "the proof is not base64")
	}
	cbind, rest, _ := strings.Cut(without, ",")
	cbind, ok := strings.CutPrefix(cbind, "c=")
	nonce, extensions, more := strings.Cut(rest, ",")
	nonce, named := strings.CutPrefix(nonce, "r=")
	if !ok || !named || more && !areExtensions(extensions) {
		return nil, fail(MalformedRequest, "the message has no channel binding or nonce")
	}
	// All is compared, whatever differs first.
	right := subtle.ConstantTimeCompare([]byte(cbind), []byte(x.cbind)) &
		subtle.ConstantTimeCompare([]byte(nonce), []byte(x.nonce))
	message := x.first + "," + without
	if right&x.proves(proof, message) != 1 {
		return nil, fail(NotAuthorized, "")
	}
	if err := act(ctx, x.Users, x.user, x.authzid); err != nil {
		return nil, err
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(x.mac(x.keys.Server, message))), nil
}

// proves is 1 if the proof is one of the stored key (rfc5802#3).
func (x *scramExchange) proves(proof []byte, message string) int {
	signature := x.mac(x.keys.Stored, message)
	if len(proof) != len(signature) {
		return 0
	}
	key := make([]byte, len(proof))
	subtle.XORBytes(key, proof, signature)
	h := x.newHash()
	h.Write(key)
	return subtle.ConstantTimeCompare(h.Sum(nil), x.keys.Stored)
}

// saslName reads a name after its prefix: = and , are written as =3D and =2C (rfc5802#5.1).
func saslName(text, prefix string) (string, error) {
	text, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return "", fail(MalformedRequest, "the message has no "+prefix)
	}
	if strings.Count(text, "=") != strings.Count(text, "=2C")+strings.Count(text, "=3D") {
		return "", fail(MalformedRequest, "a name has a = that stands for nothing")
	}
	name := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(text)
	return name, checkName(name)
}

// printable reads a nonce after its prefix.
func printable(text, prefix string) (string, error) {
	text, ok := strings.CutPrefix(text, prefix)
	if !ok || text == "" {
		return "", fail(MalformedRequest, "the message has no nonce")
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' || text[i] == ',' {
			return "", fail(MalformedRequest, "the nonce has a character that it may not have")
		}
	}
	return text, nil
}

// areExtensions says that a text is attributes with a value each, which may be passed over (rfc5802#5.1).
func areExtensions(text string) bool {
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || value == "" || len(name) != 1 || !isLetter(name[0]) || name == "m" {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
