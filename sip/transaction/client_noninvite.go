package transaction

import (
	"time"

	"parley/sip"
)

// receiveNonInvite is the non-INVITE client machine (rfc3261#17.1.2.2).
func (c *Client) receiveNonInvite(resp *sip.Message) {
	if c.state != trying && c.state != proceeding {
		return // a copy, in Timer K
	}
	if resp.Status() < 200 {
		c.state = proceeding
		c.tell(resp)
		return
	}
	c.settle(completed, c.shard.layer.config.T4) // Timer K
	c.tell(resp)
	if c.reliable {
		c.end(nil)
	}
}

// nextE caps Timer E: at T2, and from the first provisional response on it is T2.
func (c *Client) nextE() time.Duration {
	t2 := c.shard.layer.config.T2
	if c.state == proceeding {
		return t2
	}
	return min(c.interval, t2)
}
