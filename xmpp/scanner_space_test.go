package xmpp

import "testing"

// A client that ends the last line of its login, and then begins the next stream with a declaration.
func TestWhiteSpaceOfTheLastStream(t *testing.T) {
	t.Parallel()
	var s Scanner
	s.Feed([]byte("\n<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' xmlns:stream='" + NSStream + "'>"))
	if event, _, err := s.Next(); event != Opened || err != nil {
		t.Errorf("the stream is not opened: %v, %v", event, err)
	}
}
