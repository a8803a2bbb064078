package core

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Binding is one way to reach an account: a contact that a SIP device registered
// (rfc3261#10). The connection it came by is its Flow.
type Binding struct {
	Account Address
	// Key tells an account's bindings apart: the instance and reg-id if the device gave
	// them (rfc5626#6), else the contact's URI.
	Key       string
	Contact   string // the contact's URI as the device gave it
	CallID    string // of the REGISTER that made or refreshed it
	CSeq      uint32
	Q         int    // preference in thousandths: 0 to 1000
	Flow      string // sip.Flow.ID
	Network   string // UDP, TCP, TLS, WS, WSS
	Source    netip.AddrPort
	NATed     bool   // the contact or the Via names another address than the one it came from
	Instance  string // +sip.instance, "" if none
	RegID     uint32
	UserAgent string
	Device    string // whose token it was registered with, by its id; "" if it was no token
	Path      []string
	Messages  Ability   // whether it takes MESSAGE (rfc3428)
	Since     time.Time // first registered
	Updated   time.Time
	Expires   time.Time
}

// Ability says whether a device can do something, as far as it has told.
type Ability int8

// The abilities of a device.
const (
	Unknown Ability = iota
	Able
	Unable
)

// Location is the port to the table of where accounts can be reached now. It is never
// used inside a database transaction: in a cluster it is another store than the database.
type Location interface {
	// Bindings are the account's bindings that have not expired, the most preferred
	// first, then the latest.
	Bindings(context.Context, Address) ([]Binding, error)
	// Change replaces the account's bindings by what f makes of them, all or nothing; f may be
	// called again if somebody else changed them meanwhile. It returns after the change is
	// safe, but for one that only moves Expires, Updated, CallID or CSeq: its owner repeats it.
	Change(ctx context.Context, a Address, f func(now []Binding) (next []Binding, err error)) error
}

// Mode is how a call runs.
type Mode int

const (
	// Proxied: the messages pass with their bodies untouched.
	Proxied Mode = iota
	// BackToBack: both dialogs are owned here.
	BackToBack
)

func (m Mode) String() string {
	if m == BackToBack {
		return "back-to-back"
	}
	return "proxied"
}

// Caller is who asks for a call, message or other request.
type Caller struct {
	Address Address // from the From header; zero if it is no address at all
	Known   bool    // proved by a password: Address is an account here
	Source  netip.AddrPort
	NATed   bool   // its contact or its Via names another address than the one it came from
	Network string // UDP, TCP, TLS, WS, WSS; "" if not known
	// Agent is the user agent inside the process that it calls by, "" if it has one of its own.
	Agent string
	// Anchored says that its media has to pass through the server: what it offers first is not what it will use.
	Anchored bool
}

// Browser says that the caller speaks WebRTC, as far as the way that it came tells: a browser does, and so does whoever calls
// by an agent of ours.
func (c Caller) Browser() bool { return c.Agent != "" || Browser(c.Network) }

// Media says what a session description asks for, as far as the plan needs it.
type Media struct {
	Offered bool // there is an offer at all
	ICE     bool
	Form    string // one of the forms below; "" if unknown
	Profile string // of its first medium
	Rare    bool   // it is a telephone's, and has audio, but not the codec that all have (G.711)
}

// Forms of media, by the profile that stands for them in a description. Two ends of different forms can't talk
// directly.
const (
	PlainRTP          = "RTP/AVP"
	SDES              = "RTP/SAVP"          // SRTP with keys in the description
	SDESFeedback      = "RTP/SAVPF"         // the same, from who takes it with RTCP feedback alone
	OpportunisticSRTP = "RTP/AVP a=crypto"  // either of them, as who answers likes
	WebRTC            = "UDP/TLS/RTP/SAVPF" // ICE, and SRTP with keys by DTLS
)

// Browser says that a device speaks WebRTC: what registers or calls over a WebSocket does.
func Browser(network string) bool { return network == "WS" || network == "WSS" }

// Call is a request that wants to reach an account: an INVITE, or a MESSAGE and the like.
type Call struct {
	ID     string // Call-ID
	Method string
	From   Caller
	To     Address
	// ToURI is the Request-URI; To is made from it.
	ToURI string
	Media Media
}

// Target is one device or user agent that a call is offered to.
type Target struct {
	Name  string // as the plan's line shows it: "sip:bob-192.0.2.7:5062"
	Agent string // name of a user agent inside the process, or ""
	// Binding is the device's. Of an agent that stands for somebody else it has the Contact that the agent is to be
	// called by, and the Source of whom the media is for.
	Binding Binding
	// Form is the media that it gets offered; "" for that of the caller's offer, untouched in a proxied call.
	Form string
}

// Step offers a call to targets together, for at most Ring (0: as long as the server's Timer C).
type Step struct {
	Targets []Target
	Ring    time.Duration
}

// Plan is what shall happen with a call. Routers fill it in their order; it never changes once
// the call runs.
type Plan struct {
	Mode  Mode
	Why   string // why this mode; "" for the default
	Form  string // the media that the caller understands, also if it makes no offer; "" if nobody has said
	Steps []Step
	// Notes are what routers found, for `parley route explain`.
	Notes []string
}

// Note adds an explanation.
func (p *Plan) Note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// Empty says that nobody has found a target yet.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// String prints the plan as a line: "fork sip:bob-desk, sip:bob-web 25s; agent:echo".
func (p *Plan) String() string {
	if p.Empty() {
		return "nothing"
	}
	steps := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		steps[i] = s.String()
	}
	return p.Mode.String() + ": " + strings.Join(steps, "; ")
}

func (s Step) String() string {
	names := make([]string, len(s.Targets))
	for i, t := range s.Targets {
		names[i] = t.Name
	}
	line := strings.Join(names, ", ")
	if len(names) > 1 {
		line = "fork " + line
	}
	if s.Ring > 0 {
		line += " " + s.Ring.String()
	}
	return line
}

// Router is a feature's part in a call's plan. It adds to the plan and never talks to a peer;
// an *Error refuses the call, and no later router is asked.
type Router interface {
	Route(context.Context, *Call, *Plan) error
}

// Routers is the list of routers in the order they decide.
type Routers []NamedRouter

// NamedRouter is a router with the name that explanations use.
type NamedRouter struct {
	Name   string
	Router Router
}

// Plan asks every router in turn.
func (rs Routers) Plan(ctx context.Context, c *Call) (*Plan, error) {
	p := &Plan{}
	for _, r := range rs {
		if err := r.Router.Route(ctx, c, p); err != nil {
			p.Note("%s: refused: %s", r.Name, AsError(err).Public)
			return p, err
		}
	}
	if p.Empty() {
		return p, Unreachable()
	}
	return p, nil
}

// Unreachable is what a caller hears if there is nobody to ring, or shall seem to be nobody.
func Unreachable() error {
	return Fail(Unavailable, "no device of this address is reachable now", nil)
}
