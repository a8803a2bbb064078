package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"parley/internal/address"
)

// errUnexpected says that a text is not what a value expects; the value itself says what
// that is.
var errUnexpected = errors.New("config: unexpected value")

// value is one setting bound to its place in a Config.
type value interface {
	// read takes what the file says; errUnexpected if that is not what is expected.
	read(n *unstable.Node) error
	// text is the value as TOML.
	text() string
	// expected says what is allowed: "a duration from 1s to 1h, such as \"30s\"".
	expected() string
	// place is where the value is kept, for tests that look for forgotten ones.
	place() any
}

// scalar is a setting that is written as one TOML string.
type scalar[T any] struct {
	p      *T
	parse  func(string) (T, bool)
	format func(T) string
	want   string
}

func (v scalar[T]) read(n *unstable.Node) error {
	if n.Kind != unstable.String {
		return errUnexpected
	}
	t, ok := v.parse(string(n.Data))
	if !ok {
		return errUnexpected
	}
	*v.p = t
	return nil
}

func (v scalar[T]) text() string     { return quote(v.format(*v.p)) }
func (v scalar[T]) expected() string { return v.want }
func (v scalar[T]) place() any       { return v.p }

// list is a setting that is written as an array of TOML strings.
type list[T any] struct {
	p      *[]T
	parse  func(string) (T, bool)
	format func(T) string
	want   string
	least  int
}

// The longest list; no setting has a use for more.
const maxList = 1000

func (v list[T]) read(n *unstable.Node) error {
	if n.Kind != unstable.Array {
		return errUnexpected
	}
	var out []T
	for it := n.Children(); it.Next(); {
		e := it.Node()
		if e.Kind != unstable.String || len(out) == maxList {
			return errUnexpected
		}
		t, ok := v.parse(string(e.Data))
		if !ok {
			return &elementError{string(e.Data)}
		}
		out = append(out, t)
	}
	if len(out) < v.least {
		return errUnexpected
	}
	*v.p = out
	return nil
}

// elementError is errUnexpected for one element of a list.
type elementError struct{ found string }

func (e *elementError) Error() string { return "config: unexpected element " + quote(e.found) }

func (v list[T]) text() string {
	quoted := make([]string, len(*v.p))
	for i, t := range *v.p {
		quoted[i] = quote(v.format(t))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func (v list[T]) expected() string { return "a list of " + v.want }
func (v list[T]) place() any       { return v.p }

func asIs(s string) string { return s }

// integer is a whole number from low to high.
type integer struct {
	p         *int
	low, high int
}

func (v integer) read(n *unstable.Node) error {
	if n.Kind != unstable.Integer {
		return errUnexpected
	}
	i, err := strconv.ParseInt(strings.ReplaceAll(string(n.Data), "_", ""), 0, 64)
	if err != nil || i < int64(v.low) || i > int64(v.high) {
		return errUnexpected
	}
	*v.p = int(i)
	return nil
}

func (v integer) text() string     { return strconv.Itoa(*v.p) }
func (v integer) expected() string { return fmt.Sprintf("a number from %d to %d", v.low, v.high) }
func (v integer) place() any       { return v.p }

// boolean is true or false.
type boolean struct{ p *bool }

func (v boolean) read(n *unstable.Node) error {
	if n.Kind != unstable.Bool {
		return errUnexpected
	}
	*v.p = string(n.Data) == "true"
	return nil
}

func (v boolean) text() string     { return strconv.FormatBool(*v.p) }
func (v boolean) expected() string { return "true or false" }
func (v boolean) place() any       { return v.p }

// duration is written "1m30s".
func duration(p *time.Duration, low, high time.Duration) value {
	return scalar[time.Duration]{
		p: p,
		parse: func(s string) (time.Duration, bool) {
			d, err := time.ParseDuration(s)
			return d, err == nil && d >= low && d <= high
		},
		format: formatDuration,
		want: fmt.Sprintf("a duration from %s to %s, such as %q",
			formatDuration(low), formatDuration(high), formatDuration(*p)),
	}
}

// formatDuration is d without the zero units that Duration.String adds: "1h", not "1h0m0s".
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// units of a size, the largest first.
func units() []struct {
	name  string
	bytes int
} {
	return []struct {
		name  string
		bytes int
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

// size is a number of bytes, written "64KiB".
func size(p *int, low, high int) value {
	return scalar[int]{
		p: p,
		parse: func(s string) (int, bool) {
			n, ok := parseSize(s)
			return n, ok && n >= low && n <= high
		},
		format: formatSize,
		want:   fmt.Sprintf("a size from %s to %s, such as %q", formatSize(low), formatSize(high), formatSize(*p)),
	}
}

func parseSize(s string) (int, bool) {
	for _, u := range units() {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 31)
		if err != nil || n > 1<<40/uint64(u.bytes) {
			return 0, false
		}
		return int(n) * u.bytes, true
	}
	return 0, false
}

func formatSize(n int) string {
	for _, u := range units() {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.Itoa(n/u.bytes) + u.name
		}
	}
	return strconv.Itoa(n) + "B"
}

// listeners is a list of addresses to listen on.
func listeners(p *[]string) value {
	return list[string]{p: p, parse: parseListen, format: asIs,
		want: `addresses to listen on, such as ":5060", "192.0.2.1:5060" or "[2001:db8::1]:5060"`}
}

// parseListen gives an address in the one form net.Listen takes it in.
func parseListen(s string) (string, bool) {
	if port, ok := strings.CutPrefix(s, ":"); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		return ":" + strconv.FormatUint(n, 10), err == nil
	}
	a, err := netip.ParseAddrPort(s)
	return a.String(), err == nil
}

// ip is an IP address or nothing.
func ip(p *netip.Addr) value {
	return scalar[netip.Addr]{
		p: p,
		parse: func(s string) (netip.Addr, bool) {
			if s == "" {
				return netip.Addr{}, true
			}
			a, err := netip.ParseAddr(s)
			return a.Unmap(), err == nil && a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast()
		},
		format: func(a netip.Addr) string {
			if !a.IsValid() {
				return ""
			}
			return a.String()
		},
		want: `the IP address of one interface, such as "203.0.113.7", or ""`,
	}
}

// ports is a range of ports, written "30000-39999".
func ports(p *PortRange) value {
	return scalar[PortRange]{
		p: p,
		parse: func(s string) (PortRange, bool) {
			low, high, _ := strings.Cut(s, "-")
			l, err1 := strconv.ParseUint(low, 10, 16)
			h, err2 := strconv.ParseUint(high, 10, 16)
			ok := err1 == nil && err2 == nil && l >= 1024 && h > l
			return PortRange{uint16(l), uint16(h)}, ok
		},
		format: PortRange.String,
		want:   `a range of two or more ports from 1024 to 65535, such as "30000-39999"`,
	}
}

func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.Low, r.High) }

// choice is one of a few names.
type choice[T comparable] struct {
	name  string
	value T
}

func oneOf[T comparable](p *T, choices ...choice[T]) value {
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = strconv.Quote(c.name)
	}
	last := len(names) - 1
	return scalar[T]{
		p: p,
		parse: func(s string) (t T, ok bool) {
			for _, c := range choices {
				if c.name == s {
					return c.value, true
				}
			}
			return t, false
		},
		format: func(t T) string {
			for _, c := range choices {
				if c.value == t {
					return c.name
				}
			}
			return fmt.Sprint(t)
		},
		want: strings.Join(names[:last], ", ") + " or " + names[last],
	}
}

// path is the name of a file or folder; the loader makes one from a file relative to
// where that file lies.
type path struct {
	p    *string
	want string
}

func (v path) read(n *unstable.Node) error {
	s := string(n.Data)
	if n.Kind != unstable.String || strings.ContainsFunc(s, isControl) {
		return errUnexpected
	}
	*v.p = s
	return nil
}

func (v path) text() string     { return quote(*v.p) }
func (v path) expected() string { return v.want }
func (v path) place() any       { return v.p }

// domains is a list of one or more domain names.
func domains(p *[]string) value {
	return list[string]{p: p, format: address.Unicode, least: 1, want: `one or more domains, such as "example.org"`,
		parse: func(s string) (string, bool) {
			d, err := address.Domain(s)
			return d, err == nil
		}}
}

// networks is a list of IP networks.
func networks(p *[]netip.Prefix) value {
	return list[netip.Prefix]{p: p, format: netip.Prefix.String, want: `IP networks, such as "192.168.0.0/16"`,
		parse: func(s string) (netip.Prefix, bool) {
			n, err := netip.ParsePrefix(s)
			return n, err == nil && n == n.Masked()
		}}
}

// agents is a list of what User-Agent header fields begin with.
func agents(p *[]string) value {
	return list[string]{p: p, format: asIs, want: `beginnings of User-Agent header fields, such as "Linphone"`,
		parse: func(s string) (string, bool) {
			return s, s != "" && !strings.ContainsFunc(s, isControl)
		}}
}

// origins is a list of web origins (rfc6454#6.2).
func origins(p *[]string) value {
	return list[string]{p: p, parse: parseOrigin, format: asIs, want: `web origins, such as "https://www.example.org"`}
}

func parseOrigin(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return "", false
	}
	o := u.Scheme + "://" + strings.ToLower(u.Host)
	return o, strings.EqualFold(o, s)
}

// uris are addresses of people.
func uris(p *[]string) value {
	return list[string]{p: p, parse: parseURI, format: asIs, want: `URIs, such as "mailto:admin@example.org" or "xmpp:admin@example.org"`}
}

func parseURI(s string) (string, bool) {
	u, err := url.Parse(s)
	return s, err == nil && u.Scheme != "" && (u.Opaque != "" || u.Host != "") && !strings.ContainsAny(s, " \t<>\"")
}

// name is the local part of a service's address.
func name(p *string) value {
	return scalar[string]{
		p: p,
		parse: func(s string) (string, bool) {
			odd := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-._", r) }
			return s, s != "" && len(s) <= 64 && !strings.ContainsFunc(s, odd)
		},
		format: asIs,
		want:   `up to 64 of a-z, 0-9, "-", "." and "_", such as "echo"`,
	}
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// quote writes s as a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case isControl(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
