package event_test

import (
	"testing"

	"parley/sip"
	"parley/sip/event"
	"parley/sip/siptest"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value string
		want  event.Event
		ok    bool
	}{
		{"presence", event.Event{Name: "presence"}, true},
		{" presence ; id=3 ;x", event.Event{Name: "presence", ID: "3"}, true},
		{"presence.winfo", event.Event{Name: "presence.winfo"}, true},
		{"", event.Event{}, false},
		{".presence", event.Event{}, false},
		{"presence.", event.Event{}, false},
		{"pres ence", event.Event{}, false},
		{`presence;id="a b"`, event.Event{}, false},
	}
	for _, test := range tests {
		if got, ok := event.ParseEvent(test.value); got != test.want || ok != test.ok {
			t.Errorf("%q is read as %+v, %v", test.value, got, ok)
		}
	}
}

// What is read can be written, in a message too.
func FuzzEvent(f *testing.F) {
	f.Add("presence")
	f.Add("presence.winfo ; id=7;x=\"y\"")
	f.Add("a;id=\"b;c\"")
	f.Fuzz(func(t *testing.T, value string) {
		e, ok := event.ParseEvent(value)
		if !ok {
			return
		}
		if again, ok := event.ParseEvent(e.String()); !ok || again != e {
			t.Errorf("%q is read as %+v, and that as %+v", value, e, again)
		}
		m := siptest.Request(sip.NOTIFY, "a@example.org", "b@example.org", siptest.With(sip.HeaderEvent, e.String()))
		if m.Get(sip.HeaderEvent) != e.String() {
			t.Errorf("%q is written as %q", value, m.Get(sip.HeaderEvent))
		}
	})
}
