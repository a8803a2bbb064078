package xmpp

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const parkable = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:x'>" +
	"<message><body>one</body></message>\n<x:y/> <iq id='1'><x:z x:a='b'/></iq><presence/>\n</stream:stream>"

// events are what a scanner finds in text, as lines.
func events(t interface{ Fatal(...any) }, next func() (Event, *Raw, error)) (lines []string) {
	for {
		event, raw, err := next()
		if err != nil {
			t.Fatal(err)
		}
		if event == More {
			return lines
		}
		line := fmt.Sprint(event)
		if raw != nil {
			line += fmt.Sprint(raw.Name(), raw.Attr("id"))
			if event == Whole {
				b := NewBuilder(nil)
				raw.Element().Append(b)
				line += b.String()
			}
		}
		lines = append(lines, line)
	}
}

// Wherever a stream is cut, and whoever goes on with it where it can be parked, the same is found.
func TestAParkedStreamGoesOn(t *testing.T) {
	t.Parallel()
	var whole Scanner
	whole.Feed([]byte(parkable))
	want := strings.Join(events(t, whole.Next), "\n")
	rapid.Check(t, func(t *rapid.T) {
		at := &Scanner{Limits: Limits{Bytes: 1000}}
		// One that another stream has used.
		used := new(Scanner)
		used.Feed([]byte("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:other'><x:a><b/></x:a>"))
		events(t, used.Next)
		var got []string
		parked := 0
		for rest := parkable; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			at.Feed([]byte(rest[:n]))
			rest = rest[n:]
			got = append(got, events(t, at.Next)...)
			if p, ok := at.Park(); ok {
				parked++
				at, used = used, at
				at.Unpark(p)
				if at.Limits.Bytes != 1000 {
					t.Fatal("the limits are not those of the stream")
				}
			}
		}
		if strings.Join(got, "\n") != want {
			t.Fatalf("found\n%s\nwant\n%s", strings.Join(got, "\n"), want)
		}
	})
}

func TestWhatCanNotBeParked(t *testing.T) {
	t.Parallel()
	const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	for _, text := range []string{"", "<", header[:20], header + "<message>", header + "<message", header + "</stream:stream>"} {
		var s Scanner
		s.Feed([]byte(text))
		events(t, s.Next)
		if _, ok := s.Park(); ok {
			t.Errorf("after %q it is parked", text)
		}
	}
	var failed Scanner
	failed.Feed([]byte(header + "<a></b>"))
	if _, _, err := failed.Next(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := failed.Next(); err == nil {
		t.Fatal("no error")
	}
	if _, ok := failed.Park(); ok {
		t.Error("a failed stream is parked")
	}
}
