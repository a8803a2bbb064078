package talk

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/sip"
	"parley/sip/siptest"
	"parley/test/harness"
	"parley/test/harness/audio"
)

// phone is a scripted SIP phone on a real socket.
type phone struct {
	name, address, password string
	*siptest.Peer

	invite   *sip.Message // the call it is in: the INVITE that it sent or got
	incoming bool
	dialog   *siptest.Dialog
	request  *sip.Message // the last request that it sent
	last     *sip.Message // the last message that it got
	told     string       // the last description that it got: where it is to speak to
	voice    *audio.Endpoint

	named, read string // the message of its own, and of another, of which there is to be heard

	token   string                // of a browser
	engine  func() *audio.Browser // makes what a browser's call needs; nil for other phones
	web     *audio.Browser        // of the call it is in
	watches map[string]*watch     // by whom it watches
	tag     string                // of what it publishes
}

func (f *phone) Name() string { return f.name }

func (f *phone) asPhone() *phone { return f }

// phones is the kind of actor that a SIP phone is.
func phones() kind {
	return kind{
		introduced: whole(`(.+) is a SIP phone at (\S+?)@(\S+)(?: with (password|the wrong password) (\S+))?(, which has no account,)? over (UDP|TCP|TLS|WSS)(, behind a NAT)?(, with PCMA alone)?(?:, whose contact is (\S+))?`),
		account: func(m []string) (harness.User, bool) {
			return harness.User{Name: m[2], Password: m[5]}, m[4] == "password" && m[6] == ""
		},
		make:      newPhone,
		sentences: phoneSentences(),
	}
}

// behindNAT is the address that a phone behind a NAT takes for its own.
const behindNAT = "10.11.12.13"

func newPhone(p *play, m []string) Actor {
	f := &phone{name: m[1], address: m[2] + "@" + m[3], password: m[5], watches: map[string]*watch{}}
	switch m[7] {
	case "UDP":
		f.Peer = siptest.UDP(p, f.address, p.server.UDP.String())
	case "TCP":
		f.Peer = siptest.TCP(p, f.address, p.server.TCP.String())
	case "TLS":
		f.Peer = siptest.TLS(p, f.address, p.server.TLS.String(), anyone())
	case "WSS":
		f.Peer = siptest.WebSocket(p, f.address, "wss://"+p.server.HTTPS.String()+"/sip", anyone())
	}
	f.Timeout = harness.Patience
	endpoint := audio.NewEndpoint
	if m[9] != "" {
		endpoint = audio.NewALawEndpoint
	}
	voice, err := endpoint()
	if err != nil {
		p.Fatalf("%v", err)
	}
	p.Cleanup(func() { voice.Close() })
	f.voice = voice
	f.Given = m[10]
	if m[8] != "" {
		f.Shown, f.voice.Host = behindNAT+":5060", behindNAT
	}
	return f
}

// said makes a sentence of a phone.
func said(pattern string, do func(p *play, f *phone, m []string)) sentence {
	return sentence{whole(pattern), func(p *play, a Actor, m []string) { do(p, a.(interface{ asPhone() *phone }).asPhone(), m) }}
}

func phoneSentences() []sentence {
	return slices.Concat(registering(), calling(), beingCalled(), inACall(), holding(), speaking(), telling(), messaging(), watching(), publishing(), looking())
}

func registering() []sentence {
	return []sentence{
		said(`registers(?: for ([0-9]+) seconds)?`, func(_ *play, f *phone, m []string) { f.last = f.SignIn(f.password, f.expires(m[1], "300")) }),
		said(`registers and takes messages`, func(_ *play, f *phone, _ []string) {
			f.last = f.SignIn(f.password, f.expires("", "300"), siptest.With(sip.HeaderAllow, "INVITE, ACK, CANCEL, BYE, MESSAGE"))
		}),
		said(`unregisters`, func(_ *play, f *phone, _ []string) { f.last = f.SignIn(f.password, f.expires("0", "")) }),
		said(`tries to register`, func(_ *play, f *phone, _ []string) {
			f.request = f.Register()
			f.last = f.Expect("401 REGISTER")
			f.request = f.Authorize(f.request, f.last, f.password)
		}),
		said(`lets strangers call`, func(p *play, f *phone, _ []string) {
			p.server.MustRun(p, "user", "set", f.address, "--strangers", "allow")
		}),
		said(`asks what is registered`, func(_ *play, f *phone, _ []string) {
			f.last = f.SignIn(f.password, siptest.Without(sip.HeaderContact), siptest.Without(sip.HeaderExpires))
		}),
		said(`is told of ([0-9]+) contacts?`, func(p *play, f *phone, m []string) {
			list, _, err := f.last.Contacts()
			if err != nil || strconv.Itoa(len(list)) != m[1] {
				p.Fatalf("%s is told of %d contacts:\n%s", f.name, len(list), f.last.Text())
			}
		}),
	}
}

func (f *phone) expires(value, usual string) siptest.Edit {
	if value == "" {
		value = usual
	}
	return siptest.With(sip.HeaderExpires, value)
}

// callee is whom a sentence names: an actor, or an address.
func (p *play) callee(name string) string { return p.account(name) }

func calling() []sentence {
	return []sentence{
		said(`calls (.+) in the name of (\S+)`, func(p *play, f *phone, m []string) {
			f.dial(p, p.callee(m[1]), siptest.With(sip.HeaderFrom, "<sip:"+m[2]+">;tag="+siptest.Tag()))
			f.prove()
		}),
		said(`calls (.+?)(?: with (Max-Forwards|Max-Breadth|Require) (\S+))?`, func(p *play, f *phone, m []string) {
			f.begin(p, m[1], m[2], m[3])
		}),
		said(`loses its connection`, func(_ *play, f *phone, _ []string) { f.Close() }),
		said(`cancels`, func(_ *play, f *phone, _ []string) {
			f.Cancel(f.invite)
			f.last = f.Expect("200 CANCEL")
		}),
		said(`sees ([1-6][0-9][0-9])`, func(p *play, f *phone, m []string) { f.sees(p, m[1]) }),
	}
}

func (f *phone) begin(p *play, to, header, value string) {
	var edits []siptest.Edit
	if header != "" {
		edits = append(edits, siptest.WithName(header, value))
	}
	f.dial(p, p.callee(to), append(edits, f.proof()...)...)
	// With no hops or breadth left it is refused before it is asked who it is.
	if f.password != "" && value != "0" {
		f.prove()
	}
}

func (f *phone) dial(p *play, to string, edits ...siptest.Edit) {
	f.incoming, f.dialog = false, nil
	f.invite = f.Invite(to, append([]siptest.Edit{siptest.WithSDP(f.offers(p))}, edits...)...)
	f.request = f.invite
}

// prove answers the challenge to the INVITE.
func (f *phone) prove() {
	f.invite = f.Authorize(f.invite, f.Expect("407 INVITE", "401 INVITE"), f.password)
	f.request = f.invite
}

// sees waits for a response, and acknowledges that of an INVITE.
func (f *phone) sees(p *play, status string) {
	f.last = f.Expect(status)
	f.described()
	if f.last.Method() != sip.INVITE || f.last.Status() < 200 {
		return
	}
	if f.last.Status() >= 300 {
		f.Ack(f.request, f.last)
		return
	}
	f.begun().Ack()
	f.isAnswered(p)
}

// begun is the dialog of the call, which may be an early one.
func (f *phone) begun() *siptest.Dialog {
	if f.dialog == nil {
		f.dialog = f.Dialog(f.invite, f.last)
	}
	return f.dialog
}

func beingCalled() []sentence {
	return []sentence{
		said(`rings`, func(_ *play, f *phone, _ []string) {
			f.takeCall()
			f.Respond(f.invite, 180)
		}),
		said(`rings and asks for PRACK`, func(_ *play, f *phone, _ []string) {
			f.takeCall()
			f.dialog = f.Dialog(f.invite, f.Respond(f.invite, 180,
				siptest.With(sip.HeaderRequire, "100rel"), siptest.With(sip.HeaderRSeq, "1")))
		}),
		said(`gets the call`, func(_ *play, f *phone, _ []string) { f.takeCall() }),
		said(`sends the call back`, func(_ *play, f *phone, _ []string) { f.sendBack() }),
		said(`answers`, func(p *play, f *phone, _ []string) {
			f.dialog = f.Dialog(f.invite, f.Respond(f.invite, 200, siptest.WithSDP(f.answers(p))))
		}),
		said(`refuses with ([3-6][0-9][0-9])`, func(_ *play, f *phone, m []string) {
			f.Respond(f.invite, number(m[1]))
			f.last = f.Expect("ACK")
		}),
		said(`stops ringing`, func(_ *play, f *phone, _ []string) {
			f.last = f.Expect("CANCEL")
			f.Respond(f.last, 200)
			f.Respond(f.invite, 487)
			f.Expect("ACK")
		}),
	}
}

func (f *phone) takeCall() {
	f.incoming, f.dialog = true, nil
	f.invite = f.Expect("INVITE")
	f.last = f.invite
	f.described()
}

// sendBack does to a call what a proxy does that has been told to send it to the server.
func (f *phone) sendBack() {
	f.takeCall()
	hops, _ := f.invite.Number(sip.HeaderMaxForwards)
	m, err := f.invite.Edit().Prepend(sip.HeaderVia, f.Via()).
		Set(sip.HeaderMaxForwards, strconv.Itoa(int(hops)-1)).Message()
	if err == nil {
		f.request = m
		f.SendMessage(m)
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0 // the pattern lets digits pass alone
	}
	return n
}

func inACall() []sentence {
	return []sentence{
		said(`hangs up`, func(_ *play, f *phone, _ []string) { f.request = f.dialog.Bye() }),
		said(`is hung up on`, func(_ *play, f *phone, _ []string) { f.answerNext("BYE") }),
		said(`has its answer acknowledged`, func(_ *play, f *phone, _ []string) { f.last = f.Expect("ACK") }),
		said(`sends (INFO|UPDATE|OPTIONS|MESSAGE|PRACK|REFER) in the call`, func(_ *play, f *phone, m []string) {
			f.request = f.begun().Request(sip.Method(m[1]), f.needs(m[1])...)
		}),
		said(`gets (INFO|UPDATE|OPTIONS|MESSAGE|PRACK|REFER) in the call and agrees`, func(_ *play, f *phone, m []string) { f.answerNext(m[1]) }),
	}
}

func holding() []sentence {
	return []sentence{
		said(`puts the call on hold`, func(_ *play, f *phone, _ []string) { f.offer("sendonly", 2) }),
		said(`takes the call up again`, func(_ *play, f *phone, _ []string) { f.offer("sendrecv", 3) }),
		said(`is put on hold`, func(p *play, f *phone, _ []string) { f.isOffered(p, "sendonly", "recvonly") }),
		said(`is taken up again`, func(p *play, f *phone, _ []string) { f.isOffered(p, "sendrecv", "sendrecv") }),
	}
}

// needs is what a request of some method must have.
func (f *phone) needs(method string) []siptest.Edit {
	switch method {
	case "PRACK": // rfc3262#7.2
		return []siptest.Edit{siptest.With(sip.HeaderRAck, f.last.Get(sip.HeaderRSeq)+" "+f.invite.Get(sip.HeaderCSeq))}
	case "REFER":
		return []siptest.Edit{siptest.WithName("Refer-To", "<sip:carol@example.org>")}
	}
	return nil
}

func (f *phone) answerNext(method string) {
	f.last = f.Expect(method)
	f.Respond(f.last, 200)
}

func (f *phone) offer(direction string, version int) {
	f.request = f.dialog.Request(sip.INVITE, siptest.WithSDP(f.voice.SDP(direction, version)))
}

func (f *phone) isOffered(p *play, direction, answer string) {
	f.last = f.Expect("INVITE")
	f.described()
	if !strings.Contains(f.last.Body(), "a="+direction) {
		p.Fatalf("%s is offered:\n%s", f.name, f.last.Body())
	}
	f.Respond(f.last, 200, siptest.WithSDP(f.voice.SDP(answer, 2)))
}

func messaging() []sentence {
	return []sentence{
		said(`writes "(.*)" to (.+?)( alone)?(?: as (\S+/\S+))?`, func(p *play, f *phone, m []string) {
			to := p.account(m[2])
			if a, ok := p.actors[m[2]].(*app); ok && m[3] != "" {
				to = "sip:" + a.address + ";gr=" + a.resource
			}
			f.request = f.Request(sip.MESSAGE, to, siptest.WithBody(cmp.Or(m[4], "text/plain"), m[1]))
			if f.password != "" {
				f.request = f.Authorize(f.request, f.Expect("407 MESSAGE", "401 MESSAGE"), f.password)
			}
		}),
		said(`reads "(.*)"`, func(p *play, f *phone, m []string) {
			f.answerNext("MESSAGE")
			if f.last.Body() != m[1] {
				p.Fatalf("%s reads %q", f.name, f.last.Body())
			}
		}),
		said(`reads nothing of "(.*)" and says ([3-6][0-9][0-9])`, func(p *play, f *phone, m []string) {
			f.last = f.Expect("MESSAGE")
			f.Respond(f.last, number(m[2]))
			if f.last.Body() != m[1] {
				p.Fatalf("%s reads %q", f.name, f.last.Body())
			}
		}),
		said(`is asked what it can, and takes (messages|calls alone)`, func(_ *play, f *phone, m []string) {
			f.last = f.Expect("OPTIONS")
			allow := "INVITE, ACK, CANCEL, BYE"
			if m[1] == "messages" {
				allow += ", MESSAGE"
			}
			f.Respond(f.last, 200, siptest.With(sip.HeaderAllow, allow))
		}),
		said(`asks (\S+) what it can(?: with Max-Forwards ([0-9]+))?`, func(_ *play, f *phone, m []string) {
			var edits []siptest.Edit
			if m[2] != "" {
				edits = append(edits, siptest.With(sip.HeaderMaxForwards, m[2]))
			}
			f.request = f.Request(sip.OPTIONS, m[1], edits...)
		}),
	}
}

// looking has the sentences about the last message that a phone got.
func looking() []sentence {
	return []sentence{
		said(`hears nothing for ([0-9]+) seconds?`, func(_ *play, f *phone, m []string) { f.Silent(seconds(m[1])) }),
		said(`finds no (\S+) in it`, func(p *play, f *phone, m []string) {
			if got := f.last.GetName(m[1]); got != "" {
				p.Fatalf("it is %q", got)
			}
		}),
		said(`finds (\S+) (.+) in it`, func(p *play, f *phone, m []string) {
			if got := f.last.GetName(m[1]); !like(m[2], got) {
				p.Fatalf("it is %q", got)
			}
		}),
		said(`waits ([0-9]+) seconds?`, func(_ *play, _ *phone, m []string) { time.Sleep(seconds(m[1])) }),
	}
}

// like compares a text with a pattern in which "..." stands for anything.
func like(pattern, text string) bool {
	quoted := regexp.QuoteMeta(pattern)
	return whole(strings.ReplaceAll(quoted, regexp.QuoteMeta("..."), ".*")).MatchString(text)
}
