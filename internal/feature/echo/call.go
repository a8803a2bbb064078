package echo

import (
	"errors"
	"net/netip"
	"sync"

	"parley/media/rtp"
	"parley/sdp"
	"parley/sip"
	"parley/sip/dialog"
)

const sdpType = "application/sdp"

var errClosing = errors.New("echo: the service is closing")

// call is one call of the service: a dialog.Handler, whose fields without a lock belong to
// the shard of its Call-ID.
type call struct {
	echo    *Echo
	id      string
	peer    netip.Addr // where its signalling comes from; zero if not known
	session uint64     // of our session descriptions
	version uint64
	offered bool // our 2xx had an offer; the ACK has the answer
	stop    func()

	mu     sync.Mutex
	dialog *dialog.Session
	media  *rtp.Echo
	pair   *rtp.Pair
	closed bool
}

// signalling finds where the caller's messages come from. The request itself comes out of
// the server's memory; the Via below the server's says whom the server had it from.
func signalling(req *sip.Message) netip.Addr {
	n := 0
	for v := range req.Values(sip.HeaderVia) {
		if n++; n < 2 {
			continue
		}
		via, err := sip.ParseVia(v)
		if err != nil {
			return netip.Addr{}
		}
		host := via.Host
		if received, ok := via.Params.Get("received"); ok { // rfc3261#18.2.1
			host = received
		}
		a, err := netip.ParseAddr(host)
		if err != nil {
			return netip.Addr{}
		}
		return a.Unmap()
	}
	return netip.Addr{}
}

// begin opens the ports and answers the first INVITE.
func (c *call) begin(in *dialog.Incoming) {
	if err := c.open(in); err != nil {
		c.echo.c.Log.Warn("no port for a call", "call", c.id, "err", err)
		in.Respond(in.Response(503, "No Media Port Free").Set(sip.HeaderRetryAfter, "30"))
		return
	}
	c.stop = c.echo.c.Layer.After(c.id, c.echo.c.MaxDuration(), func() {
		c.end(`SIP;cause=200;text="The time of an echo call is up"`)
	})
	c.negotiate(in)
}

// open opens the ports, unless the service has closed meanwhile.
func (c *call) open(in *dialog.Incoming) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialog = in.Session()
	if c.closed || c.echo.isClosing() {
		return errClosing
	}
	pair, err := c.echo.c.Ports.Open(c.family(in.Request()))
	if err != nil {
		return err
	}
	c.pair = pair
	c.media = rtp.NewEcho(rtp.EchoConfig{
		Pair: pair, Dead: c.echo.c.Dead, Delay: c.echo.c.Delay, Log: c.echo.c.Log,
		OnDead: func() { c.end(`SIP;cause=408;text="No audio came"`) },
	})
	return nil
}

// family is an address of the kind that the peer wants media at.
func (c *call) family(req *sip.Message) netip.Addr {
	if d, err := sdp.Parse(req.Body()); err == nil && isSDP(req) {
		for _, m := range d.Media {
			if a := m.Address().Addr(); m.Port != 0 && a.IsValid() {
				return a
			}
		}
	}
	return c.peer
}

// negotiate answers an INVITE or UPDATE, the first and later ones, by its offer; an INVITE
// without one gets ours (rfc3261#13.2.1).
func (c *call) negotiate(in *dialog.Incoming) {
	req := in.Request()
	c.version++
	switch {
	case req.Body() == "" && req.Method() == sip.UPDATE:
		in.Respond(in.Response(200, ""))
		return
	case req.Body() == "":
		c.offered = true
		in.Respond(in.Response(200, "").Body(sdpType, c.local().Offer(offered()).String()))
		return
	case !isSDP(req):
		in.Respond(in.Response(415, "").Set(sip.HeaderAccept, sdpType))
		return
	}
	answer, agreed, err := c.answer(req.Body())
	if err != nil {
		c.refuse(in, err)
		return
	}
	c.offered = false
	c.set(agreed)
	in.Respond(in.Response(200, "").Body(sdpType, answer.String()))
}

func (c *call) answer(body string) (*sdp.Description, sdp.Agreement, error) {
	offer, err := sdp.Parse(body)
	if err != nil {
		return nil, sdp.Agreement{}, err
	}
	return c.local().Answer(offer, accepted())
}

// refuse says why an offer can't be taken (rfc3261#20.43). The session, if there was one before,
// goes on as it was.
func (c *call) refuse(in *dialog.Incoming, err error) {
	c.echo.c.Log.Info("offer refused", "call", c.id, "err", err)
	status, warning := 488, `399 parley "The session description can't be read"`
	switch {
	case errors.Is(err, sdp.ErrSecure):
		warning = `302 parley "Echo speaks plain RTP/AVP, not encrypted RTP"`
	case errors.Is(err, sdp.ErrCodec):
		warning = `305 parley "No audio codec of the offer is known"`
	case errors.Is(err, sdp.ErrNoAudio):
		warning = `304 parley "There is no audio in the offer"`
	default:
		status = 400
	}
	in.Respond(in.Response(status, "").Set(sip.HeaderWarning, warning))
}

func (c *call) local() sdp.Local {
	return sdp.Local{
		Host: c.pair.Host, RTP: c.pair.RTPPort(), RTCP: c.pair.RTCPPort(),
		ID: c.session, Version: c.version,
	}
}

// set has the echo do what was agreed.
func (c *call) set(a sdp.Agreement) {
	m := rtp.EchoMedia{
		Payloads: []uint8{uint8(a.Codec.Payload)}, Rate: a.Codec.Rate,
		RTP: a.RTP, RTCP: a.RTCP, Signalling: c.peer,
		Send: a.Direction.Sends(), Receive: a.Direction.Receives(),
	}
	if a.Events.Name != "" {
		m.Payloads = append(m.Payloads, uint8(a.Events.Payload))
	}
	c.media.Set(m)
}

// end hangs up; from any goroutine.
func (c *call) end(reason string) {
	c.mu.Lock()
	d := c.dialog
	c.mu.Unlock()
	if d != nil {
		d.End(0, reason)
	}
}

// closeMedia gives the ports back. It waits for the sockets, which a shard must not do.
func (c *call) closeMedia() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.media != nil && !c.closed {
		c.echo.running.Go(c.media.Close)
	}
	c.closed = true
}

// Acknowledged: the call is up. An ACK may have the answer to our offer.
func (c *call) Acknowledged(s *dialog.Session, ack *sip.Message) {
	if !c.offered {
		return
	}
	c.offered = false
	answer, err := sdp.Parse(ack.Body())
	if err == nil {
		var agreed sdp.Agreement
		if agreed, err = c.local().Accept(answer, accepted()); err == nil {
			c.set(agreed)
			return
		}
	}
	c.echo.c.Log.Info("answer refused", "call", c.id, "err", err)
	s.End(0, `SIP;cause=488;text="The answer can't be used"`) // rfc3261#13.2.2.4
}

// Request answers what comes during the call.
func (c *call) Request(_ *dialog.Session, in *dialog.Incoming) {
	switch in.Request().Method() {
	case sip.INVITE, sip.UPDATE:
		c.negotiate(in)
	case sip.OPTIONS:
		in.Respond(c.echo.ua.Abilities(in.Response(200, "")))
	case sip.INFO:
		in.Respond(in.Response(200, ""))
	default:
		in.Respond(in.Response(405, "").Set(sip.HeaderAllow, allow))
	}
}

// Ended: the call is over.
func (c *call) Ended(_ *dialog.Session, end dialog.End) {
	if c.stop != nil {
		c.stop()
	}
	c.closeMedia()
	c.echo.c.Log.Info("echo call ended", "call", c.id, "remote", end.Remote, "status", end.Status,
		"reason", end.Reason, "err", end.Err)
	c.echo.drop(c)
}

// Progress and Answered are for those who call; this service never does.
func (c *call) Progress(*dialog.Session, *sip.Message) {}

// Answered see Progress.
func (c *call) Answered(*dialog.Session, *sip.Message) {}

// Cancelled: a re-INVITE is answered as soon as it comes, so none is ever given up.
func (c *call) Cancelled(*dialog.Session, *dialog.Incoming) {}

// offered are the codecs of our own offers, the best first.
func offered() []sdp.Codec {
	return []sdp.Codec{
		{Payload: 96, Name: "opus", Rate: 48000, Channels: 2},
		{Payload: 9, Name: "G722", Rate: 8000},
		{Payload: 0, Name: "PCMU", Rate: 8000},
		{Payload: 8, Name: "PCMA", Rate: 8000},
		{Payload: 101, Name: "telephone-event", Rate: 8000, Fmtp: "0-15"},
		{Payload: 102, Name: "telephone-event", Rate: 48000, Fmtp: "0-15"},
	}
}

// accepted are those that are sent back if a peer offers nothing else too.
func accepted() []sdp.Codec {
	return append(offered(),
		sdp.Codec{Name: "G729", Rate: 8000},
		sdp.Codec{Name: "GSM", Rate: 8000},
		sdp.Codec{Name: "iLBC", Rate: 8000},
		sdp.Codec{Name: "speex", Rate: 8000},
		sdp.Codec{Name: "speex", Rate: 16000},
		sdp.Codec{Name: "telephone-event", Rate: 16000},
	)
}
