package transaction

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// bell notes when it rang.
type bell struct {
	timer timer
	w     *wheel
	rang  []int64
	after func()
}

func (b *bell) fire(*timer) {
	b.rang = append(b.rang, b.w.now)
	if b.after != nil {
		b.after()
	}
}

func newBell(w *wheel) *bell {
	b := &bell{w: w}
	b.timer.owner = b
	return b
}

func at(ticks int64) time.Time { return time.Unix(0, 0).Add(time.Duration(ticks) * tick) }

func TestWheelAgainstAList(t *testing.T) { // any timers, any steps: each rings once, at its tick
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := &wheel{start: at(0)}
		want := map[*bell]int64{}
		var all []*bell
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0, 1:
				b := newBell(w)
				when := w.now + rapid.Int64Range(-5, 3*slots).Draw(rt, "when")
				w.add(&b.timer, at(when))
				want[b] = max(when, w.now+1)
				all = append(all, b)
			case 2:
				if len(all) > 0 {
					b := rapid.SampledFrom(all).Draw(rt, "stopped")
					w.remove(&b.timer)
					if len(b.rang) == 0 {
						delete(want, b)
					}
				}
			default:
				w.run(at(w.now + rapid.Int64Range(0, slots).Draw(rt, "ticks")))
			}
		}
		for w.count > 0 {
			w.run(at(w.now + slots))
		}
		for _, b := range all {
			when, rings := want[b]
			if rings && !slices.Equal(b.rang, []int64{when}) || !rings && b.rang != nil {
				rt.Errorf("rang at %v, want %d (%v)", b.rang, when, rings)
			}
		}
	})
}

func TestWheelOrder(t *testing.T) { // of one tick: as they were set
	t.Parallel()
	w := &wheel{start: at(0)}
	var order []int
	for i := range 5 {
		b := newBell(w)
		b.after = func() { order = append(order, i) }
		w.add(&b.timer, at(7))
	}
	w.run(at(8))
	if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
		t.Errorf("order %v", order)
	}
}

func TestWheelStopsWhatIsDue(t *testing.T) { // a timer stops another of the same tick
	t.Parallel()
	w := &wheel{start: at(0)}
	first, second := newBell(w), newBell(w)
	w.add(&first.timer, at(3))
	w.add(&second.timer, at(3))
	first.after = func() {
		w.remove(&second.timer)
		if len(first.rang) < 3 {
			w.add(&first.timer, at(w.now)) // at once means the next tick
		}
	}
	w.run(at(10))
	if len(second.rang) != 0 || !slices.Equal(first.rang, []int64{3, 4, 5}) {
		t.Errorf("first rang at %v, second at %v", first.rang, second.rang)
	}
	if w.count != 0 {
		t.Errorf("%d timers are left", w.count)
	}
}

func TestWheelAfterALongSleep(t *testing.T) {
	t.Parallel()
	w := &wheel{start: at(0)}
	near, far := newBell(w), newBell(w)
	w.add(&near.timer, at(9))
	w.add(&far.timer, at(50*slots+3))
	w.run(at(50 * slots))
	if len(near.rang) != 1 || len(far.rang) != 0 {
		t.Errorf("near rang at %v, far at %v", near.rang, far.rang)
	}
	w.run(at(50*slots + 3))
	if !slices.Equal(far.rang, []int64{50*slots + 3}) {
		t.Errorf("far rang at %v", far.rang)
	}
}

func TestWheelIsNeverEarly(t *testing.T) {
	t.Parallel()
	w := &wheel{start: at(0)}
	b := newBell(w)
	w.add(&b.timer, at(5).Add(1))
	w.run(at(6).Add(-1))
	if len(b.rang) != 0 {
		t.Error("it rang before its time")
	}
	w.run(at(6))
	if len(b.rang) != 1 {
		t.Error("it did not ring at the next tick")
	}
}
