package letters

import (
	"os"
	"strings"
	"testing"

	"parley/sip"
	"parley/sip/im"
)

// TestTableOfTheDocument has the table of words in docs/bridge.md say what the code does: each row is taken from XMPP to SIP, and
// back where it says so.
func TestTableOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/bridge.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| XMPP | SIP, and back |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := 0
	for line := range strings.Lines(table + "\n") {
		cells := strings.Split(strings.Trim(line, "|\n "), " | ")
		names, from, _ := strings.Cut(cells[0], " (")
		for name := range strings.SplitSeq(names, ", ") {
			rows++
			takeRow(t, name, from, cells[1])
		}
	}
	if !found || rows < 9 {
		t.Errorf("%d rows are found", rows)
	}
}

func takeRow(t *testing.T, name, standard, becomes string) {
	t.Helper()
	space := nsStates
	switch {
	case strings.HasPrefix(standard, "XEP-0184"):
		space = nsReceipts
	case strings.HasPrefix(standard, "XEP-0333"):
		space = nsMarkers
	}
	child, body := "<"+name+" xmlns='"+space+"' id='M1'/>", ""
	if name == "request" || name == "markable" {
		child, body = "<"+name+" xmlns='"+space+"'/>", "<body>x</body>"
	}
	l := FromStanza(stanza(t, "<message type='chat' id='1'>"+body+child+"</message>"))
	req := written(l, Envelope{From: "sip:a@example.org", To: "sip:b@example.org", ID: "n", CPIM: true})
	if got := inWords(t, req); !strings.HasPrefix(becomes, got) {
		t.Errorf("%s becomes %q, and the document says %q", name, got, becomes)
	}
	// What a phone says in return names its message as it was told; here that does not matter.
	back, _, err := FromSIP(req)
	if err != nil {
		t.Fatal(err)
	}
	if l.Notice.Stage != 0 {
		back.Notice = l.Notice
	}
	st, err := back.Stanza(at("a@example.org"), at("b@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if _, same := st.Part(space, name); same == strings.HasSuffix(becomes, "one way") {
		t.Errorf("%s comes back as it was: %v, and the document says %q: %s", name, same, becomes, st.Text())
	}
}

// inWords is what a MESSAGE says, as the document puts it.
func inWords(t *testing.T, req *sip.Message) string {
	t.Helper()
	kind, body := req.Get(sip.HeaderContentType), req.Body()
	if kind == im.CPIM {
		w, err := im.ParseCPIM(body)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.Wants) > 0 {
			return "CPIM asks for " + strings.Join(w.Wants, ", ")
		}
		kind, body = w.Type, w.Body
	}
	if kind == im.IMDN {
		n, err := im.ParseNotice(body)
		if err != nil {
			t.Fatal(err)
		}
		return "IMDN " + n.Status
	}
	typing, err := im.ParseComposing(body)
	if err != nil {
		t.Fatalf("%v: %s", err, req.Text())
	}
	return "isComposing " + map[bool]string{true: "active", false: "idle"}[typing.Active]
}
