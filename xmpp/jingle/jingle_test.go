package jingle

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"parley/xmpp"
)

func element(t testing.TB, text string) *xmpp.Element {
	t.Helper()
	e, err := xmpp.ParseElement(text)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return e
}

// read reads whichever element of this package the text is, and writes it again.
func read(e *xmpp.Element) (value any, written string, err error) {
	b := xmpp.NewBuilder(nil)
	switch e.Space {
	case NSMessage:
		i, err := ParseIntent(e)
		if err != nil {
			return nil, "", err
		}
		return i, i.XML(), nil
	case NSRTP:
		d, err := parseDescription(e)
		if err != nil {
			return nil, "", err
		}
		d.append(b)
		return d, b.String(), nil
	}
	j, err := Parse(e)
	if err != nil {
		return nil, "", err
	}
	j.Unknown = nil // they are not written
	return j, j.XML(), nil
}

// TestExamplesOfTheXEPs reads what the specifications show, and reads the same from what it writes of it.
func TestExamplesOfTheXEPs(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/xep*.txt")
	if err != nil || len(names) < 9 {
		t.Fatalf("%d files of examples, %v", len(names), err)
	}
	total := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for example := range strings.Lines(string(text)) {
			total++
			value, written, err := read(element(t, example))
			if why := broken(example); why != "" {
				if err == nil {
					t.Errorf("%s: %s, and is taken: %s", name, why, example)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v: %s", name, err, example)
				continue
			}
			again, _, err := read(element(t, written))
			if err != nil || !reflect.DeepEqual(value, again) {
				t.Errorf("%s: %v: written as\n%s\nof\n%s", name, err, written, example)
			}
		}
	}
	if total < 80 {
		t.Errorf("only %d examples are found", total)
	}
}

// broken says what is wrong with those examples that are not as their own specification wants them.
func broken(example string) string {
	for mark, why := range map[string]string{
		"priority='21149780477'":              "a priority of more than 32 bits", // xep0176
		"<jingle xmlns='urn:xmpp:jingle:1'> ": "a tag that ends too early",       // xep0293
	} {
		if strings.Contains(example, mark) {
			return why
		}
	}
	return ""
}

const initiate = "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='a73'><content creator='initiator' name='voice'>" +
	"<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><payload-type id='0'/></description>" +
	"<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/></content></jingle>"

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	candidate := "<candidate component='1' foundation='1' generation='0' id='a' ip='192.0.2.1' port='1' priority='1' protocol='udp' type='host'/>"
	ice := func(inner string) string {
		return strings.Replace(initiate, "ice-udp:1'/>", "ice-udp:1'>"+inner+"</transport>", 1)
	}
	if _, err := Parse(element(t, ice(candidate))); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	fingerprint := "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AB:CD</fingerprint>"
	for name, text := range map[string]string{
		"no jingle":           "<jingle xmlns='urn:x'/>",
		"an unknown action":   strings.Replace(initiate, "session-initiate", "session-begin", 1),
		"no sid":              strings.Replace(initiate, " sid='a73'", "", 1),
		"no content":          "<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='a'/>",
		"no initiator":        strings.Replace(initiate, "sid=", "initiator='a@@/' sid=", 1),
		"no name":             strings.Replace(initiate, " name='voice'", "", 1),
		"a third party":       strings.Replace(initiate, "creator='initiator'", "creator='me'", 1),
		"odd senders":         strings.Replace(initiate, "name=", "senders='all' name=", 1),
		"early media alone":   strings.Replace(initiate, "name=", "disposition='early-session' name=", 1),
		"no media":            strings.Replace(initiate, " media='audio'", "", 1),
		"no payload id":       strings.Replace(initiate, " id='0'", "", 1),
		"a large payload id":  strings.Replace(initiate, "id='0'", "id='128'", 1),
		"a signed number":     strings.Replace(initiate, "id='0'", "id='+1'", 1),
		"no transport":        strings.Replace(initiate, "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/>", "", 1),
		"a ufrag alone":       strings.Replace(initiate, "ice-udp:1'", "ice-udp:1' ufrag='abcd'", 1),
		"a line in the ufrag": strings.Replace(initiate, "ice-udp:1'", "ice-udp:1' ufrag='ab&#10;cd' pwd='x'", 1),
		"no component":        ice(strings.Replace(candidate, "component='1' ", "", 1)),
		"a long foundation":   ice(strings.Replace(candidate, "foundation='1'", "foundation='"+strings.Repeat("1", 33)+"'", 1)),
		"a line in an ip":     ice(strings.Replace(candidate, "192.0.2.1", "a&#10;b", 1)),
		"a large port":        ice(strings.Replace(candidate, "port='1'", "port='65536'", 1)),
		"no fingerprint":      ice(strings.Replace(fingerprint, "AB:CD", "AB:C", 1)),
		"an odd setup":        ice(strings.Replace(fingerprint, "actpass", "both", 1)),
		"a content twice": strings.Replace(initiate, "</jingle>", "<content name='voice'><description xmlns='urn:a'/>"+
			"<transport xmlns='urn:b'/></content></jingle>", 1),
	} {
		_, err := Parse(element(t, text))
		var refusal *xmpp.StanzaError
		if !errors.As(err, &refusal) || refusal.Condition != xmpp.BadRequest || refusal.Text == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Parse(element(t, ice(strings.Repeat(candidate, MaxCandidates+1))))
	var refusal *xmpp.StanzaError
	if !errors.As(err, &refusal) || refusal.Condition != xmpp.ResourceConstraint {
		t.Errorf("too many candidates: %v", err)
	}
}

func TestWhatIsNotKnownIsSeen(t *testing.T) {
	t.Parallel()
	j, err := Parse(element(t, "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='a' initiator='@'><x xmlns='urn:y'/>"+
		"<ringing xmlns='urn:xmpp:jingle:apps:rtp:info:1'/></jingle>"))
	if err != nil || len(j.Infos) != 1 || j.Infos[0].Kind != Ringing || len(j.Unknown) != 1 || j.Unknown[0].Space != "urn:y" {
		t.Errorf("%v: %+v", err, j)
	}
	j, err = Parse(element(t, "<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='a'><reason><new/></reason></jingle>"))
	if err != nil || j.Reason.Condition != GeneralError {
		t.Errorf("%v: %+v", err, j)
	}
	j, err = Parse(element(t, strings.NewReplacer("apps:rtp:1", "apps:file-transfer:5", "ice-udp:1", "ibb:1").Replace(initiate)))
	if err != nil || j.Contents[0].Description != nil || j.Contents[0].OtherTransport.Space != "urn:xmpp:jingle:transports:ibb:1" {
		t.Errorf("%v: %+v", err, j)
	}
}

func TestDetails(t *testing.T) {
	t.Parallel()
	j, err := Parse(element(t, strings.NewReplacer(
		"creator='initiator'", "senders='responder'",
		"<payload-type id='0'/>", "<payload-type id='96' name='opus' clockrate='48000' channels='2'><parameter name='useinbandfec' value='1'/>"+
			"<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack' subtype='pli'/></payload-type><rtcp-mux/>"+
			"<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='3' uri='urn:x' senders='both'/>",
	).Replace(initiate)))
	if err != nil {
		t.Fatal(err)
	}
	want := &Description{Media: "audio", Mux: true, Extensions: []Extension{{ID: 3, URI: "urn:x"}}, Payloads: []Payload{{
		ID: 96, Name: "opus", Rate: 48000, Channels: 2, Parameters: []Parameter{{"useinbandfec", "1"}},
		Feedback: Feedback{Messages: []FeedbackMessage{{Type: "nack", Subtype: "pli"}}},
	}}}
	if c := j.Contents[0]; !reflect.DeepEqual(c.Description, want) || c.Senders != FromResponder || c.Creator != Initiator {
		t.Errorf("%+v of %+v", c.Description, c)
	}
}

// TestGroups reads a group as xep0338#1 has it, and the end of gathering.
func TestGroups(t *testing.T) {
	t.Parallel()
	j, err := Parse(element(t, strings.NewReplacer("<content creator", "<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'>"+
		"<content name='voice'/><content name='webcam'/></group><content creator",
		"ice-udp:1'/>", "ice-udp:1' ufrag='8hhy' pwd='asd88fgpdd777uzjYhagZg'><gathering-complete/></transport>").Replace(initiate)))
	if err != nil || !reflect.DeepEqual(j.Groups, []Group{{"BUNDLE", []string{"voice", "webcam"}}}) || !j.Contents[0].Transport.Complete {
		t.Errorf("%v: %+v", err, j)
	}
	again, err := Parse(element(t, j.XML()))
	if err != nil || !reflect.DeepEqual(j, again) {
		t.Errorf("%v: written as %s", err, j.XML())
	}
}

func TestErrorsOfSessions(t *testing.T) {
	t.Parallel()
	want := "<error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><tie-break xmlns='urn:xmpp:jingle:errors:1'/></error>"
	var refusal *xmpp.StanzaError
	if !errors.As(TieBreak(), &refusal) || refusal.XML() != want {
		t.Errorf("%v", refusal.XML())
	}
	for _, err := range []error{OutOfOrder(), UnknownSession(), UnsupportedInfo()} {
		if !errors.As(err, &refusal) || !strings.Contains(refusal.XML(), NSErrors) {
			t.Error(err)
		}
	}
}

func TestIntentRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"<propose xmlns='urn:xmpp:jingle-message:0' id='a'/>",
		"<proceed xmlns='urn:xmpp:jingle-message:0'/>",
		"<begin xmlns='urn:xmpp:jingle-message:0' id='a'/>",
		"<propose xmlns='urn:x' id='a'/>",
	} {
		if i, err := ParseIntent(element(t, text)); err == nil {
			t.Errorf("%s: %+v", text, i)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(initiate)
	for _, name := range []string{"xep0167", "xep0176", "xep0294", "xep0320", "xep0339", "xep0343", "xep0353"} {
		text, err := os.ReadFile("testdata/" + name + ".txt")
		if err != nil {
			f.Fatal(err)
		}
		n := 0
		for example := range strings.Lines(string(text)) {
			if n++; n%4 == 1 {
				f.Add(example)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := xmpp.ParseElement(text)
		if err != nil {
			return
		}
		value, written, err := read(e)
		if err != nil {
			return
		}
		again, _, err := read(element(t, written))
		if err != nil || !reflect.DeepEqual(value, again) {
			t.Fatalf("%v: wrote\n%s\nof\n%s", err, written, text)
		}
	})
}

// TestCandidatesWithoutPassword is how stanza tells of candidates.
func TestCandidatesWithoutPassword(t *testing.T) {
	t.Parallel()
	e, err := xmpp.ParseElement("<jingle xmlns='urn:xmpp:jingle:1' sid='s' action='transport-info'><content creator='initiator' name='0'>" +
		"<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='fXpw'><candidate component='1' foundation='3600895337' ip='192.0.2.2' port='38626' priority='2122194687' protocol='udp' type='host'/></transport></content></jingle>")
	if err != nil {
		t.Fatal(err)
	}
	j, err := Parse(e)
	if err != nil || len(j.Contents[0].Transport.Candidates) != 1 || j.Contents[0].Transport.UFrag != "" {
		t.Errorf("read %+v, %v", j, err)
	}
}
