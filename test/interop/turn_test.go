package interop

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
)

// relayOf is what a device is told over HTTPS.
type relayOf struct{ Username, Password string }

// relayFor asks a server for a relay, by the password.
func relayFor(t *testing.T, s *harness.Server, name string) (r relayOf) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://%s/api/turn", s.HTTPS), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(s.Address(name), user(name, "").Password)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s gets no relay: %s, %v", name, resp.Status, err)
	}
	return r
}

// TestTURNClients has coturn's clients use the relay in each way that they know.
func TestTURNClients(t *testing.T) {
	t.Parallel()
	ports := harness.FreePorts(t, 3)
	at := func(n int) string { return fmt.Sprintf("[%q]", harness.Loopback(ports[n]).String()) }
	s := start(t, map[string]string{
		"turn.enabled": `"always"`, "turn.udp": at(0), "turn.tcp": at(0), "turn.tls": at(1), "turn.allow_peers": `["127.0.0.1/32"]`,
	})
	peer := strconv.Itoa(ports[2])
	harness.Start(t, harness.Command{Name: "coturn's peer", Args: []string{"turnutils_peer", "-L", "127.0.0.1", "-p", peer}, Dir: t.TempDir()})
	r := relayFor(t, s, alice)
	for way, flags := range map[string]string{
		"channels over UDP": "", "indications over UDP": "-s", "channels over TCP": "-t", "channels over TLS": "-t -S", "DONT-FRAGMENT": "-g", "two of them": "-y",
	} {
		t.Run(way, func(t *testing.T) {
			matrix(t, "coturn's client relays: "+way)
			port := strconv.Itoa(ports[0])
			if strings.Contains(flags, "-S") {
				port = strconv.Itoa(ports[1])
			}
			args := append([]string{"-u", r.Username, "-w", r.Password, "-e", "127.0.0.1", "-r", peer, "-n", "10", "-m", "1", "-p", port}, strings.Fields(flags)...)
			out, err := exec.CommandContext(t.Context(), "turnutils_uclient", append(args, "127.0.0.1")...).CombinedOutput()
			sent := regexp.MustCompile(`tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n`).FindAllStringSubmatch(string(out), -1)
			if err != nil || len(sent) == 0 || sent[len(sent)-1][1] == "0" || sent[len(sent)-1][1] != sent[len(sent)-1][2] {
				t.Errorf("it ends with %v:\n%s", err, out)
			}
		})
	}
	out, err := exec.CommandContext(t.Context(), "turnutils_stunclient", "-p", strconv.Itoa(ports[0]), "127.0.0.1").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "reflexive addr: 127.0.0.1:") {
		t.Errorf("coturn's STUN client ends with %v:\n%s", err, out)
	}
	out, _ = exec.CommandContext(t.Context(), "turnutils_uclient", "-u", r.Username, "-w", "guessed", "-e", "127.0.0.1", "-r", peer, "-n", "1", "-m", "1", "-p", strconv.Itoa(ports[0]), "127.0.0.1").CombinedOutput()
	if !strings.Contains(string(out), "Cannot complete Allocation") {
		t.Errorf("with a wrong password coturn's client gets:\n%s", out)
	}
}

// TestBrowserBehindASymmetricNAT has a browser at home reach the echo service by the relay alone, and be heard.
func TestBrowserBehindASymmetricNAT(t *testing.T) {
	t.Parallel()
	for way, over := range map[string]string{"UDP": "turn: transport=udp", "TLS, with UDP blocked": "turns: transport=tcp"} {
		t.Run(way, func(t *testing.T) {
			matrix(t, "jssip in chromium behind a symmetric NAT hears itself from echo by TURN over "+way)
			h, page := NewHome(t), NewBrowserPage(t)
			h.Start(t, fmt.Sprintf("[web]\norigins = [%q]\n[turn]\nhost = %q\n[sip]\npublic_address = %q\n", page.Origin(), homeServer, homeServer), user(alice, ""))
			if strings.HasPrefix(over, "turns") {
				h.BlockUDP(t)
			}
			page.under = h.Inside()
			says := SpeakAfter(t, browserLead, aliceSays)
			a, token := NewBrowserDevice(t, h.Server, page, user(alice, "wss"), says.File)
			a.Register(t)
			a.Relay(t, token, over)
			a.Dial(t, uri(h.Server, "echo"))
			a.AwaitTalking(t)
			time.Sleep(says.Length() + time.Second)
			a.HangUp(t)
			a.AwaitIdle(t)
			hears(t, "alice's browser", says.Said, a.Heard(t), voiceOfBrowser)
			h.Server.Wait(t, "a relay is given.*relayed="+homeServer)
		})
	}
}
