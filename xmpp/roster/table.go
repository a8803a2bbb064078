package roster

// rule is a line of a table: the state that follows, and whether the stanza is passed on.
type rule struct {
	next State
	pass bool
}

// said are the tables of what an account says (rfc6121#A.2.1 to A.2.4), by the state it is said in.
var said = [kinds][states]rule{
	Subscribe: {
		None:             {NonePendingOut, true},
		NonePendingOut:   {NonePendingOut, true},
		NonePendingIn:    {NonePendingOutIn, true},
		NonePendingOutIn: {NonePendingOutIn, true},
		To:               {To, true},
		ToPendingIn:      {ToPendingIn, true},
		From:             {FromPendingOut, true},
		FromPendingOut:   {FromPendingOut, true},
		Both:             {Both, true},
	},
	Unsubscribe: {
		None:             {None, true},
		NonePendingOut:   {None, true},
		NonePendingIn:    {NonePendingIn, true},
		NonePendingOutIn: {NonePendingIn, true},
		To:               {None, true},
		ToPendingIn:      {NonePendingIn, true},
		From:             {From, true},
		FromPendingOut:   {From, true},
		Both:             {From, true},
	},
	Subscribed: {
		None:             {None, false},
		NonePendingOut:   {NonePendingOut, false},
		NonePendingIn:    {From, true},
		NonePendingOutIn: {FromPendingOut, true},
		To:               {To, false},
		ToPendingIn:      {Both, true},
		From:             {From, false},
		FromPendingOut:   {FromPendingOut, false},
		Both:             {Both, false},
	},
	Unsubscribed: {
		None:             {None, false},
		NonePendingOut:   {NonePendingOut, false},
		NonePendingIn:    {None, true},
		NonePendingOutIn: {NonePendingOut, true},
		To:               {To, false},
		ToPendingIn:      {To, true},
		From:             {None, true},
		FromPendingOut:   {NonePendingOut, true},
		Both:             {To, true},
	},
}

// heard are the tables of what a contact says to an account (rfc6121#A.3.1 to A.3.4), by the state it is heard in.
var heard = [kinds][states]rule{
	Subscribe: {
		None:             {NonePendingIn, true},
		NonePendingOut:   {NonePendingOutIn, true},
		NonePendingIn:    {NonePendingIn, false},
		NonePendingOutIn: {NonePendingOutIn, false},
		To:               {ToPendingIn, true},
		ToPendingIn:      {ToPendingIn, false},
		From:             {From, false},
		FromPendingOut:   {FromPendingOut, false},
		Both:             {Both, false},
	},
	Unsubscribe: {
		None:             {None, false},
		NonePendingOut:   {NonePendingOut, false},
		NonePendingIn:    {None, true},
		NonePendingOutIn: {NonePendingOut, true},
		To:               {To, false},
		ToPendingIn:      {To, true},
		From:             {None, true},
		FromPendingOut:   {NonePendingOut, true},
		Both:             {To, true},
	},
	Subscribed: {
		None:             {None, false},
		NonePendingOut:   {To, true},
		NonePendingIn:    {NonePendingIn, false},
		NonePendingOutIn: {ToPendingIn, true},
		To:               {To, false},
		ToPendingIn:      {ToPendingIn, false},
		From:             {From, false},
		FromPendingOut:   {Both, true},
		Both:             {Both, false},
	},
	Unsubscribed: {
		None:             {None, false},
		NonePendingOut:   {None, true},
		NonePendingIn:    {NonePendingIn, false},
		NonePendingOutIn: {NonePendingIn, true},
		To:               {None, true},
		ToPendingIn:      {NonePendingIn, true},
		From:             {From, false},
		FromPendingOut:   {From, true},
		Both:             {From, true},
	},
}

// Effect is what a stanza about a subscription does to one side.
type Effect struct {
	Next Standing
	// Pass says that the stanza goes on: to the contact, or to the account's resources.
	Pass bool
	// Reply is what the account's server answers by itself; 0 is nothing.
	Reply Kind
}

// Say is what becomes of a stanza that the account sends.
func Say(s Standing, k Kind) Effect {
	r := said[k][s.State]
	e := Effect{Next: Standing{r.next, s.Approved}, Pass: r.pass}
	switch {
	case k == Subscribed && !r.pass && !s.State.IsSeen():
		e.Next.Approved = true // rfc6121#3.4.2: nobody asked yet
	case k == Unsubscribed:
		e.Next.Approved = false
	}
	return e
}

// Hear is what becomes of a stanza that the contact has sent.
func Hear(s Standing, k Kind) Effect {
	r := heard[k][s.State]
	e := Effect{Next: Standing{r.next, s.Approved}, Pass: r.pass}
	switch {
	case k != Subscribe:
	case s.State.IsSeen(): // rfc6121#3.1.3: it is approved already
		e.Reply = Subscribed
	case s.Approved && r.pass: // rfc6121#3.4.2
		e = Effect{Next: Standing{said[Subscribed][r.next].next, true}, Reply: Subscribed}
	}
	return e
}
