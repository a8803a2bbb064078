package b2bua

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"parley/sip"
	"parley/sip/siptest"
)

// keyed is a media that takes the key 5.
type keyed struct {
	*anchor
	took []int
}

func (k *keyed) Key(from, to int, contentType, body string) bool {
	k.took = append(k.took, from, to)
	return contentType == "application/dtmf-relay" && strings.Contains(body, "=5")
}

func (k *keyed) Measured() []slog.Attr { return []slog.Attr{slog.String("caller", "fine")} }

func TestKeysGoByTheMedia(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	k := newKit(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	media := &keyed{anchor: &anchor{}}
	k.inv.Media = media
	alice, bob := k.up()
	alice.Request(sip.INFO, siptest.WithBody("application/dtmf-relay", "Signal=5\r\n"))
	k.alice.Expect("200 INFO")
	bob.Request(sip.INFO, siptest.WithBody("application/dtmf-relay", "Signal=6\r\n"))
	k.alice.Respond(k.alice.Expect("INFO"), 200)
	k.bob.Expect("200 INFO")
	bob.Request(sip.INFO)
	k.alice.Respond(k.alice.Expect("INFO"), 200)
	k.bob.Expect("200 INFO")
	if len(media.took) != 4 || media.took[0] != 0 || media.took[1] == 0 || media.took[3] != 0 {
		t.Errorf("the media was asked %v", media.took)
	}
	alice.Bye()
	k.bob.Respond(k.bob.Expect("BYE"), 200)
	k.alice.Expect("200")
	k.down(Caller, 0)
	if !strings.Contains(log.String(), `msg="call media"`) || !strings.Contains(log.String(), "caller=fine") {
		t.Errorf("the log says nothing of the media: %s", log.String())
	}
}
