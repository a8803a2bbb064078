package bridge

import (
	"strings"

	"parley/xmpp/jingle"
)

// events is the parameter that telephone-event's list has in Jingle, as its MIME type names it (rfc4733#7.1.1).
const events = "events"

// parameters makes a=fmtp's text the parameters of a payload type (xep0167#4). What has no name, such as the list of
// telephone-event or of red, is a parameter without one.
func parameters(codec, fmtp string) (all []jingle.Parameter) {
	if strings.EqualFold(codec, "telephone-event") && fmtp != "" && !strings.Contains(fmtp, "=") {
		return []jingle.Parameter{{Name: events, Value: strings.TrimSpace(fmtp)}}
	}
	for s := range strings.SplitSeq(fmtp, ";") {
		s = strings.TrimSpace(s)
		if s == "" || len(all) == jingle.MaxList {
			continue
		}
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			name, value = "", s
		}
		all = append(all, jingle.Parameter{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return all
}

// fmtp is the same as a=fmtp has it.
func fmtp(codec string, all []jingle.Parameter) string {
	parts := make([]string, 0, len(all))
	for _, p := range all {
		name, value := word(p.Name), strings.TrimSpace(clean(p.Value))
		switch {
		case strings.EqualFold(codec, "telephone-event") && name == events, name == "":
			parts = append(parts, value)
		default:
			parts = append(parts, name+"="+value)
		}
	}
	return strings.Join(parts, ";")
}

// word is s without what would end a field of a line.
func word(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
