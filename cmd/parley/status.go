package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"parley/internal/admin"
	"parley/internal/config"
)

type statusVerb struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (v statusVerb) Run(ctx context.Context, p *program) error {
	cfg, err := p.place.load(config.Default())
	if err != nil {
		return err
	}
	c, err := admin.Dial(ctx, cfg.Server.Data)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if v.JSON {
		out := json.NewEncoder(p.out)
		out.SetIndent("", "  ")
		return out.Encode(s)
	}
	return p.printStatus(s, time.Now())
}

func (p *program) printStatus(s admin.Status, now time.Time) error {
	state := "running"
	if s.Stopping {
		state = "stopping"
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("parley "+s.Version, "%s for %s, process %d", state, age(now.Sub(s.Started)), s.Process)
	line("domains", "%s", strings.Join(s.Domains, ", "))
	line("data", "%s", s.Data)
	for _, name := range []string{"sip-udp", "sip-tcp", "sip-tls", "xmpp", "xmpp-tls", "https", "http", "turn-udp", "turn-tcp", "turn-tls"} {
		if at := s.Listening[name]; len(at) > 0 {
			line(name, "%s", strings.Join(at, ", "))
		}
	}
	line("certificate", "%s", certificateLine(s.Certificate, now))
	line("accounts", "%d", s.Accounts)
	line("devices", "%d", s.Devices)
	line("sessions", "%d", s.Sessions)
	line("calls", "%d", s.Calls)
	if s.Relays > 0 {
		line("relays", "%d of %d accounts", s.Relays, s.RelayUsers)
	}
	line("connections", "%s", tally(s.Connections))
	line("since start", "%s", tally(s.Counters))
	return w.Flush()
}

func certificateLine(c admin.Certificate, now time.Time) string {
	kind := "of the operator"
	if c.SelfSigned {
		kind = "self-signed"
	}
	text := fmt.Sprintf("%s, until %s", kind, c.Until.Format(time.DateOnly))
	if left := c.Until.Sub(now); left < 0 {
		text += ", EXPIRED"
	} else if left < 14*24*time.Hour {
		text += fmt.Sprintf(", which is in %s", age(left))
	}
	return text
}

// tally lists numbers by their names, those that are 0 left out.
func tally[N int | uint64](numbers map[string]N) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		if numbers[name] != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", numbers[name], name))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// age is a time in its two largest units: "3h 12m".
func age(d time.Duration) string {
	seconds := int64(d / time.Second)
	for _, u := range []struct {
		seconds, next int64
		text          string
	}{{86400, 3600, "%dd %dh"}, {3600, 60, "%dh %dm"}, {60, 1, "%dm %ds"}} {
		if seconds >= u.seconds {
			return fmt.Sprintf(u.text, seconds/u.seconds, seconds%u.seconds/u.next)
		}
	}
	return fmt.Sprintf("%ds", max(seconds, 0))
}
