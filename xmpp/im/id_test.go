package im_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"parley/xmpp/im"
)

func TestIDsAreOrderedAsTextToo(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_767_225_600_123)
	last := ""
	for _, id := range []im.ID{0, 1, im.FirstID(at) - 1, im.FirstID(at), im.FirstID(at.Add(time.Millisecond)), math.MaxInt64} {
		text := id.String()
		if text <= last {
			t.Errorf("%s comes after %s", text, last)
		}
		last = text
		if again, ok := im.ParseID(text); !ok || again != id {
			t.Errorf("%d comes back as %d, %v", id, again, ok)
		}
	}
	if !im.FirstID(at).Time().Equal(at) || !(im.FirstID(at.Add(time.Millisecond)) - 1).Time().Equal(at) {
		t.Error("an ID does not tell its time")
	}
	for _, far := range []time.Time{{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if im.FirstID(far) < 0 {
			t.Errorf("of %v the first ID is %d", far, im.FirstID(far))
		}
	}
}

func FuzzID(f *testing.F) {
	f.Add("0000000000000001")
	f.Add("-000000000000001")
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := im.ParseID(text); ok && (id.String() != text || strings.ToLower(text) != text) {
			t.Errorf("%q is read as %s", text, id)
		}
	})
}
