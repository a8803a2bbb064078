package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
)

// Linphonec is Linphone's console, which shows its friends' presence and publishes its own.
type Linphonec struct {
	Linphone
	shown int // how much of what it printed has been looked at
}

// NewLinphonec starts one that watches its friends.
func NewLinphonec(t testing.TB, s *harness.Server, a Account, friends ...string) *Linphonec {
	t.Helper()
	l := &Linphonec{Linphone: Linphone{account: a, server: s, dir: t.TempDir()}}
	l.home(t)
	name := filepath.Join(l.dir, "linphonerc")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rc := strings.Replace(string(b), "publish=0", "publish=1\npublish_expires=60", 1)
	for i, f := range friends {
		rc += fmt.Sprintf("[friend_%d]\nurl=<sip:%s>\npol=accept\nsubscribe=1\n", i, f)
	}
	l.write(t, "linphonerc", rc)
	l.process = harness.Start(t, harness.Command{
		Name: a.User + "'s linphonec", Dir: l.dir, Env: l.env(),
		Args: []string{"stdbuf", "-oL", "linphonec", "-c", "linphonerc", "-d", "6", "-l", "linphone.log"},
	})
	t.Cleanup(func() {
		_ = l.process.Stop(5 * time.Second)
		if t.Failed() {
			t.Logf("---- %s logged:\n%s", l.process.Name, harness.Tail(l.Messages(t), 20000))
		}
	})
	return l
}

// AwaitSeen waits until it shows a friend so.
func (l *Linphonec) AwaitSeen(t testing.TB, who, how string) {
	t.Helper()
	l.process.WaitFrom(t, l.shown, `Friend .*sip:`+regexp.QuoteMeta(who)+`> is `+how)
	l.shown = l.process.Log.Len()
}

// Quit signs off.
func (l *Linphonec) Quit(t testing.TB) {
	t.Helper()
	if err := l.process.Stop(10 * time.Second); err != nil {
		t.Logf("%s: %v", l.process.Name, err)
	}
}
