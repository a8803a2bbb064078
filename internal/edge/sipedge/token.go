package sipedge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"parley/sip"
)

// tokens makes and reads the user parts of our Record-Route URIs. Each names a flow, so that a
// request in the dialog goes back over the connection that the dialog was made on, whatever
// address a NAT shows (the idea of rfc5626#5.2). It is bound to the Call-ID, so that nobody can use
// it for another call.
type tokens struct{ key []byte }

const macLength = 12

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (t tokens) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, t.key)
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return h.Sum(nil)[:macLength]
}

// make gives the token of a flow in a call.
func (t tokens) make(flow, callID string) string {
	return encode(append(t.mac("flow", flow, callID), flow...))
}

// read gives the flow of a token, if we made it for this call.
func (t tokens) read(token, callID string) (flow string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) <= macLength {
		return "", false
	}
	flow = string(raw[macLength:])
	return flow, hmac.Equal(raw[:macLength], t.mac("flow", flow, callID))
}

// tag is the To tag of our own response to a request: the same each time, so that
// a response made statelessly agrees with its repeats (rfc3261#8.2.7).
func (t tokens) tag(req *sip.Message) string {
	return encode(t.mac("tag", req.CallID(), req.FromTag(), req.Get(sip.HeaderCSeq)))
}

// recordRoute is the Record-Route value that names a flow in a call (rfc3261#16.6 step 4). A memory
// flow has no address of its own: nobody outside ever sends to it first.
func (t tokens) recordRoute(f sip.Flow, callID, domain string) string {
	host := f.Advertised()
	if f.Network() == sip.Memory {
		host = domain
	}
	uri := "sip:" + t.make(f.ID(), callID) + "@" + host
	if f.Network() != sip.UDP && f.Network() != sip.Memory {
		uri += ";transport=" + strings.ToLower(f.Network())
	}
	return "<" + uri + ";lr>"
}
