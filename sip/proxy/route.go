package proxy

import (
	"fmt"
	"strconv"

	"parley/sip"
	"parley/sip/transaction"
)

// Preprocess takes out of a request what only brought it here (rfc3261#16.4): every Route on top
// that isOurs, of which a double Record-Route makes two, and before that the trace of a
// strict router in front of us. popped are the URIs taken away, in the order the request
// went through them; the last one names the flow on which it goes on. A request that has
// none is given back as it is. An error means that a Route can't be read: 400.
//
// isOurs is asked about whole URIs: one that we put into a Record-Route, Path or
// Service-Route, or that otherwise names nothing but this element.
func Preprocess(req *sip.Message, isOurs func(sip.URI) bool) (out *sip.Message, popped []sip.URI, err error) {
	if !req.Has(sip.HeaderRoute) {
		return req, nil, nil
	}
	req, popped, err = repairStrict(req, isOurs)
	if err != nil {
		return nil, nil, err
	}
	b := req.Edit()
	var pops int
	for value := range req.Values(sip.HeaderRoute) {
		route, err := sip.ParseAddress(value)
		if err != nil {
			return nil, nil, fmt.Errorf("proxy: read Route: %w", err)
		}
		if !isOurs(route.URI) {
			break
		}
		popped = append(popped, route.URI)
		b.Pop(sip.HeaderRoute)
		pops++
	}
	if pops == 0 {
		return req, popped, nil
	}
	out, err = b.Message()
	return out, popped, err
}

// repairStrict undoes a strict router's work: it has put our Record-Route value into the
// Request-URI and the Request-URI at the end of the Route (rfc3261#16.4). Only URIs with lr
// are meant, which is how they left us; a Request-URI that is merely our domain stays.
func repairStrict(req *sip.Message, isOurs func(sip.URI) bool) (*sip.Message, []sip.URI, error) {
	uri, err := sip.ParseURI(req.Target())
	if err != nil || !uri.Params.Has("lr") || !isOurs(uri) {
		return req, nil, nil //nolint:nilerr // an unreadable Request-URI is not ours
	}
	var routes []string
	for value := range req.Values(sip.HeaderRoute) {
		routes = append(routes, value)
	}
	if len(routes) == 0 {
		return req, nil, nil
	}
	last, err := sip.ParseAddress(routes[len(routes)-1])
	if err != nil {
		return nil, nil, fmt.Errorf("proxy: read the last Route: %w", err)
	}
	b := req.Edit().SetTarget(last.URI.String()).Remove(sip.HeaderRoute)
	for _, value := range routes[:len(routes)-1] {
		b.Add(sip.HeaderRoute, value)
	}
	out, err := b.Message()
	return out, []sip.URI{uri}, err
}

// setRoutes writes the Request-URI and the Routes of a branch: the target's own on top of those
// that the request has (rfc3261#16.6). If the first one is a strict router's it
// goes into the Request-URI, and the Request-URI to the end.
func setRoutes(b *sip.Builder, req *sip.Message, t *Target) error {
	first := firstRoute(req, t)
	if first == "" {
		b.SetTarget(t.URI)
		return nil
	}
	next, err := sip.ParseAddress(first)
	if err != nil {
		return fmt.Errorf("proxy: read Route: %w", err)
	}
	if next.URI.Params.Has("lr") {
		b.SetTarget(t.URI)
		for i := len(t.Routes) - 1; i >= 0; i-- {
			b.Prepend(sip.HeaderRoute, t.Routes[i])
		}
		return nil
	}
	setStrictRoutes(b, req, t, next.URI)
	return nil
}

func firstRoute(req *sip.Message, t *Target) string {
	if len(t.Routes) > 0 {
		return t.Routes[0]
	}
	for value := range req.Values(sip.HeaderRoute) {
		return value
	}
	return ""
}

func setStrictRoutes(b *sip.Builder, req *sip.Message, t *Target, first sip.URI) {
	routes := append([]string(nil), t.Routes...)
	for value := range req.Values(sip.HeaderRoute) {
		routes = append(routes, value)
	}
	b.SetTarget(first.String()).Remove(sip.HeaderRoute)
	for _, value := range routes[1:] {
		b.Add(sip.HeaderRoute, value)
	}
	b.Add(sip.HeaderRoute, "<"+t.URI+">")
}

// recordRoute adds the two Record-Routes of a branch (rfc3261#16.6, rfc5658#5).
func (f *Forward) recordRoute(b *sip.Builder, caller, target sip.Flow) {
	if f.RecordRoute == nil {
		return
	}
	below, above := f.RecordRoute(caller), f.RecordRoute(target)
	if below != "" {
		b.Prepend(sip.HeaderRecordRoute, below)
	}
	if above != "" && above != below {
		b.Prepend(sip.HeaderRecordRoute, above)
	}
}

// via makes the Via value that we add on the way to a flow (rfc3261#16.6).
func via(f sip.Flow, branch, mark string) string {
	rport := ""
	if f.Network() == sip.UDP {
		rport = ";rport" // rfc3581#3
	}
	return "SIP/2.0/" + f.Network() + " " + f.Advertised() + ";branch=" + branch + mark + rport
}

// request makes what is sent to a target.
func (c *Context) request(t *Target, breadth uint32) (_ *sip.Message, err error) {
	defer c.guard("Edit", &err)
	b := c.req.Edit()
	if err := setRoutes(b, c.req, t); err != nil {
		return nil, err
	}
	b.Set(sip.HeaderMaxForwards, strconv.FormatUint(uint64(c.hops), 10))
	b.Set(sip.HeaderMaxBreadth, strconv.FormatUint(uint64(breadth), 10))
	c.f.recordRoute(b, c.server.Flow(), t.Flow)
	if c.f.Edit != nil {
		c.f.Edit(b, t)
	}
	b.Prepend(sip.HeaderVia, via(t.Flow, transaction.NewBranch(), c.mark))
	return b.Message()
}
