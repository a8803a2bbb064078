package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEmptyFileIsTheDefault(t *testing.T) {
	t.Parallel()
	c, err := Parse("parley.toml", nil, Default())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("an empty file gives %+v", c)
	}
	for what, got := range map[string][]string{"udp": c.SIP.UDP, "tcp": c.SIP.TCP} {
		if len(got) != 1 || got[0] != ":5060" {
			t.Errorf("sip.%s is %q, want [\":5060\"]", what, got)
		}
	}
	if c.SIP.TLS[0] != ":5061" || c.Web.HTTPS[0] != ":8443" {
		t.Errorf("tls %q, https %q", c.SIP.TLS, c.Web.HTTPS)
	}
}

func TestDefaultsObeyTheirOwnRules(t *testing.T) {
	t.Parallel()
	for name, base := range map[string]Config{"default": Default(), "demo": Demo()} {
		if _, err := Parse("all.toml", []byte(written(&base)), base); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// written is c as a file that sets everything.
func written(c *Config) string {
	var b strings.Builder
	for _, s := range c.sections() {
		fmt.Fprintf(&b, "[%s]\n", s.name)
		for _, f := range s.fields {
			fmt.Fprintf(&b, "%s = %s\n", f.name, f.value.text())
		}
	}
	return b.String()
}

func TestReadsEverySetting(t *testing.T) {
	t.Parallel()
	c, err := Load("testdata/everything.toml", Default())
	if err != nil {
		t.Fatal(err)
	}
	d := Default()
	for i, s := range c.sections() {
		for j, f := range s.fields {
			if f.value.text() == d.sections()[i].fields[j].value.text() {
				t.Errorf("%s.%s is still %s: the file should set it to something else", s.name, f.name, f.value.text())
			}
		}
	}
	if c.SIP.Idle != 90*time.Second || c.SIP.MaxMessage != 128<<10 || c.Media.Ports != (PortRange{40000, 40999}) {
		t.Errorf("idle %v, max_message %d, ports %v", c.SIP.Idle, c.SIP.MaxMessage, c.Media.Ports)
	}
	if c.SIP.PublicAddress != netip.MustParseAddr("203.0.113.7") {
		t.Errorf("public_address is %v", c.SIP.PublicAddress)
	}
	if want := filepath.Join("testdata", "tls", "chain.pem"); c.TLS.Certificate != want {
		t.Errorf("certificate is %q, want it beside the file: %q", c.TLS.Certificate, want)
	}
	if c.Server.Data != "/var/lib/parley" {
		t.Errorf("data is %q, want the absolute name as it is", c.Server.Data)
	}
	if c.Server.Domains[0] != "example.org" {
		t.Errorf("domain %q is not in lower case", c.Server.Domains[0])
	}
	if c.Server.Domains[1] != "xn--bcher-kva.example" {
		t.Errorf("domain %q is not an A-label", c.Server.Domains[1])
	}
	again, err := Parse("again.toml", []byte(written(&c)), Default())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := Diff(c, again); a != nil || b != nil {
		t.Errorf("written and read again, these differ: %v %v", a, b)
	}
}

func TestTableHasEveryField(t *testing.T) {
	t.Parallel()
	var c Config
	bound := map[any]string{}
	for _, s := range c.sections() {
		for _, f := range s.fields {
			p := f.value.place()
			if other, ok := bound[p]; ok {
				t.Errorf("%s.%s and %s are kept in one place", s.name, f.name, other)
			}
			bound[p] = s.name + "." + f.name
			if f.doc == "" || !strings.HasSuffix(f.doc, ".") {
				t.Errorf("%s.%s: doc %q is no sentence", s.name, f.name, f.doc)
			}
		}
	}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Name == "Demo" {
			continue
		}
		for j := range v.Field(i).NumField() {
			if _, ok := bound[v.Field(i).Field(j).Addr().Interface()]; !ok {
				t.Errorf("%s.%s is in no section's table", v.Type().Field(i).Name, v.Field(i).Type().Field(j).Name)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, file, want string }{
		{"no TOML", "[sip]\nudp = \n", "f:2:7: not TOML: "},
		{"a key twice", "[sip]\nt1 = \"1s\"\nt1 = \"1s\"\n", "f:3:1: sip.t1: stands here again, it is on line 2 already"},
		{"a section twice", "[sip]\n[log]\n[sip]\n", "f:3:2: sip: stands here again, it is on line 1 already"},
		{"an unknown key twice", "[sip]\nx = 1\nx = 1\n", "f:3:1: sip.x: there is no such key"},
		{"an unknown section", "\n[spi]\n", "f:2:2: spi: there is no such section; did you mean sip?"},
		{"nothing like a section", "[telephones]\n", "f:1:2: telephones: there is no such section; expected one of server, sip, "},
		{"an unknown key", "[sip]\n  upd = []\n", "f:2:3: sip.upd: there is no such key; did you mean udp?"},
		{"a key without a section", "udp = []\n", "f:1:1: udp: there is no such key outside a section; did you mean [sip] udp?"},
		{"a key below a key", "[sip]\nudp.x = 1\n", "f:2:1: sip.udp.x: there is no such key"},
		{"a section below a section", "[sip.udp]\n", "f:1:2: sip.udp: there is no such section"},
		{"a section as a list", "[[sip]]\nudp = []\n", "f:1:3: sip: found [[...]], expected a section in single brackets"},
		{"a section that is a value", "sip = 1\n", "f:1:1: sip: there is no such key outside a section"},
		{"an odd key", "[sip]\n\"\\u001b[2J\" = 1\n", `f:2:1: "sip.\x1b[2J": there is no such key`},
		{"a number as a duration", "[sip]\nidle = 30\n", `f:2:8: sip.idle: found 30, expected a duration from 10s to 24h, such as "1h5m"`},
		{"a bare duration", "[sip]\nidle = \"30\"\n", `f:2:8: sip.idle: found "30", expected a duration`},
		{"too short a duration", "[sip]\nidle = \"1s\"\n", `f:2:8: sip.idle: found "1s", expected a duration from 10s`},
		{"a negative duration", "[calls]\ndrain = \"-1s\"\n", `f:2:9: calls.drain: found "-1s", expected a duration from 0s`},
		{"a size without a unit", "[sip]\nmax_message = \"65536\"\n", `f:2:15: sip.max_message: found "65536", expected a size from 4KiB to 1MiB, such as "64KiB"`},
		{"too large a size", "[sip]\nmax_message = \"2000000GiB\"\n", `f:2:15: sip.max_message: found "2000000GiB", expected a size`},
		{"an address without a port", "[sip]\nudp = [\":5060\", \"192.0.2.1\"]\n", `f:2:1: sip.udp: found "192.0.2.1", expected a list of addresses`},
		{"an address with a name", "[sip]\ntcp = [\"localhost:5060\"]\n", `found "localhost:5060", expected a list of addresses`},
		{"a port out of range", "[sip]\ntcp = [\":65536\"]\n", `found ":65536"`},
		{"one address, no list", "[sip]\nudp = \":5060\"\n", `f:2:7: sip.udp: found ":5060", expected a list of addresses`},
		{"a list of numbers", "[sip]\nudp = [5060]\n", "f:2:1: sip.udp: found a list, expected a list of addresses"},
		{"no domain", "[server]\ndomains = []\n", "f:2:1: server.domains: found a list, expected a list of one or more domains"},
		{"no domain name", "[server]\ndomains = [\"a b\"]\n", `f:2:1: server.domains: found "a b", expected a list of one or more domains`},
		{"a public address that is a name", "[sip]\npublic_address = \"sip.example.org\"\n", "f:2:18: sip.public_address: found"},
		{"a public address that is none", "[sip]\npublic_address = \"0.0.0.0\"\n", "expected the IP address of one interface"},
		{"a network with host bits", "[sip]\nlocal_networks = [\"192.168.1.1/16\"]\n", `found "192.168.1.1/16", expected a list of IP networks`},
		{"an address as a domain", "[server]\ndomains = [\"192.0.2.1\"]\n", `found "192.0.2.1", expected a list of one or more domains`},
		{"ports the wrong way round", "[media]\nports = \"39999-30000\"\n", "expected a range of two or more ports"},
		{"one port", "[media]\nports = \"30000\"\n", "expected a range of two or more ports"},
		{"a mode that is none", "[calls]\nmode = \"b2b\"\n", `f:2:8: calls.mode: found "b2b", expected "auto", "proxied" or "back-to-back"`},
		{"yes as true", "[echo]\nenabled = \"yes\"\n", `f:2:11: echo.enabled: found "yes", expected true or false`},
		{"a fraction", "[echo]\nmax_calls = 1.5\n", "f:2:13: echo.max_calls: found 1.5, expected a number from 1 to 100000"},
		{"a huge number", "[echo]\nmax_calls = 9223372036854775807\n", "found 9223372036854775807, expected a number"},
		{"a date", "[echo]\nmax_calls = 2026-01-01\n", "f:2:1: echo.max_calls: found 2026-01-01, expected a number"},
		{"a table", "[echo]\nmax_calls = {}\n", "f:2:1: echo.max_calls: found a table, expected a number"},
		{"a capital in a name", "[echo]\nname = \"Echo\"\n", `found "Echo", expected up to 64 of`},
		{"a contact without a scheme", "[contact]\nabuse = [\"abuse@example.org\"]\n", "expected a list of URIs"},
		{"a contact that is two", "[contact]\nadmin = [\"mailto:a@example.org b@example.org\"]\n", "expected a list of URIs"},
		{"a contact that is none", "[contact]\nsupport = [\"mailto:\"]\n", "expected a list of URIs"},
		{"an origin with a path", "[web]\norigins = [\"https://example.org/x\"]\n", "expected a list of web origins"},
		{"a file name with a newline", "[tls]\nkey = \"a\\nb\"\n", `f:2:7: tls.key: found "a\nb", expected`},
		{"a long text", "[log]\nlevel = \"" + strings.Repeat("x", 200) + "\"\n", `found "` + strings.Repeat("x", 60) + `...", expected`},
		{"a certificate alone", "[tls]\ncertificate = \"c.pem\"\n", `f:2:1: tls.certificate: found "c.pem", expected tls.key too`},
		{"a key alone", "[tls]\nkey = \"c.pem\"\n", "expected tls.certificate too"},
		{"expiry out of order", "[registrar]\nmin_expires = \"2h\"\n", `f:2:1: registrar.min_expires: found "2h", expected no more than registrar.default_expires, which is "1h"`},
		{"expiry out of order, upper", "[registrar]\nmax_expires = \"30m\"\n", `f:2:1: registrar.max_expires: found "30m", expected no less than registrar.default_expires, which is "1h"`},
		{"an address twice", "[sip]\ntls = [\":5060\"]\n", `f:2:1: sip.tls: found [":5060"], expected :5060 to be listened on once only, sip.tcp has it too`},
		{"nowhere to listen", "[sip]\nudp = []\ntcp = []\ntls = []\n[xmpp]\nc2s = []\nc2s_tls = []\n[web]\nhttps = []\n", "f:2:1: sip.udp: found [], expected at least one address"},
		{"too long a file", strings.Repeat("#\n", MaxFile), "f: the file is longer than 256KiB"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f", []byte(x.file), Default())
			if err == nil {
				t.Fatalf("is accepted, want %q", x.want)
			}
			if !strings.Contains(err.Error(), x.want) {
				t.Errorf("says\n%s\nwant\n%s", err, x.want)
			}
		})
	}
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"dotted keys":               "sip.idle = \"30s\"\n",
		"an inline table":           "sip = { idle = \"30s\", t1 = \"1s\" }\n",
		"quoted keys":               "[\"sip\"]\n'idle' = \"30s\"\n",
		"other bases":               "[sip]\nconnections = 0x1_000\nidle='30s'\n",
		"one port on UDP and TCP":   "[sip]\nudp=[\":5070\"]\ntcp=[\":5070\"]\nidle='30s'\n",
		"a port of the system":      "[sip]\ntcp=[\"127.0.0.1:0\",\"127.0.0.1:0\"]\nidle='30s'\n",
		"the same port, other host": "[sip]\ntcp=[\"127.0.0.1:5060\"]\ntls=[\"127.0.0.2:5060\"]\nidle='30s'\n",
		"Windows line ends":         "[sip]\r\nidle = \"30s\"\r\n",
	} {
		c, err := Parse("f", []byte(file), Default())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.SIP.Idle != 30*time.Second {
			t.Errorf("%s: idle is %v", name, c.SIP.Idle)
		}
	}
}

func TestReportsAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse("f", []byte("[sip]\nidle = 1\nupd = []\n[nope]\nx = 1\n[echo]\nenabled = 0\n"), Default())
	problems, ok := errors.AsType[Problems](err)
	if !ok || len(problems) != 4 {
		t.Fatalf("want 4 problems, got %v", err)
	}
	for i, line := range []int{2, 3, 4, 7} {
		if problems[i].Line != line {
			t.Errorf("problem %d is on line %d, want %d: %v", i, problems[i].Line, line, problems[i])
		}
	}
}

func TestAFileWithAProblemChangesNothing(t *testing.T) {
	t.Parallel()
	base := Default()
	c, err := Parse("f", []byte("[echo]\nenabled = false\nname = 7\n"), base)
	if err == nil || !reflect.DeepEqual(c, Default()) || !reflect.DeepEqual(base, Default()) {
		t.Errorf("got %v, and a changed configuration", err)
	}
}

func TestLoadWithoutAFile(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "none.toml"), Default())
	if err == nil || !strings.Contains(err.Error(), "none.toml") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestSetDomains(t *testing.T) {
	t.Parallel()
	c := Default()
	if err := c.SetDomains("Example.org", "192.0.2.1"); err == nil || c.Server.Domains[0] != "localhost" {
		t.Errorf("an address as a domain: %v, domains are %v", err, c.Server.Domains)
	}
	if err := c.SetDomains("Example.org"); err != nil || c.Server.Domains[0] != "example.org" {
		t.Errorf("%v, domains are %v", err, c.Server.Domains)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	a, b := Default(), Default()
	b.Log.Level, b.SIP.UDP, b.TLS.Key = -4, []string{":5070"}, "x"
	reloadable, restart := Diff(a, b)
	if got := strings.Join(reloadable, " "); got != "tls.key log.level" {
		t.Errorf("reloadable: %s", got)
	}
	if got := strings.Join(restart, " "); got != "sip.udp" {
		t.Errorf("needs a restart: %s", got)
	}
}

func TestMergeTakesWhatTakesEffect(t *testing.T) {
	t.Parallel()
	running, read := Default(), Default()
	read.Log.Level, read.Calls.Drain, read.Web.Origins = -4, time.Second, []string{"https://a.example"}
	read.SIP.UDP, read.SIP.T1, read.Server.Domains = []string{":5070"}, time.Second, []string{"a.example"}
	got := Merge(running, read)
	if left, _ := Diff(got, read); left != nil {
		t.Errorf("%v were not taken", left)
	}
	if _, taken := Diff(running, got); taken != nil {
		t.Errorf("%v were taken", taken)
	}
	if again, _ := Diff(running, got); strings.Join(again, " ") != "web.origins calls.drain log.level" {
		t.Errorf("%v were taken", again)
	}
}

func TestReferenceReadsAsTheDefault(t *testing.T) {
	t.Parallel()
	set := strings.Builder{}
	for line := range strings.Lines(Reference()) {
		if len(line) > 1 && line[0] == '#' && line[1] != ' ' {
			line = line[1:]
		}
		set.WriteString(line)
	}
	for name, text := range map[string]string{"as printed": Reference(), "without comment signs": set.String()} {
		c, err := Parse("/f", []byte(text), Default())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if a, b := Diff(Default(), c); a != nil || b != nil {
			t.Errorf("%s: these differ from the default: %v %v", name, a, b)
		}
	}
	if strings.Count(set.String(), " = ") < 50 {
		t.Error("the reference has lost settings")
	}
}

func TestDocumentIsCurrent(t *testing.T) {
	t.Parallel()
	have, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != Markdown() {
		t.Error("docs/config.md is not what the table says: run go generate ./internal/config")
	}
}

func FuzzParse(f *testing.F) {
	all, err := os.ReadFile("testdata/everything.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(all)
	f.Add([]byte(Reference()))
	for _, s := range []string{
		"", "x", "[sip]\nidle = 30", "sip = {idle='1m', \"t1\"=1}", "[[sip]]\n", "a.b.c = [[1],{}]",
		"[sip]\nudp = [\n#x\n\":1\", # y\n]\n", "[log]\nlevel = '''\ndebug'''", "[echo]\nmax_calls = +0b1",
		"\"\" = ''", "[\"\"]", "x = 1979-05-27T07:32:00Z", "y = inf", "\xef\xbb\xbf[sip]", "a = \"\\ud800\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text, Default())
		if err == nil {
			again, err := Parse("f", []byte(written(&c)), Default())
			if err != nil {
				t.Fatalf("what was accepted is refused once written: %v\n%s", err, written(&c))
			}
			// A relative name is made relative to the file each time.
			if a, b := Diff(c, again); a != nil || b != nil {
				t.Fatalf("written and read again, these differ: %v %v", a, b)
			}
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok {
			t.Fatalf("not a list of problems: %v", err)
		}
		for _, p := range problems {
			if p.Line < 0 || p.Line > strings.Count(string(text), "\n")+1 || p.Expected == "" {
				t.Fatalf("problem without a place or an expectation: %#v", p)
			}
		}
	})
}
