package sm

import (
	"testing"
	"time"

	"parley/xmpp"
)

func raw(t testing.TB, text string) *xmpp.Raw {
	t.Helper()
	var s xmpp.Scanner
	r, err := s.Frame([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReading(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Enable{
		"<enable xmlns='urn:xmpp:sm:3'/>":                                              {},
		"<enable xmlns='urn:xmpp:sm:3' resume='true'/>":                                {Resume: true},
		"<enable xmlns='urn:xmpp:sm:3' resume='1' max='60'/>":                          {Resume: true, Max: time.Minute},
		"<enable xmlns='urn:xmpp:sm:3' resume='yes' max='-1'/>":                        {},
		"<enable xmlns='urn:xmpp:sm:3' resume='false' max='99999999999999999999999'/>": {},
	} {
		if got := ReadEnable(raw(t, text)); got != want {
			t.Errorf("%s is %+v, want %+v", text, got, want)
		}
	}
	for text, want := range map[string]any{
		"0": uint32(0), "4294967295": uint32(4294967295), "4294967296": nil, "-1": nil, "": nil, "x": nil, "+1": nil, " 1": nil,
	} {
		h, err := ReadAnswer(raw(t, "<a xmlns='urn:xmpp:sm:3' h='"+text+"'/>"))
		if want == nil && err == nil || want != nil && (err != nil || h != want) {
			t.Errorf("h %q is %d, %v, want %v", text, h, err, want)
		}
	}
	r, err := ReadResume(raw(t, "<resume xmlns='urn:xmpp:sm:3' previd='a&amp;b' h='7'/>"))
	if err != nil || r != (Resume{"a&b", 7}) {
		t.Errorf("resume is %+v, %v", r, err)
	}
	if _, err := ReadResume(raw(t, "<resume xmlns='urn:xmpp:sm:3' previd='x'/>")); err == nil {
		t.Error("a resume without a count is taken")
	}
}

func TestWriting(t *testing.T) {
	t.Parallel()
	seven := uint32(7)
	for got, want := range map[string]string{
		Enabled("", time.Minute):          "<enabled xmlns='urn:xmpp:sm:3'/>",
		Enabled("x", time.Minute):         "<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true' max='60'/>",
		Resumed("a&b", 4294967295):        "<resumed xmlns='urn:xmpp:sm:3' previd='a&amp;b' h='4294967295'/>",
		Answer(7):                         "<a xmlns='urn:xmpp:sm:3' h='7'/>",
		Failed(xmpp.ItemNotFound, nil):    "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
		Failed(xmpp.ItemNotFound, &seven): "<failed xmlns='urn:xmpp:sm:3' h='7'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
		TooHigh(10, 8).XML("stream:"): "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>more stanzas are acknowledged than were sent</text>" +
			"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='10' send-count='8'/></stream:error>",
	} {
		if got != want {
			t.Errorf("wrote %s\nwant  %s", got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("<resume xmlns='urn:xmpp:sm:3' previd='x' h='7' max='1' resume='1'/>")
	f.Add("<a xmlns='urn:xmpp:sm:3' h='4294967296'/>")
	f.Fuzz(func(t *testing.T, text string) {
		var s xmpp.Scanner
		r, err := s.Frame([]byte(text))
		if err != nil {
			return
		}
		if e := ReadEnable(r); e.Max < 0 {
			t.Errorf("a claim of %v", e.Max)
		}
		if h, err := ReadAnswer(r); err == nil {
			if again, err := ReadAnswer(raw(t, Answer(h))); err != nil || again != h {
				t.Errorf("%d is read as %d, %v", h, again, err)
			}
		}
		if x, err := ReadResume(r); err == nil {
			if again, err := ReadResume(raw(t, Resumed(x.Previous, x.Handled))); err != nil || again != x {
				t.Errorf("%+v is read as %+v, %v", x, again, err)
			}
		}
	})
}
