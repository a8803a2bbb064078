package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/sip/siptest"
	"parley/test/harness"
)

// becomeContacts has two pages become contacts, the first asking.
func becomeContacts(t *testing.T, a, b *Plain) {
	t.Helper()
	a.Address(t, b.account.User+"@example.org")
	a.Do(t, "click", "name", "Add", "within", "#found")
	b.See(t, "#requests", "Want to be your contact")
	b.Click(t, "Accept "+a.account.User+"@example.org")
	a.See(t, "#talk-presence", "Available")
	b.See(t, "#talk-presence", "Available")
}

// TestPlainChat has two people use the page: they become contacts and write to each other.
func TestPlainChat(t *testing.T) {
	t.Parallel()
	matrix(t, "two pages become contacts, see presence, write, hear that it is delivered and who types, read on after a reload")
	s := start(t, nil)
	silence := Speak(t, aliceSays).File
	a, b := NewPlain(t, s, user(alice, ""), silence), NewPlain(t, s, user(bob, ""), silence)
	a.Register(t)
	b.Register(t)
	becomeContacts(t, a, b)

	a.Write(t, "<b>Hello</b> & welcome")
	b.See(t, "#messages .theirs", "<b>Hello</b> & welcome")
	a.See(t, "#messages .mine", "Delivered")
	b.Do(t, "type", "label", "Message", "text", "I am")
	a.See(t, "#typing", "bob is typing")
	b.Write(t, "I am Bob")
	a.See(t, "#messages .theirs", "I am Bob")
	a.Gone(t, "#typing", "bob is typing")

	b.Do(t, "click", "name", "bob, Available: your presence and settings")
	b.Do(t, "check", "label", "Do not disturb")
	b.Enter(t, "What others read of you", "in a meeting")
	b.Click(t, "Done")
	a.See(t, "#talk-presence", "in a meeting")

	// What comes while the conversation is not looked at is counted.
	b.Do(t, "go", "to", "")
	a.Write(t, "are you there?")
	b.See(t, "#contacts .count", "1")
	if got := b.Do(t, "title"); got != "(1) parley" {
		t.Errorf("the title is %q", got)
	}
	// A page that is loaded again is signed in, knows what is unread, and reads the archive.
	b.Do(t, "reload")
	b.See(t, "#contacts .count", "1")
	b.Do(t, "go", "to", s.Address(alice))
	b.See(t, "#messages .theirs", "<b>Hello</b> & welcome")
	b.See(t, "#messages .mine", "I am Bob")
	b.See(t, "#messages .theirs", "are you there?")
	a.See(t, "#talk-presence", "in a meeting") // which was kept

	// The network goes, and comes back.
	b.Do(t, "network", "state", "off")
	b.See(t, "#trouble", "no network")
	a.Write(t, "said meanwhile")
	b.Write(t, "written meanwhile")
	b.See(t, "#messages .mine", "Waiting for the connection")
	b.Do(t, "network", "state", "on")
	b.See(t, "#messages .theirs", "said meanwhile")
	a.See(t, "#messages .theirs", "written meanwhile")
	b.Gone(t, "#messages .mine", "Waiting for the connection")

	// Bob removes Alice, who sees no more of him.
	b.Click(t, "Contact")
	b.Click(t, "Remove")
	a.Gone(t, "#talk-presence", "in a meeting")
}

// TestPlainCalls has two pages call each other.
func TestPlainCalls(t *testing.T) {
	t.Parallel()
	matrix(t, "two pages call each other with sound, decline, cancel, hold; the conversation tells of it")
	s := start(t, nil)
	as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
	a, b := NewPlain(t, s, user(alice, ""), as.File), NewPlain(t, s, user(bob, ""), bs.File)
	a.Register(t)
	b.Register(t)
	talksTo(t, s, a, b, b, a, s.Address(bob), as, bs)
	a.Do(t, "go", "to", s.Address(bob))
	a.See(t, "#messages .line", "You called")

	b.Dial(t, s.Address(alice))
	a.Click(t, "Decline")
	b.Ended(t, "Declined")
	b.Dial(t, s.Address(alice))
	a.AwaitRinging(t)
	b.Click(t, "Cancel")
	a.Ended(t, "They gave up")
	a.See(t, "#messages .missed", "Missed call")
	a.Dial(t, s.Address("nobody"))
	a.Ended(t, "There is no such address")

	a.Dial(t, s.Address(bob))
	b.AwaitRinging(t)
	b.Answer(t)
	a.AwaitTalking(t)
	b.AwaitTalking(t)
	b.Hold(t)
	a.See(t, "#calls .words", "They put you on hold")
	b.Resume(t)
	a.AwaitTalking(t)
	a.Click(t, "Mute")
	a.See(t, "#calls .words", "Muted")
	a.HangUp(t)
	b.Ended(t, "They hung up")
}

// TestPlainVideo has two pages see each other.
func TestPlainVideo(t *testing.T) {
	t.Parallel()
	matrix(t, "two pages see each other in a call")
	s := start(t, nil)
	silence := Speak(t, aliceSays).File
	a, b := NewPlain(t, s, user(alice, ""), silence), NewPlain(t, s, user(bob, ""), silence)
	a.Register(t)
	b.Register(t)
	becomeContacts(t, a, b)
	a.Click(t, "Video call")
	b.Click(t, "Answer with video")
	for _, p := range []*Plain{a, b} {
		p.AwaitTalking(t)
		harness.Eventually(t, p.account.User+"'s page shows the other and itself", func() bool { return p.Do(t, "pictures") == "2" })
	}
	a.HangUp(t)
	b.Ended(t, "They hung up")
}

// TestPlainAndPhone has the page and a desk phone talk.
func TestPlainAndPhone(t *testing.T) {
	t.Parallel()
	matrix(t, "the page calls baresip, baresip calls the page, keys are heard")
	s := start(t, map[string]string{"media.ports": fmt.Sprintf(`"%d-%d"`, relayLow, relayHigh)})
	as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
	a := NewPlain(t, s, user(alice, ""), as.File)
	b := NewBaresip(t, s, user(bob, "udp"), bs.File)
	a.Register(t)
	b.Register(t)
	talksTo(t, s, a, b, a, b, uri(s, bob), as, bs)
	talksTo(t, s, b, a, a, b, uri(s, alice), bs, as)
	establish(t, a, b, uri(s, bob))
	a.Click(t, "Keypad")
	for _, key := range []string{"5", "#"} {
		a.Click(t, key)
		if got := b.AwaitTone(t); got != key {
			t.Errorf("baresip was told %q, want %q", got, key)
		}
	}
	a.HangUp(t)
	b.AwaitIdle(t)
}

// TestPlainEcho has the page call the echo service by its name alone.
func TestPlainEcho(t *testing.T) {
	t.Parallel()
	matrix(t, "the page hears itself from echo")
	s := start(t, map[string]string{"media.ports": fmt.Sprintf(`"%d-%d"`, relayLow, relayHigh)})
	says := SpeakAfter(t, browserLead, aliceSays)
	a := NewPlain(t, s, user(alice, ""), says.File)
	a.Register(t)
	a.Dial(t, "echo")
	a.AwaitTalking(t)
	time.Sleep(says.Length() + time.Second/2)
	a.HangUp(t)
	a.AwaitIdle(t)
	hears(t, a.Name(), says.Said, a.Heard(t), voiceOfBrowser)
}

// TestPlainDevice has the page be one device, which stays signed in and is signed out.
func TestPlainDevice(t *testing.T) {
	t.Parallel()
	matrix(t, "the page is one device for calls and chat, stays signed in, signs out, and is signed out")
	s := start(t, nil)
	a := NewPlain(t, s, user(alice, ""), Speak(t, aliceSays).File)
	a.Enter(t, "Address", s.Address(alice))
	a.Enter(t, "Password", "guessed")
	a.Click(t, "Sign in")
	a.See(t, "#signin-error", "Wrong address or password")
	a.Do(t, "check", "label", "Stay signed in")
	a.Register(t)
	list := s.MustRun(t, "device", "list", s.Address(alice))
	if !strings.Contains(list, "Chromium on Linux") || !strings.Contains(list, "calls, chat") || strings.Count(list, "\n") != 2 {
		t.Errorf("the devices are\n%s", list)
	}
	if kept := a.Do(t, "kept"); strings.Contains(kept, user(alice, "").Password) || !strings.Contains(kept, "token") {
		t.Errorf("the browser keeps %s", kept)
	}
	a.Do(t, "reload")
	a.Connected(t)
	if again := s.MustRun(t, "device", "list", s.Address(alice)); strings.Count(again, "\n") != 2 {
		t.Errorf("after it was loaded again, the devices are\n%s", again)
	}
	// The callee is not told the token.
	desk := siptest.UDP(t, s.Address(bob), s.UDP.String())
	desk.SignIn(user(bob, "").Password)
	a.Dial(t, s.Address(bob))
	invite := desk.Expect("INVITE")
	if strings.Contains(invite.Text(), "Bearer") {
		t.Error("the callee is told the token")
	}
	desk.Respond(invite, 486)
	a.Ended(t, "Busy")

	a.Do(t, "click", "name", "alice, Available: your presence and settings")
	a.Click(t, "Sign out")
	a.See(t, "#signin-note", "You are signed out.")
	if left := s.MustRun(t, "device", "list", s.Address(alice)); strings.Contains(left, "Chromium") {
		t.Errorf("after it was signed out, the devices are\n%s", left)
	}
	if kept := a.Do(t, "kept"); strings.Contains(kept, "token") {
		t.Errorf("after it was signed out, the browser keeps %s", kept)
	}
	a.Register(t)
	for line := range strings.Lines(s.MustRun(t, "device", "list", s.Address(alice))) {
		if strings.Contains(line, "Chromium") {
			s.MustRun(t, "device", "revoke", s.Address(alice), strings.Fields(line)[0])
		}
	}
	a.See(t, "#signin-note", "This device was signed out.")
}

// audited looks at what the page shows in both colour schemes and at three widths.
func audited(t *testing.T, p *Plain, state string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []string{"1280", "390", "320"} {
			p.Do(t, "look", "width", width, "height", "800", "scheme", scheme)
			if wrong := p.Do(t, "audit"); wrong != "" {
				t.Errorf("%s, %s, %s wide:\n%s", state, scheme, width, wrong)
			}
		}
	}
	p.Do(t, "look", "width", "1280", "height", "800")
}

// TestPlainForEverybody looks for what keeps people from using the page, and uses it by the keyboard alone.
func TestPlainForEverybody(t *testing.T) {
	t.Parallel()
	matrix(t, "the page has names, labels, contrast and room in each state, and works by the keyboard")
	s := start(t, nil)
	silence := Speak(t, aliceSays).File
	a, b := NewPlain(t, s, user(alice, ""), silence), NewPlain(t, s, user(bob, ""), silence)
	audited(t, a, "signed out")
	a.Do(t, "keys", "text", s.Address(alice))
	a.Do(t, "key", "key", "Tab")
	a.Do(t, "keys", "text", user(alice, "").Password)
	a.Do(t, "key", "key", "Enter")
	a.Connected(t)
	b.Register(t)
	audited(t, a, "nobody there yet")
	a.Address(t, s.Address(bob))
	audited(t, a, "an address entered")
	a.Do(t, "key", "key", "Enter") // opens the conversation, where the message is the focus
	a.See(t, "#talk-name", "bob")
	a.Do(t, "keys", "text", "hello")
	a.Do(t, "key", "key", "Enter")
	a.See(t, "#messages .mine", "Sent")
	audited(t, a, "a conversation")
	a.Click(t, "Call")
	b.AwaitRinging(t)
	audited(t, b, "it rings")
	b.Do(t, "focus", "name", "Answer")
	b.Do(t, "key", "key", "Enter")
	a.AwaitTalking(t)
	b.AwaitTalking(t)
	a.Click(t, "Keypad")
	audited(t, a, "a call")
	// The button that had the focus is gone; a key pressed once more must not hang up.
	if got := b.Do(t, "focused"); got != "Call from "+s.Address(alice) {
		t.Errorf("after the call was answered, the focus is on %q", got)
	}
	a.HangUp(t)
	audited(t, a, "a call that was")
	a.Click(t, "Contact")
	audited(t, a, "a contact")
	a.Do(t, "key", "key", "Escape")
	a.Do(t, "click", "name", "alice, Available: your presence and settings")
	audited(t, a, "one's own presence")
}

// TestPlainRelays has the page use the server's TURN.
func TestPlainRelays(t *testing.T) {
	t.Parallel()
	matrix(t, "the page calls by the server's TURN")
	port := harness.FreePorts(t, 1)[0]
	s := start(t, map[string]string{
		"turn.enabled": `"always"`, "turn.udp": fmt.Sprintf(`["127.0.0.1:%d"]`, port), "turn.tcp": "[]", "turn.tls": "[]", "turn.host": `"127.0.0.1"`,
	})
	a := NewPlain(t, s, user(alice, ""), Speak(t, aliceSays).File)
	a.Register(t)
	a.Dial(t, "echo")
	a.AwaitTalking(t)
	got := a.Do(t, "servers")
	for _, want := range []string{fmt.Sprintf("turn:127.0.0.1:%d?transport=udp", port), fmt.Sprintf("stun:127.0.0.1:%d", port), "credential"} {
		if !strings.Contains(got, want) {
			t.Errorf("the call may go by %s, want %s among them", got, want)
		}
	}
	a.HangUp(t)
}
