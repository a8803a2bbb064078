package transaction

import "parley/sip"

// receiveInvite is the INVITE client machine (rfc3261#17.1.1.2, rfc6026#7.2).
func (c *Client) receiveInvite(f sip.Flow, resp *sip.Message) {
	status := resp.Status()
	switch c.state {
	case calling, proceeding:
		c.answerInvite(resp)
	case accepted:
		if status/100 == 2 { // from this or another fork
			c.tell(resp)
		}
	case completed:
		switch {
		case status >= 300:
			c.sendACK()
		case status >= 200: // a fork that lost the race; nobody here waits for it
			c.shard.stray(f, resp)
		}
	}
}

// answerInvite takes the responses up to the first final one.
func (c *Client) answerInvite(resp *sip.Message) {
	switch status := resp.Status(); {
	case status < 200:
		c.provisional(resp)
	case status < 300:
		c.settle(accepted, c.shard.layer.long()) // Timer M
		c.tell(resp)
	default:
		c.reject(resp)
	}
}

// provisional ends Timers A and B: from now on it may ring for as long as it likes.
func (c *Client) provisional(resp *sip.Message) {
	if c.state == calling {
		c.state = proceeding
		c.shard.stop(&c.life)
		if !c.reliable {
			c.shard.stop(&c.retry)
		}
	}
	c.tell(resp)
	c.sendCancel()
}

// reject takes the non-2xx final response. Timer D is 64*T1, the 32 s of the RFC.
func (c *Client) reject(resp *sip.Message) {
	c.settle(completed, c.shard.layer.long())
	c.makeACK(resp)
	c.sendACK()
	c.tell(resp)
	if c.reliable {
		c.end(nil)
	}
}

// makeACK makes the ACK for a non-2xx response (rfc3261#17.1.1.3).
func (c *Client) makeACK(resp *sip.Message) {
	ack, err := sip.NewRequest(sip.ACK, c.req.Target()).
		Add(sip.HeaderVia, topVia(c.req)).
		Copy(c.req, sip.HeaderRoute).
		Add(sip.HeaderMaxForwards, "70").
		Copy(c.req, sip.HeaderFrom).
		Copy(resp, sip.HeaderTo).
		Copy(c.req, sip.HeaderCallID).
		Add(sip.HeaderCSeq, cseq(c.req, sip.ACK)).
		Message()
	if err != nil {
		c.shard.layer.log.Warn("ACK not made", "call", c.req.CallID(), "err", err)
		return
	}
	c.ack = ack
}

// sendACK may fail: the handler has its final response, and if the peer sends it again the
// ACK is tried again.
func (c *Client) sendACK() {
	if c.ack == nil {
		return
	}
	if err := c.flow.Send(c.ack); err != nil {
		c.shard.layer.log.Debug("ACK not sent", "call", c.req.CallID(), "flow", c.flow.ID(), "err", err)
	}
}
