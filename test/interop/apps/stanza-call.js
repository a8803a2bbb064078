// The calls of the app inside the page. Two apps agree on one by messages (XEP-0353), which stanza has no grammar
// for, or one begins it at once; stanza does what is Jingle.
const { JXT, Namespaces } = stanza;
const INTENT = 'urn:xmpp:jingle-message:0';

const grammar = [
  ...['propose', 'ringing', 'proceed', 'accept', 'reject', 'retract', 'finish'].map((step) => ({
    element: step, namespace: INTENT, path: 'message.intent', type: step, typeField: 'step',
    fields: {
      id: JXT.attribute('id'),
      media: JXT.multipleChildAttribute(Namespaces.NS_JINGLE_RTP_1, 'description', 'media'),
      tieBreak: JXT.childBoolean(null, 'tie-break'),
      migrated: JXT.childAttribute(null, 'migrated', 'to'),
    },
  })),
  JXT.addAlias(Namespaces.NS_JINGLE_1, 'reason', ['message.intent.reason']),
];

// Batched is a connection whose descriptions have all candidates in them: nothing comes after them.
class Batched extends RTCPeerConnection {
  async createOffer(options) { return this.whole(await super.createOffer(options)); }
  async createAnswer(options) { return this.whole(await super.createAnswer(options)); }
  async whole(description) {
    await super.setLocalDescription(description);
    while (this.iceGatheringState !== 'complete') {
      await new Promise((changed) => this.addEventListener('icegatheringstatechange', changed, { once: true }));
    }
    return this.localDescription;
  }
  async setLocalDescription() {} // whole has done it
  set onicecandidate(_) {}
}

const microphone = () => navigator.mediaDevices.getUserMedia({
  audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
});

class Calls {
  // call is the one that there is: { id, peer, mine, agreed, answering, session, stream, talking, by }
  constructor(client, { batched, sharesPresence }) {
    Object.assign(this, { client, sharesPresence });
    client.stanzas.define(grammar);
    client.disco.addFeature(INTENT);
    if (batched) client.jingle.createPeerConnection = (_, options) => new Batched(options);
    client.on('message', (m) => { if (m.intent) this.heard(m); });
    client.on('message:sent', (m, elsewhere) => { if (m.intent && elsewhere) this.doneElsewhere(m); });
    client.on('jingle:created', () => { if (!this.call?.session) ear.begin(); });
    client.on('jingle:incoming', (session) => this.incoming(session));
    client.on('jingle:terminated', (session, reason) => { if (this.call?.session === session) this.over(reason); });
    for (const info of ['ringing', 'hold', 'resumed', 'mute', 'unmute']) {
      client.on(`jingle:${info}`, (session) => emit('info', { info, id: session.sid }));
    }
    client.jingle.on('peerTrackAdded', (session, track) => { if ((this.call?.id ?? session.sid) === session.sid) ear.listen(track); });
    for (const change of ['sessionState', 'connectionState']) client.jingle.on(change, (session) => this.progressed(session));
  }

  // say sends a step; all of them are of type chat, and stored (xep0353#3).
  say(step, to, more) {
    this.client.sendMessage({ to, type: 'chat', processingHints: { store: true }, intent: { step, id: this.call.id, ...more } });
  }

  // show lets somebody ask this app something who doesn't see yet that it is there.
  show(to) {
    if (!this.sharesPresence(to)) this.client.sendPresence({ to, legacyCapabilities: this.client.disco.getCaps() });
  }

  heard({ from, to, intent, delay }) {
    const { step, id, reason, media, tieBreak } = intent;
    emit(step, {
      from, id, to, media, tieBreak: tieBreak ? 'yes' : '', reason: reason?.condition, text: reason?.text, delay: delay?.timestamp.toISOString(),
    });
    if (step === 'propose') this.proposed(from, id);
    if (id !== this.call?.id) return;
    if (step === 'proceed' && this.call.mine && !this.call.peer) this.begin(from);
    if (step === 'reject' && this.call.mine || step === 'retract' && !this.call.mine) this.over(reason);
  }

  proposed(peer, id) {
    if (!this.call) this.call = { id, peer, agreed: true };
    else if (id !== this.call.id) {
      const now = this.call;
      this.call = { id };
      this.say('reject', peer, { reason: { condition: 'busy' } });
      this.call = now;
    }
  }

  // doneElsewhere is told what another of one's own apps has said.
  doneElsewhere({ intent: { step, id } }) {
    emit(`${step} elsewhere`, { id });
    if (id === this.call?.id && !this.call.mine && ['proceed', 'accept', 'reject'].includes(step)) this.over({ condition: step }, 'elsewhere');
  }

  async begin(peer) {
    const { call } = this;
    call.peer = peer;
    const stream = await microphone();
    if (this.call !== call) return release(stream);
    call.stream = stream;
    call.session = this.client.jingle.createMediaSession(peer, call.id, stream);
    await call.session.start({ offerToReceiveAudio: true });
  }

  incoming(session) {
    const { call } = this;
    if (call?.id === session.sid && call.peer === session.peerID && call.answering) {
      call.session = session;
      this.accept();
    } else if (!call) {
      this.call = { id: session.sid, peer: session.peerID, session };
      emit('initiate', { from: session.peerID, id: session.sid });
    } else session.end('busy');
  }

  async accept() {
    const { call } = this;
    const stream = await microphone();
    if (this.call !== call) return release(stream);
    call.stream = stream;
    for (const track of stream.getTracks()) await call.session.addTrack(track, stream);
    await call.session.accept();
  }

  progressed(session) {
    const { call } = this;
    if (call?.session !== session || call.talking || session.state !== 'active' || session.connectionState !== 'connected') return;
    call.talking = true;
    emit('talking', { id: call.id, peer: call.peer });
  }

  over(reason, by) {
    const { id, stream, by: ended } = this.call;
    this.call = undefined;
    release(stream);
    emit('over', { id, reason: reason?.condition ?? reason, text: reason?.text, by: by ?? ended ?? 'them' });
  }

  // What one does.

  propose({ to }) {
    this.call = { id: crypto.randomUUID(), to, mine: true, agreed: true };
    this.show(to);
    this.say('propose', to, { media: ['audio'] });
    return { id: this.call.id };
  }
  async initiate({ to }) {
    this.call = { id: crypto.randomUUID(), mine: true };
    this.show(to);
    await this.begin(to);
    return { id: this.call.id };
  }
  async ring() {
    const { session, peer } = this.call;
    if (session) await session.ring();
    else this.say('ringing', peer);
  }
  async answer() {
    const { session, peer } = this.call;
    this.show(peer);
    if (session) return this.accept();
    this.call.answering = true;
    this.say('proceed', peer);
  }
  async hangup({ reason, text }) {
    const { call } = this;
    const { session, mine, agreed, peer, to } = call;
    const usual = session?.state === 'active' ? 'success' : mine ? 'cancel' : session ? 'decline' : 'busy';
    const why = { condition: reason ?? usual, ...(text && { text }) };
    call.by = 'me';
    if (!session) {
      this.say(mine ? 'retract' : 'reject', mine ? to : peer, { reason: why });
      return this.over(why);
    }
    if (agreed) this.say('finish', peer, { reason: why });
    session.end(why);
  }
  async hold() { this.speak(false); await this.call.session.hold(); }
  async resume() { this.speak(true); await this.call.session.resume(); }
  async mute() { this.speak(false); await this.call.session.mute('initiator', this.content()); }
  async unmute() { this.speak(true); await this.call.session.unmute('initiator', this.content()); }
  speak(loud) { for (const track of this.call.stream.getAudioTracks()) track.enabled = loud; }
  content() { return this.call.session.pc.getTransceivers()[0].mid; }
  state() {
    const { id, peer, session, talking } = this.call ?? {};
    return { id, peer, state: session?.state ?? (id ? 'proposed' : 'none'), connection: session?.connectionState, talking: talking ? 'yes' : '' };
  }
}

const release = (stream) => { for (const track of stream?.getTracks() ?? []) track.stop(); };
