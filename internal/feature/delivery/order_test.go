package delivery

import (
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// Mails are handed out in the order of the last time they were written, the good ones alone, whoever comes first.
func TestOrderIsThatOfWriting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(rt, "mails")
		var mu sync.Mutex
		var got []*mail
		o := &order{hand: func(m *mail) { mu.Lock(); defer mu.Unlock(); got = append(got, m) }}
		mails := make([]*mail, n)
		for i := range mails {
			mails[i] = &mail{}
			o.add(mails[i])
		}
		written := slices.Clone(mails)
		for _, i := range rapid.SliceOf(rapid.IntRange(0, n-1)).Draw(rt, "again") { // whose transaction was lost
			o.add(mails[i])
			at := slices.Index(written, mails[i])
			written = append(slices.Delete(written, at, at+1), mails[i])
		}
		var want []*mail
		good := map[*mail]bool{}
		for _, m := range written {
			if good[m] = rapid.Bool().Draw(rt, "good"); good[m] {
				want = append(want, m)
			}
		}
		var wg sync.WaitGroup
		for _, m := range rapid.Permutation(mails).Draw(rt, "who comes first") {
			wg.Go(func() { o.settle(m, good[m]) })
		}
		wg.Wait()
		if !slices.Equal(got, want) || len(o.queue) != 0 {
			rt.Fatalf("handed out are %d in another order, or %d are left", len(got), len(o.queue))
		}
		o.settle(&mail{}, false) // one that was never written does not wait
	})
}
