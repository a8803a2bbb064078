// Package event is the server's side of SIP events: a Notifier keeps subscriptions and sends NOTIFY (RFC 6665), a
// Compositor keeps what user agents publish (RFC 3903). Neither knows what an event package is about: a Package says its
// name, its types and its times, and whoever uses this one says who may subscribe and what the state is.
//
// All of a subscription happens on the transaction layer's shard of its Call-ID, in one order and without locks. Methods
// may be called from any goroutine; a Handler is called on the shard and must not block.
package event
