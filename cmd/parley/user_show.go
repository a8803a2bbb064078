package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"parley/internal/admin"
)

type userShow struct {
	accountAddress
	JSON bool `name:"json" help:"Print JSON."`
}

func (v userShow) Run(ctx context.Context, p *program) error {
	a, err := v.parse()
	if err != nil {
		return err
	}
	return p.with(ctx, true, func(u admin.Users) error {
		d, err := u.Show(ctx, a)
		if err != nil {
			return named(a, err)
		}
		if v.JSON {
			out := json.NewEncoder(p.out)
			out.SetIndent("", "  ")
			return out.Encode(d)
		}
		if _, running := u.(*admin.Client); !running {
			fmt.Fprintln(p.err, "no server is running: these are the phones that were registered when it stopped")
		}
		return p.printUser(d, time.Now())
	})
}

func (p *program) printUser(d admin.Details, now time.Time) error {
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	row("address", d.Address)
	row("created", at(d.Created))
	row("strangers", allowed(d.Strangers))
	row("phones", number(len(d.Phones)))
	row("sessions", number(len(d.Sessions)))
	if err := w.Flush(); err != nil {
		return err
	}
	if len(d.Phones) > 0 {
		row("\nPHONE", "OVER", "FROM", "CALLS ITSELF", "SINCE", "EXPIRES IN")
		for _, x := range d.Phones {
			row(printable(x.Contact), x.Network, from(x.Source, x.BehindNAT), printable(x.UserAgent), at(x.Since), age(x.Expires.Sub(now)))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(d.Sessions) > 0 {
		row("\nSESSION", "OVER", "FROM", "SIGNED IN BY", "SINCE", "STATE")
		for _, x := range d.Sessions {
			row(printable(x.Resource), over(x), from(x.Source, false), printable(x.Mechanism), at(x.Since), state(x))
		}
	}
	return w.Flush()
}

func number(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

func from(source string, nat bool) string {
	switch {
	case source == "":
		return "this server"
	case nat:
		return source + " (NAT)"
	}
	return source
}

func over(s admin.Session) string {
	if s.Encrypted {
		return s.Network
	}
	return s.Network + ", not encrypted"
}

func state(s admin.Session) string {
	text := availability(s)
	if s.Waiting {
		text = "cut off, may resume; " + text
	}
	return text
}

func availability(s admin.Session) string {
	if !s.Available {
		return "not available"
	}
	names := map[string]string{"away": "away", "chat": "ready to chat", "dnd": "do not disturb", "xa": "away for long"}
	name := names[s.Show]
	if name == "" {
		name = "available"
	}
	return fmt.Sprintf("%s, priority %d", name, s.Priority)
}

// at is a time for people.
func at(t time.Time) string { return t.Local().Format(time.DateTime) }

// printable is what a peer says of itself, which may not move the cursor of whoever reads it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
