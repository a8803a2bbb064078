package sipedge

import (
	"strings"

	"parley/sip"
)

// sameResource says whether the uri of credentials and a Request-URI name the same (rfc7616#3.4.6): one made for
// another callee is not ours to accept, or whoever overhears a call could place another with it.
//
// It is not held to the letter. Phones, and proxies before us, write one host for another of this server, leave
// a port or a parameter away, or (SIPp) name the server alone whomever they call. So what counts
// is the user, and that both hosts mean the same; parameters and ports choose the way, not whom it leads to.
func (e *Edge) sameResource(uri, target string, f sip.Flow) bool {
	if uri == target {
		return true
	}
	asked, err := sip.ParseURI(target)
	if err != nil {
		return false
	}
	said, err := sip.ParseURI(uri)
	if err != nil { // some leave the scheme away
		if said, err = sip.ParseURI(asked.Scheme + ":" + uri); err != nil {
			return false
		}
	}
	if said.Equal(asked) {
		return true
	}
	if said.Host == "" || asked.Host == "" { // a tel URI
		return false
	}
	if strings.EqualFold(said.Host, asked.Host) {
		return said.User == "" || said.UnescapedUser() == asked.UnescapedUser()
	}
	one, ours := e.domainOf(said.Host, f)
	other, also := e.domainOf(asked.Host, f)
	if !ours || !also {
		return false
	}
	return said.User == "" || one == other && said.UnescapedUser() == asked.UnescapedUser()
}
