package bridge

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"parley/xmpp"
	"parley/xmpp/jingle"
)

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/bridge.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTablesOfTheDocument has the tables of docs/bridge.md say what the code does, no more and no less.
func TestTablesOfTheDocument(t *testing.T) {
	t.Parallel()
	text := document(t)
	table := func(head string, rows ...string) {
		t.Helper()
		columns := strings.Count(head, "|") - 1
		want := head + "\n|" + strings.Repeat("---|", columns) + "\n" + strings.Join(rows, "\n") + "\n\n"
		if !strings.Contains(text+"\n", want) {
			t.Errorf("docs/bridge.md lacks\n%s", want)
		}
	}
	var rows []string
	for _, a := range answers {
		rows = append(rows, fmt.Sprintf("| %s | %d |", a.condition, Status(&jingle.Reason{Condition: a.condition})))
	}
	table("| Reason of Jingle | Answer to the INVITE |", rows...)
	rows = nil
	for _, c := range conditions {
		rows = append(rows, fmt.Sprintf("| %d | %s |", c.status, Reason(c.status, "").Condition))
	}
	rows = append(rows,
		fmt.Sprintf("| 504 | %s |", condition(504)),
		fmt.Sprintf("| other 6xx | %s |", condition(699)),
		fmt.Sprintf("| other 3xx, 4xx, 5xx | %s |", condition(499)))
	table("| Answer or cause of SIP | Reason of Jingle |", rows...)
	rows = nil
	for _, c := range causes {
		rows = append(rows, fmt.Sprintf("| %d | %s |", c.cause, c.condition))
	}
	table("| Q.850 cause | Reason of Jingle |", rows...)
	rows = nil
	for _, a := range activities {
		rows = append(rows, fmt.Sprintf("| %s | %s |", a.activity, showOf([]string{a.activity})))
	}
	table("| Activity | show |", rows...)
	rows = nil
	for _, s := range shows() {
		activity := activityOf(s)
		if activity == "" {
			activity = "none"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s |", s, activity))
	}
	table("| show | Activity |", rows...)
	rows = nil
	for _, status := range []int{400, 401, 403, 404, 405, 408, 410, 413, 415, 480, 486, 488, 500, 503, 513, 603} {
		c := Refusal(status).Condition
		rows = append(rows, fmt.Sprintf("| %d | %s | %d |", status, c, Refused(c)))
	}
	table("| MESSAGE answered with | Condition of the error | and that one as a status |", rows...)
	if Refused(xmpp.ServiceUnavailable) != 480 {
		t.Error("service-unavailable is not 480")
	}
}

// sdpRow is a row that shows a line of SDP and what becomes of it.
var sdpRow = regexp.MustCompile("(?m)^\\| `([ab]=[^`]*)` \\| (.*) \\|$")

// TestLinesOfTheDocument takes each line of SDP that docs/bridge.md shows through Jingle. It is there again, or the
// document says that it is lost.
func TestLinesOfTheDocument(t *testing.T) {
	t.Parallel()
	rows := sdpRow.FindAllStringSubmatch(document(t), -1)
	if len(rows) < 30 {
		t.Fatalf("only %d lines are shown", len(rows))
	}
	for _, row := range rows {
		shown, becomes := row[1], row[2]
		d := parsed(t, lines("v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "t=0 0", "m=audio 9 "+protoFor(shown)+" 96", "c=IN IP4 192.0.2.9",
			"a=mid:x", "a=rtpmap:96 opus/48000/2", "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=fingerprint:sha-1 AB:CD", shown))
		m, err := Read(d, jingle.Initiator)
		if err != nil {
			t.Fatal(err)
		}
		j, err := m.Initiate("a")
		if err != nil {
			t.Fatal(err)
		}
		there, err := Take(reread(t, j), jingle.Initiator)
		if err != nil {
			t.Fatal(err)
		}
		back, err := there.Describe(here(), false)
		if err != nil {
			t.Fatal(err)
		}
		kept := strings.Contains(back.String(), shown+"\r\n")
		if lost := strings.HasPrefix(becomes, "lost"); kept == lost {
			t.Errorf("%s comes back: %v, and the document says %q:\n%s", shown, kept, becomes, back)
		}
	}
}

func protoFor(line string) string {
	if strings.HasPrefix(line, "a=crypto") {
		return "RTP/SAVP"
	}
	return "UDP/TLS/RTP/SAVPF"
}
