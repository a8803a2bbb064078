package sipedge

import (
	"context"
	"time"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/b2bua"
	"parley/sip/proxy"
	"parley/sip/transaction"
)

// backToBack runs calls whose both dialogs are ours.
type backToBack struct {
	edge *Edge
	ua   *b2bua.B2BUA
}

func newBackToBack(e *Edge) *backToBack {
	return &backToBack{edge: e, ua: b2bua.New(b2bua.Config{
		Layer: e.layer, T1: e.cfg.T1, T2: e.cfg.T2, TimerC: e.cfg.TimerC,
		MaxBreadth: uint32(max(e.cfg.MaxBreadth, 0)), Server: e.cfg.Server, Log: e.log,
	})}
}

func (b *backToBack) serve(s *transaction.Server) bool { return b.ua.Serve(s) }

func (b *backToBack) ack(ack *sip.Message) bool { return b.ua.ACK(ack) }

// call runs a plan back-to-back, with its media through us if there is an anchor.
func (b *backToBack) call(in *inbound, call *core.Call, plan *core.Plan, waves []proxy.Wave) {
	invite := b2bua.Invite{
		Request:  in.req,
		Edit:     func(out *sip.Builder, _ *b2bua.Target) { b.edge.cleanACK(out) },
		Observer: &b2bObserver{edge: b.edge, callID: call.ID}, MaxDuration: b.edge.maxDuration(),
	}
	invite.Form = plan.Form
	if call.From.Agent != "" {
		invite.Peer = call.From.Source.Addr().Unmap()
	}
	for i, w := range waves {
		wave := b2bua.Wave{Timeout: w.Timeout}
		for j, t := range w.Targets {
			planned := &plan.Steps[i].Targets[j]
			target := b2bua.Target{Name: t.Name, URI: t.URI, Flow: t.Flow, Routes: t.Routes, Fail: t.Fail, Form: planned.Form}
			if planned.Agent != "" {
				target.Peer = planned.Binding.Source.Addr().Unmap()
			}
			wave.Targets = append(wave.Targets, target)
		}
		invite.Waves = append(invite.Waves, wave)
	}
	if b.edge.ports.Anchor != nil {
		if media := b.edge.ports.Anchor(call); media != nil {
			invite.Media = media
		}
	}
	b.edge.calls.begin(call, b.edge.cfg.Now())
	if _, err := b.ua.Start(in.server, invite); err != nil { // the caller has his answer
		b.edge.log.Info("call not begun", "call", call.ID, "err", err)
		b.edge.calls.end(call.ID, "not begun")
	}
}

func (b *backToBack) endAll(why string) { b.ua.EndAll(`SIP;cause=503;text="` + why + `"`) }

// closeTime is how long calls get to say goodbye when the server stops.
const closeTime = 2 * time.Second

func (b *backToBack) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := b.ua.Close(ctx, `SIP;cause=503;text="Server is stopping"`); err != nil {
		b.edge.log.Warn("calls were left without an answer to their BYE", "err", err)
	}
}

// b2bObserver follows a back-to-back call.
type b2bObserver struct {
	edge   *Edge
	callID string
}

// Answered notes who took the call.
func (o *b2bObserver) Answered(info b2bua.Info) {
	o.edge.log.Info("call answered", "call", o.callID, "status", 200, "by", info.Target)
	o.edge.calls.answered(o.callID, info.Target, o.edge.cfg.Now())
}

// Ended notes how it ended.
func (o *b2bObserver) Ended(_ b2bua.Info, end b2bua.End) {
	o.edge.calls.end(o.callID, "ended by the "+end.By.String())
}
