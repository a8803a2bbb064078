// The XMPP connection: signs in by the token, comes back after a loss, and resumes what was (XEP-0198).
import { Strophe, $build, $iq, $pres, MemoryStorageBackend } from '../libraries/strophe.js';
import { Emitter } from './emitter.js';
import { socket } from './account.js';
import { domain } from './address.js';
import { NS, child, condition } from './stanza.js';

const { Status } = Strophe;
const PATIENCE = 20000;
const LONGEST = 30000;
const PING = 45000;

// Stream tells: online(resumed), offline(seconds until it tries again), ended(why) when it is for good, message(el),
// presence(el), push(item elements), acked().
export class Stream extends Emitter {
  #account;
  #connection;
  #tries = 0;
  #timer;
  #ended = false;
  #condition = '';

  online = false;

  constructor(account) {
    super();
    this.#account = account;
    this.own = account.address;
    // A page that is loaded again knows nothing of before: what can be resumed is kept in memory alone.
    this.#connection = new Strophe.Connection(socket('xmpp'), {
      mechanisms: [Strophe.SASLOAuthBearer], enableStreamManagement: true,
      streamManagement: { storage: new MemoryStorageBackend(), maxUnacked: 3 },
    });
    addEventListener('online', () => this.retry());
    addEventListener('offline', () => this.#lost());
    addEventListener('pagehide', () => this.close());
    setInterval(() => this.#ping(), PING);
    addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });
  }

  // connect begins, or begins again.
  connect() {
    clearTimeout(this.#timer);
    this.#condition = '';
    this.#connection.connect(this.own, this.#account.token, (status, why, el) => this.#changed(status, why, el));
    this.#timer = setTimeout(() => { if (!this.online) this.#lost(); }, PATIENCE);
  }

  // retry does not wait for the next try.
  retry() {
    if (this.#ended || this.online) return;
    this.#tries = 0;
    this.#drop();
    this.connect();
  }

  // close ends it with a word to the server, for good.
  close() {
    this.#ended = true;
    clearTimeout(this.#timer);
    if (this.online) {
      this.#connection.flush();
      this.#connection.disconnect();
    }
    this.online = false;
  }

  // ping finds a connection dead that nobody has closed (xep0199#4.2).
  #ping() {
    if (!this.online) return;
    const ping = $build('ping', { xmlns: NS.ping });
    this.ask('get', ping, domain(this.own)).catch((e) => { if (e.message === 'no answer') this.#lost(); });
  }

  #changed(status, why, el) {
    if (this.#ended) return;
    switch (status) {
      case Status.CONNECTED: return this.#begin();
      case Status.AUTHFAIL: return this.#refused(el);
      case Status.ERROR:
      case Status.CONNFAIL:
        this.#condition = why ?? '';
        return undefined;
      case Status.DISCONNECTED: return this.#disconnected();
      default: return undefined;
    }
  }

  #begin() {
    clearTimeout(this.#timer);
    this.online = true;
    this.#tries = 0;
    for (const kind of ['message', 'presence']) {
      this.#connection.addHandler((el) => { this.emit(kind, el); return true; }, null, kind);
    }
    this.#connection.addHandler((el) => this.#asked(el), null, 'iq', ['get', 'set']);
    this.#connection.addHandler(() => { setTimeout(() => this.emit('acked')); return true; }, NS.sm, 'a');
    this.emit('online', this.#connection.hasResumed());
  }

  // A token that is not good ends it; what only lasts a while does not (rfc6120#6.5).
  #refused(el) {
    if (child(el, 'not-authorized') || child(el, 'account-disabled') || child(el, 'credentials-expired')) this.#end('signed-out');
    else this.#lost();
  }

  #disconnected() {
    if (this.#condition === 'not-authorized') this.#end('signed-out');
    else if (this.#condition === 'conflict') this.#end('elsewhere');
    else this.#lost();
  }

  #end(why) {
    this.#ended = true;
    this.online = false;
    clearTimeout(this.#timer);
    this.emit('ended', why);
  }

  // lost waits a little longer each time.
  #lost() {
    if (this.#ended) return;
    this.online = false;
    this.#drop();
    clearTimeout(this.#timer);
    const wait = Math.min(LONGEST, 1000 * 2 ** this.#tries) * (0.75 + Math.random() / 2);
    this.#tries += 1;
    this.#timer = setTimeout(() => this.connect(), wait);
    this.emit('offline', Math.ceil(wait / 1000));
  }

  // drop lets go of the socket without a closing word, so that the session can be resumed.
  #drop() {
    this.#connection.connect_callback = null;
    this.#connection._doDisconnect();
  }

  send(stanza) {
    if (this.online) this.#connection.send(stanza);
  }

  // ask sends an iq and gives the answer, or throws what was wrong.
  ask(type, payload, to) {
    return new Promise((yes, no) => {
      if (!this.online) {
        no(new Error('offline'));
        return;
      }
      const iq = $iq({ type, ...(to && { to }) });
      iq.cnode(payload.tree());
      this.#connection.sendIQ(iq, yes, (el) => no(new Error(el ? condition(el) || 'error' : 'no answer')), PATIENCE);
    });
  }

  // awaitsAck says whether the server has not said yet that it has a stanza.
  awaitsAck(id) {
    const { unacked, enabled } = this.#connection.sm.state;
    return !enabled || unacked.some((u) => u.stanza.includes(`"${id}"`));
  }

  requestAck() {
    if (this.online && this.#connection.sm.enabled) this.#connection.sm.requestAck();
  }

  presence(attributes = {}) { return $pres(attributes); }

  // asked answers who asks: every request gets an answer (rfc6120#8.2.3).
  #asked(el) {
    const id = el.getAttribute('id');
    const from = el.getAttribute('from');
    const reply = (type) => $iq({ type, id, ...(from && { to: from }) });
    const query = child(el, 'query', NS.roster);
    const mine = !from || from === this.own || from === domain(this.own);
    if (query && mine && el.getAttribute('type') === 'set') {
      this.send(reply('result'));
      this.emit('push', [...query.children]);
    } else if (mine && child(el, 'services', NS.external)) {
      this.send(reply('result'));
      this.emit('services');
    } else if (child(el, 'ping', NS.ping)) {
      this.send(reply('result'));
    } else if (child(el, 'query', NS.info) && el.getAttribute('type') === 'get') {
      this.send(about(reply('result'), child(el, 'query', NS.info).getAttribute('node')));
    } else {
      this.send(reply('error').c('error', { type: 'cancel' }).c('service-unavailable', { xmlns: NS.errors }));
    }
    return true;
  }
}

// about tells what the page can do (xep0030#3.1).
function about(reply, node) {
  reply.c('query', { xmlns: NS.info, ...(node && { node }) }).c('identity', { category: 'client', type: 'web', name: 'parley' }).up();
  for (const feature of [NS.info, NS.ping, NS.receipts, NS.states]) reply.c('feature', { var: feature }).up();
  return reply;
}
