package turn

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Credentials makes names that say until when they are good and whose they are, "1767225600:alice@example.org", and their
// passwords: who has Key can tell a password from the name, so that none is stored
// (draft-uberti-behave-turn-rest).
type Credentials struct {
	Realm    string
	Key      []byte
	Lifetime time.Duration
	Now      func() time.Time // nil: time.Now
}

// Credential is one that was made.
type Credential struct {
	Name, Password string
	Expires        time.Time
}

// New makes one for an account.
func (c *Credentials) New(account string) Credential {
	expires := c.now().Add(c.Lifetime).Truncate(time.Second)
	name := strconv.FormatInt(expires.Unix(), 10) + ":" + account
	return Credential{Name: name, Password: c.password(name), Expires: expires}
}

func (c *Credentials) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func (c *Credentials) password(name string) string {
	mac := hmac.New(sha1.New, c.Key)
	mac.Write([]byte(name))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// account is whose a name is, and whether its time is over.
func (c *Credentials) account(name string) (account string, expired, ok bool) {
	when, account, ok := strings.Cut(name, ":")
	unix, err := strconv.ParseInt(when, 10, 64)
	if !ok || err != nil || account == "" {
		return "", false, false
	}
	return account, c.now().Unix() >= unix, true
}

// key is that of a name for message integrity (rfc8489#9.2.2).
func (c *Credentials) key(name string, sha bool) []byte {
	text := []byte(name + ":" + c.Realm + ":" + c.password(name))
	if sha {
		sum := sha256.Sum256(text)
		return sum[:]
	}
	sum := md5.Sum(text)
	return sum[:]
}
