package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"parley/internal/core"
)

// maxAnswer is the longest answer, or line of one, that the client takes.
const maxAnswer = 16 << 20

// Client speaks to a running server. It implements Users, Reporter and Explainer.
type Client struct{ http *http.Client }

var (
	_ Users     = (*Client)(nil)
	_ Reporter  = (*Client)(nil)
	_ Explainer = (*Client)(nil)
)

// Dial finds the server that runs on a data folder. ErrNotRunning says that none does.
func Dial(ctx context.Context, dir string) (*Client, error) {
	c, err := dial(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := c.Close(); err != nil {
		return nil, fmt.Errorf("admin: try the socket: %w", err)
	}
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dir) },
	}}}, nil
}

// Close ends idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// do sends a request and reads the JSON of its answer; in and out may be nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("admin: write the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("admin: read the answer: %w", err)
	}
	return nil
}

// send gives an answer that is no failure.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://parley"+path, body)
	if err != nil {
		return nil, fmt.Errorf("admin: make the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // its text has the whole URL
			err = wrapped.Err
		}
		return nil, fmt.Errorf("admin: ask the server: %w", err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	var f failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&f); err != nil || f.Text == "" {
		f.Text = "the server answered " + resp.Status
	}
	return nil, f.err()
}

// Status asks how the server is.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Explain asks what would become of a call.
func (c *Client) Explain(ctx context.Context, from, to core.Address) (e Explanation, err error) {
	q := url.Values{"from": {from.String()}, "to": {to.String()}}
	err = c.do(ctx, http.MethodGet, "/v1/route?"+q.Encode(), nil, &e)
	return e, err
}

func userPath(a core.Address, rest string) string {
	return "/v1/users/" + url.PathEscape(a.String()) + rest
}

// Create makes an account.
func (c *Client) Create(ctx context.Context, a core.Address, password string) error {
	return c.do(ctx, http.MethodPost, "/v1/users", newUser{a.String(), password}, nil)
}

// Delete removes an account.
func (c *Client) Delete(ctx context.Context, a core.Address) error {
	return c.do(ctx, http.MethodDelete, userPath(a, ""), nil, nil)
}

// SetPassword gives an account another password.
func (c *Client) SetPassword(ctx context.Context, a core.Address, password string) error {
	return c.do(ctx, http.MethodPut, userPath(a, "/password"), newPassword{password}, nil)
}

// SetStrangers says whether an account takes calls of strangers.
func (c *Client) SetStrangers(ctx context.Context, a core.Address, on bool) error {
	return c.do(ctx, http.MethodPut, userPath(a, "/strangers"), newStrangers{on}, nil)
}

// List gives accounts after an address; fewer than limit may come although there are more.
func (c *Client) List(ctx context.Context, after core.Address, limit int) (list []User, err error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if !after.IsZero() {
		q.Set("after", after.String())
	}
	err = c.do(ctx, http.MethodGet, "/v1/users?"+q.Encode(), nil, &list)
	return list, err
}

// Import sends a CSV file and tells how far the server is with it.
func (c *Client) Import(ctx context.Context, r io.Reader, progress func(Progress)) (Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the sending too, if the server has refused the file early
	resp, err := c.send(ctx, http.MethodPost, "/v1/import", io.NopCloser(r))
	if err != nil {
		return Report{}, err
	}
	defer resp.Body.Close()
	in := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	for {
		var n news
		if err := in.Decode(&n); err != nil {
			return Report{}, fmt.Errorf("admin: the server went away during the import: %w", err)
		}
		switch {
		case n.Failure != nil:
			return Report{}, n.Failure.err()
		case n.Report != nil:
			return *n.Report, nil
		case n.Progress != nil && progress != nil:
			progress(*n.Progress)
		}
	}
}
