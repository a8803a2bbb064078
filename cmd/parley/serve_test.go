package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/config"
)

// stubborn is a server whose calls go on until its context ends, and then until it is released.
type stubborn struct {
	stopping chan context.Context
	release  chan error
}

func (s *stubborn) Reload(config.Config) error { return nil }

func (s *stubborn) Stop(ctx context.Context) error {
	s.stopping <- ctx
	return <-s.release
}

func start(t *testing.T) (s *stubborn, signals chan os.Signal, ended chan error) {
	t.Helper()
	cfg := config.Default()
	cfg.Calls.Drain = time.Hour
	s = &stubborn{stopping: make(chan context.Context, 1), release: make(chan error, 1)}
	r := &running{verb: &serveVerb{}, program: &program{place: &place{}}, server: s, cfg: cfg,
		level: new(slog.LevelVar), log: slog.New(slog.DiscardHandler)}
	signals, ended = make(chan os.Signal), make(chan error, 1)
	go func() { ended <- r.until(context.Background(), signals) }()
	return s, signals, ended
}

func TestFirstSignalLetsCallsEnd(t *testing.T) {
	t.Parallel()
	s, signals, ended := start(t)
	signals <- syscall.SIGTERM
	ctx := <-s.stopping
	signals <- syscall.SIGHUP // means nothing any more
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < 50*time.Minute || ctx.Err() != nil {
		t.Errorf("calls have until %v (%v), want an hour", deadline, ctx.Err())
	}
	s.release <- nil
	if err := <-ended; err != nil {
		t.Errorf("an orderly end fails: %v", err)
	}
}

func TestSecondSignalEndsCallsAtOnce(t *testing.T) {
	t.Parallel()
	s, signals, ended := start(t)
	signals <- syscall.SIGINT
	ctx := <-s.stopping
	signals <- syscall.SIGINT
	<-ctx.Done()
	s.release <- errors.New("disk full")
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("ended with %v, want what went wrong", err)
	}
}

func TestThirdSignalWaitsForNothing(t *testing.T) {
	t.Parallel()
	s, signals, ended := start(t)
	for range 3 {
		signals <- syscall.SIGTERM
	}
	if err := <-ended; err == nil {
		t.Error("an end without order looks like an orderly one")
	}
	s.release <- nil
}

func TestReloadKeepsWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "parley.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	r := &running{verb: &serveVerb{}, program: &program{place: &place{Config: file}}, server: &stubborn{},
		cfg: config.Default(), level: new(slog.LevelVar), log: slog.New(slog.NewTextHandler(&log, nil))}
	write("[calls]\ndrain = \"7s\"\n[sip]\nt1 = \"400ms\"\n[log]\nlevel = \"debug\"\n")
	r.reload()
	if r.cfg.Calls.Drain != 7*time.Second || r.level.Level() != slog.LevelDebug {
		t.Errorf("drain %v, level %v: not reloaded", r.cfg.Calls.Drain, r.level.Level())
	}
	if !strings.Contains(log.String(), "setting=sip.t1") || r.cfg.SIP.T1 != config.Default().SIP.T1 {
		t.Errorf("sip.t1 is taken for changed without a restart; the log says\n%s", log.String())
	}
	log.Reset()
	write("[calls]\ndrain = \"8s\"\n[sip]\nidle = 5\n")
	r.reload()
	if r.cfg.Calls.Drain != 7*time.Second || !strings.Contains(log.String(), "sip.idle: found 5") {
		t.Errorf("of a broken file: drain %v; the log says\n%s", r.cfg.Calls.Drain, log.String())
	}
}
