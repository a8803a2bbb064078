package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"parley/internal/admin"
	"parley/internal/app"
	"parley/internal/config"
	"parley/internal/core"
)

// demoAccount is an account to try things with. An account's password can't be told from what
// the server keeps, so that these are kept apart, in a file for the owner alone.
type demoAccount struct {
	address  core.Address
	password string
}

const demoFile = "demo-accounts"

// demoAccounts makes alice and bob at the first start, and tells their passwords at each.
func demoAccounts(ctx context.Context, cfg config.Config) (list []demoAccount, err error) {
	users, closer, err := app.OpenUsers(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	known, err := readDemo(cfg.Server.Data)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"alice", "bob"} {
		a := demoAccount{address: core.Address{Local: name, Domain: cfg.Server.Domains[0]}}
		if a.password, err = demoAccountPassword(ctx, users, cfg.Server.Data, known, a.address); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// demoAccountPassword gives the password of an account that is made now if it is not there;
// "" if the account has one that was given to it by hand.
func demoAccountPassword(ctx context.Context, users admin.Users, dir string, known map[string]string, a core.Address) (string, error) {
	password, kept := known[a.String()]
	if !kept {
		password = demoPassword()
	}
	// Kept before it is used: a password that nobody can read any more would lock the account.
	known[a.String()] = password
	if err := writeDemo(dir, known); err != nil {
		return "", err
	}
	err := users.Create(ctx, a, password)
	if err != nil && !exists(err) {
		return "", named(a, err)
	}
	if err != nil && !kept {
		delete(known, a.String())
		return "", writeDemo(dir, known)
	}
	return password, nil
}

// forgetDemo drops what is kept of an account whose password is no longer the one that was made
// for it.
func forgetDemo(dir string, a core.Address) error {
	known, err := readDemo(dir)
	if err != nil {
		return err
	}
	if _, ok := known[a.String()]; !ok {
		return nil
	}
	delete(known, a.String())
	return writeDemo(dir, known)
}

func exists(err error) bool {
	e, ok := errors.AsType[*core.Error](err)
	return ok && e.Reason == core.Conflict
}

func readDemo(dir string) (map[string]string, error) {
	known := map[string]string{}
	text, err := os.ReadFile(filepath.Join(dir, demoFile))
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the demo accounts: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			if a, err := admin.ParseAddress(fields[0]); err == nil {
				known[a.String()] = fields[1]
			}
		}
	}
	return known, nil
}

func writeDemo(dir string, known map[string]string) error {
	var b strings.Builder
	for _, address := range slices.Sorted(maps.Keys(known)) {
		fmt.Fprintf(&b, "%s %s\n", address, known[address])
	}
	if err := os.WriteFile(filepath.Join(dir, demoFile), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("keep the demo accounts: %w", err)
	}
	return nil
}

// demoPassword is easy to read out and to type on a phone: four groups of syllables, 51 bits.
func demoPassword() string {
	const consonants, vowels = "bdfghjklmnprstvz", "aeiou"
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	var groups []string
	for i := 0; i < len(random); i += 4 {
		groups = append(groups, string([]byte{
			consonants[random[i]%16], vowels[random[i+1]%5],
			consonants[random[i+2]%16], vowels[random[i+3]%5],
		}))
	}
	return strings.Join(groups, "-")
}
