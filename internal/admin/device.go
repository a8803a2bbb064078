package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"parley/internal/core"
)

// Device is what a person signs in with.
type Device struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Kind    string     `json:"kind"`
	Source  string     `json:"source"` // the IP address that it last came from
	Created time.Time  `json:"created"`
	Used    time.Time  `json:"used"`
	Expires *time.Time `json:"expires,omitempty"` // of a token, if it is not used until then
	Token   bool       `json:"token"`             // false: it signs in by the password, and is listed while it is connected
	Phone   bool       `json:"phone"`             // it is registered by SIP now
	Chat    bool       `json:"chat"`              // it has a session of XMPP now
}

func (s *Server) devices(r *http.Request) (any, error) {
	a, err := ParseAddress(r.PathValue("address"))
	if err != nil {
		return nil, err
	}
	list, err := s.config.Users.Devices(r.Context(), a)
	if list == nil {
		list = []Device{}
	}
	return list, err
}

func (s *Server) revokeDevice(r *http.Request) (any, error) {
	a, err := ParseAddress(r.PathValue("address"))
	if err != nil {
		return nil, err
	}
	return nil, s.config.Users.RevokeDevice(r.Context(), a, r.PathValue("id"))
}

// Devices lists what a person signs in with.
func (c *Client) Devices(ctx context.Context, a core.Address) (list []Device, err error) {
	err = c.do(ctx, http.MethodGet, userPath(a, "/devices"), nil, &list)
	return list, err
}

// RevokeDevice signs one out.
func (c *Client) RevokeDevice(ctx context.Context, a core.Address, id string) error {
	return c.do(ctx, http.MethodDelete, userPath(a, "/devices/"+url.PathEscape(id)), nil, nil)
}
