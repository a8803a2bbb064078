package db

import (
	"context"
	"log/slog"
	"time"
)

// Upkeep brings to disk, from time to time, what a table has in memory alone, and takes out of both what is no longer good.
type Upkeep struct {
	Of                     string // what is kept, for the log
	Flush, Sweep           func(context.Context) error
	FlushEvery, SweepEvery time.Duration
	Log                    *slog.Logger
}

// lastFlush is how long the flush at the end may take.
const lastFlush = 10 * time.Second

// Run goes on until ctx ends, and flushes once more then.
func (u Upkeep) Run(ctx context.Context) {
	flush, sweep := time.NewTicker(u.FlushEvery), time.NewTicker(u.SweepEvery)
	defer flush.Stop()
	defer sweep.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			u.note(u.Flush(last))
			return
		case <-flush.C:
			err = u.Flush(ctx)
		case <-sweep.C:
			err = u.Sweep(ctx)
		}
		if ctx.Err() == nil {
			u.note(err)
		}
	}
}

func (u Upkeep) note(err error) {
	if err != nil {
		u.Log.Error("not written to the database", "what", u.Of, "err", err)
	}
}
