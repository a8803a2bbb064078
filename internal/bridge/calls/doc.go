// Package calls carries calls between XMPP apps and everybody whom SIP reaches, live. To SIP the apps of an account are one
// more device: a user agent inside the process (RFC 3261), which proposes a call to them by XEP-0353 (Jingle Message
// Initiation) and has a Jingle session (XEP-0166, XEP-0167) with the one that takes it. To an app the other side is a
// full address that lives as long as the call.
//
// The room has no media. It turns descriptions into each other (internal/bridge); ports, ICE and keys are those of the
// back-to-back call whose leg it is, or of the other end itself where that speaks WebRTC. What is lost on the way stands in
// docs/bridge.md.
package calls
