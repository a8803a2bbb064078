package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"golang.org/x/term"

	"parley/internal/admin"
)

type userImport struct {
	File string `arg:"" help:"CSV file; - for standard input. Its first line names the columns: address and password, or address and keys (docs/import.md)."`
}

func (v userImport) Run(ctx context.Context, p *program) error {
	in := p.in
	if v.File != "-" {
		f, err := os.Open(v.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	return p.with(ctx, false, func(u admin.Users) error {
		shown := &progressLine{w: p.err, on: isTerminal(p.err)}
		report, err := u.Import(ctx, in, shown.show)
		shown.clear()
		if err != nil {
			return err
		}
		return p.printReport(v.File, report)
	})
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progressLine is a line on a terminal that is written over.
type progressLine struct {
	w    io.Writer
	on   bool
	last string
}

func (l *progressLine) show(p admin.Progress) {
	if !l.on {
		return
	}
	text := fmt.Sprintf("%s: %d rows", p.Step, p.Done)
	if p.Total > 0 {
		text = fmt.Sprintf("%s: %d of %d rows, %d%%", p.Step, p.Done, p.Total, 100*p.Done/p.Total)
	}
	if text != l.last {
		fmt.Fprintf(l.w, "\r%s\x1b[K", text)
		l.last = text
	}
}

func (l *progressLine) clear() {
	if l.last != "" {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}

func (p *program) printReport(file string, r admin.Report) error {
	if r.Refused == 0 {
		fmt.Fprintf(p.out, "%s made of %s\n", count(r.Accounts, "account"), file)
		return nil
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, x := range r.Refusals {
		fmt.Fprintf(w, "line %d\t%s\t%s\n", x.Line, x.Address, x.Reason)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if more := r.Refused - len(r.Refusals); more > 0 {
		fmt.Fprintf(p.out, "... and %d more\n", more)
	}
	return errors.New(count(r.Refused, "row") + " refused, nothing was imported")
}
