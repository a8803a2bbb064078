package sip

// Method is a request method; methods are compared case-sensitively (rfc3261#7.1).
type Method string

// The methods of RFC 3261 and its extensions.
const (
	INVITE    Method = "INVITE"
	ACK       Method = "ACK"
	CANCEL    Method = "CANCEL"
	BYE       Method = "BYE"
	REGISTER  Method = "REGISTER"
	OPTIONS   Method = "OPTIONS"
	INFO      Method = "INFO"
	UPDATE    Method = "UPDATE"
	PRACK     Method = "PRACK"
	MESSAGE   Method = "MESSAGE"
	SUBSCRIBE Method = "SUBSCRIBE"
	NOTIFY    Method = "NOTIFY"
	PUBLISH   Method = "PUBLISH"
	REFER     Method = "REFER"
)
