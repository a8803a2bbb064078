package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"parley/test/harness"
	"parley/xmpp"
)

// smallDisk mounts a file system of a size as the folder for temporary files.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("only root can mount a small disk")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	t.Setenv("TMPDIR", dir)
	return dir
}

func TestAFullDiskIsToldAndPasses(t *testing.T) {
	harness.Binary(t) // which is not built there
	dir := smallDisk(t, "20m")
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 10<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	alice, bob := harness.User{Name: "alice", Password: "secret"}, harness.User{Name: "bob", Password: "secret"}
	s := harness.StartServer(t, harness.Options{Users: []harness.User{alice, bob}, Set: map[string]string{"log.level": `"warn"`}})
	if s.IsStandIn() {
		t.Skip("another server stands in for parley")
	}
	c, err := connect(s, alice, "desk")
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	long := strings.Repeat("x", 100<<10)
	taken, refused := map[int]bool{}, 0
	say := func(n int) string {
		t.Helper()
		if err := c.say(fmt.Sprintf("<message to='%s' type='chat' id='m%d'><body>alice %d %s</body></message><r xmlns='%s'/>",
			s.Address("bob"), n, n, long, nsSM)); err != nil {
			t.Fatal(err)
		}
		condition := ""
		for {
			e, err := c.next(deadend)
			if err != nil {
				t.Fatal(err)
			}
			if e.Space == nsSM {
				break
			}
			for _, child := range e.Child(xmpp.NSClient, "error").Children {
				condition = child.Local
				break
			}
		}
		taken[n] = condition == ""
		return condition
	}
	n := 0
	for ; refused < 3; n++ {
		switch condition := say(n); condition {
		case "":
			if n > 200 {
				t.Fatal("the disk is never full")
			}
		case "resource-constraint":
			refused++
		default:
			t.Fatalf("the sender hears %s", condition)
		}
	}
	t.Logf("%d messages fit", n-refused)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for last := n + 3; n < last; n++ {
		if condition := say(n); condition != "" {
			t.Errorf("there is room again, but the sender hears %s", condition)
		}
	}
	s.Crash(t)
	wantTaken(t, s, bob, taken)
}

// wantTaken has somebody come online and get the messages that were taken, and no others.
func wantTaken(t *testing.T, s *harness.Server, user harness.User, taken map[int]bool) {
	t.Helper()
	r := &reader{server: s, user: user, ids: map[string]string{}, last: map[string]int{}}
	r.over.Store(true)
	c, err := connect(s, user, "desk")
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	if err := r.listen(c); !isTimeout(err) {
		t.Fatal(err)
	}
	for n, was := range taken {
		if _, came := r.ids[fmt.Sprint("alice ", n)]; came != was {
			t.Errorf("message %d was taken: %v, it came: %v", n, was, came)
		}
	}
}
