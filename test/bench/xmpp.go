package main

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// xconn is a client connection read as raw bytes: the generator looks for
// tokens and for a marker with the time of sending, and parses nothing else.
type xconn struct {
	c    net.Conn
	i    int
	user string
	buf  []byte // unread bytes
	wmu  sync.Mutex
	wbuf []byte
}

// More reads once and appends to buf.
func (x *xconn) more() error {
	if cap(x.buf)-len(x.buf) < 1024 {
		n := make([]byte, len(x.buf), max(2048, 2*cap(x.buf)))
		copy(n, x.buf)
		x.buf = n
	}
	n, err := x.c.Read(x.buf[len(x.buf):cap(x.buf)])
	x.buf = x.buf[:len(x.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// expect reads up to and including one of toks and returns what it consumed.
func (x *xconn) expect(toks ...string) ([]byte, error) {
	x.c.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		for _, tok := range toks {
			if i := bytes.Index(x.buf, []byte(tok)); i >= 0 {
				got := append([]byte(nil), x.buf[:i+len(tok)]...)
				x.buf = append(x.buf[:0], x.buf[i+len(tok):]...)
				return got, nil
			}
		}
		if bytes.Contains(x.buf, []byte("<failure")) || bytes.Contains(x.buf, []byte("<stream:error")) {
			return nil, fmt.Errorf("server refused: %s", x.buf)
		}
		if err := x.more(); err != nil {
			return nil, fmt.Errorf("waiting for %q: %w (have %q)", toks, err, x.buf)
		}
	}
}

func (x *xconn) send(s string) error {
	_, err := x.c.Write([]byte(s))
	return err
}

func (x *xconn) open(domain string) ([]byte, error) {
	x.send("<?xml version='1.0'?><stream:stream to='" + domain + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
	return x.expect("</stream:features>")
}

var saltedCache sync.Map // "mech salt iter" -> []byte; one password for all users

type xopts struct {
	*opts
	tls  bool
	mech string
}

// login connects and goes as far as bound, roster fetched and available.
func (xo *xopts) login(i int) (*xconn, error) {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", xo.host, xo.port), 10*time.Second)
	if err != nil {
		return nil, err
	}
	x := &xconn{c: c, i: i, user: fmt.Sprintf(xo.userFmt, i)}
	if err := xo.negotiate(x); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", x.user, err)
	}
	x.c.SetReadDeadline(time.Time{})
	return x, nil
}

func (xo *xopts) negotiate(x *xconn) error {
	f, err := x.open(xo.domain)
	if err != nil {
		return err
	}
	if xo.tls {
		if !bytes.Contains(f, []byte("<starttls")) {
			return fmt.Errorf("no STARTTLS offered")
		}
		x.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		if _, err = x.expect("<proceed"); err != nil {
			return err
		}
		if _, err = x.expect(">"); err != nil {
			return err
		}
		tc := tls.Client(x.c, &tls.Config{InsecureSkipVerify: true, ServerName: xo.domain})
		if err = tc.Handshake(); err != nil {
			return err
		}
		x.c = tc
		if f, err = x.open(xo.domain); err != nil {
			return err
		}
	}
	if !bytes.Contains(f, []byte(">"+xo.mech+"<")) {
		return fmt.Errorf("no %s offered: %s", xo.mech, f)
	}
	b64 := base64.StdEncoding
	bare := "n=" + x.user + ",r=pb" + strconv.Itoa(x.i) + strconv.FormatInt(time.Now().UnixNano(), 36)
	x.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" + xo.mech + "'>" + b64.EncodeToString([]byte("n,,"+bare)) + "</auth>")
	ch, err := x.expect("</challenge>")
	if err != nil {
		return err
	}
	ch = ch[:len(ch)-len("</challenge>")]
	sf, err := b64.DecodeString(string(ch[bytes.LastIndexByte(ch, '>')+1:]))
	if err != nil {
		return err
	}
	var nonce, salt, iter string
	for _, p := range strings.Split(string(sf), ",") {
		switch {
		case strings.HasPrefix(p, "r="):
			nonce = p[2:]
		case strings.HasPrefix(p, "s="):
			salt = p[2:]
		case strings.HasPrefix(p, "i="):
			iter = p[2:]
		}
	}
	h := scramHash(xo.mech)
	key := xo.mech + salt + iter
	sv, ok := saltedCache.Load(key)
	if !ok {
		s, _ := b64.DecodeString(salt)
		n, _ := strconv.Atoi(iter)
		sp, err := pbkdf2.Key(h, xo.pass, s, n, h().Size())
		if err != nil {
			return err
		}
		sv = sp
		saltedCache.Store(key, sp)
	}
	final := "c=biws,r=" + nonce
	ck := hmacSum(h, sv.([]byte), []byte("Client Key"))
	hh := h()
	hh.Write(ck)
	sig := hmacSum(h, hh.Sum(nil), []byte(bare+","+string(sf)+","+final))
	for k := range ck {
		ck[k] ^= sig[k]
	}
	x.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + b64.EncodeToString([]byte(final+",p="+b64.EncodeToString(ck))) + "</response>")
	if _, err = x.expect("<success"); err != nil {
		return err
	}
	if _, err = x.expect(">"); err != nil {
		return err
	}
	x.expectSuccessEnd()
	if _, err = x.open(xo.domain); err != nil {
		return err
	}
	x.send("<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>")
	if _, err = x.expect("</iq>"); err != nil {
		return err
	}
	x.send("<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq><presence/>")
	if _, err = x.expect("</iq>"); err != nil {
		return err
	}
	_, err = x.expect("<presence")
	return err
}

// expectSuccessEnd drops the server signature that may follow <success>.
func (x *xconn) expectSuccessEnd() {
	if i := bytes.Index(x.buf, []byte("</success>")); i >= 0 {
		x.buf = append(x.buf[:0], x.buf[i+len("</success>"):]...)
	}
}

// loginAll logs in users [0,n) at a rate and reports failures.
func (xo *xopts) loginAll(n int, rate float64) (xs []*xconn, lat *hist, failed int64) {
	xs = make([]*xconn, n)
	lat = &hist{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var nf, active atomic.Int64
	p := newPacer(rate)
	for i := 0; i < n; {
		for k := p.due(); k > 0 && i < n; k-- {
			for active.Load() > 500 { // closed loop behind a server that cannot keep up
				time.Sleep(time.Millisecond)
			}
			active.Add(1)
			wg.Add(1)
			go func(i int) {
				defer wg.Done()
				defer active.Add(-1)
				t0 := time.Now()
				x, err := xo.login(i)
				if err != nil {
					if nf.Add(1) == 1 {
						logf("first failed login: %v", err)
					}
					return
				}
				mu.Lock()
				lat.add(int64(time.Since(t0)))
				mu.Unlock()
				xs[i] = x
			}(i)
			i++
		}
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	return xs, lat, nf.Load()
}

const marker = "qZ" // then 16 hex digits of the time of sending

func appendMarker(b []byte, now int64) []byte {
	var t [8]byte
	for i := range t {
		t[i] = byte(now >> (56 - 8*i))
	}
	return hex.AppendEncode(append(b, marker...), t[:])
}

// sink reads a connection for good and calls got with each marker's time.
func (x *xconn) sink(got func(sent int64)) {
	for {
		for {
			i := bytes.Index(x.buf, []byte(marker))
			if i < 0 {
				x.buf = append(x.buf[:0], x.buf[max(0, len(x.buf)-1):]...)
				break
			}
			if len(x.buf) < i+18 {
				x.buf = append(x.buf[:0], x.buf[i:]...)
				break
			}
			var t [8]byte
			if _, err := hex.Decode(t[:], x.buf[i+2:i+18]); err == nil {
				v := int64(0)
				for _, c := range t {
					v = v<<8 | int64(c)
				}
				got(v)
			}
			x.buf = append(x.buf[:0], x.buf[i+18:]...)
		}
		if x.more() != nil {
			return
		}
	}
}

// rxStats collects deliveries; one lock is enough for one generator core.
type rxStats struct {
	mu sync.Mutex
	n  int64
	h  hist
}

func (s *rxStats) got(sent int64) {
	d := time.Now().UnixNano() - sent
	s.mu.Lock()
	s.n++
	s.h.add(d)
	s.mu.Unlock()
}

func (s *rxStats) reset() { s.mu.Lock(); s.n, s.h = 0, hist{}; s.mu.Unlock() }
func (s *rxStats) count() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}
