package siptest

import (
	"fmt"
	"slices"

	"parley/sip"
)

// Dialog makes the requests of a dialog for one of its ends (rfc3261#12).
type Dialog struct {
	peer          *Peer // nil: it makes messages, but has nobody to send them
	invite        *sip.Message
	callID        string
	local, remote string // From and To of our requests
	target        string
	routes        []string
	via           string
	inviteSeq     uint32
	seq           uint32
}

// NewDialog is the dialog that a response to our request made, from the end that asked.
func NewDialog(req, resp *sip.Message) *Dialog {
	seq, _ := req.CSeq()
	d := &Dialog{
		invite: req, callID: req.CallID(), inviteSeq: seq, seq: seq,
		local: resp.Get(sip.HeaderFrom), remote: resp.Get(sip.HeaderTo),
		target: req.Target(), via: firstVia(req),
		routes: slices.Collect(resp.Values(sip.HeaderRecordRoute)),
	}
	slices.Reverse(d.routes) // rfc3261#12.1.2
	d.aim(resp)
	return d
}

// Answered is the dialog from the end that answered req with resp.
func Answered(req, resp *sip.Message) *Dialog {
	d := &Dialog{
		invite: req, callID: req.CallID(), seq: 1000,
		local: resp.Get(sip.HeaderTo), remote: resp.Get(sip.HeaderFrom),
		via:    "SIP/2.0/UDP 192.0.2.88:5064;branch=x;rport",
		routes: slices.Collect(req.Values(sip.HeaderRecordRoute)),
	}
	d.aim(req)
	return d
}

// aim takes the remote target from a message's Contact.
func (d *Dialog) aim(m *sip.Message) {
	if list, _, err := m.Contacts(); err == nil && len(list) > 0 {
		d.target = list[0].URI.String()
	}
}

// Make makes the dialog's next request, or the INVITE's ACK.
func (d *Dialog) Make(method sip.Method, edits ...Edit) *sip.Message {
	seq := d.inviteSeq
	if method != sip.ACK {
		d.seq++
		seq = d.seq
	}
	if method == sip.INVITE {
		d.inviteSeq = seq
	}
	via, err := sip.ParseVia(d.via)
	if err != nil {
		panic("siptest: " + err.Error())
	}
	via.Branch = Branch()
	b := sip.NewRequest(method, d.target).Set(sip.HeaderVia, via.String())
	for _, r := range d.routes {
		b.Add(sip.HeaderRoute, r)
	}
	b.Set(sip.HeaderMaxForwards, "70").
		Set(sip.HeaderFrom, d.local).
		Set(sip.HeaderTo, d.remote).
		Set(sip.HeaderCallID, d.callID).
		Set(sip.HeaderCSeq, fmt.Sprintf("%d %s", seq, method))
	if d.peer != nil && (method == sip.INVITE || method == sip.UPDATE || method == sip.SUBSCRIBE) {
		b.Set(sip.HeaderContact, d.peer.Contact())
	}
	return build(b, edits)
}

// Request makes the next request and sends it; Ack and Bye are the usual ones.
func (d *Dialog) Request(method sip.Method, edits ...Edit) *sip.Message {
	d.peer.t.Helper()
	m := d.Make(method, edits...)
	d.peer.SendMessage(m)
	return m
}

// Ack sends the ACK of the last INVITE's 2xx.
func (d *Dialog) Ack(edits ...Edit) *sip.Message {
	d.peer.t.Helper()
	return d.Request(sip.ACK, edits...)
}

// Bye ends the call.
func (d *Dialog) Bye(edits ...Edit) *sip.Message {
	d.peer.t.Helper()
	return d.Request(sip.BYE, edits...)
}
