package sdp

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// maxCryptos is how many a=crypto lines of a medium are looked at.
const maxCryptos = 16

// Secret is a key. It never shows in a log.
type Secret []byte

func (Secret) String() string   { return "sdp.Secret" }
func (Secret) GoString() string { return "sdp.Secret" }

// Crypto is an a=crypto line: what its writer encrypts with (rfc4568#9.1).
type Crypto struct {
	Tag   int
	Suite string // "AES_CM_128_HMAC_SHA1_80"
	Key   Secret // the master key, and its salt
	MKI   []byte // the key's name in each packet; nil if it has none
}

// Cryptos are those of the medium that can be used, in the order of preference: with one key, and nothing asked for that
// would change how packets look.
func (m *Media) Cryptos() []Crypto {
	var all []Crypto
	n := 0
	for v := range m.Values("crypto") {
		if n++; n > maxCryptos {
			break
		}
		if c, ok := readCrypto(v); ok {
			all = append(all, c)
		}
	}
	return all
}

// readCrypto reads "1 AES_CM_128_HMAC_SHA1_80 inline:...|2^20|1:4 WSH=64".
func readCrypto(v string) (Crypto, bool) {
	f := strings.Fields(v)
	if len(f) < 3 {
		return Crypto{}, false
	}
	tag, ok := number(f[0], 999999999) // rfc4568#9.1
	if !ok || f[0] != strconv.Itoa(tag) {
		return Crypto{}, false
	}
	for _, p := range f[3:] {
		if !harmless(p) {
			return Crypto{}, false
		}
	}
	c := Crypto{Tag: tag, Suite: strings.ToUpper(f[1])}
	c.Key, c.MKI, ok = readInline(f[2])
	return c, ok
}

// harmless says that a session parameter changes nothing for us: one that we don't know may be passed over if it says so
// by its first character (rfc4568#6.3.7).
func harmless(parameter string) bool {
	name, value, _ := strings.Cut(parameter, "=")
	switch strings.ToUpper(name) {
	case "WSH", "FEC_ORDER":
		return true
	case "KDR":
		return value == "0"
	}
	return strings.HasPrefix(name, "-")
}

// readInline reads a key that may have a lifetime and a name; of several keys none is taken.
func readInline(v string) (key Secret, mki []byte, ok bool) {
	method, v, _ := strings.Cut(v, ":")
	if !strings.EqualFold(method, "inline") || strings.Contains(v, ";") {
		return nil, nil, false
	}
	parts := strings.Split(v, "|")
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "="))
	if err != nil || len(key) == 0 || len(parts) > 3 {
		return nil, nil, false
	}
	for _, p := range parts[1:] {
		name, length, named := strings.Cut(p, ":")
		if !named { // a lifetime: ours are shorter (rfc4568#6.1)
			continue
		}
		if mki, ok = readMKI(name, length); !ok {
			return nil, nil, false
		}
	}
	return key, mki, true
}

// readMKI reads "1:4": the number 1 in 4 bytes.
func readMKI(name, length string) ([]byte, bool) {
	n, err := strconv.ParseUint(name, 10, 32)
	size, ok := number(length, 128)
	if err != nil || !ok || size == 0 || size < 4 && n>>(8*size) != 0 {
		return nil, false
	}
	mki := make([]byte, size)
	for i := size - 1; i >= 0 && n > 0; i-- {
		mki[i] = byte(n)
		n >>= 8
	}
	return mki, true
}

// SetCryptos puts these in the place of the medium's a=crypto lines.
func (m *Media) SetCryptos(all ...Crypto) {
	m.Remove("crypto")
	for _, c := range all {
		m.Add("crypto", strconv.Itoa(c.Tag)+" "+c.Suite+" inline:"+base64.StdEncoding.EncodeToString(c.Key))
	}
}

// Redact takes the keys and passwords out of a description that is to be shown or logged.
func Redact(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(redacted(line))
	}
	return b.String()
}

func redacted(line string) string {
	end := line[len(strings.TrimRight(line, "\r\n")):]
	name, _, ok := strings.Cut(line, ":")
	switch {
	case strings.HasPrefix(line, "k="):
		return "k=..." + end
	case ok && (strings.EqualFold(name, "a=crypto") || strings.EqualFold(name, "a=ice-pwd") || strings.EqualFold(name, "a=key-mgmt")):
		return name + ":..." + end
	}
	return line
}
