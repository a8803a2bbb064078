// Package admin is how an operator speaks to a running server: an HTTP API on a Unix socket in
// the data folder, and its client, which the command line is.
//
// The socket is for the owner of the server's process and for root; everyone else is turned
// away by the file's mode, and once more by the credentials that the kernel gives of a peer.
// Bodies are JSON. A failure has the status that fits and {"reason": ..., "text": ...}.
//
//	GET    /v1/status
//	GET    /v1/users?after=ADDRESS&limit=N
//	POST   /v1/users                      {"address", "password"}
//	GET    /v1/users/ADDRESS
//	DELETE /v1/users/ADDRESS
//	PUT    /v1/users/ADDRESS/password     {"password"}
//	PUT    /v1/users/ADDRESS/strangers    {"strangers"}
//	POST   /v1/import                     CSV; answered by a JSON object a line, as it goes on
//	GET    /v1/users/ADDRESS/devices
//	DELETE /v1/users/ADDRESS/devices/ID
//	GET    /v1/route?from=ADDRESS&to=ADDRESS
package admin

import (
	"context"
	"io"
	"time"

	"parley/internal/address"
	"parley/internal/core"
)

// Users are the accounts as an operator handles them: what the server side needs of the rest,
// and what the client gives to the command line. Errors that a person should read are
// *core.Error; core.ErrNoAccount is understood too.
type Users interface {
	Create(ctx context.Context, a core.Address, password string) error
	Delete(ctx context.Context, a core.Address) error
	SetPassword(ctx context.Context, a core.Address, password string) error
	SetStrangers(ctx context.Context, a core.Address, on bool) error
	// List gives at most limit accounts after an address, in one fixed order.
	List(ctx context.Context, after core.Address, limit int) ([]User, error)
	// Show tells what is connected of an account.
	Show(ctx context.Context, a core.Address) (Details, error)
	// Devices are those that have a token, and what is connected by the password.
	Devices(ctx context.Context, a core.Address) ([]Device, error)
	// RevokeDevice signs one out.
	RevokeDevice(ctx context.Context, a core.Address, id string) error
	// Import makes accounts of a CSV file, all of them or none; rows that were refused are
	// in the report, not in the error. progress is never called concurrently; it may be nil.
	Import(ctx context.Context, r io.Reader, progress func(Progress)) (Report, error)
}

// Progress is how far an import is. Total is 0 while it is not known.
type Progress struct {
	Step  string `json:"step"`
	Done  int    `json:"done"`
	Total int    `json:"total,omitempty"`
}

// Report says what became of an import.
type Report struct {
	Accounts int       `json:"accounts"` // that were made; 0 if any row was refused
	Refused  int       `json:"refused"`
	Refusals []Refusal `json:"refusals,omitempty"` // not all, if there are very many
}

// Refusal is a row that can't become an account.
type Refusal struct {
	Line    int    `json:"line"`
	Address string `json:"address"`
	Reason  string `json:"reason"`
}

// Reporter tells how the server is.
type Reporter interface {
	Status(context.Context) (Status, error)
}

// Status is how the server is.
type Status struct {
	Version     string              `json:"version"`
	Process     int                 `json:"process"`
	Started     time.Time           `json:"started"`
	Stopping    bool                `json:"stopping"`
	Domains     []string            `json:"domains"`
	Data        string              `json:"data"`
	Listening   map[string][]string `json:"listening"` // "sip-udp", "sip-tcp", "sip-tls", "xmpp", "xmpp-tls", "https", "http", "turn-udp" ...
	Certificate Certificate         `json:"certificate"`
	Accounts    int                 `json:"accounts"`
	Devices     int                 `json:"devices"`  // that are registered now
	Sessions    int                 `json:"sessions"` // of apps, those included that were cut off and may resume
	Calls       int                 `json:"calls"`    // that run now
	Relays      int                 `json:"relays"`   // addresses that clients have by TURN now
	RelayUsers  int                 `json:"relay_users"`
	Connections map[string]int      `json:"connections"`
	// Counters have counted since the start: "requests", "calls", "malformed" ...
	Counters map[string]uint64 `json:"counters"`
}

// Certificate is what the server shows over TLS.
type Certificate struct {
	SelfSigned  bool      `json:"self_signed"`
	Names       []string  `json:"names"`
	Until       time.Time `json:"until"`
	Fingerprint string    `json:"fingerprint"` // SHA-256
}

// Explainer makes the plan of a call without making the call.
type Explainer interface {
	Explain(ctx context.Context, from, to core.Address) (Explanation, error)
}

// Explanation is what would become of a call.
type Explanation struct {
	From    string   `json:"from"`
	To      string   `json:"to"`
	Plan    string   `json:"plan,omitempty"`
	Why     string   `json:"why,omitempty"` // why it runs in the mode it does
	Notes   []string `json:"notes"`         // what each router found
	Refused string   `json:"refused,omitempty"`
}

// ParseAddress reads an account's address as a person writes it.
func ParseAddress(text string) (core.Address, error) {
	a, err := address.Parse(text)
	if err != nil {
		return a, badAddress(text, err)
	}
	return a, nil
}

// ParseParty reads who calls or is called: the address of an account, or of anyone
// anywhere, with or without "sip:" before it.
func ParseParty(text string) (core.Address, error) {
	a, err := parseParty(text)
	if err != nil {
		return a, badAddress(text, err)
	}
	return a, nil
}
