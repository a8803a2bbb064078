package xmpp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"testing"

	"parley/xmpp/jid"
)

const benchHeader = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>`

// chat is a message as apps send it, of 469 bytes.
const chat = `<message xmlns="jabber:client" to="bob@example.org/Conversations.aB3xYq" from="alice@example.org/phone-7f3a" id="b1c7f0de-5a52-4c1e-9c3e-0a5f4c1d2e3f" type="chat"><body>Shall we meet at the station at a quarter past seven, or is that too early for you?</body><active xmlns="http://jabber.org/protocol/chatstates"/><request xmlns="urn:xmpp:receipts"/><origin-id xmlns="urn:xmpp:sid:0" id="b1c7f0de-5a52-4c1e-9c3e-0a5f4c1d2e3f"/><markable xmlns="urn:xmpp:chat-markers:0"/></message>`

func streamed(b testing.TB) *Scanner {
	b.Helper()
	s := &Scanner{}
	s.Feed([]byte(benchHeader))
	if event, _, err := s.Next(); event != Opened || err != nil {
		b.Fatalf("the header: %v, %v", event, err)
	}
	return s
}

func next(b *testing.B, s *Scanner, text []byte) *Raw {
	s.Feed(text)
	event, raw, err := s.Next()
	if event != Whole || err != nil {
		b.Fatalf("%v, %v", event, err)
	}
	return raw
}

func BenchmarkScan(b *testing.B) {
	text := []byte(chat)
	b.Run("ours", func(b *testing.B) {
		s := streamed(b)
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			next(b, s, text)
		}
	})
	b.Run("frame", func(b *testing.B) {
		var s Scanner
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, err := s.Frame(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			d := xml.NewDecoder(bytes.NewReader(text))
			for {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// A message that is only routed: scanned, stamped with who it is from, and written to a connection.
func BenchmarkRoute(b *testing.B) {
	text := []byte(chat)
	from := jid.JID{Local: "alice", Domain: "example.org", Resource: "phone-7f3a"}
	s := streamed(b)
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		st, err := next(b, s, text).Stanza(from)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out[:0], st.Text()...)
	}
}

func BenchmarkEdit(b *testing.B) {
	s := streamed(b)
	st, err := next(&testing.B{}, s, []byte(chat)).Stanza(jid.JID{})
	if err != nil {
		b.Fatal(err)
	}
	const id = `<stanza-id xmlns='urn:xmpp:sid:0' id='018f6a2b3c4d5e6f' by='bob@example.org'/>`
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			st.Edit(Edit{Append: id, Appended: []Name{{"urn:xmpp:sid:0", "stanza-id"}}})
		}
	})
	b.Run("drop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			st.Edit(Edit{Drop: func(p Part) bool { return p.Local == "request" }})
		}
	})
}

func BenchmarkElement(b *testing.B) {
	s := streamed(b)
	raw := next(&testing.B{}, s, []byte(chat))
	b.ReportAllocs()
	for b.Loop() {
		raw.Element()
	}
}
