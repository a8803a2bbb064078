// The phone inside the page: JsSIP, told what to do by the functions of window.phone, telling what
// happens by window.emit.
const eye = Object.assign(document.createElement('video'), { autoplay: true, muted: true });

window.phone = {
  // signIn asks for a token, as a page does that keeps no password.
  async signIn({ api, address, password }) {
    const body = JSON.stringify({ address, password, name: 'JsSIP', kind: 'browser' });
    const response = await fetch(api, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()).token;
  },
  start({ ws, uri, password, token }) {
    const socket = new JsSIP.WebSocketInterface(ws);
    const proof = token ? { authorization_jwt: `Bearer ${token}` } : { password };
    const ua = this.ua = new JsSIP.UA({ sockets: [socket], uri, ...proof, register: false, session_timers: false });
    ua.on('connected', () => emit('connected'));
    ua.on('disconnected', (e) => emit('disconnected', e.reason ?? ''));
    ua.on('registered', () => emit('registered'));
    ua.on('unregistered', () => emit('unregistered'));
    ua.on('registrationFailed', (e) => emit('registrationFailed', `${e.response?.status_code ?? ''} ${e.cause}`));
    ua.on('newRTCSession', (e) => this.take(e.session, e.originator));
    ua.on('newMessage', (e) => { if (e.originator === 'remote') emit('message', e.request.body); });
    ua.start();
  },
  register() { this.ua.register(); },
  unregister() { this.ua.unregister(); },
  // relay has calls go through the server's relay alone, over one kind of connection.
  async relay({ api, token, over }) {
    const response = await fetch(api, { headers: { Authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const { username, password, uris } = await response.json();
    const urls = uris.filter((uri) => uri.startsWith(over.split(' ')[0]) && uri.endsWith(over.split(' ')[1]));
    this.pcConfig = { iceServers: [{ urls, username, credential: password }], iceTransportPolicy: 'relay' };
    return urls.join(' ');
  },
  dial({ to, video }) { this.ua.call(to, { ...media(video), pcConfig: this.pcConfig }); },
  answer({ video }) { this.session.answer({ ...media(video), pcConfig: this.pcConfig }); },
  // How many pictures of the other side have been decoded.
  async frames() {
    let n = 0;
    (await this.session.connection.getStats()).forEach((s) => {
      if (s.type === 'inbound-rtp' && s.kind === 'video') n = s.framesDecoded;
    });
    return String(n);
  },
  hangup() { this.session.terminate(); },
  hold() { this.session.hold(); },
  resume() { this.session.unhold(); },
  press({ key, by }) { this.session.sendDTMF(key, { transportType: by }); },
  // speak has it know one codec alone, and telephone-event.
  speak({ codec }) { this.codec = codec; },

  take(session, originator) {
    this.session = session;
    ear.begin();
    // In both directions: it sends the first of what the other end has, whatever it has answered itself.
    session.on('sdp', (e) => { if (this.codec) e.sdp = only(e.sdp, this.codec); });
    if (originator === 'remote') emit('incoming', session.remote_identity.uri.toString());
    session.on('progress', () => emit('progress'));
    session.on('confirmed', () => emit('confirmed'));
    session.on('failed', (e) => emit('failed', e.cause));
    session.on('ended', (e) => emit('ended', e.cause));
    const listen = (connection) => connection.addEventListener('track', (e) => {
      if (e.track.kind === 'audio') ear.listen(e.track);
      else eye.srcObject = new MediaStream([e.track]);
    });
    if (session.connection) listen(session.connection);
    session.on('peerconnection', (e) => listen(e.peerconnection));
  },

  recording() { return ear.recording(); },
};

// only leaves a description one codec, and telephone-event.
function only(sdp, codec) {
  const lines = sdp.split('\r\n');
  const named = lines.map((l) => /^a=rtpmap:(\d+) ([^/]+)\//.exec(l)).filter((m) => m);
  const kept = named.filter((m) => [codec, 'telephone-event'].includes(m[2])).map((m) => m[1]);
  return lines.filter((l) => {
    const m = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(l);
    return !m || kept.includes(m[1]);
  }).map((l) => (l.startsWith('m=audio') ? [...l.split(' ').slice(0, 3), ...kept].join(' ') : l)).join('\r\n');
}

const media = (video) => ({
  mediaConstraints: {
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    video: video ? { width: 320, height: 240, frameRate: 15 } : false,
  },
});
