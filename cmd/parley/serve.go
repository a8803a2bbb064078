package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"parley/internal/app"
	"parley/internal/config"
)

type serveVerb struct {
	Domain []string `placeholder:"NAME" sep:"none" help:"A domain whose accounts live here; may be given several times. Comes before the configuration file's."`
	Demo   bool     `help:"Try things out: the domain localhost, this machine only, with accounts and passwords printed."`
}

// load reads the configuration; SIGHUP does so again.
func (v *serveVerb) load(p *program) (config.Config, error) {
	base := config.Default()
	if v.Demo {
		base = config.Demo()
	}
	cfg, err := p.place.load(base)
	if err != nil {
		return cfg, err
	}
	if len(v.Domain) > 0 {
		if err := cfg.SetDomains(v.Domain...); err != nil {
			return cfg, usageError{err}
		}
	}
	return cfg, nil
}

func (v *serveVerb) Run(ctx context.Context, p *program) error {
	cfg, err := v.load(p)
	if err != nil {
		return err
	}
	// From here on a signal is for the server, not for the process.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	var accounts []demoAccount
	if v.Demo {
		if accounts, err = demoAccounts(ctx, cfg); err != nil {
			return err
		}
	}
	level := new(slog.LevelVar)
	level.Set(cfg.Log.Level)
	log := logger(p.err, cfg.Log.Format, level)
	a, err := app.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		over, cancel := context.WithCancel(ctx)
		cancel()
		return errors.Join(err, a.Stop(over))
	}
	if v.Demo {
		p.banner(cfg, a.Addresses(), accounts)
	}
	log.Info("ready", "version", app.Version(), "domains", strings.Join(cfg.Server.Domains, " "), "data", cfg.Server.Data)
	r := &running{verb: v, program: p, server: a, cfg: cfg, level: level, log: log, onTerminal: isTerminal(p.in)}
	return r.until(ctx, signals)
}

func logger(w io.Writer, format config.LogFormat, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// server is what signals can do to one that runs.
type server interface {
	Reload(config.Config) error
	Stop(context.Context) error
}

// running is a server that runs.
type running struct {
	verb    *serveVerb
	program *program
	server  server
	cfg     config.Config
	level   *slog.LevelVar
	log     *slog.Logger

	onTerminal bool // when it was started
}

// until obeys signals until one ends the server.
func (r *running) until(ctx context.Context, signals <-chan os.Signal) error {
	for s := range signals {
		if s == syscall.SIGHUP && !r.hungUp() {
			r.reload()
			continue
		}
		r.log.Info("stopping", "signal", s.String(), "drain", r.cfg.Calls.Drain)
		return r.stop(ctx, signals)
	}
	return nil
}

// hungUp says that the server was started from a terminal which is gone: then SIGHUP has its
// first meaning, and a demo does not live on unseen.
func (r *running) hungUp() bool { return r.onTerminal && !isTerminal(r.program.in) }

// stop gives running calls their time. A second signal takes the rest of it from them, a third
// one does not wait for anything.
func (r *running) stop(ctx context.Context, signals <-chan os.Signal) error {
	ctx, hurry := context.WithTimeout(ctx, r.cfg.Calls.Drain)
	defer hurry()
	done := make(chan error, 1)
	go func() { done <- r.server.Stop(ctx) }()
	hurried := false
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("stop: %w", err)
			}
			r.log.Info("stopped")
			return nil
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
			case hurried:
				return errors.New("stopped without an orderly end: " + s.String())
			default:
				r.log.Info("stopping at once", "signal", s.String())
				hurried = true
				hurry()
			}
		}
	}
}

// reload reads the configuration again and takes over what can be changed now. If anything
// is wrong, all stays as it is.
func (r *running) reload() {
	cfg, err := r.verb.load(r.program)
	if err != nil {
		for line := range strings.Lines(r.program.text(err)) {
			r.log.Error("the configuration was not reloaded", "problem", strings.TrimSuffix(line, "\n"))
		}
		return
	}
	if err := r.server.Reload(cfg); err != nil {
		r.log.Error("the configuration was not reloaded", "problem", err)
		return
	}
	changed, waiting := config.Diff(r.cfg, cfg)
	for _, key := range waiting {
		r.log.Warn("a setting has changed that needs a restart", "setting", key)
	}
	r.level.Set(cfg.Log.Level)
	r.cfg = config.Merge(r.cfg, cfg) // what needs a restart is told of again
	r.log.Info("reloaded", "changed", strings.Join(changed, " "))
}
