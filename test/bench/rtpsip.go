package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sync"
	"time"
)

// sipRelay has a SIP server relay the media of calls that users of it make: a call for each pair of users, which stays
// up to the end.
type sipRelay struct {
	*caller
	portA, portB int
	srtp         bool

	mu    sync.Mutex
	media []media // by pair
	err   string
}

func newSIPRelay(o *opts, calls, portA, portB int, srtp bool) *sipRelay {
	s := &sipRelay{
		caller: newCaller(o, calls, time.Hour), portA: portA, portB: portB, srtp: srtp, media: make([]media, calls),
	}
	s.sdp, s.heard = s.describe, s.take
	for i := range s.media {
		if srtp {
			var key [30]byte
			rand.Read(key[:])
			s.media[i].ATxKey = base64.StdEncoding.EncodeToString(key[:])
		}
	}
	return s
}

func (s *sipRelay) describe(pair int, callee bool) string {
	port, form, extra := s.portA, "RTP/AVP", ""
	switch {
	case callee:
		port = s.portB
	case s.srtp:
		form, extra = "RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+s.media[pair].ATxKey+"\r\n"
	}
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %d %s 8\r\na=rtpmap:8 PCMA/8000\r\n%sa=sendrecv\r\n",
		s.o.host, port, form, extra)
}

// take notes where a party has to send to.
func (s *sipRelay) take(pair int, callee bool, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := sdpPort.FindSubmatch(body)
	if p == nil {
		s.err = fmt.Sprintf("no port in %q", body)
		return
	}
	at := s.o.host + ":" + string(p[1])
	if callee {
		s.media[pair].B = at
		return
	}
	s.media[pair].A = at
	if s.srtp {
		k := sdpKey.FindSubmatch(body)
		if k == nil {
			s.err = fmt.Sprintf("no SDES key in the answer %q", body)
			return
		}
		s.media[pair].ARxKey = string(k[1])
	}
}

// call makes all calls, and gives their media when they are up.
func (s *sipRelay) call() []media {
	pace := newPacer(200)
	for made := 0; made < s.n; {
		s.uac.mu.Lock()
		for range min(pace.due(), s.n-made) {
			now := time.Now().UnixNano()
			k := &call{id: made, t0: now, born: now}
			s.calls[k.id] = k
			s.sendInvite(k, nil)
			made++
		}
		s.uac.flush()
		s.uac.mu.Unlock()
		s.sweep()
		time.Sleep(5 * time.Millisecond)
	}
	for range 100 {
		if s.up() {
			return s.media
		}
		s.sweep()
		time.Sleep(100 * time.Millisecond)
	}
	fatal("of %d calls %d failed; %s", s.n, s.failed, s.err)
	return nil
}

func (s *sipRelay) up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.media {
		if m.A == "" || m.B == "" {
			return false
		}
	}
	return s.err == ""
}
