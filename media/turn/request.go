package turn

import (
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v3"
)

// link is a client's way to us: the UDP address it sends from, or its connection.
type link interface {
	remote() netip.AddrPort
	// reply sends a message of the server's.
	reply(b []byte)
	// stream says that there is a connection, whose source is no forgery; padded, that messages end on multiples of four.
	stream() bool
	padded() bool
	// allocation is the client's; nil if it has none. bind makes it so, unless it has one; unbind ends that.
	allocation() *allocation
	bind(*allocation) bool
	unbind(*allocation)
	// relays is what reads the relayed addresses of such links.
	relays() *relays
}

// request is one message of a client that may be answered.
type request struct {
	*Server
	*stun.Message
	link
	now   time.Time
	proof *proof // once it is proved
}

// message handles one STUN message.
func (s *Server) message(l link, b []byte) {
	m := new(stun.Message)
	if decode(b, m) != nil || m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(m) != nil {
		return
	}
	now := s.cfg.Now()
	switch m.Type.Class {
	case stun.ClassIndication:
		if a := l.allocation(); a != nil && m.Type.Method == stun.MethodSend {
			s.sendIndication(a, m, now)
		}
	case stun.ClassRequest:
		(&request{Server: s, Message: m, link: l, now: now}).handle()
	case stun.ClassSuccessResponse, stun.ClassErrorResponse: // we ask nothing
	}
}

func (q *request) handle() {
	var do func()
	switch q.Type.Method {
	case stun.MethodBinding:
		q.binding()
		return
	case stun.MethodAllocate:
		do = q.allocate
	case stun.MethodRefresh:
		do = q.refresh
	case stun.MethodCreatePermission:
		do = q.createPermission
	case stun.MethodChannelBind:
		do = q.channelBind
	default:
		q.refuse(stun.CodeBadRequest)
		return
	}
	if q.authenticate() && q.understood() {
		do()
	}
}

// binding tells a client its address (rfc8489#12).
func (q *request) binding() {
	if !q.understood() {
		return
	}
	r := q.response(stun.ClassSuccessResponse)
	r.Add(stun.AttrXORMappedAddress, appendXORAddress(nil, q.remote(), q.TransactionID))
	q.send(r)
}

// understood refuses what the client wants understood and is not (rfc8489#6.3.1).
func (q *request) understood() bool {
	var unknown []byte
	for _, a := range q.Attributes {
		if a.Type.Required() && !slices.Contains(q.known(), a.Type) && len(unknown) < 64 {
			unknown = append(unknown, byte(a.Type>>8), byte(a.Type))
		}
	}
	if unknown == nil {
		return true
	}
	r := q.failure(stun.CodeUnknownAttribute)
	r.Add(stun.AttrUnknownAttributes, unknown)
	q.send(r)
	return false
}

// known are the attributes that a request of this method may have.
func (q *request) known() []stun.AttrType {
	known := []stun.AttrType{
		stun.AttrUsername, stun.AttrRealm, stun.AttrNonce, stun.AttrMessageIntegrity, stun.AttrMessageIntegritySHA256, stun.AttrPasswordAlgorithm,
	}
	switch q.Type.Method {
	case stun.MethodBinding: // ICE's, from those who take us for a peer
		return append(known, stun.AttrPriority, stun.AttrUseCandidate)
	case stun.MethodAllocate:
		known = append(known, stun.AttrRequestedTransport, stun.AttrLifetime, stun.AttrEvenPort, stun.AttrReservationToken, stun.AttrRequestedAddressFamily)
	case stun.MethodRefresh:
		known = append(known, stun.AttrLifetime, stun.AttrRequestedAddressFamily)
	case stun.MethodCreatePermission:
		known = append(known, stun.AttrXORPeerAddress)
	case stun.MethodChannelBind:
		known = append(known, stun.AttrXORPeerAddress, stun.AttrChannelNumber)
	}
	if canForbidFragments && q.Type.Method == stun.MethodAllocate {
		known = append(known, stun.AttrDontFragment)
	}
	return known
}

func (q *request) response(class stun.MessageClass) *stun.Message {
	r := stun.New()
	r.TransactionID = q.TransactionID
	r.Type = stun.NewType(q.Type.Method, class)
	r.WriteHeader()
	return r
}

func (q *request) success() *stun.Message { return q.response(stun.ClassSuccessResponse) }

// failure has no reason phrase: to strangers we send no more than we must.
func (q *request) failure(code stun.ErrorCode) *stun.Message {
	r := q.response(stun.ClassErrorResponse)
	r.Add(stun.AttrErrorCode, []byte{0, 0, byte(code / 100), byte(code % 100)}) // rfc8489#14.8
	return r
}

func (q *request) refuse(code stun.ErrorCode) { q.send(q.failure(code)) }

// send answers. Who has proved himself gets proof in return; who has not gets no more than his budget.
func (q *request) send(r *stun.Message) {
	if q.proof != nil {
		q.proof.integrity.add(r, q.proof.key)
	} else if !q.stream() && !q.shield.allow(q.remote().Addr(), len(q.Raw), len(r.Raw)) {
		q.counts.unanswered.Add(1)
		return
	}
	q.reply(r.Raw)
}
