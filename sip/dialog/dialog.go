package dialog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"parley/sip"
	"parley/sip/transaction"
)

// Why a dialog can't be made or used.
var (
	ErrContact = errors.New("dialog: message has no usable Contact")
	ErrFlow    = errors.New("dialog: the peer's connection is gone")
)

// maxRoutes bounds a route set: more hops than any Max-Forwards survives.
const maxRoutes = 70

// ID names a dialog from our side (rfc3261#12).
type ID struct{ CallID, Local, Remote string }

// Dialog is what one end remembers of a dialog. It is not safe for concurrent use.
type Dialog struct {
	id        ID
	confirmed bool
	flow      sip.Flow
	local     string // our address with our tag: From of our requests
	remote    string
	contact   string // our Contact value
	target    string // the remote target
	routes    []string
	localSeq  uint32
	remoteSeq uint32
	heard     bool // remoteSeq is known
}

// NewUAS makes the dialog that our response with the given tag to req creates, early
// until Confirm (rfc3261#12.1.1). contact is our Contact value.
func NewUAS(req *sip.Message, f sip.Flow, tag, contact string) (*Dialog, error) {
	from, to, err := parties(req)
	if err != nil {
		return nil, err
	}
	target, ok := contactURI(req)
	if !ok {
		return nil, ErrContact
	}
	routes, err := routeSet(req)
	if err != nil {
		return nil, err
	}
	seq, _ := req.CSeq()
	return &Dialog{
		id:   ID{CallID: req.CallID(), Local: tag, Remote: req.FromTag()},
		flow: f, contact: contact, target: target, routes: routes,
		local: tagged(to, tag), remote: tagged(from, req.FromTag()),
		remoteSeq: seq, heard: true,
	}, nil
}

// NewUAC makes the dialog that the response resp to our request req creates (rfc3261#12.1.2).
// contact is our Contact value. A 2xx confirms it.
func NewUAC(req, resp *sip.Message, f sip.Flow, contact string) (*Dialog, error) {
	from, to, err := parties(resp)
	if err != nil {
		return nil, err
	}
	target, ok := contactURI(resp)
	if !ok {
		// Many a provisional response and some old phones' 2xx have none; the
		// request's own target is where its answer came from.
		target = req.Target()
	}
	routes, err := routeSet(resp)
	if err != nil {
		return nil, err
	}
	slices.Reverse(routes)
	seq, _ := req.CSeq()
	return &Dialog{
		id:   ID{CallID: resp.CallID(), Local: resp.FromTag(), Remote: resp.ToTag()},
		flow: f, contact: contact, target: target, routes: routes,
		local: tagged(from, resp.FromTag()), remote: tagged(to, resp.ToTag()),
		localSeq: seq, confirmed: resp.Status() >= 200,
	}, nil
}

func parties(m *sip.Message) (from, to sip.Address, err error) {
	if from, err = m.From(); err != nil {
		return from, to, fmt.Errorf("dialog: read From: %w", err)
	}
	if to, err = m.To(); err != nil {
		return from, to, fmt.Errorf("dialog: read To: %w", err)
	}
	return from, to, nil
}

func tagged(a sip.Address, tag string) string {
	a.Params = a.Params.Without("tag")
	if tag != "" { // rfc3261#12.1.1: a peer of RFC 2543 has none
		a.Params = a.Params.With("tag", tag)
	}
	return a.String()
}

func contactURI(m *sip.Message) (string, bool) {
	list, star, err := m.Contacts()
	if err != nil || star || len(list) == 0 {
		return "", false
	}
	u := list[0].URI
	u.Headers = "" // never part of a Request-URI (rfc3261#19.1.1)
	if u.Scheme != "sip" && u.Scheme != "sips" {
		return "", false
	}
	return u.String(), true
}

func routeSet(m *sip.Message) ([]string, error) {
	var routes []string
	for r := range m.Values(sip.HeaderRecordRoute) {
		if len(routes) == maxRoutes {
			return nil, errors.New("dialog: route set is too long")
		}
		routes = append(routes, r)
	}
	return routes, nil
}

// ID names the dialog.
func (d *Dialog) ID() ID { return d.id }

// Confirmed says that a 2xx has confirmed it; until then it is early.
func (d *Dialog) Confirmed() bool { return d.confirmed }

// Confirm makes an early dialog a confirmed one: we sent a 2xx.
func (d *Dialog) Confirm() { d.confirmed = true }

// Flow is where the dialog's requests are sent.
func (d *Dialog) Flow() sip.Flow { return d.flow }

// Target is the remote target: the peer's Contact.
func (d *Dialog) Target() string { return d.target }

// Contact is our Contact value.
func (d *Dialog) Contact() string { return d.contact }

// Alive says that the dialog's flow can still send.
func (d *Dialog) Alive() bool {
	select {
	case <-d.flow.Done():
		return false
	default:
		return true
	}
}

// confirmFrom takes over what the 2xx says anew: it alone fixes the route set
// (rfc3261#13.2.2.4).
func (d *Dialog) confirmFrom(fresh *Dialog) {
	d.confirmed, d.target, d.routes, d.flow = true, fresh.target, fresh.routes, fresh.flow
}

// Request starts the next request within the dialog (rfc3261#12.2.1.1). Its Via is the sender's.
// ACK and CANCEL are not made by it.
func (d *Dialog) Request(method sip.Method) *sip.Builder {
	d.localSeq++
	b := d.request(method, d.localSeq)
	if refreshes(method) {
		b.Set(sip.HeaderContact, d.contact)
	}
	return b
}

// ACK starts the ACK for a 2xx to our INVITE with the given sequence number
// (rfc3261#13.2.2.4).
func (d *Dialog) ACK(seq uint32) *sip.Builder { return d.request(sip.ACK, seq) }

func (d *Dialog) request(method sip.Method, seq uint32) *sip.Builder {
	target, routes := d.path()
	b := sip.NewRequest(method, target)
	for _, r := range routes {
		b.Add(sip.HeaderRoute, r)
	}
	return b.Set(sip.HeaderMaxForwards, "70").
		Set(sip.HeaderFrom, d.local).
		Set(sip.HeaderTo, d.remote).
		Set(sip.HeaderCallID, d.id.CallID).
		Set(sip.HeaderCSeq, strconv.FormatUint(uint64(seq), 10)+" "+string(method))
}

// path gives the Request-URI and the Route values. If the first route is a strict router of
// RFC 2543 it becomes the Request-URI, and the remote target the last route.
func (d *Dialog) path() (target string, routes []string) {
	if len(d.routes) == 0 {
		return d.target, nil
	}
	first, err := sip.ParseAddress(d.routes[0])
	if err != nil || first.URI.Params.Has("lr") {
		return d.target, d.routes
	}
	u := first.URI
	u.Params, u.Headers = u.Params.Without("method"), ""
	return u.String(), append(slices.Clone(d.routes[1:]), "<"+d.target+">")
}

// Receive checks the order of a request that came within the dialog (rfc3261#12.2.2).
func (d *Dialog) Receive(req *sip.Message) *sip.Violation {
	seq, method := req.CSeq()
	if method == sip.ACK || method == sip.CANCEL {
		return nil
	}
	if d.heard && seq <= d.remoteSeq {
		return &sip.Violation{
			Status: 500, Reason: "CSeq Out of Order",
			Detail: fmt.Sprintf("CSeq %d after %d", seq, d.remoteSeq),
		}
	}
	d.remoteSeq, d.heard = seq, true
	return nil
}

// Refresh takes the remote target, and the flow it can be reached on, from a target refresh
// request that we accepted or from a 2xx to ours; of another message it takes nothing.
func (d *Dialog) Refresh(m *sip.Message, f sip.Flow) {
	if !refreshes(m.Method()) || (!m.IsRequest() && m.Status()/100 != 2) {
		return
	}
	if target, ok := contactURI(m); ok {
		d.target, d.flow = target, f
	}
}

// Move has the dialog's requests go over another flow: its peer has come back over it.
func (d *Dialog) Move(f sip.Flow) { d.flow = f }

// refreshes says that a method is a target refresh request (rfc3261#12.2, rfc3311#5.1,
// rfc6665#4.1.2).
func refreshes(m sip.Method) bool {
	switch m {
	case sip.INVITE, sip.UPDATE, sip.SUBSCRIBE, sip.NOTIFY, sip.REFER:
		return true
	}
	return false
}

// Via is the Via value of a request that we send on f, with a fresh branch.
func Via(f sip.Flow) string {
	return "SIP/2.0/" + f.Network() + " " + f.Advertised() + ";rport;branch=" + transaction.NewBranch()
}

// Contact is the Contact value under which a peer of f reaches user here; user is
// escaped already and may be empty.
func Contact(user string, f sip.Flow) string {
	var b strings.Builder
	b.WriteString("<sip:")
	if user != "" {
		b.WriteString(user + "@")
	}
	b.WriteString(f.Advertised())
	switch n := f.Network(); n {
	case sip.UDP, sip.Memory:
	case sip.WSS: // rfc7118#5.5: one name for both
		b.WriteString(";transport=ws")
	default:
		b.WriteString(";transport=" + strings.ToLower(n))
	}
	b.WriteString(">")
	return b.String()
}
