package bridge

import (
	"parley/sip"
	"parley/xmpp"
	"parley/xmpp/jingle"
)

// Refusal is the error stanza's condition for a MESSAGE that was answered with that status (rfc7572#6).
func Refusal(status int) *xmpp.StanzaError {
	e := &xmpp.StanzaError{Condition: xmpp.ServiceUnavailable, Text: sip.ReasonPhrase(status)}
	switch status {
	case 400, 414, 415, 416, 488, 493, 606:
		e.Condition = xmpp.NotAcceptable
	case 401, 407:
		e.Condition = xmpp.NotAuthorized
	case 403, 603, 607, 608:
		e.Condition = xmpp.Forbidden
	case 404, 604:
		e.Condition = xmpp.ItemNotFound
	case 405, 501:
		e.Condition = xmpp.FeatureNotImplemented
	case 408, 504:
		e.Condition = xmpp.RemoteServerTimeout
	case 410:
		e.Condition = xmpp.Gone
	case 413, 513:
		e.Condition = xmpp.ResourceConstraint
	case 480, 486, 600:
		e.Condition = xmpp.RecipientUnavailable
	}
	return e
}

// Refused is the status for a MESSAGE that was answered with an error stanza of that condition (rfc7572#5).
func Refused(c xmpp.StanzaCondition) int {
	switch c {
	case xmpp.BadRequest, xmpp.JIDMalformed:
		return 400
	case xmpp.Forbidden, xmpp.NotAllowed, xmpp.RegistrationRequired, xmpp.SubscriptionRequired:
		return 403
	case xmpp.NotAuthorized:
		return 403
	case xmpp.ItemNotFound, xmpp.RemoteServerNotFound:
		return 404
	case xmpp.Gone, xmpp.Redirect:
		return 410
	case xmpp.NotAcceptable:
		return 488
	case xmpp.FeatureNotImplemented:
		return 405
	case xmpp.ResourceConstraint:
		return 513
	case xmpp.RemoteServerTimeout:
		return 408
	case xmpp.InternalServerError, xmpp.UndefinedCondition:
		return 500
	}
	return 480
}

// Cause is the reason of Jingle for a session that could not begin, since its request was answered with that error.
func Cause(c xmpp.StanzaCondition) *jingle.Reason { return Reason(Refused(c), "") }
