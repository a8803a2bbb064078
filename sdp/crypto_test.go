package sdp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const thirty = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz" // rfc4568#6.1 has such a one

func TestCrypto(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line, suite string
		mki         []byte
	}{
		"plain":            {"1 AES_CM_128_HMAC_SHA1_80 inline:" + thirty, "AES_CM_128_HMAC_SHA1_80", nil},
		"lower case":       {"1 aes_cm_128_hmac_sha1_80 INLINE:" + thirty, "AES_CM_128_HMAC_SHA1_80", nil},
		"lifetime and MKI": {"1 X inline:" + thirty + "|2^20|1:4 FEC_ORDER=FEC_SRTP WSH=64", "X", []byte{0, 0, 0, 1}},
		"MKI alone":        {"1 X inline:" + thirty + "|258:2", "X", []byte{1, 2}},
		"to be ignored":    {"1 X inline:" + thirty + " -NEW=1 KDR=0", "X", nil},
		"no padding":       {"1 X inline:" + thirty + "AA", "X", nil},
		"two keys":         {line: "1 X inline:" + thirty + "|2^20|1:4;inline:" + thirty + "|2^20|2:4"},
		"not encrypted":    {line: "1 X inline:" + thirty + " UNENCRYPTED_SRTP"},
		"not proved":       {line: "1 X inline:" + thirty + " UNAUTHENTICATED_SRTP"},
		"keys are renewed": {line: "1 X inline:" + thirty + " KDR=20"},
		"unknown":          {line: "1 X inline:" + thirty + " NEW=1"},
		"no base64":        {line: "1 X inline:*"},
		"no key":           {line: "1 X inline:"},
		"no tag":           {line: "X inline:" + thirty},
		"tag with zeros":   {line: "01 X inline:" + thirty},
		"tag too long":     {line: "1000000000 X inline:" + thirty},
		"other method":     {line: "1 X uri:" + thirty},
		"MKI too large":    {line: "1 X inline:" + thirty + "|256:1"},
		"MKI of no length": {line: "1 X inline:" + thirty + "|1:0"},
		"MKI too long":     {line: "1 X inline:" + thirty + "|1:129"},
	} {
		m := &Media{session: &Description{}}
		m.Add("crypto", test.line)
		got := m.Cryptos()
		if test.suite == "" {
			if len(got) != 0 {
				t.Errorf("%s: %q was taken", name, test.line)
			}
			continue
		}
		if len(got) != 1 || got[0].Tag != 1 || got[0].Suite != test.suite || !bytes.Equal(got[0].MKI, test.mki) || len(got[0].Key) < 30 {
			t.Errorf("%s: %q became %+v", name, test.line, got)
		}
	}
}

func TestCryptosWritten(t *testing.T) {
	t.Parallel()
	m := &Media{Proto: "RTP/AVP", session: &Description{}}
	m.Add("crypto", "9 OLD inline:"+thirty)
	want := []Crypto{{Tag: 1, Suite: "A", Key: []byte("12345678901234567890123456789012345678901234")}, {Tag: 2, Suite: "B", Key: []byte("x")}}
	m.SetCryptos(want...)
	got := m.Cryptos()
	if len(got) != 2 || !bytes.Equal(got[0].Key, want[0].Key) || !bytes.Equal(got[1].Key, want[1].Key) || got[1].Tag != 2 || got[1].Suite != "B" {
		t.Errorf("%v became %v", want, got)
	}
	if m.Form() != Opportunistic || FormOf(m.Form().String()) != Opportunistic {
		t.Errorf("RTP/AVP with keys is %q", m.Form())
	}
	if m.Proto = "RTP/SAVP"; m.Form() != SDES {
		t.Errorf("RTP/SAVP with keys is %q", m.Form())
	}
	for range 100 {
		m.Add("crypto", "1 X inline:"+thirty)
	}
	if n := len(m.Cryptos()); n != maxCryptos {
		t.Errorf("%d lines were looked at, want %d", n, maxCryptos)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	t.Parallel()
	m := &Media{session: &Description{}}
	m.Add("crypto", "1 X inline:"+thirty)
	c := m.Cryptos()[0]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, c); !strings.Contains(got, "sdp.Secret") || strings.Contains(got, "89") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	text := "v=0\r\na=ice-pwd:secretsecret\r\nm=audio 1 RTP/SAVP 0\r\nk=clear:secretsecret\r\na=crypto:1 X inline:secretsecret\na=key-mgmt:mikey secretsecret"
	want := "v=0\r\na=ice-pwd:...\r\nm=audio 1 RTP/SAVP 0\r\nk=...\r\na=crypto:...\na=key-mgmt:..."
	if got := Redact(text); got != want {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{"a=crypto:1 X inline:secretsecret\x00", "k=clear:secretsecret\x00"} {
		if _, err := Parse("v=0\r\n" + bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("the error is %v", err)
		}
	}
}

func FuzzCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:" + thirty + "|2^20|1:4 FEC_ORDER=FEC_SRTP WSH=64")
	f.Fuzz(func(t *testing.T, v string) {
		c, ok := readCrypto(v)
		if !ok {
			return
		}
		m := &Media{session: &Description{}}
		m.SetCryptos(c)
		if got := m.Cryptos(); len(got) != 1 || got[0].Tag != c.Tag || got[0].Suite != c.Suite || !bytes.Equal(got[0].Key, c.Key) {
			t.Errorf("%q became %v and %v", v, c, got)
		}
	})
}
