package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"parley/internal/core"
	"parley/internal/feature/account"
)

// domainsFile says in the data folder which domains it was last served with, one a line. The command line holds
// new accounts against it when no server runs: a domain may be said at a server's start alone (--domain).
const domainsFile = "domains"

// rememberDomains is done at each start.
func rememberDomains(dir string, domains []string) error {
	known, err := rememberedDomains(dir)
	if err != nil || slices.Equal(known, domains) {
		return err
	}
	name := filepath.Join(dir, domainsFile)
	fresh := name + ".new"
	if err := os.WriteFile(fresh, []byte(strings.Join(domains, "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("app: note the domains: %w", err)
	}
	if err := os.Rename(fresh, name); err != nil {
		return fmt.Errorf("app: note the domains: %w", err)
	}
	return nil
}

// rememberedDomains are none if the folder was never served.
func rememberedDomains(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, domainsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("app: read the domains: %w", err)
	}
	return strings.Fields(string(text)), nil
}

// stopped shows the accounts of a data folder that no server runs on.
type stopped struct {
	users
	domains []string // that may have accounts; none: any may
}

func (u stopped) serves(domain string) bool {
	return len(u.domains) == 0 || slices.Contains(u.domains, domain)
}

// Create says which domains there are, since nobody else can be asked.
func (u stopped) Create(ctx context.Context, a core.Address, password string) error {
	err := u.users.Create(ctx, a, password)
	if errors.Is(err, account.ErrDomain) {
		return core.Fail(core.BadRequest, fmt.Sprintf("the domain is not one of this server's, which are %s\n"+
			"for another one, name it in the configuration (server.domains, --config) or start the server with it (--domain) first",
			strings.Join(u.domains, ", ")), err)
	}
	return err
}
