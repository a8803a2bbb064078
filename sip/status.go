package sip

// ReasonPhrase is the standard reason phrase of a status code; of an unknown one, that of
// its class (rfc3261#8.1.3.2).
func ReasonPhrase(status int) string {
	if p, ok := phrases[status]; ok {
		return p
	}
	return phrases[status/100*100]
}

var phrases = map[int]string{
	100: "Trying",
	180: "Ringing",
	181: "Call Is Being Forwarded",
	182: "Queued",
	183: "Session Progress",
	199: "Early Dialog Terminated", // rfc6228
	200: "OK",
	202: "Accepted",        // rfc6665
	204: "No Notification", // rfc5839
	300: "Multiple Choices",
	301: "Moved Permanently",
	302: "Moved Temporarily",
	305: "Use Proxy",
	380: "Alternative Service",
	400: "Bad Request",
	401: "Unauthorized",
	402: "Payment Required",
	403: "Forbidden",
	404: "Not Found",
	405: "Method Not Allowed",
	406: "Not Acceptable",
	407: "Proxy Authentication Required",
	408: "Request Timeout",
	410: "Gone",
	412: "Conditional Request Failed", // rfc3903
	413: "Request Entity Too Large",
	414: "Request-URI Too Long",
	415: "Unsupported Media Type",
	416: "Unsupported URI Scheme",
	417: "Unknown Resource-Priority", // rfc4412
	420: "Bad Extension",
	421: "Extension Required",
	422: "Session Interval Too Small", // rfc4028
	423: "Interval Too Brief",
	424: "Bad Location Information",         // rfc6442
	428: "Use Identity Header",              // rfc8224
	429: "Provide Referrer Identity",        // rfc3892
	430: "Flow Failed",                      // rfc5626
	433: "Anonymity Disallowed",             // rfc5079
	436: "Bad Identity Info",                // rfc8224
	437: "Unsupported Credential",           // rfc8224
	438: "Invalid Identity Header",          // rfc8224
	439: "First Hop Lacks Outbound Support", // rfc5626
	440: "Max-Breadth Exceeded",             // rfc5393
	469: "Bad Info Package",                 // rfc6086
	470: "Consent Needed",                   // rfc5360
	480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist",
	482: "Loop Detected",
	483: "Too Many Hops",
	484: "Address Incomplete",
	485: "Ambiguous",
	486: "Busy Here",
	487: "Request Terminated",
	488: "Not Acceptable Here",
	489: "Bad Event", // rfc6665
	491: "Request Pending",
	493: "Undecipherable",
	494: "Security Agreement Required", // rfc3329
	500: "Server Internal Error",
	501: "Not Implemented",
	502: "Bad Gateway",
	503: "Service Unavailable",
	504: "Server Time-out",
	505: "Version Not Supported",
	513: "Message Too Large",
	555: "Push Notification Service Not Supported", // rfc8599
	580: "Precondition Failure",                    // rfc3312
	600: "Busy Everywhere",
	603: "Decline",
	604: "Does Not Exist Anywhere",
	606: "Not Acceptable",
	607: "Unwanted", // rfc8197
	608: "Rejected", // rfc8688
}
