package config

import (
	"fmt"
	"strings"
)

// Reference is a whole configuration file in which every setting is explained and
// commented out at its default.
func Reference() string {
	var b strings.Builder
	b.WriteString("# The configuration of parley. Every setting is shown with its default; a file needs\n" +
		"# only those that differ, and an empty file is fine.\n" +
		"# Settings marked (reload) take effect on SIGHUP, the others at the next start.\n")
	c := Default()
	for _, s := range c.sections() {
		fmt.Fprintf(&b, "\n# %s\n[%s]\n", s.doc, s.name)
		for _, f := range s.fields {
			b.WriteByte('\n')
			for _, line := range wrap(f.text(), 88) {
				b.WriteString("# " + line + "\n")
			}
			fmt.Fprintf(&b, "#%s = %s\n", f.name, f.value.text())
		}
	}
	return b.String()
}

// text is all there is to say of a field.
func (f field) text() string {
	text := f.doc + " " + capital(f.value.expected()) + "."
	if f.ref != "" {
		text += " " + standard(f.ref) + "."
	}
	if f.reload == onReload {
		text += " (reload)"
	}
	return text
}

// standard writes a reference for people: "RFC 3261 section 17".
func standard(ref string) string {
	name, section, ok := strings.Cut(ref, "#")
	text := "RFC " + strings.TrimPrefix(name, "rfc")
	if number, isXEP := strings.CutPrefix(name, "xep"); isXEP {
		text = "XEP-" + number
	}
	if ok {
		text += " section " + section
	}
	return text
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// wrap breaks a text into lines of at most width letters, where it can.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// Markdown is the reference as docs/config.md has it.
func Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	c := Default()
	for _, s := range c.sections() {
		fmt.Fprintf(&b, "\n## [%s]\n\n%s\n\n", s.name, s.doc)
		b.WriteString("| Setting | Default | Allowed | Meaning | Standard | Takes effect |\n|---|---|---|---|---|---|\n")
		for _, f := range s.fields {
			effect := "at start"
			if f.reload == onReload {
				effect = "on SIGHUP"
			}
			ref := ""
			if f.ref != "" {
				ref = standard(f.ref)
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n",
				f.name, f.value.text(), cell(f.value.expected()), cell(f.doc), ref, effect)
		}
	}
	return b.String()
}

const markdownHead = `# Configuration

<!-- Made from internal/config by "go generate ./internal/config": change the table there. -->

` + "`parley serve --config FILE`" + ` reads a TOML file. A file needs only the settings that differ from the
defaults below; an empty file, or none, is fine. Unknown settings and bad values are refused with
file, line and column, all of them at once; ` + "`parley config check FILE`" + ` does no more than that, and
` + "`parley config reference`" + ` prints a file with every setting in it.

On SIGHUP the file is read again: settings marked so take effect, for what begins after it (a connection, a
call, a registration), and for the others the log says that they wait for a restart. A file with a problem changes
nothing.

A server behind a 1:1 NAT, with a certificate of its operator's:

<!-- file: parley.toml -->
` + "```toml" + `
[server]
domains = ["example.org"]
data = "/var/lib/parley"

[sip]
public_address = "203.0.113.7"
local_networks = ["192.168.0.0/16"]

[tls]
certificate = "/etc/ssl/example.org.pem"
key = "/etc/ssl/example.org.key"

[calls]
ring = "45s"
` + "```" + `

<!-- run -->
` + "```sh" + `
parley config check parley.toml
parley config reference > everything.toml
parley config check everything.toml
` + "```" + `
`

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
