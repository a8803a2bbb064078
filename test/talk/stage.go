package talk

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// stage has the sentences that belong to nobody.
func stage() []sentence {
	return slices.Concat(operating(), []sentence{
		{whole(`([0-9]+) seconds? pass(?:es)?`), func(_ *play, _ Actor, m []string) { time.Sleep(seconds(m[1])) }},
		{whole(`the server restarts`), func(p *play, _ Actor, _ []string) { p.server.Restart(p) }},
		{whole(`the server is killed, and starts again`), func(p *play, _ Actor, _ []string) { p.server.Crash(p) }},
		{whole(`the server knows ([0-9]+) (device|call|session)s?`), func(p *play, _ Actor, m []string) {
			if out := p.server.MustRun(p, "status", "--json"); !strings.Contains(out, `"`+m[2]+`s": `+m[1]+",") {
				p.Fatalf("its status is %s", out)
			}
		}},
	})
}

func seconds(s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0 // the pattern lets digits pass alone
	}
	return time.Duration(n) * time.Second
}
