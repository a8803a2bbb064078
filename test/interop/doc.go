// Package interop calls parley with real phones: baresip, Linphone, SIPp, sipsak, and
// JsSIP in Chromium. Each phone is driven headless by what it offers for that; what was spoken
// at one end is compared with what was heard at the other.
//
// A phone is one file. A test is one situation for all the phones that can take part in it, and
// ends with a line of the interop matrix.
package interop

// linphoneAlike is what its recording has to reach: without a sound card it stretches what it plays when the
// machine is busy. Another sentence stays far below it.
const linphoneAlike = 0.75
