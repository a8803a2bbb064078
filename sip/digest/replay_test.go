package digest_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/sip/digest"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// counted are credentials with a nonce and a count; a negative one is none.
func counted(nonce string, nc int64) digest.Credentials {
	if nc < 0 {
		return digest.Credentials{Nonce: nonce}
	}
	return digest.Credentials{Nonce: nonce, Qop: digest.QopAuth, NC: fmt.Sprintf("%08x", nc), Cnonce: "c"}
}

func TestCountsOfANonceGoUp(t *testing.T) {
	t.Parallel()
	const ok, stale = digest.Fresh, digest.Stale
	for _, x := range []struct {
		name   string
		counts []int64
		want   []digest.Freshness
	}{
		{"in order", []int64{1, 2, 3}, []digest.Freshness{ok, ok, ok}},
		{"the same again", []int64{1, 1, 2, 2, 1}, []digest.Freshness{ok, stale, ok, stale, stale}},
		{"overtaken", []int64{1, 3, 2, 2, 3}, []digest.Freshness{ok, ok, ok, stale, stale}},
		{"at the edge of the window", []int64{1, 64, 65, 2, 1}, []digest.Freshness{ok, ok, ok, ok, stale}},
		{"far behind", []int64{1, 100, 30, 37, 36}, []digest.Freshness{ok, ok, stale, ok, stale}},
		{"a phone that counts from 0", []int64{0, 0, 1}, []digest.Freshness{ok, stale, ok}},
		{"the largest", []int64{0xffffffff, 0xffffffff, 0xfffffffe}, []digest.Freshness{ok, stale, ok}},
		{"without a count", []int64{-1, -1}, []digest.Freshness{ok, stale}},
		{"without a count, then with one", []int64{-1, 1}, []digest.Freshness{ok, stale}},
		{"with a count, then without one", []int64{1, -1, -1}, []digest.Freshness{ok, ok, stale}},
	} {
		n := digest.NewNonces(nil, 0)
		nonce := n.Make(noon)
		for i, count := range x.counts {
			if got := n.Use(counted(nonce, count), noon); got != x.want[i] {
				t.Errorf("%s: use %d with count %d: got %v, want %v", x.name, i+1, count, got, x.want[i])
			}
		}
	}
	if got := digest.NewNonces(nil, 0).Use(counted("another's", 1), noon); got != digest.Bad {
		t.Errorf("a nonce of another server: %v", got)
	}
}

func TestWhatAnEarlierProcessKnewIsStale(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef0123456789abcdef")
	before := digest.NewNonces(key, 0)
	nonce := before.Make(noon)
	restarted := digest.NewNonces(key, 0)
	if got := restarted.Use(counted(nonce, 1), noon.Add(time.Second)); got != digest.Stale {
		t.Errorf("a nonce that may have been used before the restart: %v", got)
	}
	if got := restarted.Use(counted(restarted.Make(noon.Add(time.Second)), 1), noon.Add(time.Second)); got != digest.Fresh {
		t.Errorf("one from after it: %v", got)
	}
	// A clock that is set back must not keep everybody out.
	earlier := noon.Add(-time.Hour)
	if got := restarted.Use(counted(restarted.Make(earlier), 1), earlier); got != digest.Fresh {
		t.Errorf("after the clock was set back: %v", got)
	}
}

func TestFewNoncesAreKept(t *testing.T) {
	t.Parallel()
	n := digest.NewNonces(nil, 0)
	n.Kept = 3
	var nonces []string
	for i := range 5 {
		nonces = append(nonces, n.Make(noon.Add(time.Duration(i)*time.Second)))
	}
	late := noon.Add(10 * time.Second)
	for i, nonce := range nonces {
		if got := n.Use(counted(nonce, 1), late); got != digest.Fresh {
			t.Errorf("nonce %d, first use: %v", i, got)
		}
	}
	for i, nonce := range nonces { // two of them are not known any more, and stale all the same
		want := digest.Stale
		if i >= 2 {
			want = digest.Fresh
		}
		if got := n.Use(counted(nonce, 2), late); got != want {
			t.Errorf("nonce %d, next count: %v, want %v", i, got, want)
		}
		if got := n.Use(counted(nonce, 1), late); got != digest.Stale {
			t.Errorf("nonce %d, played again: %v", i, got)
		}
	}
}

func TestNoUseIsGoodTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := digest.NewNonces(nil, 0)
		n.Kept = rapid.IntRange(1, 6).Draw(rt, "kept")
		var nonces []string
		good := map[string]bool{}
		for i := range rapid.IntRange(1, 80).Draw(rt, "steps") {
			now := noon.Add(time.Duration(i) * time.Second)
			if len(nonces) == 0 || rapid.IntRange(0, 4).Draw(rt, "new") == 0 {
				nonces = append(nonces, n.Make(now))
			}
			c := counted(rapid.SampledFrom(nonces).Draw(rt, "nonce"), rapid.Int64Range(-1, 90).Draw(rt, "count"))
			what := c.Nonce + c.NC
			if n.Use(c, now) == digest.Fresh {
				if good[what] {
					rt.Fatalf("count %q of a nonce was good twice", c.NC)
				}
				good[what] = true
			}
		}
		if len(good) == 0 {
			rt.Fatal("no use was good")
		}
	})
}

func TestManyUseANonceAtOnce(t *testing.T) {
	t.Parallel()
	n := digest.NewNonces(nil, 0)
	nonce := n.Make(noon)
	var all sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for range 20 {
		all.Go(func() {
			if n.Use(counted(nonce, 7), noon) == digest.Fresh {
				mu.Lock()
				defer mu.Unlock()
				good++
			}
		})
	}
	all.Wait()
	if good != 1 {
		t.Errorf("one count was good %d times", good)
	}
}
