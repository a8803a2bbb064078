package sip_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"parley/sip"
)

// tortured writes a message out: {sdp} is a session description, {len} the length of the
// body, {tick} a backquote.
func tortured(text string) string {
	text = strings.TrimPrefix(text, "\n")
	text = strings.ReplaceAll(text, "{tick}", "`")
	text = strings.ReplaceAll(text, "{sdp}", strings.Join([]string{
		"v=0", "o=mhandley 29739 7272939 IN IP4 192.0.2.3", "s=-", "c=IN IP4 192.0.2.4", "t=0 0",
		"m=audio 49217 RTP/AVP 0 12", "m=video 3227 RTP/AVP 31", "a=rtpmap:31 LPC", "",
	}, "\n"))
	text = wire(text)
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	return strings.ReplaceAll(text, "{len}", strconv.Itoa(len(body)))
}

// The messages of RFC 4475 and RFC 5118 and what becomes of them: 0 is a valid message, else
// the status that a peer is told. What a registrar, a proxy or a user agent decides later
// (an unknown extension, an unknown body, no hops left) is valid here.
func TestTortureMessages(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(tortureValid, tortureInvalid, tortureMeaning, tortureIPv6) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := parse(t, tortured(c.text))
			switch v := m.Validate(); {
			case c.status == 0 && v != nil:
				t.Fatal(v)
			case c.status != 0 && (v == nil || v.Status != c.status):
				t.Fatalf("got %v, want %d", v, c.status)
			}
			if c.check != nil {
				c.check(t, m)
			}
		})
	}
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

type tortureCase struct {
	name   string
	text   string
	status int
	check  func(*testing.T, *sip.Message)
}

// tortureValid are messages that only look wrong.
var tortureValid = []tortureCase{
	{"rfc4475#3.1.1.1 a short tortuous INVITE", `
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : {len}
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

{sdp}`, 0, checkTortuousINVITE},

	{"rfc4475#3.1.1.2 wide range of valid characters", `
!interesting-Method0123456789_*+{tick}.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+{tick}'~
To: "BEL:\` + "\a" + ` NUL:\` + "\x00" + ` DEL:\` + "\x7f" + `" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>
From: token1~{tick} token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="работающий";tag=_token~1'+{tick}*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word{tick}~)(><:\/"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+{tick}.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_{tick}'~:` + "\ufeff" + `大停電
Content-Length: 0

`, 0, func(t *testing.T, m *sip.Message) {
		u, err := sip.ParseURI(m.Target())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "user", u.User, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
		same(t, "password", u.Password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
		same(t, "tag", m.FromTag(), "_token~1'+`*%!-.")
		to, _ := m.To()
		same(t, "name", to.Display, "BEL:\a NUL:\x00 DEL:\x7f")
		from, _ := m.From()
		same(t, "name", from.Display, "token1~` token2'+_ token3*%!.-")
		value, _ := from.Params.Get("fromParam''~+*_!.-%")
		same(t, "parameter", value, "работающий")
		same(t, "extension", m.GetName("extensionHeader-!.%*+_`'~"), "\ufeff大停電")
	}},

	{"rfc4475#3.1.1.3 valid use of the % escaping", `
INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0
To: sip:%75se%72@example.com
From: <sip:I%20have%20spaces@example.net>;tag=938
Max-Forwards: 87
i: esc01.239409asdfakjkn23onasd0-3234
CSeq: 234234 INVITE
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw
C: application/sdp
Contact:
  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
Content-Length: {len}

{sdp}`, 0, func(t *testing.T, m *sip.Message) {
		u, _ := sip.ParseURI(m.Target())
		same(t, "user", u.UnescapedUser(), "sips:user@example.com")
		same(t, "host", u.Host, "example.net")
		to, _ := m.To()
		if plain, _ := sip.ParseURI("sip:user@example.com"); !to.URI.Equal(plain) {
			t.Error("%75se%72 is not user")
		}
		from, _ := m.From()
		same(t, "user", from.URI.UnescapedUser(), "I have spaces")
	}},

	{"rfc4475#3.1.1.4 escaped nulls", `
REGISTER sip:example.com SIP/2.0
To: sip:null-%00-null@example.com
From: sip:null-%00-null@example.com;tag=839923423
Max-Forwards: 70
Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
Contact: <sip:%00@host5.example.com>
Contact: <sip:%00%00@host5.example.com>
L:0

`, 0, func(t *testing.T, m *sip.Message) {
		list, _, err := m.Contacts()
		if err != nil || len(list) != 2 || list[0].URI.Equal(list[1].URI) {
			t.Errorf("contacts %v, %v", list, err)
		}
	}},

	{"rfc4475#3.1.1.5 % that escapes nothing", `
RE%47IST%45R sip:registrar.example.com SIP/2.0
To: "%Z%45" <sip:resource@example.com>
From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23
Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf
Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
CSeq: 29344 RE%47IST%45R
Max-Forwards: 70
Contact: <sip:alias1@host1.example.com>
C%6Fntact: <sip:alias2@host2.example.com>
Contact: <sip:alias3@host3.example.com>
l: 0

`, 0, func(t *testing.T, m *sip.Message) {
		same(t, "method", string(m.Method()), "RE%47IST%45R")
		if list, _, _ := m.Contacts(); len(list) != 2 {
			t.Errorf("C%%6Fntact is taken for Contact: %v", list)
		}
	}},

	{"rfc4475#3.1.1.6 no space between name and bracket", `
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: caller<sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID: lwsdisp.1234abcd@funky.example.com
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw
l: 0

`, 0, func(t *testing.T, m *sip.Message) {
		from, _ := m.From()
		same(t, "name", from.Display, "caller")
	}},

	{"rfc4475#3.1.1.7 long values", `
INVITE sip:user@example.com SIP/2.0
To: "I have a user name of ` + strings.Repeat("extreme", 10) + ` proportion"<sip:user@example.com:6000;unknownparam1=very` + strings.Repeat("long", 20) + `value;long` + strings.Repeat("paramname", 25) + `=shortvalue;very` + strings.Repeat("long", 25) + `ParameterNameWithNoValue>
F: sip:` + strings.Repeat("amazinglylongcallername", 5) + `@example.net;tag=12` + strings.Repeat("982", 50) + `424;unknownheaderparam` + strings.Repeat("name", 20) + `=unknowheaderparam` + strings.Repeat("value", 15) + `;unknownValueless` + strings.Repeat("paramname", 10) + `
Call-ID: longreq.one` + strings.Repeat("really", 20) + `longcallid
CSeq: 3882340 INVITE
Unknown-` + strings.Repeat("Long", 20) + `-Name: unknown-` + strings.Repeat("long", 20) + `-value; unknown-` + strings.Repeat("long", 20) + `-parameter-name = unknown-` + strings.Repeat("long", 20) + `-parameter-value
` + strings.Repeat("v :  SIP/2.0/TCP sip33.example.com\n", 33) + `Via: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very` + strings.Repeat("long", 50) + `branchvalue
Max-Forwards: 70
Contact: <sip:` + strings.Repeat("amazinglylongcallername", 5) + `@host5.example.net>
Content-Type: application/sdp
l: {len}

{sdp}`, 0, func(t *testing.T, m *sip.Message) {
		if n := len(slices.Collect(m.Values(sip.HeaderVia))); n != 34 {
			t.Errorf("%d Via values", n)
		}
	}},

	{"rfc4475#3.1.1.8 two requests in one datagram", `
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=43251j3j324
Max-Forwards: 8
I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
Contact: sip:j.user@host.example.com
CSeq: 8 REGISTER
Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492
Content-Length: 0


INVITE sip:joe@example.com SIP/2.0
t: sip:joe@example.com
From: sip:caller@example.net;tag=141334

`, 0, func(t *testing.T, m *sip.Message) {
		if m.Body() != "" || strings.Contains(m.Text(), "INVITE") {
			t.Error("the second request is still there")
		}
	}},

	{"rfc4475#3.1.1.9 semicolon-separated parameters in the user part", `
OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Call-ID: semiuri.0ha0isndaksdj
CSeq: 8 OPTIONS
Accept: application/sdp, application/pkcs7-mime,
        multipart/mixed, multipart/signed,
        message/sip, message/sipfrag
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw
l: 0

`, 0, func(t *testing.T, m *sip.Message) {
		u, _ := sip.ParseURI(m.Target())
		same(t, "user", u.UnescapedUser(), "user;par=u@example.net")
		if n := len(slices.Collect(m.Values(sip.HeaderAccept))); n != 6 {
			t.Errorf("%d Accept values", n)
		}
	}},

	{"rfc4475#3.1.1.10 varied and unknown transports", `
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: <sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID:  transports.kijh4akdnaqjkwendsasfdj
Accept: application/sdp
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw
Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf
Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj
Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en
Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee
l: 0

`, 0, nil},

	{"rfc4475#3.1.1.12 unusual reason phrase", `
SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: {len}
Content-Type: application/sdp
Contact: <sip:user@host198.example.com>

{sdp}`, 0, func(t *testing.T, m *sip.Message) {
		same(t, "reason", m.Reason(), "= 2**3 * 5**2 но сто девяносто девять - простое")
	}},

	{"rfc4475#3.1.1.13 empty reason phrase", "\nSIP/2.0 100 " + `
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: noreason.asndj203insdf99223ndf
CSeq: 35 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>

`, 0, nil},
}

func checkTortuousINVITE(t *testing.T, m *sip.Message) {
	same(t, "To tag", m.ToTag(), "1918181833n")
	same(t, "From tag", m.FromTag(), "98asjd8")
	from, _ := m.From()
	same(t, "name", from.Display, `J Rosenberg \"`)
	if n, method := m.CSeq(); n != 9 || method != sip.INVITE {
		t.Errorf("CSeq %d %s", n, method)
	}
	if n, ok := m.Number(sip.HeaderMaxForwards); n != 68 || !ok {
		t.Errorf("Max-Forwards %d", n)
	}
	if !m.Has(sip.HeaderSubject) || m.Get(sip.HeaderSubject) != "" {
		t.Error("the empty Subject is lost")
	}
	same(t, "unknown", m.GetName("newfangledheader"), "newfangled value continued newfangled value")
	vias := []sip.Via{
		{Network: "UDP", Host: "192.0.2.2", Branch: "390skdjuw"},
		{Network: "TCP", Host: "spindle.example.com", Branch: "z9hG4bK9ikj8"},
		{Network: "UDP", Host: "192.168.255.111", Branch: "z9hG4bK30239"},
	}
	i := 0
	for text := range m.Values(sip.HeaderVia) {
		via, err := sip.ParseVia(text)
		via.Params = ""
		if err != nil || via != vias[i] {
			t.Errorf("Via %q is %+v, %v", text, via, err)
		}
		i++
	}
	list, _, err := m.Contacts()
	if err != nil || len(list) != 1 {
		t.Fatalf("contacts %v, %v", list, err)
	}
	same(t, "name", list[0].Display, `Quoted string ""`)
	q, _ := list[0].Params.Get("q")
	same(t, "q", q, "0.33")
	value, _ := list[0].Params.Get("newparam")
	same(t, "newparam", value, "newvalue")
}
