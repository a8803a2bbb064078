// One call, as the person sees it.
import { Emitter } from './emitter.js';
import { ofURI } from './address.js';
import { ending } from './reasons.js';

const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const SOON = 200; // milliseconds
const constraints = (video) => ({ audio: SOUND, video: video ? { width: { ideal: 1280 }, height: { ideal: 720 } } : false });

// Call tells: changed(), ended(). Its state is calling, ringing (there, or here if it is incoming), talking or ended.
export class Call extends Emitter {
  #session;
  #wantsHold = false;

  state = 'calling';
  muted = false;
  held = false; // by us
  waits = false; // held by the other side
  began = new Date();
  answered = null; // when
  ended = null; // when
  why = { words: '', detail: '' };
  remote = new MediaStream();
  mine = null; // what we send

  constructor(address, { outgoing, video, name = '' }) {
    super();
    Object.assign(this, { address, outgoing, video: Boolean(video), name });
  }

  // from makes one of a session that comes in.
  static from(session, request) {
    const who = session.remote_identity;
    const offersVideo = /^m=video [1-9]/m.test(request.body ?? '');
    const call = new Call(ofURI(who.uri), { outgoing: false, video: offersVideo, name: who.display_name ?? '' });
    call.state = 'ringing';
    call.#follow(session);
    return call;
  }

  dial(ua, to, iceServers) {
    try {
      const session = ua.call(to, { mediaConstraints: constraints(this.video), pcConfig: { iceServers }, eventHandlers: this.#handlers() });
      this.#watch(session);
    } catch (e) {
      this.#over({ cause: e.message, originator: 'local' });
    }
  }

  #follow(session) {
    for (const [event, handler] of Object.entries(this.#handlers())) session.on(event, handler);
    this.#watch(session);
  }

  #watch(session) {
    this.#session = session;
    if (session.connection) this.#listen(session.connection);
  }

  #handlers() {
    return {
      peerconnection: (e) => this.#listen(e.peerconnection),
      progress: () => { if (this.outgoing) this.#is({ state: 'ringing' }); },
      confirmed: () => this.#talk(),
      accepted: () => { if (this.outgoing) this.#talk(); },
      failed: (e) => this.#over(e),
      ended: (e) => this.#over(e),
      hold: (e) => this.#is(e.originator === 'local' ? { held: true } : { waits: true }),
      unhold: (e) => this.#is(e.originator === 'local' ? { held: false } : { waits: false }),
      muted: () => this.#is({ muted: true }),
      unmuted: () => this.#is({ muted: false }),
    };
  }

  #is(now) {
    if (this.state === 'ended') return;
    Object.assign(this, now);
    this.emit('changed');
  }

  #talk() {
    this.#is({ state: 'talking', answered: this.answered ?? new Date() });
    const tracks = this.#session.connection.getSenders().map((s) => s.track).filter(Boolean);
    this.#is({ mine: new MediaStream(tracks) });
  }

  #over(event) {
    if (this.state === 'ended') return;
    const why = ending(event, Boolean(this.answered), this.outgoing);
    this.#is({ state: 'ended', ended: new Date(), why });
    this.emit('ended');
  }

  #listen(connection) {
    connection.addEventListener('track', ({ track }) => {
      this.remote.addTrack(track);
      for (const event of ['mute', 'unmute', 'ended']) track.addEventListener(event, () => this.#is({}));
      this.#is({});
    });
  }

  // shows says whether the other side can be seen.
  get shows() { return this.remote.getVideoTracks().some((t) => t.readyState === 'live' && !t.muted); }

  get sendsVideo() { return Boolean(this.mine?.getVideoTracks().length); }

  answer(video, iceServers) {
    this.#session.answer({ mediaConstraints: constraints(video), pcConfig: { iceServers } });
    this.#is({ state: 'calling' });
  }

  // end hangs up, cancels or declines.
  end() {
    if (this.state === 'ended') return;
    try {
      this.#session.terminate(!this.outgoing && !this.answered ? { status_code: 603 } : {}); // rfc3261#21.6.2
    } catch (e) {
      this.#over({ cause: e.message, originator: 'local' });
    }
  }

  mute(on) {
    if (on) this.#session.mute({ audio: true });
    else this.#session.unmute({ audio: true });
  }

  // hold is done as soon as it can be: not while an earlier change of the call is not answered yet (rfc3261#14.1).
  hold(on) {
    this.#wantsHold = on;
    this.#settleHold();
  }

  #settleHold() {
    if (this.state !== 'talking' || this.held === this.#wantsHold) return;
    const done = this.#wantsHold ? this.#session.hold() : this.#session.unhold();
    if (!done) setTimeout(() => this.#settleHold(), SOON);
  }

  press(key) { this.#session.sendDTMF(key, { transportType: 'RFC2833' }); } // rfc4733#3

  // seconds is how long it was talked.
  get seconds() { return this.answered ? Math.round(((this.ended ?? new Date()) - this.answered) / 1000) : 0; }
}
