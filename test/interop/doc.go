// Package interop tests parley with real programs. It calls with real phones: baresip, Linphone, SIPp, sipsak, and
// JsSIP in Chromium; what was spoken at one end is compared with what was heard at the other. It chats with real XMPP
// apps: slixmpp, @xmpp/client, strophe.js in Chromium, profanity and go-sendxmpp; and calls with two: stanza in
// Chromium, and Dino. Each is driven headless by what it offers for that.
//
// A phone or an app is one file. A test is one situation for all that can take part in it, and ends with a line of
// the interop matrix.
package interop

// linphoneAlike is what its recording has to reach: without a sound card it stretches what it plays when the
// machine is busy. Another sentence stays far below it.
const linphoneAlike = 0.75
