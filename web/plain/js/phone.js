// The phone: JsSIP over a WebSocket of this server, signed in by the same token as the chat (RFC 8898).
import JsSIP from '../libraries/jssip.js';
import { Emitter } from './emitter.js';
import { Call } from './call.js';
import { socket } from './account.js';
import { sipURI } from './address.js';

const AT_ONCE = 4; // calls

// Phone tells: ready(bool), refused() when the token is not good, call(call) when one begins, over(call).
export class Phone extends Emitter {
  #ua;
  #relays;

  ready = false;
  calls = new Set();

  // relays has the servers that calls may go by.
  constructor(account, relays) {
    super();
    this.#relays = relays;
    this.#ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(socket('sip'))],
      uri: sipURI(account.address),
      authorization_jwt: `Bearer ${account.token}`,
      instance_id: account.instance,
      user_agent: 'parley page',
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 30,
    });
    this.#ua.on('registered', () => this.#is(true));
    this.#ua.on('unregistered', () => this.#is(false));
    this.#ua.on('disconnected', () => this.#is(false));
    this.#ua.on('registrationFailed', (e) => this.#failed(e));
    this.#ua.on('newRTCSession', (e) => { if (e.originator === 'remote') this.#incoming(e.session, e.request); });
    addEventListener('online', () => this.retry());
    addEventListener('pagehide', () => this.stop());
  }

  start() { this.#ua.start(); }

  stop() {
    for (const call of this.calls) call.end();
    this.#ua.stop();
    this.#is(false);
  }

  // retry does not wait for the next try.
  retry() {
    if (!this.#ua.isConnected()) this.#ua.transport?.connect();
    else if (!this.ready) this.#ua.register();
  }

  #is(ready) {
    if (this.ready === ready) return;
    this.ready = ready;
    this.emit('ready', ready);
  }

  #failed(e) {
    this.#is(false);
    if (e.response?.status_code === 401) this.emit('refused');
    else if (this.#ua.isConnected()) setTimeout(() => this.retry(), 10000);
  }

  // dial calls somebody.
  dial(address, video) {
    if (this.calls.size >= AT_ONCE) return null;
    this.#hold();
    const call = new Call(address, { outgoing: true, video });
    this.#add(call);
    call.dial(this.#ua, sipURI(address), this.#relays.servers);
    return call;
  }

  #incoming(session, request) {
    if (this.calls.size >= AT_ONCE) {
      session.terminate({ status_code: 486 });
      return;
    }
    this.#add(Call.from(session, request));
  }

  answer(call, video) {
    this.#hold(call);
    call.answer(video, this.#relays.servers);
  }

  // hold holds all calls but one.
  #hold(but) {
    for (const call of this.calls) if (call !== but && call.state === 'talking' && !call.held) call.hold(true);
  }

  #add(call) {
    this.calls.add(call);
    call.on('ended', () => {
      this.calls.delete(call);
      this.emit('over', call);
    });
    this.emit('call', call);
  }
}
