package jingle

import "parley/xmpp"

// The errors of sessions (xep0166#10).

// OutOfOrder refuses what can't be done at this point of a session.
func OutOfOrder() error { return failure(xmpp.UnexpectedRequest, "out-of-order") }

// TieBreak refuses what the other party's own request overrules (xep0166#7.2.16).
func TieBreak() error { return failure(xmpp.Conflict, "tie-break") }

// UnknownSession refuses a sid that is none.
func UnknownSession() error { return failure(xmpp.ItemNotFound, "unknown-session") }

// UnsupportedInfo refuses a session-info whose payload is not known.
func UnsupportedInfo() error { return failure(xmpp.FeatureNotImplemented, "unsupported-info") }

func failure(condition xmpp.StanzaCondition, name string) error {
	return &xmpp.StanzaError{Condition: condition, Extra: xmpp.NewBuilder(nil).Open(name, NSErrors).Close().String()}
}
