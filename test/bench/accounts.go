package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"fmt"
	"hash"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

func md5hex(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }

func hmacSum(h func() hash.Hash, key, data []byte) []byte {
	m := hmac.New(h, key)
	m.Write(data)
	return m.Sum(nil)
}

// accountsMain writes N preloaded accounts in a server's own storage format.
// All users share one password and one salt, so that the generator derives the
// SCRAM key once; the server's work per login does not depend on that.
func accountsMain(args []string) {
	fs := flag.NewFlagSet("accounts", flag.ExitOnError)
	kind := fs.String("kind", "", "parley | kamailio-htable | prosody | ejabberd")
	out := fs.String("out", "", "file (parley, kamailio-htable, ejabberd) or folder (prosody)")
	n := fs.Int("n", 1000, "users")
	format := fs.String("user-fmt", "u%06d", "user name pattern")
	domain := fs.String("domain", "bench.test", "domain or realm")
	pass := fs.String("pass", "secret", "password")
	iter := fs.Int("iter", 4096, "SCRAM iterations")
	fs.Parse(args)

	salt := []byte("pbench-fixed-slt")
	salted, _ := pbkdf2.Key(sha1.New, *pass, salt, *iter, 20)
	clientKey := hmacSum(sha1.New, salted, []byte("Client Key"))
	stored := sha1.Sum(clientKey)
	serverKey := hmacSum(sha1.New, salted, []byte("Server Key"))
	b64 := base64.StdEncoding.EncodeToString

	if *kind == "prosody" {
		dir := filepath.Join(*out, "bench%2etest")
		if *domain != "bench.test" {
			fatal("prosody accounts: only the domain bench.test")
		}
		dir = filepath.Join(dir, "accounts")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			fatal("%v", err)
		}
		for i := 0; i < *n; i++ {
			s := fmt.Sprintf("return {\n\t[\"salt\"] = %q;\n\t[\"stored_key\"] = %q;\n\t[\"server_key\"] = %q;\n\t[\"iteration_count\"] = %d;\n};\n",
				salt, hex.EncodeToString(stored[:]), hex.EncodeToString(serverKey), *iter)
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf(*format, i)+".dat"), []byte(s), 0o644); err != nil {
				fatal("%v", err)
			}
		}
		return
	}
	f, err := os.Create(*out)
	if err != nil {
		fatal("%v", err)
	}
	w := bufio.NewWriter(f)
	switch *kind {
	case "parley": // docs/import.md
		fmt.Fprintln(w, "address,scram_sha_1,scram_sha_256,ha1_md5,ha1_md5_full")
		key1, key256 := scramKey(sha1.New, *pass, salt, *iter), scramKey(sha256.New, *pass, salt, *iter)
		for i := 0; i < *n; i++ {
			u := fmt.Sprintf(*format, i)
			fmt.Fprintf(w, "%s@%s,%s,%s,%s,%s\n", u, *domain, key1, key256,
				md5hex(u+":"+*domain+":"+*pass), md5hex(u+"@"+*domain+":"+*domain+":"+*pass))
		}
	case "kamailio-htable": // db_text table for the htable module: user -> HA1
		fmt.Fprintln(w, "key_name(string) key_type(int) value_type(int) key_value(string) expires(int)")
		for i := 0; i < *n; i++ {
			u := fmt.Sprintf(*format, i)
			fmt.Fprintf(w, "%s:0:0:%s:0\n", u, md5hex(u+":"+*domain+":"+*pass))
		}
	case "ejabberd": // mnesia text dump for ejabberdctl load
		fmt.Fprintln(w, "{tables, [{passwd, [{record_name, passwd}, {attributes, [us, password]}]}]}.")
		for i := 0; i < *n; i++ {
			fmt.Fprintf(w, "{passwd, {<<%q>>, <<%q>>}, {scram, <<%q>>, <<%q>>, <<%q>>, sha, %d}}.\n",
				fmt.Sprintf(*format, i), *domain, b64(stored[:]), b64(serverKey), b64(salt), *iter)
		}
	default:
		fatal("accounts: unknown -kind %q", *kind)
	}
	if w.Flush() != nil || f.Close() != nil {
		fatal("write %s failed", *out)
	}
}

// scramKey is a SCRAM key as parley imports it: iterations:salt:stored key:server key.
func scramKey(h func() hash.Hash, pass string, salt []byte, iter int) string {
	salted, err := pbkdf2.Key(h, pass, salt, iter, h().Size())
	if err != nil {
		fatal("derive a key: %v", err)
	}
	stored := h()
	stored.Write(hmacSum(h, salted, []byte("Client Key")))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%d:%s:%s:%s", iter, b64(salt), b64(stored.Sum(nil)), b64(hmacSum(h, salted, []byte("Server Key"))))
}

// certMain writes a self-signed P-256 certificate and key for the benches.
func certMain(args []string) {
	fs := flag.NewFlagSet("cert", flag.ExitOnError)
	dir := fs.String("out", ".", "folder for cert.pem, key.pem and both.pem")
	domain := fs.String("domain", "bench.test", "DNS name")
	fs.Parse(args)
	cert, key := makeCert(*domain)
	os.WriteFile(filepath.Join(*dir, "cert.pem"), cert, 0o644)
	os.WriteFile(filepath.Join(*dir, "key.pem"), key, 0o644)
	os.WriteFile(filepath.Join(*dir, "both.pem"), append(append([]byte{}, key...), cert...), 0o644)
}

func makeCert(domain string) (certPEM, keyPEM []byte) {
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: domain},
		DNSNames: []string{domain, "conference." + domain}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &k.PublicKey, k)
	if err != nil {
		fatal("%v", err)
	}
	kb, _ := x509.MarshalPKCS8PrivateKey(k)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kb})
}

// scramHash gives the hash of a SCRAM mechanism name.
func scramHash(mech string) func() hash.Hash {
	if mech == "SCRAM-SHA-256" {
		return sha256.New
	}
	return sha1.New
}
