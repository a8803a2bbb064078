package main

import (
	"fmt"

	"parley/internal/config"
)

type configVerbs struct {
	Reference configReference `cmd:"" help:"Print a configuration file with every setting explained, at its default."`
	Check     configCheck     `cmd:"" help:"Say whether a configuration file is fine, and if not, all that is wrong."`
}

type configReference struct{}

func (configReference) Run(p *program) error {
	_, err := fmt.Fprint(p.out, config.Reference())
	return err
}

type configCheck struct {
	File string `arg:"" help:"Configuration file."`
}

func (v configCheck) Run(p *program) error {
	cfg, err := config.Load(v.File, config.Default())
	if err != nil {
		return err
	}
	a, b := config.Diff(config.Default(), cfg)
	fmt.Fprintf(p.out, "%s is fine: %s differ%s from the default\n",
		v.File, count(len(a)+len(b), "setting"), map[bool]string{true: "s"}[len(a)+len(b) == 1])
	return nil
}

// count writes a number of things: "1 setting", "2 settings".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
