package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"text/tabwriter"

	"parley/internal/admin"
	"parley/internal/app"
	"parley/internal/config"
	"parley/internal/core"
)

type userVerbs struct {
	Add    userAdd    `cmd:"" help:"Make an account."`
	List   userList   `cmd:"" help:"List all accounts."`
	Show   userShow   `cmd:"" help:"Show an account and what is connected to it."`
	Passwd userPasswd `cmd:"" help:"Give an account another password."`
	Set    userSet    `cmd:"" help:"Change what an account allows."`
	Delete userDelete `cmd:"" help:"Delete an account and all that belongs to it."`
	Import userImport `cmd:"" help:"Make accounts of a CSV file, all of them or none."`
}

// users are the accounts: of the running server, or of the data folder if none runs.
// needed says that there has to be a data folder already.
func (p *program) users(ctx context.Context, needed bool) (admin.Users, io.Closer, error) {
	base := config.Default()
	base.Server.Domains = nil // those of the configuration file count, not the default
	cfg, err := p.place.load(base)
	if err != nil {
		return nil, nil, err
	}
	c, err := admin.Dial(ctx, cfg.Server.Data)
	if err == nil {
		return c, c, nil
	}
	if !errors.Is(err, admin.ErrNotRunning) {
		return nil, nil, err
	}
	if _, err := os.Stat(cfg.Server.Data); needed && errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("there is no data folder %s\n--data or PARLEY_DATA names another", cfg.Server.Data)
	}
	return app.OpenUsers(ctx, cfg)
}

// with runs f on the accounts.
func (p *program) with(ctx context.Context, needed bool, f func(admin.Users) error) error {
	users, closer, err := p.users(ctx, needed)
	if err != nil {
		return err
	}
	return errors.Join(f(users), closer.Close())
}

// accountAddress is the argument that most verbs take.
type accountAddress struct {
	Address string `arg:"" help:"Address of the account, such as alice@example.org."`
}

func (a accountAddress) parse() (core.Address, error) {
	out, err := admin.ParseAddress(a.Address)
	if err != nil {
		return out, usageError{err}
	}
	return out, nil
}

type userAdd struct {
	accountAddress
	password
}

func (v userAdd) Run(ctx context.Context, p *program) error {
	a, err := v.parse()
	if err != nil {
		return err
	}
	secret, err := v.read(p, a)
	if err != nil {
		return err
	}
	return p.with(ctx, false, func(u admin.Users) error {
		if err := named(a, u.Create(ctx, a, secret)); err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%s has an account now\n", a)
		return nil
	})
}

type userPasswd struct {
	accountAddress
	password
}

func (v userPasswd) Run(ctx context.Context, p *program) error {
	a, err := v.parse()
	if err != nil {
		return err
	}
	secret, err := v.read(p, a)
	if err != nil {
		return err
	}
	return p.with(ctx, true, func(u admin.Users) error {
		if err := p.andForget(a, u.SetPassword(ctx, a, secret)); err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%s has another password now\n", a)
		return nil
	})
}

type userSet struct {
	accountAddress
	Strangers string `required:"" enum:"allow,deny" placeholder:"allow|deny" help:"Whether people without an account here may call."`
}

func (v userSet) Run(ctx context.Context, p *program) error {
	a, err := v.parse()
	if err != nil {
		return err
	}
	return p.with(ctx, true, func(u admin.Users) error {
		if err := named(a, u.SetStrangers(ctx, a, v.Strangers == "allow")); err != nil {
			return err
		}
		takes := map[string]string{"allow": "takes calls", "deny": "takes no calls"}[v.Strangers]
		fmt.Fprintf(p.out, "%s %s from strangers now\n", a, takes)
		return nil
	})
}

type userDelete struct{ accountAddress }

func (v userDelete) Run(ctx context.Context, p *program) error {
	a, err := v.parse()
	if err != nil {
		return err
	}
	return p.with(ctx, true, func(u admin.Users) error {
		if err := p.andForget(a, u.Delete(ctx, a)); err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%s is deleted\n", a)
		return nil
	})
}

// named says whose account it is that an error is about.
func named(a core.Address, err error) error {
	if errors.Is(err, core.ErrNoAccount) {
		return fmt.Errorf("%s has no account here", a)
	}
	e, ok := errors.AsType[*core.Error](err)
	switch {
	case !ok || e.Reason == core.Internal:
		return err
	case e.Reason == core.NotFound:
		return fmt.Errorf("%s has no account here", a)
	}
	return fmt.Errorf("%s: %s", a, e.Public)
}

// andForget drops the demo password of an account that was changed, unless err says that it
// was not.
func (p *program) andForget(a core.Address, err error) error {
	if err != nil {
		return named(a, err)
	}
	return forgetDemo(p.place.dir(), a)
}

type userList struct {
	JSON bool `name:"json" help:"Print JSON, an account a line."`
}

func (v userList) Run(ctx context.Context, p *program) error {
	return p.with(ctx, true, func(u admin.Users) error {
		if v.JSON {
			return p.listJSON(ctx, u)
		}
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		n := 0
		for a, err := range all(ctx, u) {
			if err != nil {
				return err
			}
			if n++; n == 1 {
				fmt.Fprintln(w, "ADDRESS\tCREATED\tSTRANGERS\tPHONES\tSESSIONS")
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\n", a.Address, at(a.Created), allowed(a.Strangers), a.Phones, a.Sessions)
			if n%1000 == 0 { // what is aligned together is held in memory
				if err := w.Flush(); err != nil {
					return err
				}
			}
		}
		if n == 0 {
			fmt.Fprintln(p.err, "there are no accounts yet: parley user add ADDRESS makes one")
		}
		return w.Flush()
	})
}

func (p *program) listJSON(ctx context.Context, u admin.Users) error {
	out := json.NewEncoder(p.out)
	for a, err := range all(ctx, u) {
		if err != nil {
			return err
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

func allowed(on bool) string {
	if on {
		return "allow"
	}
	return "deny"
}

// all walks the accounts page by page.
func all(ctx context.Context, u admin.Users) func(yield func(admin.User, error) bool) {
	return func(yield func(admin.User, error) bool) {
		var after core.Address
		for {
			page, err := u.List(ctx, after, 1000)
			if err != nil {
				yield(admin.User{}, err)
				return
			}
			for a := range slices.Values(page) {
				if !yield(a, nil) {
					return
				}
				after = a.Address
			}
			if len(page) == 0 {
				return
			}
		}
	}
}
