// Package sm is the grammar of XEP-0198: Stream Management.
package sm

import (
	"errors"
	"strconv"
	"time"

	"parley/xmpp"
)

// NS is the namespace.
const NS = "urn:xmpp:sm:3"

// Feature is what a stream's features say of it; Request asks the peer for an acknowledgement.
const (
	Feature = "<sm xmlns='" + NS + "'/>"
	Request = "<r xmlns='" + NS + "'/>"
)

// ErrNumber is what an element without a number of stanzas, where one has to be, is refused with.
var ErrNumber = errors.New("sm: h is not a number of stanzas")

// Enable asks for stream management (xep0198#3).
type Enable struct {
	Resume bool
	Max    time.Duration // the longest time to resume that the client wishes; 0: it does not say
}

// ReadEnable reads an <enable/>.
func ReadEnable(r *xmpp.Raw) Enable {
	e := Enable{Resume: isTrue(r.Attr("resume"))}
	if n, err := strconv.ParseUint(r.Attr("max"), 10, 31); err == nil {
		e.Max = time.Duration(n) * time.Second
	}
	return e
}

// isTrue reads a boolean of XML Schema.
func isTrue(text string) bool { return text == "true" || text == "1" }

// Enabled answers it. A stream with an empty id can't be resumed.
func Enabled(id string, within time.Duration) string {
	b := xmpp.NewBuilder(nil).Open("enabled", NS)
	if id != "" {
		b.Attr("id", id).Attr("resume", "true").Attr("max", strconv.Itoa(int(within/time.Second)))
	}
	return b.Close().String()
}

// Resume asks for an earlier stream to go on (xep0198#5).
type Resume struct {
	Previous string
	Handled  uint32
}

// ReadResume reads a <resume/>.
func ReadResume(r *xmpp.Raw) (Resume, error) {
	h, err := number(r)
	return Resume{r.Attr("previd"), h}, err
}

// Resumed answers it.
func Resumed(previous string, handled uint32) string {
	return xmpp.NewBuilder(nil).Open("resumed", NS).
		Attr("previd", previous).Attr("h", strconv.FormatUint(uint64(handled), 10)).Close().String()
}

// Failed answers an <enable/> or <resume/> that can't be obeyed. handled may be nil.
func Failed(c xmpp.StanzaCondition, handled *uint32) string {
	b := xmpp.NewBuilder(nil).Open("failed", NS)
	if handled != nil {
		b.Attr("h", strconv.FormatUint(uint64(*handled), 10))
	}
	return b.Open(string(c), xmpp.NSStanzas).Close().Close().String()
}

// Answer says how many stanzas are handled, modulo 2^32.
func Answer(handled uint32) string {
	return "<a xmlns='" + NS + "' h='" + strconv.FormatUint(uint64(handled), 10) + "'/>"
}

// ReadAnswer reads an <a/>.
func ReadAnswer(r *xmpp.Raw) (handled uint32, err error) { return number(r) }

func number(r *xmpp.Raw) (uint32, error) {
	n, err := strconv.ParseUint(r.Attr("h"), 10, 32)
	if err != nil {
		return 0, ErrNumber
	}
	return uint32(n), nil
}

// TooHigh ends a stream whose peer says that it has handled more than it was sent (xep0198#6).
func TooHigh(handled, sent uint32) *xmpp.StreamError {
	return &xmpp.StreamError{
		Condition: xmpp.StreamUndefined,
		Text:      "more stanzas are acknowledged than were sent",
		Extra: xmpp.NewBuilder(nil).Open("handled-count-too-high", NS).
			Attr("h", strconv.FormatUint(uint64(handled), 10)).
			Attr("send-count", strconv.FormatUint(uint64(sent), 10)).Close().String(),
	}
}
