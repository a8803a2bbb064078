package siptest

import (
	"fmt"
	"strings"

	"parley/sip"
	"parley/sip/digest"
)

// Again makes req anew as rfc3261#8.1.3.5 says, without sending it: the same call, the next
// CSeq and a branch of its own.
func Again(req *sip.Message, edits ...Edit) *sip.Message {
	seq, method := req.CSeq()
	via, err := sip.ParseVia(firstVia(req))
	if err != nil {
		panic("siptest: " + err.Error())
	}
	via.Branch = Branch()
	via.Params = via.Params.Without("received").With("rport", "")
	b := req.Edit().
		SetFirst(sip.HeaderVia, via.String()).
		Set(sip.HeaderCSeq, fmt.Sprintf("%d %s", seq+1, method))
	return build(b, edits)
}

// WithPassword answers the challenge of a 401 or 407 to a request for uri: by the
// first of its digests that can be answered (rfc3261#22, rfc8760).
func WithPassword(challenge *sip.Message, uri, user, password string) Edit {
	ask, reply := sip.HeaderWWWAuthenticate, sip.HeaderAuthorization
	if challenge.Status() == 407 {
		ask, reply = sip.HeaderProxyAuthenticate, sip.HeaderProxyAuthorization
	}
	var asked []string
	for name, value := range challenge.Fields() {
		if strings.EqualFold(name, ask.String()) {
			asked = append(asked, value)
		}
	}
	c, err := digest.Choose(asked)
	if err != nil {
		panic(fmt.Sprintf("siptest: %q: %v", asked, err))
	}
	creds, err := c.Answer(user, password, digest.Request{
		Method: string(challenge.Method()), URI: uri, Cnonce: random(12), Count: 1,
	})
	if err != nil {
		panic("siptest: " + err.Error())
	}
	return With(reply, creds.String())
}

// Authorize sends req again with the answer to its challenge, as the peer's own user.
func (p *Peer) Authorize(req, challenge *sip.Message, password string, edits ...Edit) *sip.Message {
	p.t.Helper()
	if req.Method() == sip.INVITE {
		p.Ack(req, challenge)
	}
	m := Again(req, append([]Edit{WithPassword(challenge, req.Target(), user(p.name), password)}, edits...)...)
	p.SendMessage(m)
	return m
}

// SignIn registers with a password: REGISTER, 401, REGISTER, 200. It gives the 200.
func (p *Peer) SignIn(password string, edits ...Edit) *sip.Message {
	p.t.Helper()
	first := p.Register(edits...)
	p.Authorize(first, p.Expect("401 REGISTER"), password)
	return p.Expect("200 REGISTER")
}

// Call invites to, answers a challenge with the password, and gives the INVITE that counts.
func (p *Peer) Call(to, password string, edits ...Edit) *sip.Message {
	p.t.Helper()
	first := p.Invite(to, edits...)
	return p.Authorize(first, p.Expect("401 INVITE", "407 INVITE"), password)
}
