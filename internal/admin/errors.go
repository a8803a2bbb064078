package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"parley/internal/address"
	"parley/internal/core"
)

// failure is an error on the wire.
type failure struct {
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// reasons are the kinds of failure that this API has, with their names and statuses.
func reasons() []struct {
	reason core.Reason
	name   string
	status int
} {
	return []struct {
		reason core.Reason
		name   string
		status int
	}{
		{core.Internal, "internal", http.StatusInternalServerError},
		{core.BadRequest, "bad-request", http.StatusBadRequest},
		{core.Forbidden, "forbidden", http.StatusForbidden},
		{core.NotFound, "not-found", http.StatusNotFound},
		{core.Conflict, "conflict", http.StatusConflict},
		{core.Unavailable, "unavailable", http.StatusServiceUnavailable},
		{core.TooMany, "too-many", http.StatusTooManyRequests},
		{core.Unsupported, "unsupported", http.StatusNotImplemented},
	}
}

// describe is err for the wire. What is not meant for people stays here.
func describe(err error) (status int, f failure) {
	if errors.Is(err, core.ErrNoAccount) {
		err = core.Fail(core.NotFound, "there is no such account", err)
	}
	e := core.AsError(err)
	for _, r := range reasons() {
		if r.reason == e.Reason {
			return r.status, failure{r.name, e.Public}
		}
	}
	return http.StatusForbidden, failure{"forbidden", e.Public} // a call's refusals mean no more here
}

// err is a failure on the client's side.
func (f failure) err() error {
	for _, r := range reasons() {
		if r.name == f.Reason {
			return core.Fail(r.reason, f.Text, nil)
		}
	}
	return core.Fail(core.Internal, f.Text, nil)
}

func badAddress(text string, err error) error {
	why := strings.TrimPrefix(err.Error(), "address: ")
	return core.Fail(core.BadRequest, fmt.Sprintf("%q is not an address: %s", clip(text), why), nil)
}

func clip(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

func parseParty(text string) (a core.Address, err error) {
	for _, scheme := range []string{"sips:", "sip:", "xmpp:"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			text = rest
			break
		}
	}
	local, host, ok := strings.Cut(text, "@")
	if !ok {
		return a, address.ErrNoAt
	}
	if a.Local, err = address.Local(local); err != nil {
		return core.Address{}, err
	}
	if a.Domain, err = address.Host(host); err != nil {
		return core.Address{}, err
	}
	return a, nil
}
