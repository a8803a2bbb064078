package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"parley/internal/core"
)

// User is an account with how much of it is connected now.
type User struct {
	core.Account
	Phones   int // SIP contacts that are registered
	Sessions int // XMPP resources that are connected
}

// listed is a User on the wire.
type listed struct {
	Address   string    `json:"address"`
	Created   time.Time `json:"created"`
	Strangers bool      `json:"strangers"`
	Phones    int       `json:"phones"`
	Sessions  int       `json:"sessions"`
}

// MarshalJSON writes the address as text.
func (u User) MarshalJSON() ([]byte, error) {
	return json.Marshal(listed{u.Address.String(), u.Created, u.Strangers, u.Phones, u.Sessions})
}

// UnmarshalJSON is MarshalJSON backwards.
func (u *User) UnmarshalJSON(text []byte) error {
	var l listed
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	a, err := ParseAddress(l.Address)
	if err != nil {
		return fmt.Errorf("admin: read the answer: %w", err)
	}
	*u = User{core.Account{Address: a, Created: l.Created, Strangers: l.Strangers}, l.Phones, l.Sessions}
	return nil
}

// Details are all that an operator may know of an account: how it is set, and what is connected now.
type Details struct {
	Address   string    `json:"address"`
	Created   time.Time `json:"created"`
	Strangers bool      `json:"strangers"`
	Phones    []Phone   `json:"phones"`
	Sessions  []Session `json:"sessions"`
}

// Phone is a SIP contact.
type Phone struct {
	Contact   string    `json:"contact"` // URI
	Network   string    `json:"network"` // UDP, TCP, TLS, WS, WSS
	Source    string    `json:"source"`
	BehindNAT bool      `json:"behind_nat"`
	UserAgent string    `json:"user_agent"` // as it calls itself; may be ""
	Since     time.Time `json:"since"`
	Expires   time.Time `json:"expires"`
}

// Session is an XMPP resource.
type Session struct {
	Resource  string    `json:"resource"`
	Network   string    `json:"network"` // TCP, TLS, WebSocket
	Encrypted bool      `json:"encrypted"`
	Source    string    `json:"source"`
	Mechanism string    `json:"mechanism"` // by which it signed in
	Since     time.Time `json:"since"`
	Waiting   bool      `json:"waiting"` // without a connection, to be resumed
	Available bool      `json:"available"`
	Priority  int       `json:"priority"` // of an available one
	Show      string    `json:"show"`     // "away", "chat", "dnd", "xa", or "" for plainly available
}

func (s *Server) show(r *http.Request) (any, error) {
	a, err := ParseAddress(r.PathValue("address"))
	if err != nil {
		return nil, err
	}
	return s.config.Users.Show(r.Context(), a)
}

// Show tells what is connected of an account.
func (c *Client) Show(ctx context.Context, a core.Address) (d Details, err error) {
	err = c.do(ctx, http.MethodGet, userPath(a, ""), nil, &d)
	return d, err
}
