package db

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestUpkeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		flushed, swept := 0, 0
		var log bytes.Buffer
		u := Upkeep{
			Of: "bindings", FlushEvery: time.Second, SweepEvery: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Flush: func(ctx context.Context) error { flushed++; return ctx.Err() },
			Sweep: func(context.Context) error { swept++; return errors.New("disk full") },
		}
		done := make(chan struct{})
		go func() { u.Run(ctx); close(done) }()
		time.Sleep(61*time.Second + time.Millisecond)
		synctest.Wait()
		if swept != 1 || flushed != 61 {
			t.Errorf("in 61 seconds it flushed %d times and swept %d times", flushed, swept)
		}
		if got := log.String(); strings.Count(got, "disk full") != 1 || !strings.Contains(got, "what=bindings") {
			t.Errorf("the log says %q", got)
		}
		before := flushed
		end()
		<-done
		if flushed != before+1 {
			t.Errorf("it flushed %d times at the end", flushed-before)
		}
		if strings.Contains(log.String(), "canceled") {
			t.Errorf("the last flush had no time: %q", log.String())
		}
	})
}
