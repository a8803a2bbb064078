// Command parley gives a domain its own calls: it is the server, and what an operator asks and
// tells it with. Each verb has a file of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"parley/internal/admin"
	"parley/internal/config"
	"parley/internal/core"
)

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// cli is what can be said on the command line.
type cli struct {
	place

	Serve   serveVerb   `cmd:"" help:"Run the server."`
	User    userVerbs   `cmd:"" help:"Manage accounts, whether the server runs or not."`
	Device  deviceVerbs `cmd:"" help:"Show and sign out the devices of an account."`
	Status  statusVerb  `cmd:"" help:"Show how the running server is."`
	Route   routeVerbs  `cmd:"" help:"Explain what becomes of calls."`
	Conf    configVerbs `cmd:"" name:"config" help:"Explain and check configuration files."`
	Version versionVerb `cmd:"" help:"Print the version."`
}

// program is a run of the command line, with what it reads and writes.
type program struct {
	in       *os.File
	out, err io.Writer
	place    *place
}

// usageError is one that the command line itself is to blame for.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	var c cli
	p.place = &c.place
	parser, err := kong.New(&c,
		kong.Name("parley"),
		kong.Description("Calls and chat for your own domain, on open standards."),
		kong.Bind(p),
		kong.BindTo(context.Background(), (*context.Context)(nil)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		p.complain(err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if err == nil {
		err = k.Run()
	} else {
		err = usageError{err}
	}
	return p.end(err)
}

// end prints what went wrong and gives the exit code.
func (p *program) end(err error) int {
	if err == nil {
		return exitFine
	}
	p.complain(err)
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintln(p.err, "parley: see parley --help")
		return exitUsage
	}
	return exitFailed
}

func (p *program) complain(err error) {
	for line := range strings.Lines(p.text(err)) {
		fmt.Fprintln(p.err, "parley: "+strings.TrimSuffix(line, "\n"))
	}
}

// text is an error for people.
func (p *program) text(err error) string {
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return problems.Error()
	}
	if e, ok := errors.AsType[*core.Error](err); ok && (e.Reason != core.Internal || e.Err == nil) {
		if e.Reason == core.Internal {
			return e.Public + "; the server's log says more"
		}
		return e.Public
	}
	if errors.Is(err, admin.ErrNotRunning) {
		return "no server is running on the data folder " + p.place.dir() + "\n" +
			"--data or PARLEY_DATA names another, `parley serve` starts one"
	}
	return err.Error()
}
