package event_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/event"
	"parley/sip/siptest"
)

const bobURI = "sip:bob@example.org"

func document(body string) siptest.Edit { return siptest.WithBody("application/pidf+xml", body) }

// publish sends a PUBLISH and gives its answer. tag "" is a first one.
func (w *watcher) publish(tag string, edits ...siptest.Edit) *sip.Message {
	w.k.Helper()
	all := []siptest.Edit{forEvent}
	if tag != "" {
		all = append(all, siptest.With(sip.HeaderSIPIfMatch, tag))
	}
	w.Request(sip.PUBLISH, "bob@example.org", append(all, edits...)...)
	return w.Expect("any")
}

// published is like publish and expects a 200; it gives the tag.
func (w *watcher) published(tag string, edits ...siptest.Edit) string {
	w.k.Helper()
	resp := w.publish(tag, edits...)
	next := resp.Get(sip.HeaderSIPETag)
	if resp.Status() != 200 || next == "" || next == tag {
		w.k.Fatalf("the PUBLISH was answered\n%s", resp.Text())
	}
	return next
}

// stand says what is published, in order.
func (k *kit) stand() string {
	var all []string
	for _, p := range k.compositor.Of(bobURI) {
		all = append(all, p.Body)
	}
	return strings.Join(all, " ")
}

func (k *kit) changes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.changed)
}

func (k *kit) stands(want string, changes int) {
	k.Helper()
	if got := k.stand(); got != want || k.changes() != changes {
		k.Errorf("published is %q after %d changes, want %q after %d", got, k.changes(), want, changes)
	}
}

// The operations of rfc3903#4.1.
func TestPublications(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.phone(sip.UDP)
	tag := bob.published("", document("a"), siptest.With(sip.HeaderExpires, "600"))
	k.stands("a", 1)
	old := tag
	k.clock.Advance(time.Minute)
	tag = bob.published(tag, siptest.With(sip.HeaderExpires, "600")) // refresh
	k.stands("a", 1)
	if resp := bob.publish(old, document("x")); resp.Status() != 412 {
		t.Errorf("a tag that is no more: %d", resp.Status())
	}
	tag = bob.published(tag, document("b")) // modify
	k.stands("b", 2)
	tag = bob.published(tag, document("b")) // says nothing new
	k.stands("b", 2)
	k.clock.Advance(time.Second)
	other := bob.published("", document("c"))
	k.stands("b c", 3)
	bob.published(tag, siptest.With(sip.HeaderExpires, "0")) // remove
	k.stands("c", 4)
	if resp := bob.publish(tag); resp.Status() != 412 {
		t.Errorf("a tag of what was taken back: %d", resp.Status())
	}
	k.clock.Advance(time.Hour + time.Second)
	k.stands("", 5)
	if resp := bob.publish(other); resp.Status() != 412 {
		t.Errorf("a tag of what has expired: %d", resp.Status())
	}
	if k.compositor.Len() != 0 {
		t.Errorf("%d publications are left", k.compositor.Len())
	}
}

// Of two that know one tag the first is heard (rfc3903#6).
func TestTwoWithOneTag(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob, twin := k.phone(sip.UDP), k.phone(sip.UDP)
	tag := bob.published("", document("a"))
	bob.Request(sip.PUBLISH, "bob@example.org", forEvent, siptest.With(sip.HeaderSIPIfMatch, tag), document("b"))
	twin.Request(sip.PUBLISH, "bob@example.org", forEvent, siptest.With(sip.HeaderSIPIfMatch, tag), document("c"))
	got := fmt.Sprint(bob.Expect("any").Status(), twin.Expect("any").Status())
	if want := map[string]string{"200 412": "b", "412 200": "c"}[got]; want == "" || k.stand() != want {
		t.Errorf("they were answered %s, and published is %q", got, k.stand())
	}
}

// A publication that is refreshed at the last moment does not expire by the clock of before.
func TestARefreshInTime(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.phone(sip.UDP)
	expires := siptest.With(sip.HeaderExpires, "60")
	tag := bob.published("", document("a"), expires)
	for range 5 {
		k.clock.Advance(59 * time.Second)
		tag = bob.published(tag, expires)
	}
	k.stands("a", 1)
	k.clock.Advance(61 * time.Second)
	k.stands("", 2)
}

func TestRefusedPublications(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(_ *event.Config, c *event.CompositorConfig) {
		c.MaxBody, c.PerEntity, c.Limit = 100, 2, 3
		c.Check = func(_, body string) error {
			if body == "broken" {
				return errors.New("broken")
			}
			return nil
		}
	})
	bob := k.phone(sip.UDP)
	tests := []struct {
		name   string
		edits  []siptest.Edit
		status int
	}{
		{"another event", []siptest.Edit{document("a"), siptest.With(sip.HeaderEvent, "dialog")}, 489},
		{"nothing", nil, 400},
		{"a broken document", []siptest.Edit{document("broken")}, 400},
		{"a long document", []siptest.Edit{document(strings.Repeat("a", 101))}, 413},
		{"a document of another type", []siptest.Edit{siptest.WithBody("application/sdp", "v=0")}, 415},
		{"a packed one", []siptest.Edit{document("a"), siptest.With(sip.HeaderContentEncoding, "gzip")}, 415},
		{"for a moment", []siptest.Edit{document("a"), siptest.With(sip.HeaderExpires, "3")}, 423},
		{"an extension", []siptest.Edit{document("a"), siptest.With(sip.HeaderRequire, "x")}, 420},
		{"an unknown tag", []siptest.Edit{document("a"), siptest.With(sip.HeaderSIPIfMatch, "x")}, 412},
		{"an empty tag", []siptest.Edit{document("a"), siptest.With(sip.HeaderSIPIfMatch, "")}, 412},
	}
	for _, test := range tests {
		if resp := bob.publish("", test.edits...); resp.Status() != test.status {
			t.Errorf("%s: %d, want %d", test.name, resp.Status(), test.status)
		}
	}
	k.stands("", 0)
	if resp := bob.publish("", document("a"), siptest.With(sip.HeaderExpires, "0")); resp.Status() != 200 {
		t.Errorf("what is over at once: %d", resp.Status())
	}
	k.stands("", 0)
	bob.published("", document("a"))
	bob.published("", document("b"))
	if resp := bob.publish("", document("c")); resp.Status() != 503 {
		t.Errorf("one more than an entity may have: %d", resp.Status())
	}
	k.stands("a b", 2)
}

func TestForget(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.phone(sip.UDP)
	bob.published("", document("a"))
	k.clock.Advance(time.Second)
	bob.published("", document("b"))
	k.compositor.Forget(bobURI, func(p event.Publication[string]) bool { return p.Body == "a" })
	k.stands("b", 3)
	k.compositor.Forget(bobURI, func(event.Publication[string]) bool { return false })
	k.stands("b", 3)
}
