package registrar

import (
	"testing"

	"parley/internal/core"
)

func TestWhetherAPhoneTakesMessages(t *testing.T) {
	t.Parallel()
	contact := "Contact: <sip:alice@192.0.2.7>"
	for _, c := range []struct {
		name  string
		lines []string
		want  core.Ability
	}{
		{"it says nothing", []string{contact}, core.Unknown},
		{"it allows MESSAGE", []string{contact, "Allow: INVITE, MESSAGE"}, core.Able},
		{"it allows other things", []string{contact, "Allow: INVITE, ACK"}, core.Unable},
		{"its contact has the method", []string{contact + `;methods="INVITE,message"`}, core.Able},
		{"its contact has others", []string{contact + `;methods="INVITE"`, "Allow: MESSAGE"}, core.Unable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			b.register(t, c.lines...)
			if got := b.table.now[0].Messages; got != c.want {
				t.Errorf("it is taken for %v, want %v", got, c.want)
			}
		})
	}
}

func TestWhatWasLearnedOfAPhoneLastsAsLongAsItsRegistration(t *testing.T) {
	t.Parallel()
	b := newBench()
	const contact = "Contact: <sip:alice@192.0.2.7>"
	b.register(t, contact)
	b.table.now[0].Messages = core.Able
	b.register(t, contact)
	if b.table.now[0].Messages != core.Able {
		t.Error("a refresh forgets it")
	}
	b.register(t, contact, "Call-ID: reg-2")
	if b.table.now[0].Messages != core.Unknown {
		t.Error("another registration knows it still")
	}
}
