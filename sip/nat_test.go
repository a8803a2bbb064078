package sip

import (
	"net/netip"
	"testing"
)

func TestBehindNAT(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, contact, via, network, source string
		want                                bool
	}{
		{"the same place", "sip:a@192.0.2.7:5062", "SIP/2.0/UDP 192.0.2.7:5062;rport;branch=z9hG4bK1", UDP, "192.0.2.7:5062", false},
		{"another address", "sip:a@10.0.0.7:5062", "SIP/2.0/UDP 10.0.0.7:5062;rport;branch=z9hG4bK1", UDP, "192.0.2.7:5062", true},
		{"a desk phone that sends from another port than it listens on",
			"sip:a@192.0.2.7:5060", "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1", UDP, "192.0.2.7:49153", false},
		{"such a phone that asks for rport, in our own network",
			"sip:a@10.0.0.7", "SIP/2.0/UDP 10.0.0.7:5060;rport;branch=z9hG4bK1", UDP, "10.0.0.7:49153", false},
		{"one that registers for its other socket",
			"sip:a@192.0.2.7:7000", "SIP/2.0/UDP 192.0.2.7:5062;rport;branch=z9hG4bK1", UDP, "192.0.2.7:5062", false},
		{"a public address by STUN, whose port the NAT made another",
			"sip:a@192.0.2.7:5062", "SIP/2.0/UDP 192.0.2.7:5062;rport;branch=z9hG4bK1", UDP, "192.0.2.7:62001", true},
		{"a connection comes from any port",
			"sip:a@192.0.2.7:5060;transport=tcp", "SIP/2.0/TCP 192.0.2.7:5060;rport;branch=z9hG4bK1", TCP, "192.0.2.7:49153", false},
		{"a browser has no address", "sip:a@x.invalid;transport=ws", "SIP/2.0/WSS x.invalid;branch=z9hG4bK1", WSS, "192.0.2.7:49153", true},
		{"a name can't tell", "sip:a@phone.example.org", "SIP/2.0/UDP phone.example.org;branch=z9hG4bK1", UDP, "192.0.2.7:5060", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			contact, err := ParseURI(c.contact)
			if err != nil {
				t.Fatal(err)
			}
			via, err := ParseVia(c.via)
			if err != nil {
				t.Fatal(err)
			}
			if got := BehindNAT(contact, via, c.network, netip.MustParseAddrPort(c.source)); got != c.want {
				t.Errorf("behind a NAT: %v, want %v", got, c.want)
			}
		})
	}
}
