package sipedge

import (
	"parley/internal/core"
	"parley/sip"
	"parley/sip/proxy"
	"parley/sip/transaction"
)

type backToBack struct{ edge *Edge }

func (b *backToBack) serve(*transaction.Server) bool  { return false }
func (b *backToBack) ack(sip.Flow, *sip.Message) bool { return false }
func (b *backToBack) endAll(string)                   {}
func (b *backToBack) close()                          {}
func (b *backToBack) call(in *inbound, _ *core.Call, _ *core.Plan, _ []proxy.Wave) {
	b.edge.refuse(in.server, 501, "")
}
