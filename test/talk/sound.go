package talk

import (
	"net/netip"
	"regexp"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// speaking has the sentences about the sound of a call.
func speaking() []sentence {
	return []sentence{
		said(`speaks and hears itself`, func(p *play, f *phone, _ []string) { f.speaks(p, f) }),
		said(`speaks and (.+) hears it`, func(p *play, f *phone, m []string) { f.speaks(p, p.phone(m[1])) }),
		said(`says something`, func(p *play, f *phone, _ []string) {
			f.voice.Play(f.speaksTo(p), audio.Sweep(0.5))
			time.Sleep(time.Second)
		}),
		said(`is to speak to the server`, func(p *play, f *phone, _ []string) {
			for _, a := range p.actors {
				if other, ok := a.(*phone); ok && other.voice.Port() == int(f.speaksTo(p).Port()) {
					p.Fatalf("it is to speak to %s", a.Name())
				}
			}
		}),
		said(`is to speak to (.+)`, func(p *play, f *phone, m []string) {
			if got, want := f.speaksTo(p).Port(), p.phone(m[1]).voice.Port(); int(got) != want {
				p.Fatalf("it is to speak to port %d, but %s listens at %d", got, m[1], want)
			}
		}),
	}
}

func (p *play) phone(name string) *phone {
	f, ok := p.actors[name].(interface{ asPhone() *phone })
	if !ok {
		p.Fatalf("%s is no phone", name)
	}
	return f.asPhone()
}

var mediaOf = regexp.MustCompile(`(?s)c=IN IP4 ([0-9.]+).*m=audio ([0-9]+)`)

// described keeps the description of the message that came last, if there is one.
func (f *phone) described() {
	if mediaOf.MatchString(f.last.Body()) {
		f.told = f.last.Body()
	}
}

// speaksTo is where the last description that the phone got wants its sound.
func (f *phone) speaksTo(p *play) netip.AddrPort {
	m := mediaOf.FindStringSubmatch(f.told)
	if m == nil {
		p.Fatalf("%s was not told where to speak to", f.name)
	}
	to, err := netip.ParseAddrPort(m[1] + ":" + m[2])
	if err != nil {
		p.Fatalf("%v", err)
	}
	return to
}

// speaks plays a sound to where the phone is told to, and has somebody hear it.
func (f *phone) speaks(p *play, hearer *phone) {
	f.isConnected(p)
	hearer.isConnected(p)
	ear := hearer.ear()
	ear.Forget()
	sound := audio.Sweep(1)
	if f.web != nil {
		f.web.Play(sound.Padded(0.2, 0.5))
	} else {
		f.voice.Play(f.speaksTo(p), sound.Padded(0.2, 0.5))
	}
	harness.Eventually(p, hearer.name+" hears something", func() bool { return ear.Heard().Seconds() > 1.4 })
	if got := audio.Similarity(sound, ear.Heard()); got < audio.Alike {
		p.Fatalf("what %s hears is %.2f like what was said", hearer.name, got)
	}
}

// ear keeps what somebody hears.
type ear interface {
	Heard() audio.Clip
	Forget()
}

func (f *phone) ear() ear {
	if f.web != nil {
		return f.web
	}
	return f.voice
}

// isConnected waits until a browser has come to terms with whom it speaks to.
func (f *phone) isConnected(p *play) {
	if f.web != nil {
		harness.Eventually(p, f.name+" is connected", f.web.Connected)
	}
}

// offers is the description with which a call begins.
func (f *phone) offers(p *play) string {
	if f.engine == nil {
		return f.voice.SDP("sendrecv", 1)
	}
	f.web = f.engine()
	offer, err := f.web.Offer()
	if err != nil {
		p.Fatalf("%v", err)
	}
	return offer
}

// answers is the description with which the call that came is answered.
func (f *phone) answers(p *play) string {
	if f.engine == nil {
		return f.voice.SDP("sendrecv", 1)
	}
	f.web = f.engine()
	answer, err := f.web.Answer(f.invite.Body())
	if err != nil {
		p.Fatalf("%v", err)
	}
	return answer
}

// isAnswered tells a browser's engine what its offer was answered with.
func (f *phone) isAnswered(p *play) {
	if f.web == nil || f.incoming {
		return
	}
	if err := f.web.Answered(f.last.Body()); err != nil {
		p.Fatalf("%v", err)
	}
}
