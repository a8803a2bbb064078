package main

import (
	"fmt"
	"runtime"

	"parley/internal/app"
)

type versionVerb struct{}

func (versionVerb) Run(p *program) error {
	fmt.Fprintf(p.out, "parley %s (%s, %s/%s)\n", app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
