// Package roster is the contact list of RFC 6121: the grammar of its items (section 2), and what becomes of a
// subscription to somebody's presence (section 3 and appendix A), as tables.
//
// It knows nothing of accounts, sessions or storage.
package roster

// The namespaces of rosters.
const (
	NS            = "jabber:iq:roster"
	NSVersioning  = "urn:xmpp:features:rosterver"    // a stream's feature, rfc6121#2.6.1
	NSPreApproval = "urn:xmpp:features:pre-approval" // a stream's feature, rfc6121#3.4
)

// State is how an account stands to a contact (rfc6121#A.1).
type State uint8

// The states, by their names in the standard.
const (
	None             State = iota
	NonePendingOut         // it asked the contact
	NonePendingIn          // the contact asked it
	NonePendingOutIn       // both asked
	To                     // it sees the contact
	ToPendingIn
	From // the contact sees it
	FromPendingOut
	Both
	states
)

var stateNames = [states]string{
	"None", "None + Pending Out", "None + Pending In", "None + Pending Out+In",
	"To", "To + Pending In", "From", "From + Pending Out", "Both",
}

func (s State) String() string {
	if s >= states {
		return "unknown"
	}
	return stateNames[s]
}

// SeesContact says that the account has a subscription to the contact's presence.
func (s State) SeesContact() bool { return s == To || s == ToPendingIn || s == Both }

// IsSeen says that the contact has a subscription to the account's presence.
func (s State) IsSeen() bool { return s == From || s == FromPendingOut || s == Both }

// IsAsking says that the account waits for the contact's approval.
func (s State) IsAsking() bool {
	return s == NonePendingOut || s == NonePendingOutIn || s == FromPendingOut
}

// IsAsked says that the contact waits for the account's approval.
func (s State) IsAsked() bool {
	return s == NonePendingIn || s == NonePendingOutIn || s == ToPendingIn
}

// Subscription is the attribute of that name in an item (rfc6121#2.1.2.5).
func (s State) Subscription() string {
	switch {
	case s == Both:
		return "both"
	case s.SeesContact():
		return "to"
	case s.IsSeen():
		return "from"
	}
	return "none"
}

// Join finds the state of its parts: the subscription, and who waits for approval. There is none for some.
func Join(subscription string, asking, asked bool) (s State, ok bool) {
	for s = range states {
		if s.Subscription() == subscription && s.IsAsking() == asking && s.IsAsked() == asked {
			return s, true
		}
	}
	return None, false
}

// Standing is a state, and whether a request of the contact is approved before it comes (rfc6121#3.4).
type Standing struct {
	State    State
	Approved bool
}

// Kind is what a presence stanza about a subscription says.
type Kind uint8

// The kinds. Each is the type of a presence stanza.
const (
	Subscribe    Kind = iota + 1 // let me see you
	Subscribed                   // you may see me
	Unsubscribe                  // I don't want to see you any more
	Unsubscribed                 // you may not see me, or not any more
	kinds
)

var kindNames = [kinds]string{Subscribe: "subscribe", Subscribed: "subscribed", Unsubscribe: "unsubscribe", Unsubscribed: "unsubscribed"}

// String is the presence stanza's type.
func (k Kind) String() string {
	if k >= kinds {
		return ""
	}
	return kindNames[k]
}

// KindOf is the kind of a presence stanza's type; ok is false for one that is about no subscription.
func KindOf(typ string) (k Kind, ok bool) {
	for k = Subscribe; k < kinds; k++ {
		if kindNames[k] == typ {
			return k, true
		}
	}
	return 0, false
}
