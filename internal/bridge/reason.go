package bridge

import (
	"slices"
	"strconv"
	"strings"

	"parley/sip"
	"parley/xmpp/jingle"
)

// answers says which status an INVITE gets if the other side ends the call before it is answered. The ones of class 6
// end all branches of a fork: of the people of an account one has spoken for all.
var answers = []struct {
	condition jingle.Condition
	status    int
}{
	{jingle.AlternativeSession, 480},
	{jingle.Busy, 486},
	{jingle.Cancel, 487},
	{jingle.ConnectivityError, 480},
	{jingle.Decline, 603},
	{jingle.Expired, 408},
	{jingle.FailedApplication, 488},
	{jingle.FailedTransport, 488},
	{jingle.GeneralError, 500},
	{jingle.Gone, 480},
	{jingle.IncompatibleParameters, 488},
	{jingle.MediaError, 488},
	{jingle.SecurityError, 488},
	{jingle.Success, 480},
	{jingle.Timeout, 408},
	{jingle.UnsupportedApplications, 488},
	{jingle.UnsupportedTransports, 488},
}

// Status is the answer to an INVITE that a reason of Jingle comes to.
func Status(r *jingle.Reason) int {
	if r == nil {
		return 480
	}
	for _, a := range answers {
		if a.condition == r.Condition {
			return a.status
		}
	}
	return 500
}

// conditions says which reason a final answer of SIP comes to; the rest follows its class.
var conditions = []struct {
	status    int
	condition jingle.Condition
}{
	{200, jingle.Success},
	{401, jingle.SecurityError},
	{403, jingle.Decline},
	{404, jingle.Gone},
	{407, jingle.SecurityError},
	{408, jingle.Timeout},
	{410, jingle.Gone},
	{415, jingle.UnsupportedApplications},
	{480, jingle.Gone},
	{482, jingle.GeneralError},
	{486, jingle.Busy},
	{487, jingle.Cancel},
	{488, jingle.IncompatibleParameters},
	{493, jingle.SecurityError},
	{494, jingle.SecurityError},
	{600, jingle.Busy},
	{603, jingle.Decline},
	{604, jingle.Gone},
	{606, jingle.IncompatibleParameters},
	{607, jingle.Decline},
	{608, jingle.Decline},
}

// Reason is what a final answer of SIP comes to in Jingle, its phrase as the text.
func Reason(status int, phrase string) *jingle.Reason {
	return &jingle.Reason{Condition: condition(status), Text: text(phrase)}
}

func condition(status int) jingle.Condition {
	i := slices.IndexFunc(conditions, func(c struct {
		status    int
		condition jingle.Condition
	},
	) bool {
		return c.status == status
	})
	switch {
	case i >= 0:
		return conditions[i].condition
	case status >= 600:
		return jingle.Decline
	case status == 504:
		return jingle.Timeout
	}
	return jingle.GeneralError
}

// text is what fits into a reason.
func text(s string) string {
	if len(s) > jingle.MaxText {
		s = s[:jingle.MaxText]
	}
	return strings.ToValidUTF8(s, "")
}

// causes are those of the telephone network (ITU-T Q.850) that say more than that something failed.
var causes = []struct {
	cause     int
	condition jingle.Condition
}{
	{1, jingle.Gone},
	{16, jingle.Success},
	{17, jingle.Busy},
	{18, jingle.Timeout},
	{19, jingle.Timeout},
	{20, jingle.Gone},
	{21, jingle.Decline},
	{31, jingle.Success},
	{88, jingle.IncompatibleParameters},
}

// Ended is the reason of a BYE or CANCEL: what its Reason header field says (rfc3326#2), or else the given one, which is
// Success for a BYE and Cancel for a CANCEL.
func Ended(m *sip.Message, otherwise jingle.Condition) *jingle.Reason {
	for v := range m.Values(sip.HeaderReason) {
		protocol, params, _ := strings.Cut(v, ";")
		protocol = strings.TrimSpace(protocol)
		cause, told := sip.Params(";" + params).Get("cause")
		n, err := strconv.Atoi(cause)
		if !told || err != nil {
			continue
		}
		phrase, _ := sip.Params(";" + params).Get("text")
		switch {
		case strings.EqualFold(protocol, "SIP") && n == 200: // answered elsewhere, or hung up
			return &jingle.Reason{Condition: otherwise, Text: text(phrase)}
		case strings.EqualFold(protocol, "SIP") && n >= 300 && n < 700:
			return Reason(n, phrase)
		case strings.EqualFold(protocol, "Q.850"):
			for _, c := range causes {
				if c.cause == n {
					return &jingle.Reason{Condition: c.condition, Text: text(phrase)}
				}
			}
		}
	}
	return &jingle.Reason{Condition: otherwise}
}

// Header is a reason of Jingle as the Reason header field of a BYE or CANCEL. A call that has ended as calls do has
// none: it is "" then.
func Header(r *jingle.Reason) string {
	if r == nil || r.Condition == jingle.Success {
		return ""
	}
	words := string(r.Condition)
	if r.Text != "" {
		words = r.Text
	}
	return "SIP;cause=" + strconv.Itoa(Status(r)) + `;text="` + quoted(words) + `"`
}

// quoted is s as it stands between quotes (rfc3261#25.1).
func quoted(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean(s))
}

// Elsewhere is the reason of a CANCEL when another device has answered (rfc3326#3.1).
const Elsewhere = `SIP;cause=200;text="Call completed elsewhere"`

// Provisional is the status that a session-info comes to before the answer; 0 if it comes to none.
func Provisional(i jingle.Info) int {
	if i.Kind == jingle.Ringing {
		return 180 // xep0167#8.4
	}
	return 0
}

// Progress is what a provisional answer comes to in Jingle. 100 is the result of the iq, and early media has no word.
func Progress(status int) (jingle.Info, bool) {
	switch status {
	case 180, 181, 182:
		return jingle.Info{Kind: jingle.Ringing}, true
	}
	return jingle.Info{}, false
}

// Outcome says what a step of message initiation is to an INVITE that waits: a provisional or a final status, 0 if it
// is nothing to it.
func Outcome(i *jingle.Intent) int {
	switch i.Step {
	case jingle.Ring:
		return 180
	case jingle.Reject:
		if i.Reason == nil {
			return 603
		}
		return Status(i.Reason)
	}
	return 0
}

// Proposal is how a call is proposed to a bare address, by its media. ok is false if there is none.
func (m Media) Proposal(sid string) (i *jingle.Intent, ok bool) {
	i = &jingle.Intent{Step: jingle.Propose, ID: sid}
	for _, c := range m.Contents() {
		if !slices.Contains(i.Media, c.Description.Media) {
			i.Media = append(i.Media, c.Description.Media)
		}
	}
	return i, len(i.Media) > 0
}

// Retraction is how a proposal is taken back, since a CANCEL has come for the reason given. Another device that has
// answered is not one to tell of as a missed call: its reason says so.
func Retraction(sid string, r *jingle.Reason) *jingle.Intent {
	return &jingle.Intent{Step: jingle.Retract, ID: sid, Reason: r}
}
