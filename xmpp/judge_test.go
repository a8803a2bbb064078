package xmpp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"parley/xmpp/jid"
)

const judged = "<stream:stream xmlns='jabber:client' xmlns:stream='" + NSStream + "' xmlns:p='urn:p'>"

// scanAll gives the first-level elements of a stream's content that arrives in pieces of n bytes, and how it ends.
func scanAll(content string, n int) (all []*Element, err error) {
	var s Scanner
	text := judged + content + "</stream:stream>"
	for {
		event, raw, err := s.Next()
		switch {
		case err != nil:
			return all, err
		case event == Whole:
			all = append(all, raw.Element())
		case event == Closed:
			return all, nil
		case event == More && text == "":
			return all, io.ErrUnexpectedEOF
		case event == More:
			piece := text[:min(n, len(text))]
			s.Feed([]byte(piece))
			text = text[len(piece):]
		}
	}
}

// judge is the same by encoding/xml, which knows nothing of what XMPP forbids: saw says what of that there was.
func judge(content string) (all []*Element, saw string, err error) {
	d := xml.NewDecoder(strings.NewReader(judged + content + "</stream:stream>"))
	var open []*Element
	for {
		token, err := d.Token()
		if err != nil {
			return all, saw, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &Element{Name: Name(token.Name)}
			for _, a := range token.Attr {
				if a.Name.Space != "xmlns" && a.Name != (xml.Name{Local: "xmlns"}) {
					// It leaves white space in values as it is.
					e.Attrs = append(e.Attrs, Attr{Name(a.Name), a.Value})
				}
			}
			switch {
			case len(open) == 1:
				all = append(all, e)
			case len(open) > 1:
				last := open[len(open)-1]
				last.Children = append(last.Children, e)
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
			if len(open) == 0 {
				return all, saw, nil
			}
		case xml.CharData:
			if len(open) > 1 {
				open[len(open)-1].Text += string(token)
			} else if len(bytes.TrimLeft(token, " \t\r\n")) > 0 {
				saw = "text between stanzas"
			}
		default:
			saw = "restricted XML"
		}
	}
}

func sameTree(a, b *Element) bool {
	if a.Name != b.Name || a.Text != b.Text || len(a.Attrs) != len(b.Attrs) || len(a.Children) != len(b.Children) {
		return false
	}
	for i := range a.Attrs {
		// Spaces in values: XML 1.0 section 3.3.3, which encoding/xml leaves out.
		if a.Attrs[i].Name != b.Attrs[i].Name || spaces(a.Attrs[i].Value) != spaces(b.Attrs[i].Value) {
			return false
		}
	}
	for i := range a.Children {
		if !sameTree(a.Children[i], b.Children[i]) {
			return false
		}
	}
	return true
}

func spaces(s string) string {
	return strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ", "\r", " ").Replace(s)
}

func checkJudged(t interface{ Fatalf(string, ...any) }, content string) {
	ours, err := scanAll(content, len(judged)+len(content)+100)
	theirs, saw, theirErr := judge(content)
	stream, _ := errors.AsType[*StreamError](err)
	switch {
	case err == nil && theirErr != nil:
		// encoding/xml has the names of an older edition of XML.
		if ascii(content) {
			t.Fatalf("%q is taken, but is %v", content, theirErr)
		}
	case err == nil && saw != "" && !strings.Contains(content, "<![CDATA["):
		t.Fatalf("%q is taken, but has %s", content, saw)
	case err == nil:
		if len(ours) != len(theirs) {
			t.Fatalf("%q has %d elements, want %d", content, len(ours), len(theirs))
		}
		for i := range ours {
			if !sameTree(ours[i], theirs[i]) {
				t.Fatalf("%q is read as %+v, want %+v", content, ours[i], theirs[i])
			}
		}
	case theirErr == nil && saw == "" && stream != nil && stream.Condition == NotWellFormed && !lenient(stream.Text):
		t.Fatalf("%q is good XML, but refused: %v", content, err)
	}
	// Pieces of any size make no difference.
	for _, n := range []int{1, 3, 8} {
		again, againErr := scanAll(content, n)
		if condition(err) != condition(againErr) {
			t.Fatalf("%q ends with %v, in pieces of %d bytes with %v", content, err, n, againErr)
		}
		if len(again) != len(ours) {
			t.Fatalf("%q has %d elements, in pieces of %d bytes %d", content, len(ours), n, len(again))
		}
		for i := range ours {
			if !sameTree(ours[i], again[i]) {
				t.Fatalf("%q is read otherwise in pieces of %d bytes", content, n)
			}
		}
	}
}

// condition is what a peer hears of an error, "" if there is none.
func condition(err error) string {
	if e, ok := errors.AsType[*StreamError](err); ok {
		return string(e.Condition)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// lenient says of one of our reasons that encoding/xml does not know it: it resolves no namespaces strictly, and does not
// mind attributes that stand twice or close together.
func lenient(reason string) bool {
	switch reason {
	case "a prefix is not declared", "a prefix is declared for no namespace", "a reserved prefix or namespace is declared",
		"an attribute stands twice", "no space stands before an attribute", "a name is expected",
		"a character that no name has", "a CDATA section stands between stanzas", "an end tag does not match its start tag",
		"a / stands in a tag", "a reference to no character":
		return true
	}
	return false
}

// samples are contents with all that matters in them.
func samples() []string {
	return []string{
		chat, "<a/>", "<message><body>Hi &amp; bye &#x20ac; é 😀</body></message>", "<a b='x' c=\"y'\"/><p:q p:r='1'/>",
		"<a><![CDATA[<x>]]]]></a>", "<a>]]&gt;</a>", "<a>]]></a>", "<a><!-- c --></a>", "<a><?x y?></a>", "<!DOCTYPE a>", "<a>&x;</a>",
		"<a>&#0;</a>", "<a>&#xD800;</a>", "<a b='1' b='2'/>", "<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>", "<q:a/>",
		"<a xmlns:x=''/>", "<a xmlns:xml='x'/>", "<a b='<'/>", "<a b=c/>", "<a b/>", "<a></b>", "<a", "<a b='", "<a>\r\n\r</a>",
		"<a b='x\ty\r\nz'/>", "<a xmlns=''><b/></a>", "<a xmlns='urn:&#97;'><b/></a>", "<a\n\tb = 'x'\n/>", "<a ></a >", "text", " \n\t<a/> ",
		"<a>\x01</a>", "<a>\xff</a>", "<a>\xef\xbf\xbf</a>", "<a:b:c/>", "<:a/>", "<a:/>", "<1/>", "<a/ >", "<é/>", "<a>&</a>", "<a>& b;</a>", "&amp;", "<a>&amp</a>",
	}
}

func TestScannerAgreesWithEncodingXML(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		checkJudged(t, s)
	}
	pieces := rapid.SampledFrom([]string{
		"<a>", "</a>", "<a/>", "<p:b ", "</p:b>", "x='1' ", "xmlns='urn:x' ", "xmlns:q='urn:q' ", "<q:c>", "</q:c>", ">", "/>", "text", "]]", "é",
		"😀", "&amp;", "&#38;", "&", "<![CDATA[", "]]>", "'", "\"", " ", "\n", "<", "xml:lang='en' ", "0123456789abcdef",
	})
	rapid.Check(t, func(t *rapid.T) {
		checkJudged(t, strings.Join(rapid.SliceOfN(pieces, 0, 12).Draw(t, "pieces"), ""))
	})
}

func FuzzScanner(f *testing.F) {
	for _, s := range samples() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		if len(content) < 4096 {
			checkJudged(t, content)
		}
	})
}

// A stanza that was taken out of one stream is the same in any other (XML 1.0 by encoding/xml's reading).
func checkPortable(t interface{ Fatalf(string, ...any) }, content string) {
	var s Scanner
	s.Feed([]byte(judged + content))
	if event, _, err := s.Next(); event != Opened || err != nil {
		return
	}
	event, raw, err := s.Next()
	if event != Whole || err != nil {
		return
	}
	st, err := raw.Stanza(jid.JID{})
	if err != nil {
		return
	}
	want := raw.Element()
	var other Scanner
	other.Feed([]byte("<s:stream xmlns:s='" + NSStream + "' xmlns='jabber:client' xmlns:p='urn:other'>" + st.Text()))
	if event, _, err := other.Next(); event != Opened || err != nil {
		t.Fatalf("the other stream: %v", err)
	}
	event, raw, err = other.Next()
	if event != Whole || err != nil {
		t.Fatalf("%q became %q, which is %v, %v", content, st.Text(), event, err)
	}
	got := raw.Element()
	if got.Text != want.Text || len(got.Children) != len(want.Children) || len(st.Parts()) != len(want.Children) {
		t.Fatalf("%q became %q", content, st.Text())
	}
	for i := range got.Children {
		if want.Space == NSClient && !sameTree(got.Children[i], want.Children[i]) {
			t.Fatalf("%q became %q", content, st.Text())
		}
		if p := st.Parts()[i]; p.Name != got.Children[i].Name || !sameTree(st.Element(p), got.Children[i]) {
			t.Fatalf("%q: part %d is %v %q, want %v", content, i, p.Name, st.XML(p), got.Children[i].Name)
		}
	}
	kept, err := Parse(st.Text())
	if err != nil || kept.Text() != st.Text() {
		t.Fatalf("%q comes back as %q, %v", st.Text(), kept.Text(), err)
	}
	first := true
	e := st.Edit(Edit{
		Drop:   func(Part) bool { d := first; first = false; return d },
		Append: "<x xmlns='urn:x'/>", Appended: []Name{{"urn:x", "x"}},
	})
	if again, err := Parse(e.Text()); err != nil || len(again.Parts()) != len(e.Parts()) {
		t.Fatalf("%q edited is %q, %v", st.Text(), e.Text(), err)
	}
	for _, p := range e.Parts() {
		if got := e.Element(p); got.Name != p.Name {
			t.Fatalf("%q edited has %v where it says %v", st.Text(), got.Name, p.Name)
		}
	}
}

func stanzaSamples() []string {
	return []string{
		chat, "<message><p:x p:y='1'/></message>", "<message xmlns:q='urn:q'><q:x/></message>", "<message p:z='1'><body>a</body>b<c/></message>",
		"<iq id='&apos;\"' type='get'><query xmlns=''/></iq>", "<presence xmlns:p='urn:mine'><p:x/></presence>", "<message xmlns='jabber:server'><body/></message>",
		"<message id='a&#10;b\tc'><x xmlns='urn:&#97;'/></message>", "<message></message>", "<message to='&#97;@b' from=\"c@d/'\"/>", "<message xml:lang='de'> </message >",
		"<message xmlns=''><body/></message>", "<p:message/>", "<message to='@'/>",
	}
}

func TestStanzaIsTheSameInAnyStream(t *testing.T) {
	t.Parallel()
	for _, s := range stanzaSamples() {
		checkPortable(t, s)
	}
}

func FuzzStanza(f *testing.F) {
	for _, s := range stanzaSamples() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		if len(content) < 4096 {
			checkPortable(t, content)
		}
	})
}

func FuzzEscape(f *testing.F) {
	f.Add("a<b>&'\"\r\n\t\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseElement("<a b='" + Escape(s) + "'>" + Escape(s) + "</a>")
		if err != nil {
			t.Fatalf("%q is escaped as %q: %v", s, Escape(s), err)
		}
		want := strings.Map(func(r rune) rune {
			if !isChar(r) {
				return utf8.RuneError
			}
			return r
		}, s)
		if e.Text != want || e.Attr("b") != want {
			t.Fatalf("%q comes back as %q and %q", s, e.Text, e.Attr("b"))
		}
		_ = Unescape(s) // of whatever there is
	})
}

// What rfc6120#11 and the limits refuse, and how.
func TestWhatStreamsMayNotHave(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]StreamCondition{
		"<a><!-- c --></a>": RestrictedXML, "<?x y?>": RestrictedXML, "<!DOCTYPE a>": RestrictedXML, "<a>&x;</a>": RestrictedXML,
		"<a b='&x;'/>": RestrictedXML, "<a>\xff</a>": NotWellFormed, "<a></b>": NotWellFormed, "</a>": NotWellFormed, "text": BadFormat,
		"<a>" + strings.Repeat("x", 300<<10) + "</a>":                         PolicyViolation,
		strings.Repeat("<a>", 70) + strings.Repeat("</a>", 70):                PolicyViolation,
		"<a>" + strings.Repeat("<b/>", 300) + "</a>":                          PolicyViolation,
		"<a" + strings.Repeat(" x", 1) + strings.Repeat("y", 2000) + "='' />": PolicyViolation,
		"<a b" + strings.Repeat(" ", 2000) + "='x'/>":                         PolicyViolation,
		"<a></a" + strings.Repeat(" ", 2000) + ">":                            PolicyViolation,
	} {
		for _, n := range []int{1 << 20, 1000} {
			_, err := scanAll(content, n)
			if e, ok := errors.AsType[*StreamError](err); !ok || e.Condition != want {
				t.Errorf("%.60q in pieces of %d: %v, want %s", content, n, err, want)
			}
		}
	}
}

func TestStanzasWithoutANamespaceOfTheirOwnAreTold(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]StreamCondition{
		"<message xmlns=''/>": InvalidNamespace, "<message xmlns='urn:x'/>": InvalidNamespace, "<p:message/>": BadNamespacePrefix, "<x/>": UnsupportedStanzaType,
	} {
		var s Scanner
		s.Feed([]byte(judged + content))
		_, _, _ = s.Next()
		_, raw, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		_, err = raw.Stanza(jid.JID{})
		if e, ok := errors.AsType[*StreamError](err); !ok || e.Condition != want {
			t.Errorf("%s: %v, want %s", content, err, want)
		}
	}
}

// A result that holds what a peer wrote must not end the process.
func TestAnswersAreMadeOfAnything(t *testing.T) {
	t.Parallel()
	st := Must(IQ, Header{ID: "1", Type: "get"}, "<q xmlns='urn:q'/>")
	if got := st.Result("<p:x/>"); got.Type() != "error" || got.ID() != "1" {
		t.Errorf("a prefix that nobody declares: %s", got.Text())
	}
	if got := st.Fail(&StanzaError{Condition: Conflict, Extra: "<x"}); !strings.Contains(got.Text(), "<conflict ") {
		t.Errorf("an application's condition that is not XML: %s", got.Text())
	}
}

func TestScannerGivesLargeBuffersBack(t *testing.T) {
	t.Parallel()
	var s Scanner
	s.Feed([]byte(judged + "<a>" + strings.Repeat("<b c='d'/>", 200) + strings.Repeat("x", 100000) + "</a>"))
	for range 3 {
		if _, _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(s.buf) > keepBytes || cap(s.kids) > keepItems {
		t.Errorf("an idle scanner keeps %d bytes and %d items", cap(s.buf), cap(s.kids))
	}
	s.Feed([]byte("<a/>"))
	if event, _, err := s.Next(); event != Whole || err != nil {
		t.Errorf("it does not go on: %v, %v", event, err)
	}
}
