package main

import (
	"fmt"
	"net"
	"strings"

	"parley/internal/config"
)

// banner says what to try first.
func (p *program) banner(cfg config.Config, at map[string][]string, accounts []demoAccount) {
	var b strings.Builder
	b.WriteString("\n  parley is up. Point a phone here, or a chat app:\n\n")
	row := func(name, text string) { fmt.Fprintf(&b, "    %-10s%s\n", name, text) }
	row("server", phones(at))
	if app := apps(at); app != "" {
		row("app", app)
	}
	if web := at["https"]; len(web) > 0 {
		if cfg.Web.Page {
			row("page", page(cfg.Server.Domains[0], web[0]))
		}
		row("browser", "wss://"+web[0]+"/sip, wss://"+web[0]+"/xmpp")
	}
	b.WriteByte('\n')
	width := 0
	for _, a := range accounts {
		width = max(width, len(a.address.String()))
	}
	for _, a := range accounts {
		text := "password " + a.password
		if a.password == "" {
			text = "with the password it was given"
		}
		row("account", fmt.Sprintf("%-*s   %s", width, a.address, text))
	}
	if cfg.Echo.Enabled {
		row("echo", fmt.Sprintf("%-*s   call it, and hear yourself", width, cfg.Echo.Name+"@"+cfg.Server.Domains[0]))
	}
	fmt.Fprintf(&b, "\n  Data is in %s; Ctrl-C stops.\n\n", cfg.Server.Data)
	fmt.Fprint(p.out, b.String())
}

// page is what a person opens: a page goes by the domain, and by its certificate, not by an address.
func page(domain, address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "https://" + address
	}
	return "https://" + net.JoinHostPort(domain, port)
}

// phones says where phones connect: "127.0.0.1:5060 (UDP, TCP), 127.0.0.1:5061 (TLS)".
func phones(at map[string][]string) string {
	var order []string
	networks := map[string][]string{}
	for _, name := range []string{"udp", "tcp", "tls"} {
		for _, address := range at["sip-"+name] {
			if networks[address] == nil {
				order = append(order, address)
			}
			networks[address] = append(networks[address], strings.ToUpper(name))
		}
	}
	parts := make([]string, len(order))
	for i, address := range order {
		parts[i] = fmt.Sprintf("%s (%s)", readable(address), strings.Join(networks[address], ", "))
	}
	return strings.Join(parts, ", ")
}

// apps says where XMPP apps connect: "127.0.0.1:5222 (STARTTLS), 127.0.0.1:5223 (TLS)".
func apps(at map[string][]string) string {
	var parts []string
	for _, address := range at["xmpp"] {
		parts = append(parts, readable(address)+" (STARTTLS)")
	}
	for _, address := range at["xmpp-tls"] {
		parts = append(parts, readable(address)+" (TLS)")
	}
	return strings.Join(parts, ", ")
}

// readable shows an address of all interfaces as what it means to a phone or an app.
func readable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || (host != "::" && host != "0.0.0.0") {
		return address
	}
	return "any address of this machine, port " + port
}
