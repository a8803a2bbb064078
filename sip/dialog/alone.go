package dialog

import (
	"parley/sip"
	"parley/sip/transaction"
)

// Alone takes every request that comes to a user agent which has its flow to itself: those of its sessions, a new call,
// which invited takes, and an OPTIONS. Whatever else there is it refuses.
func (u *UA) Alone(srv *transaction.Server, invited func(*transaction.Server)) {
	req := srv.Request()
	switch {
	case u.Serve(srv):
	case req.ToTag() != "":
		u.Reply(srv, req.Response(481, ""))
	case req.Method() == sip.INVITE:
		invited(srv)
	case req.Method() == sip.OPTIONS:
		u.Reply(srv, u.Abilities(req.Response(200, "")))
	default:
		u.Reply(srv, req.Response(405, "").Set(sip.HeaderAllow, u.cfg.Allow))
	}
}

// Abilities puts into a response what an OPTIONS is told (rfc3261#11.2).
func (u *UA) Abilities(b *sip.Builder) *sip.Builder {
	return b.Set(sip.HeaderAllow, u.cfg.Allow).Set(sip.HeaderAccept, "application/sdp")
}

// Reply answers a request that no session takes.
func (u *UA) Reply(srv *transaction.Server, b *sip.Builder) {
	u.respond(srv, b.ToTag(transaction.NewTag()))
}
