package b2bua

import (
	"strings"

	"parley/sip"
)

// fieldsOfRequests are the header fields that pass from a request of one leg to the other, beside
// From and To (display name and URI, with tags of our own), the Request-URI's place taken by
// the target, Max-Forwards (less one), Allow and Supported (what we can pass, see below),
// the body with its Content fields, and every field that begins with X-.
//
// What is left out on purpose: credentials, Route and Record-Route, Contact, Via, Session-Expires
// and Min-SE, Replaces, Join, Target-Dialog and RAck, since they name things of one leg alone.
func fieldsOfRequests() []string {
	return []string{
		"Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Alert-Info", "Answer-Mode",
		"Call-Info", "Date", "Diversion", "Geolocation", "History-Info", "Identity", "In-Reply-To",
		"Info-Package", "Organization", "P-Asserted-Identity", "Priority", "Priv-Answer-Mode",
		"Privacy", "Reason", "Recv-Info", "Referred-By", "Reject-Contact", "Remote-Party-ID",
		"Reply-To", "Request-Disposition", "Subject", "User-Agent", "User-to-User",
	}
}

// fieldsOfResponses are those that pass from a response; a 3xx keeps its Contact too.
func fieldsOfResponses() []string {
	return []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Alert-Info", "Call-Info", "Date", "Error-Info",
		"Organization", "P-Asserted-Identity", "Privacy", "Reason", "Recv-Info", "Remote-Party-ID",
		"Reply-To", "Retry-After", "Server", "User-Agent", "User-to-User", "Warning",
	}
}

// fieldsOfBody go with a body.
func fieldsOfBody() []string {
	return []string{"Content-Disposition", "Content-Encoding", "Content-Language", "MIME-Version"}
}

// extensions are the option tags that mean the same with us in between.
func extensions() []string {
	return []string{"answermode", "histinfo", "ice", "privacy", "recipient-list-invite", "trickle-ice", "uui"}
}

// copyFields copies the fields of these names, and those of X-, from one message into another.
// Values of one name become one list.
func copyFields(b *sip.Builder, from *sip.Message, names []string) {
	values := map[string]string{}
	var order []string
	for name, value := range from.Fields() {
		key := strings.ToLower(sip.HeaderByName(name).String())
		if sip.HeaderByName(name) == sip.HeaderOther {
			key = strings.ToLower(name)
		}
		if !strings.HasPrefix(key, "x-") && !listed(names, key) {
			continue
		}
		if have, ok := values[key]; ok {
			values[key] = have + ", " + value
			continue
		}
		values[key] = value
		order = append(order, name)
	}
	for _, name := range order {
		key := strings.ToLower(name)
		if h := sip.HeaderByName(name); h != sip.HeaderOther {
			b.Set(h, values[strings.ToLower(h.String())])
			continue
		}
		b.SetName(name, values[key])
	}
}

func listed(names []string, key string) bool {
	for _, n := range names {
		if strings.EqualFold(n, key) {
			return true
		}
	}
	return false
}

// both are the entries of a message's list that are in ours too; all of ours if it has no list.
func both(m *sip.Message, h sip.Header, ours string) string {
	if !m.Has(h) {
		return ours
	}
	var kept []string
	for _, entry := range strings.Split(ours, ", ") {
		if m.HasToken(h, entry) {
			kept = append(kept, entry)
		}
	}
	return strings.Join(kept, ", ")
}

// passRequest fills a request to one leg with what passes from the other's.
func passRequest(b *sip.Builder, req *sip.Message, body string) {
	copyFields(b, req, fieldsOfRequests())
	switch req.Method() {
	case sip.INVITE, sip.UPDATE:
		b.Set(sip.HeaderAllow, both(req, sip.HeaderAllow, allow))
		passSupported(b, req)
	}
	passBody(b, req, body)
}

// passResponse fills a response to one leg with what passes from the other's.
func passResponse(b *sip.Builder, resp *sip.Message, body string) {
	copyFields(b, resp, fieldsOfResponses())
	switch class := resp.Status() / 100; {
	case class == 3:
		b.Remove(sip.HeaderContact).Copy(resp, sip.HeaderContact)
	case class <= 2 && (resp.Method() == sip.INVITE || resp.Method() == sip.UPDATE):
		b.Set(sip.HeaderAllow, both(resp, sip.HeaderAllow, allow))
		passSupported(b, resp)
	}
	passBody(b, resp, body)
}

func passSupported(b *sip.Builder, m *sip.Message) {
	if !m.Has(sip.HeaderSupported) {
		return
	}
	if tags := both(m, sip.HeaderSupported, strings.Join(extensions(), ", ")); tags != "" {
		b.Set(sip.HeaderSupported, tags)
	}
}

func passBody(b *sip.Builder, m *sip.Message, body string) {
	if body == "" {
		return
	}
	copyFields(b, m, fieldsOfBody())
	kind := m.Get(sip.HeaderContentType)
	if kind == "" || m.Body() == "" { // the body is one that came earlier
		kind = "application/sdp"
	}
	b.Body(kind, body)
}

// isSDP says whether a message's body is a session description.
func isSDP(m *sip.Message) bool {
	kind, _, _ := strings.Cut(m.Get(sip.HeaderContentType), ";")
	return m.Body() != "" && strings.EqualFold(strings.TrimSpace(kind), "application/sdp")
}

// untagged is an address without its tag.
func untagged(a sip.Address) sip.Address {
	a.Params = a.Params.Without("tag")
	return a
}
