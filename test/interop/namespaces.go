package interop

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"parley/test/harness"
)

// Home is a server on the internet and a home behind a NAT, each in a network namespace of its own. The NAT is symmetric:
// each flow gets another port outside.
type Home struct {
	server, nat, home string
	Server            *harness.Server
}

// The addresses of the three, of which the first two are outside.
const (
	homeServer  = "203.0.113.1"
	homeOutside = "203.0.113.2"
	homeGateway = "10.99.0.1"
	homeInside  = "10.99.0.2"
)

// NewHome makes the namespaces; they are gone when the test ends. It needs root.
func NewHome(t testing.TB) *Home {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	id := fmt.Sprintf("p%d", harness.FreePorts(t, 1)[0])
	h := &Home{server: id + "s", nat: id + "n", home: id + "h"}
	for _, n := range []string{h.server, h.nat, h.home} {
		command(t, "ip netns add "+n)
		t.Cleanup(func() { command(t, "ip netns del "+n) })
		command(t, "ip -n "+n+" link set lo up")
	}
	h.join(t, h.server, id+"a", homeServer, h.nat, id+"b", homeOutside)
	h.join(t, h.home, id+"c", homeInside, h.nat, id+"d", homeGateway)
	command(t, "ip -n "+h.home+" route add default via "+homeGateway)
	h.inNAT(t, "sysctl -qw net.ipv4.ip_forward=1")
	h.inNAT(t, "iptables -t nat -A POSTROUTING -o "+id+"b -j MASQUERADE --random-fully")
	return h
}

// join puts a cable between two namespaces.
func (h *Home) join(t testing.TB, one, a, at, two, b, there string) {
	t.Helper()
	command(t, fmt.Sprintf("ip link add %s netns %s type veth peer name %s netns %s", a, one, b, two))
	for _, end := range [][3]string{{one, a, at}, {two, b, there}} {
		command(t, fmt.Sprintf("ip -n %s addr add %s/24 dev %s", end[0], end[2], end[1]))
		command(t, fmt.Sprintf("ip -n %s link set %s up", end[0], end[1]))
	}
}

func (h *Home) inNAT(t testing.TB, line string) {
	t.Helper()
	command(t, "ip netns exec "+h.nat+" "+line)
}

// BlockUDP has the NAT pass no UDP any more.
func (h *Home) BlockUDP(t testing.TB) { t.Helper(); h.inNAT(t, "iptables -I FORWARD -p udp -j DROP") }

// Inside is the command that runs another one at home.
func (h *Home) Inside() []string { return []string{"ip", "netns", "exec", h.home} }

// Start runs the program outside, with those accounts, on the usual ports.
func (h *Home) Start(t testing.TB, settings string, accounts ...Account) {
	t.Helper()
	binary, dir := harness.Binary(t), t.TempDir()
	file, data := filepath.Join(dir, "parley.toml"), filepath.Join(dir, "data")
	text := fmt.Sprintf("[server]\ndomains = [\"example.org\"]\ndata = %q\n[log]\nlevel = \"debug\"\n%s", data, settings)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		command(t, strings.Join([]string{binary, "user", "add", a.User + "@example.org", "--password", a.Password, "--config", file}, " "))
	}
	h.Server = &harness.Server{Domain: "example.org", Dir: dir, HTTPS: netip.MustParseAddrPort(homeServer + ":8443")}
	h.Server.Process = harness.Start(t, harness.Command{
		Name: "parley", Dir: dir, Args: []string{"ip", "netns", "exec", h.server, binary, "serve", "--config", file},
	})
	h.Server.Wait(t, "msg=ready")
}

func command(t testing.TB, line string) {
	t.Helper()
	args := strings.Fields(line)
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}
