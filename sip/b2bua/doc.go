// Package b2bua joins two calls to one: a back-to-back user agent (RFC 7092) that owns both
// dialogs (RFC 3261). The caller has one dialog with it and gets one stable answer,
// whatever the targets and the forks behind them do; each target is called in a dialog of its
// own. Once somebody has answered, requests of one side become requests to the other, and the
// answers come back.
//
// What passes from one leg to the other is a list (see fields.go), not everything: a header
// field that names something of one dialog would mean nothing in the other. Reliable
// provisional responses (RFC 3262) and session timers (RFC 4028) are not offered, so they
// are never half done: a request that requires them gets 420. Transfer (REFER, RFC 3515)
// gets 405, as does anything else that is not in our Allow.
//
// One goroutine owns a call's state. The handlers of its dialogs put their events into its
// queue, which has a bound: what a peer may send as often as it likes is refused when
// too much of it waits, and what can't be refused comes once for each thing we asked.
package b2bua
