package main

import (
	"context"
	"fmt"

	"parley/internal/admin"
	"parley/internal/config"
)

type routeVerbs struct {
	Explain routeExplain `cmd:"" help:"Show the plan of a call without making it, and how it came about."`
}

type routeExplain struct {
	From string `arg:"" help:"Who calls: an account, or anyone anywhere."`
	To   string `arg:"" help:"Who is called."`
}

func (v routeExplain) Run(ctx context.Context, p *program) error {
	from, err := admin.ParseParty(v.From)
	if err != nil {
		return usageError{err}
	}
	to, err := admin.ParseParty(v.To)
	if err != nil {
		return usageError{err}
	}
	cfg, err := p.place.load(config.Default())
	if err != nil {
		return err
	}
	c, err := admin.Dial(ctx, cfg.Server.Data)
	if err != nil {
		return err
	}
	defer c.Close()
	e, err := c.Explain(ctx, from, to)
	if err != nil {
		return err
	}
	p.printExplanation(e)
	return nil
}

func (p *program) printExplanation(e admin.Explanation) {
	fmt.Fprintf(p.out, "%s calls %s\n", e.From, e.To)
	for _, note := range e.Notes {
		fmt.Fprintln(p.out, "  "+note)
	}
	switch {
	case e.Refused != "":
		fmt.Fprintln(p.out, "refused: "+e.Refused)
	case e.Why != "":
		fmt.Fprintf(p.out, "%s\n  (%s)\n", e.Plan, e.Why)
	default:
		fmt.Fprintln(p.out, e.Plan)
	}
}
