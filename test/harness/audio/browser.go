package audio

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// Browser is one end of a browser's call: like an Endpoint, but by WebRTC, with ICE and DTLS-SRTP of its own.
type Browser struct {
	hearing
	pc    *webrtc.PeerConnection
	track *webrtc.TrackLocalStaticRTP
	sent  uint16 // packets, of all clips

	stop chan struct{}
	once sync.Once
	wait sync.WaitGroup
}

// NewBrowser makes one that is on 127.0.0.1 and speaks PCMU.
func NewBrowser() (*Browser, error) {
	codec := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}
	var media webrtc.MediaEngine
	if err := media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: codec}, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetIPFilter(net.IP.IsLoopback)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(&media), webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	b := &Browser{pc: pc, stop: make(chan struct{})}
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { b.listen(t) })
	b.track, err = webrtc.NewTrackLocalStaticRTP(codec, "voice", "voice")
	if err == nil {
		_, err = pc.AddTrack(b.track)
	}
	if err != nil {
		return nil, errors.Join(err, pc.Close())
	}
	return b, nil
}

// Offer describes it.
func (b *Browser) Offer() (string, error) {
	d, err := b.pc.CreateOffer(nil)
	if err != nil {
		return "", err
	}
	return b.settle(d)
}

// Answer takes an offer, and gives what it answers.
func (b *Browser) Answer(offer string) (string, error) {
	if err := b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fmt.Errorf("%w\n%s", err, offer)
	}
	d, err := b.pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	return b.settle(d)
}

// Answered takes the answer to its offer.
func (b *Browser) Answered(answer string) error {
	if err := b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return fmt.Errorf("%w\n%s", err, answer)
	}
	return nil
}

// settle gives a description with all its candidates.
func (b *Browser) settle(d webrtc.SessionDescription) (string, error) {
	gathered := webrtc.GatheringCompletePromise(b.pc)
	if err := b.pc.SetLocalDescription(d); err != nil {
		return "", err
	}
	<-gathered
	return b.pc.LocalDescription().SDP, nil
}

// Connected says whether ICE and DTLS have come to their end.
func (b *Browser) Connected() bool {
	return b.pc.ConnectionState() == webrtc.PeerConnectionStateConnected
}

// Play sends the clip in real time, and returns at once. The clip has 8000 samples a second. One clip has to end
// before the next one.
func (b *Browser) Play(c Clip) {
	b.wait.Go(func() {
		next := time.NewTicker(frameTime)
		defer next.Stop()
		for n := 0; (n+1)*frame <= len(c.Samples); n++ {
			// A peer that is gone is not an error: nobody waits for voice.
			_ = b.track.WriteRTP(b.packet(c.Samples[n*frame : (n+1)*frame]))
			select {
			case <-next.C:
			case <-b.stop:
				return
			}
		}
	})
}

func (b *Browser) packet(samples []int16) *rtp.Packet {
	payload := make([]byte, len(samples))
	for i, s := range samples {
		payload[i] = muEncode(s)
	}
	b.sent++
	return &rtp.Packet{
		Header:  rtp.Header{Version: 2, PayloadType: muLaw.payload, SequenceNumber: b.sent, Timestamp: frame * uint32(b.sent)},
		Payload: payload,
	}
}

func (b *Browser) listen(t *webrtc.TrackRemote) {
	for {
		p, _, err := t.ReadRTP()
		if err != nil {
			return
		}
		b.take(p.Timestamp, p.Payload, muDecode)
	}
}

// Close ends it.
func (b *Browser) Close() error {
	b.once.Do(func() { close(b.stop) })
	b.wait.Wait()
	return b.pc.Close()
}
