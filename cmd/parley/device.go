package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"parley/internal/admin"
	"parley/internal/core"
)

type deviceVerbs struct {
	List   deviceList   `cmd:"" help:"List the devices of an account: those with a token, and what is connected by its password."`
	Revoke deviceRevoke `cmd:"" help:"Sign a device out: its token is void, and what it has connected ends."`
}

type deviceList struct {
	accountAddress
	JSON bool `name:"json" help:"Print JSON."`
}

func (v deviceList) Run(ctx context.Context, p *program) error {
	a, err := v.parse()
	if err != nil {
		return err
	}
	return p.with(ctx, true, func(u admin.Users) error {
		list, err := u.Devices(ctx, a)
		if err != nil {
			return named(a, err)
		}
		if v.JSON {
			out := json.NewEncoder(p.out)
			out.SetIndent("", "  ")
			return out.Encode(list)
		}
		return p.printDevices(a, list)
	})
}

func (p *program) printDevices(a core.Address, list []admin.Device) error {
	if len(list) == 0 {
		fmt.Fprintf(p.out, "%s has no devices\n", a)
		return nil
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tKIND\tSIGNS IN BY\tCONNECTED\tFROM\tLAST USED")
	for _, d := range list {
		cells := []string{d.ID, orNone(d.Name), orNone(d.Kind), "password", connected(d), cmp.Or(d.Source, "this server"), at(d.Used)}
		if d.Token {
			cells[3] = "token"
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

func orNone(text string) string { return cmp.Or(printable(text), "-") }

func connected(d admin.Device) string {
	switch {
	case d.Phone && d.Chat:
		return "calls, chat"
	case d.Phone:
		return "calls"
	case d.Chat:
		return "chat"
	}
	return "no"
}

type deviceRevoke struct {
	accountAddress
	ID string `arg:"" name:"id" help:"The device, as the list calls it."`
}

func (v deviceRevoke) Run(ctx context.Context, p *program) error {
	a, err := v.parse()
	if err != nil {
		return err
	}
	return p.with(ctx, true, func(u admin.Users) error {
		if err := u.RevokeDevice(ctx, a, v.ID); err != nil {
			if e, ok := errors.AsType[*core.Error](err); ok && e.Reason == core.NotFound {
				return fmt.Errorf("%s: %s", a, e.Public)
			}
			return named(a, err)
		}
		fmt.Fprintf(p.out, "%s: %s is signed out\n", a, v.ID)
		if strings.HasPrefix(v.ID, "sip-") || strings.HasPrefix(v.ID, "xmpp-") {
			fmt.Fprintln(p.err, "it signs in by the password: another password keeps it out")
		}
		return nil
	})
}
