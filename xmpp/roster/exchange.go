package roster

import "parley/xmpp/jid"

// Step is one stanza at one side of an exchange.
type Step struct {
	Second        bool // at the hearer's side, not at that of the one who spoke first
	Out           bool // the side says it; if not, it hears it
	Auto          bool // its server says it by itself
	Kind          Kind
	Before, After Standing
	// Pass says that the stanza goes on: to the other side, or to this side's resources.
	Pass bool
}

// Exchange is what a stanza does to the two sides of a subscription, in the order in which they have to be told. A side that
// is not known here is nil.
func Exchange(k Kind, speaker, hearer *Standing) (steps []Step) {
	if speaker != nil {
		e := Say(*speaker, k)
		steps = append(steps, Step{Out: true, Kind: k, Before: *speaker, After: e.Next, Pass: e.Pass})
		*speaker = e.Next
		if !e.Pass {
			return steps
		}
	}
	if hearer == nil {
		return steps
	}
	e := Hear(*hearer, k)
	steps = append(steps, Step{Second: true, Kind: k, Before: *hearer, After: e.Next, Pass: e.Pass})
	*hearer = e.Next
	if e.Reply == 0 {
		return steps
	}
	steps = append(steps, Step{Second: true, Out: true, Auto: true, Kind: e.Reply, Before: e.Next, After: e.Next, Pass: true})
	if speaker == nil {
		return steps
	}
	back := Hear(*speaker, e.Reply)
	steps = append(steps, Step{Kind: e.Reply, Before: *speaker, After: back.Next, Pass: back.Pass})
	*speaker = back.Next
	return steps
}

// Talk is a stanza about a subscription, as it goes from one bare address to another.
type Talk struct {
	From, To jid.JID
	Kind     Kind
	Request  string // the stanza itself, of one that may have to wait for an answer
	// FromHere and ToHere say which side's roster is kept here.
	FromHere, ToHere bool
}

// Contact is what a server keeps of a contact.
type Contact struct {
	Item
	// Listed says that the roster shows it. One that only asked is not shown (rfc6121#3.1.3).
	Listed  bool
	Version int64  // of the roster, when what it shows changed last
	Request string // the stanza that it asked with, as text; "" when it waits for nothing
}
