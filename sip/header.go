package sip

// Header names a header field. The zero value stands for one that this package has
// no constant for; it is then found by its name.
type Header uint8

// The header fields that have a constant.
const (
	HeaderOther Header = iota
	HeaderVia
	HeaderFrom
	HeaderTo
	HeaderCallID
	HeaderCSeq
	HeaderContact
	HeaderMaxForwards
	HeaderRoute
	HeaderRecordRoute
	HeaderContentType
	HeaderContentLength
	HeaderExpires
	HeaderMinExpires
	HeaderAuthorization
	HeaderWWWAuthenticate
	HeaderProxyAuthorization
	HeaderProxyAuthenticate
	HeaderAuthenticationInfo
	HeaderRequire
	HeaderProxyRequire
	HeaderSupported
	HeaderUnsupported
	HeaderAllow
	HeaderAccept
	HeaderUserAgent
	HeaderServer
	HeaderPath
	HeaderServiceRoute
	HeaderReason
	HeaderRAck
	HeaderRSeq
	HeaderMaxBreadth
	HeaderRetryAfter
	HeaderWarning
	HeaderDate
	HeaderTimestamp
	HeaderEvent
	HeaderSubscriptionState
	HeaderReferTo
	HeaderReplaces
	HeaderPAssertedIdentity
	HeaderPPreferredIdentity
	HeaderPrivacy
	HeaderSessionExpires
	HeaderMinSE
	HeaderSubject
	HeaderContentEncoding
	HeaderContentDisposition
	HeaderAcceptContact
	HeaderReferredBy
	HeaderRequestDisposition
	HeaderRejectContact
	HeaderAllowEvents
	HeaderIdentity
	HeaderIdentityInfo
	HeaderAcceptEncoding
	HeaderAcceptLanguage
	HeaderAlertInfo
	HeaderCallInfo
	HeaderContentLanguage
	HeaderDiversion
	HeaderErrorInfo
	HeaderFlowTimer
	HeaderHistoryInfo
	HeaderInReplyTo
	HeaderJoin
	HeaderMIMEVersion
	HeaderOrganization
	HeaderPriority
	HeaderRemotePartyID
	HeaderSIPETag
	HeaderSIPIfMatch

	headerCount
)

// spelling is how a header field is written, and whether it is a comma list.
type spelling struct {
	name    string
	compact byte // its one-letter form, 0 if it has none
	list    bool // values may be joined by commas (rfc3261#7.3.1)
}

var spellings = [headerCount]spelling{
	HeaderVia:                {"Via", 'v', true},
	HeaderFrom:               {"From", 'f', false},
	HeaderTo:                 {"To", 't', false},
	HeaderCallID:             {"Call-ID", 'i', false},
	HeaderCSeq:               {"CSeq", 0, false},
	HeaderContact:            {"Contact", 'm', true},
	HeaderMaxForwards:        {"Max-Forwards", 0, false},
	HeaderRoute:              {"Route", 0, true},
	HeaderRecordRoute:        {"Record-Route", 0, true},
	HeaderContentType:        {"Content-Type", 'c', false},
	HeaderContentLength:      {"Content-Length", 'l', false},
	HeaderExpires:            {"Expires", 0, false},
	HeaderMinExpires:         {"Min-Expires", 0, false},
	HeaderAuthorization:      {"Authorization", 0, false},
	HeaderWWWAuthenticate:    {"WWW-Authenticate", 0, false},
	HeaderProxyAuthorization: {"Proxy-Authorization", 0, false},
	HeaderProxyAuthenticate:  {"Proxy-Authenticate", 0, false},
	HeaderAuthenticationInfo: {"Authentication-Info", 0, false},
	HeaderRequire:            {"Require", 0, true},
	HeaderProxyRequire:       {"Proxy-Require", 0, true},
	HeaderSupported:          {"Supported", 'k', true},
	HeaderUnsupported:        {"Unsupported", 0, true},
	HeaderAllow:              {"Allow", 0, true},
	HeaderAccept:             {"Accept", 0, true},
	HeaderUserAgent:          {"User-Agent", 0, false},
	HeaderServer:             {"Server", 0, false},
	HeaderPath:               {"Path", 0, true},
	HeaderServiceRoute:       {"Service-Route", 0, true},
	HeaderReason:             {"Reason", 0, true},
	HeaderRAck:               {"RAck", 0, false},
	HeaderRSeq:               {"RSeq", 0, false},
	HeaderMaxBreadth:         {"Max-Breadth", 0, false},
	HeaderRetryAfter:         {"Retry-After", 0, false},
	HeaderWarning:            {"Warning", 0, true},
	HeaderDate:               {"Date", 0, false},
	HeaderTimestamp:          {"Timestamp", 0, false},
	HeaderEvent:              {"Event", 'o', false},
	HeaderSubscriptionState:  {"Subscription-State", 0, false},
	HeaderReferTo:            {"Refer-To", 'r', false},
	HeaderReplaces:           {"Replaces", 0, false},
	HeaderPAssertedIdentity:  {"P-Asserted-Identity", 0, true},
	HeaderPPreferredIdentity: {"P-Preferred-Identity", 0, true},
	HeaderPrivacy:            {"Privacy", 0, false},
	HeaderSessionExpires:     {"Session-Expires", 'x', false},
	HeaderMinSE:              {"Min-SE", 0, false},
	HeaderSubject:            {"Subject", 's', false},
	HeaderContentEncoding:    {"Content-Encoding", 'e', true},
	HeaderContentDisposition: {"Content-Disposition", 0, false},
	HeaderAcceptContact:      {"Accept-Contact", 'a', true},
	HeaderReferredBy:         {"Referred-By", 'b', false},
	HeaderRequestDisposition: {"Request-Disposition", 'd', true},
	HeaderRejectContact:      {"Reject-Contact", 'j', true},
	HeaderAllowEvents:        {"Allow-Events", 'u', true},
	HeaderIdentity:           {"Identity", 'y', false},
	HeaderIdentityInfo:       {"Identity-Info", 'n', false},
	HeaderAcceptEncoding:     {"Accept-Encoding", 0, true},
	HeaderAcceptLanguage:     {"Accept-Language", 0, true},
	HeaderAlertInfo:          {"Alert-Info", 0, true},
	HeaderCallInfo:           {"Call-Info", 0, true},
	HeaderContentLanguage:    {"Content-Language", 0, true},
	HeaderDiversion:          {"Diversion", 0, true},
	HeaderErrorInfo:          {"Error-Info", 0, true},
	HeaderFlowTimer:          {"Flow-Timer", 0, false},
	HeaderHistoryInfo:        {"History-Info", 0, true},
	HeaderInReplyTo:          {"In-Reply-To", 0, true},
	HeaderJoin:               {"Join", 0, false},
	HeaderMIMEVersion:        {"MIME-Version", 0, false},
	HeaderOrganization:       {"Organization", 0, false},
	HeaderPriority:           {"Priority", 0, false},
	HeaderRemotePartyID:      {"Remote-Party-ID", 0, true},
	HeaderSIPETag:            {"SIP-ETag", 0, false},
	HeaderSIPIfMatch:         {"SIP-If-Match", 0, false},
}

const longestName = 24

// byLength finds the headers whose name has a length, byLetter those of a compact form.
// Both are made once from spellings and only read afterwards.
var (
	byLength = func() (t [longestName + 1][]Header) {
		for h := HeaderOther + 1; h < headerCount; h++ {
			n := len(spellings[h].name)
			t[n] = append(t[n], h)
		}
		return t
	}()
	byLetter = func() (t [256]Header) {
		for h, s := range spellings {
			if s.compact != 0 {
				t[s.compact] = Header(h)
				t[s.compact-'a'+'A'] = Header(h)
			}
		}
		return t
	}()
)

// String is the header's full name as it is written: "Call-ID".
func (h Header) String() string {
	if h >= headerCount {
		return ""
	}
	return spellings[h].name
}

// HeaderByName finds the constant for a name or compact form in any case; HeaderOther if
// there is none.
func HeaderByName(name string) Header {
	if len(name) == 1 {
		return byLetter[name[0]]
	}
	if len(name) > longestName {
		return HeaderOther
	}
	same := byLength[len(name)]
	for _, h := range same {
		if spellings[h].name == name {
			return h
		}
	}
	for _, h := range same {
		if equalFold(spellings[h].name, name) {
			return h
		}
	}
	return HeaderOther
}

func (h Header) list() bool { return h < headerCount && spellings[h].list }
