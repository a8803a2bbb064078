package stream

import (
	"errors"
	"testing"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// opened reads what opens a stream.
func opened(t testing.TB, f Form, text string) *xmpp.Raw {
	t.Helper()
	s := new(xmpp.Scanner)
	if f == Framed {
		r, err := s.Frame([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	s.Feed([]byte(text))
	event, r, err := s.Next()
	if err != nil || event != xmpp.Opened {
		t.Fatalf("%s: %d, %v", text, event, err)
	}
	return r
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	const stream = "xmlns:stream='http://etherx.jabber.org/streams'"
	const framing = "xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
	for _, x := range []struct {
		form Form
		text string
		want any // a Header or a StreamCondition
	}{
		{Bytes, "<stream:stream xmlns='jabber:client' " + stream + " to='a' from='b' version='1.0' xml:lang='de'>", Header{To: "a", From: "b", Version: "1.0", Lang: "de"}},
		{Bytes, "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' to='a' version='1.1'>", Header{To: "a", Version: "1.1"}},
		{Bytes, "<stream xmlns='http://etherx.jabber.org/streams' version='1.0'>", xmpp.InvalidNamespace},
		{Bytes, "<stream:stream " + stream + " version='1.0'>", xmpp.InvalidNamespace},
		{Bytes, "<stream:stream xmlns='jabber:server' " + stream + " version='1.0'>", xmpp.InvalidNamespace},
		{Bytes, "<stream:flood xmlns='jabber:client' " + stream + " version='1.0'>", xmpp.BadFormat},
		{Bytes, "<stream:stream xmlns='jabber:client' " + stream + ">", xmpp.UnsupportedVersion},
		{Bytes, "<stream:stream xmlns='jabber:client' " + stream + " version='0.9'>", xmpp.UnsupportedVersion},
		{Bytes, "<stream:stream xmlns='jabber:client' " + stream + " version='1'>", xmpp.UnsupportedVersion},
		{Bytes, "<stream:stream xmlns='jabber:client' " + stream + " version='1.x'>", xmpp.UnsupportedVersion},
		{Framed, "<open " + framing + " to='a' version='1.0'/>", Header{To: "a", Version: "1.0"}},
		{Framed, "<open xmlns='jabber:client' to='a' version='1.0'/>", xmpp.InvalidNamespace},
		{Framed, "<close " + framing + "/>", xmpp.BadFormat},
		{Framed, "<open " + framing + " to='a'/>", xmpp.UnsupportedVersion},
	} {
		h, err := x.form.Read(opened(t, x.form, x.text))
		e, _ := errors.AsType[*xmpp.StreamError](err)
		switch want := x.want.(type) {
		case Header:
			if err != nil || h != want {
				t.Errorf("%s is %+v, %v, want %+v", x.text, h, err, want)
			}
		case xmpp.StreamCondition:
			if e == nil || e.Condition != want {
				t.Errorf("%s is refused with %v, want %s", x.text, err, want)
			}
		}
	}
}

func TestWriting(t *testing.T) {
	t.Parallel()
	h := Header{To: "alice@example.org", From: "example.org", ID: "a'b", Version: "1.0", Lang: "en"}
	for _, f := range []Form{Bytes, Framed} {
		got, err := f.Read(opened(t, f, f.Open(h)))
		if err != nil || got != h {
			t.Errorf("%s is read as %+v, %v", f.Open(h), got, err)
		}
	}
	st := xmpp.Must(xmpp.Message, xmpp.Header{To: jid.JID{Domain: "x"}}, "")
	e := &xmpp.StreamError{Condition: xmpp.Reset}
	for got, want := range map[string]string{
		Bytes.Features("<x/>"):  "<stream:features><x/></stream:features>",
		Framed.Features("<x/>"): "<features xmlns='http://etherx.jabber.org/streams'><x/></features>",
		Bytes.Error(e):          "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		Framed.Error(e):         "<error xmlns='http://etherx.jabber.org/streams'><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></error>",
		Bytes.Close():           "</stream:stream>",
		Framed.Close():          "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
		Bytes.Stanza(st):        "<message to='x'/>",
		Framed.Stanza(st):       "<message xmlns='jabber:client' to='x'/>",
	} {
		if got != want {
			t.Errorf("wrote %s, want %s", got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='a' version='1.0'/>")
	f.Fuzz(func(t *testing.T, text string) {
		var s xmpp.Scanner
		r, err := s.Frame([]byte(text))
		if err != nil {
			return
		}
		h, err := Framed.Read(r)
		if err != nil {
			return
		}
		for _, form := range []Form{Bytes, Framed} {
			if again, err := form.Read(opened(t, form, form.Open(h))); err != nil || again != h {
				t.Errorf("%+v is read as %+v, %v", h, again, err)
			}
		}
	})
}
