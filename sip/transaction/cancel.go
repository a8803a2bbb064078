package transaction

import "parley/sip"

// cancelling is the wish to end an INVITE.
type cancelling struct {
	reason string
	sent   bool
}

// wantCancel keeps the wish until a provisional response allows the CANCEL (rfc3261#9.1).
func (c *Client) wantCancel(reason string) {
	if !c.isInvite() || c.cancel != nil || c.state == terminated {
		return
	}
	c.cancel = &cancelling{reason: reason}
	c.sendCancel()
}

// sendCancel sends it as soon as that is allowed, and gives the peer 64*T1 to end the INVITE.
func (c *Client) sendCancel() {
	if c.state != proceeding || c.cancel == nil || c.cancel.sent {
		return
	}
	c.cancel.sent = true
	c.shard.set(&c.life, c.shard.layer.long())
	m, err := c.makeCancel()
	if err != nil {
		c.shard.layer.log.Warn("CANCEL not made", "call", c.req.CallID(), "err", err)
		return
	}
	newClient(c.shard, c.flow, m, nobody{}).start()
}

// makeCancel makes the CANCEL for our INVITE (rfc3261#9.1).
func (c *Client) makeCancel() (*sip.Message, error) {
	b := sip.NewRequest(sip.CANCEL, c.req.Target()).
		Add(sip.HeaderVia, topVia(c.req)).
		Copy(c.req, sip.HeaderRoute).
		Add(sip.HeaderMaxForwards, "70").
		Copy(c.req, sip.HeaderFrom).
		Copy(c.req, sip.HeaderTo).
		Copy(c.req, sip.HeaderCallID).
		Add(sip.HeaderCSeq, cseq(c.req, sip.CANCEL))
	if c.cancel.reason != "" {
		b.Add(sip.HeaderReason, c.cancel.reason) // rfc3326#2
	}
	return b.Message()
}

// cancel answers a CANCEL from a peer (rfc3261#9.2). The answer leaves nothing behind: copies
// of the CANCEL find the INVITE again and get the same answer.
func (sh *shard) cancel(f sip.Flow, m *sip.Message, via sip.Via) {
	s := sh.cancelled(m, via)
	if s == nil {
		sh.reply(f, m.Response(481, "").ToTag(sh.layer.statelessTag(m)), m.CallID())
		return
	}
	tag := s.tag // the INVITE's, if it has one already
	if tag == "" {
		tag = sh.layer.statelessTag(m)
	}
	sh.reply(f, m.Response(200, "").ToTag(tag), m.CallID())
	s.cancelled(m)
}

// cancelled finds what a CANCEL means. Only an INVITE is changed by one, but each request
// that is there makes the answer 200.
func (sh *shard) cancelled(m *sip.Message, via sip.Via) *Server {
	for _, method := range [...]sip.Method{
		sip.INVITE, sip.BYE, sip.REGISTER, sip.OPTIONS, sip.INFO, sip.UPDATE, sip.PRACK,
		sip.MESSAGE, sip.SUBSCRIBE, sip.NOTIFY, sip.PUBLISH, sip.REFER,
	} {
		if s := sh.servers[keyOf(m, via, method)]; s != nil {
			return s
		}
	}
	return nil
}
