// The phone inside the page: JsSIP, told what to do by the functions of window.phone, telling what
// happens by window.emit.
const audio = new Audio();
audio.autoplay = true;

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
  dial({ to }) { this.ua.call(to, media); },
  answer() { this.session.answer(media); },
  hangup() { this.session.terminate(); },
  hold() { this.session.hold(); },
  resume() { this.session.unhold(); },
  press({ key }) { this.session.sendDTMF(key, { transportType: 'RFC2833' }); },

  take(session, originator) {
    this.session = session;
    this.heard = [];
    if (originator === 'remote') emit('incoming', session.remote_identity.uri.toString());
    session.on('progress', () => emit('progress'));
    session.on('confirmed', () => emit('confirmed'));
    session.on('failed', (e) => emit('failed', e.cause));
    session.on('ended', (e) => emit('ended', e.cause));
    if (session.connection) this.listen(session.connection);
    session.on('peerconnection', (e) => this.listen(e.peerconnection));
  },

  // A remote track gives samples only while an element plays it.
  listen(connection) {
    connection.addEventListener('track', (e) => {
      const stream = new MediaStream([e.track]);
      const heard = this.heard; // of this call
      audio.srcObject = stream;
      this.context?.close();
      const context = this.context = new AudioContext({ sampleRate: 8000 });
      const tap = context.createScriptProcessor(1024, 1, 1);
      tap.onaudioprocess = (block) => heard.push(block.inputBuffer.getChannelData(0).slice());
      context.createMediaStreamSource(stream).connect(tap);
      tap.connect(context.destination);
    });
  },

  // What was heard, as 16-bit samples in base64.
  recording() {
    const samples = this.heard.flatMap((block) => [...block]);
    const bytes = new Uint8Array(2 * samples.length);
    const view = new DataView(bytes.buffer);
    samples.forEach((s, i) => view.setInt16(2 * i, Math.max(-1, Math.min(1, s)) * 32767, true));
    let text = '';
    bytes.forEach((b) => { text += String.fromCharCode(b); });
    return btoa(text);
  },
};

const media = { mediaConstraints: { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false }, video: false } };
