package disco

import (
	"testing"

	"parley/xmpp"
)

func TestAnInfoIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, info := range []Info{exodus(), psi(), {}} {
		e, err := xmpp.ParseElement(info.XML("a"))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := ParseInfo(e)
		if !ok || got.Ver() != info.Ver() {
			t.Errorf("read %+v of %s", got, info.XML("a"))
		}
	}
}

func TestCapsOfAPresence(t *testing.T) {
	t.Parallel()
	read := func(payload string) (Caps, bool) {
		st, err := xmpp.Parse("<presence>" + payload + "</presence>")
		if err != nil {
			t.Fatal(err)
		}
		return CapsOf(st)
	}
	c, ok := read(psi().Caps("http://psi-im.org"))
	if !ok || c.Node != "http://psi-im.org" || !c.Proves(psi()) || c.Proves(exodus()) {
		t.Errorf("read %+v, %v", c, ok)
	}
	for _, payload := range []string{"", "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='1.0' ext='voice-v1'/>"} { // xep0115#8: of old
		if c, ok := read(payload); ok {
			t.Errorf("%s gives %+v", payload, c)
		}
	}
}

func FuzzParseInfo(f *testing.F) {
	for _, info := range []Info{exodus(), psi()} {
		f.Add(info.XML(""))
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := xmpp.ParseElement(text)
		if err != nil {
			return
		}
		info, ok := ParseInfo(e)
		if !ok {
			return
		}
		again, err := xmpp.ParseElement(info.XML(""))
		if err != nil {
			t.Fatalf("%v: %s", err, info.XML(""))
		}
		if back, ok := ParseInfo(again); !ok || len(info.Features) < maxParts/2 && len(info.Forms) == 0 && len(info.Identities) < maxParts/2 && back.Ver() != info.Ver() {
			t.Fatalf("%+v is read as %+v", info, back)
		}
	})
}
