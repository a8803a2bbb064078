// Package sdp reads and writes session descriptions (RFC 8866) and knows the rules of
// offer and answer (RFC 3264) as far as a server needs them: which form of transport is
// meant, where media goes, which codec both sides have, and how a description is turned to
// other addresses.
//
// A Description keeps every line in its order, those it doesn't know included, so that
// what is not changed leaves as it came. Order and presence of the lines are not policed:
// phones differ, and a description that can be understood is not refused for its form.
package sdp
