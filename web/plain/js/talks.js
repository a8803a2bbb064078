// The conversations: what was said to whom, live, by the other devices and from the archive.
import { $build, $msg } from '../libraries/strophe.js';
import { Emitter } from './emitter.js';
import { Archive } from './archive.js';
import { remember, recall } from './account.js';
import { NS, child, forwarded, readMessage, failure } from './stanza.js';

const MOST = 1000; // messages of a conversation that are held
const MANY = 2000; // conversations
const PAGES = 5; // of the archive, to catch up with
const TYPING = 30000; // for so long a notice that somebody types is believed

// Talks tells: changed(address); heard(address, message) of a new one.
export class Talks extends Emitter {
  #stream;
  #roster;
  #archive;
  #last = recall('last', ''); // the newest message of the archive that was seen
  #read = recall('read', {}); // address -> the time up to which it is read
  #since = new Date(recall('since', Date.now())); // when it was signed in here: what was said before is no news
  #fresh = true; // nothing was read from the archive yet

  all = new Map(); // address -> talk
  open = null; // the address of the one that is looked at

  constructor(stream, roster) {
    super();
    this.#stream = stream;
    this.#roster = roster;
    this.#archive = new Archive(stream);
    remember('since', this.#since.getTime());
    stream.on('message', (el) => this.#message(el));
    stream.on('acked', () => this.#acked());
    stream.on('online', (resumed) => this.#online(resumed));
  }

  of(address) {
    if (!this.all.has(address)) {
      if (this.all.size >= MANY) this.#dropOne();
      this.all.set(address, { address, messages: [], unread: 0, typing: false, loaded: false, complete: false, busy: false, speaksStates: false });
    }
    return this.all.get(address);
  }

  #dropOne() {
    const [address] = [...this.all.keys()].filter((a) => a !== this.open && !this.#roster.contacts.has(a));
    this.all.delete(address ?? [...this.all.keys()].find((a) => a !== this.open));
  }

  get unread() { return [...this.all.values()].reduce((sum, talk) => sum + talk.unread, 0); }

  async #online(resumed) {
    if (!resumed) {
      await this.#stream.ask('set', $build('enable', { xmlns: NS.carbons })).catch(() => {});
      await this.#catchUp();
    }
    for (const talk of this.all.values()) for (const m of talk.messages) if (m.fate === 'waits') this.#transmit(m);
  }

  // catchUp takes from the archive what came while the connection was away; at first, only the newest.
  async #catchUp() {
    let done = false;
    for (let page = 0; this.#last && !this.#fresh && page < PAGES && !done; page += 1) {
      const got = await this.#archive.page({ after: this.#last, max: 100 }).catch(() => null);
      if (!got) break; // it is in the archive no more
      got.messages.forEach((m) => this.#old(m));
      done = got.complete;
    }
    if (!done) await this.#beginAnew();
    this.#fresh = false;
    const { open } = this;
    if (open) await this.load(open);
    this.emit('changed');
  }

  // beginAnew takes the newest alone, and leaves a gap before them, which is read when it is looked at.
  async #beginAnew() {
    for (const talk of this.all.values()) {
      Object.assign(talk, { messages: talk.messages.filter((m) => m.fate === 'waits' || m.fate === 'sending'), loaded: false, complete: false });
    }
    const got = await this.#archive.page({ max: 100 }).catch(() => ({ messages: [] }));
    got.messages.forEach((m) => this.#old(m));
  }

  // load reads the end of a conversation, if it is not there yet; earlier() what comes before.
  async load(address) {
    const talk = this.of(address);
    if (talk.loaded || talk.busy || !this.#stream.online) return;
    await this.#page(talk, {}, (messages) => {
      const since = messages[0]?.at ?? new Date(0); // what is older comes with the page before it
      const newer = talk.messages.filter((m) => !messages.some((o) => same(o, m)) && !(m.archived && m.at < since));
      talk.messages = [...messages.map((m) => talk.messages.find((o) => same(o, m)) ?? m), ...newer];
      talk.loaded = true;
    });
  }

  async earlier(address) {
    const talk = this.of(address);
    const first = talk.messages.find((m) => m.archived);
    if (talk.complete || talk.busy || !first) return;
    await this.#page(talk, { before: first.archived }, (messages) => {
      talk.messages = [...messages.filter((m) => !talk.messages.some((o) => same(o, m))), ...talk.messages];
    });
  }

  async #page(talk, where, take) {
    talk.busy = true;
    this.emit('changed', talk.address);
    try {
      const got = await this.#archive.page({ with: talk.address, ...where });
      take(got.messages.filter((m) => m.body).map((m) => ({ ...m, mine: m.from === this.#stream.own, fate: 'sent' })));
      talk.complete = got.complete;
      this.#settleReceipts(talk, got.messages);
    } catch { /* it can be asked for again */ }
    talk.busy = false;
    this.emit('changed', talk.address);
  }

  #settleReceipts(talk, list) {
    for (const m of list) if (m.receiptFor && m.from === talk.address) this.#delivered(talk, m.receiptFor);
  }

  #message(el) {
    if (this.#archive.takes(el)) return;
    const { own } = this.#stream;
    const carbon = child(el, 'sent', NS.carbons) ?? child(el, 'received', NS.carbons);
    if (carbon) {
      if ((el.getAttribute('from') ?? own).toLowerCase() !== own) return; // xep0280#11
      const { inner, at } = forwarded(carbon);
      if (inner) this.#take({ ...readMessage(inner, own), ...(at && { at }), carbon: true });
      return;
    }
    this.#take(readMessage(el, own));
  }

  #take(m) {
    const mine = m.from === this.#stream.own && m.to !== m.from;
    const talk = this.of(mine ? m.to : m.from);
    if (m.type === 'error') return this.#failed(talk, m);
    if (m.type === 'groupchat') return undefined;
    if (m.archived) this.#seen(m.archived);
    if (!mine) this.#hears(talk, m);
    if (m.receiptFor && !mine) this.#delivered(talk, m.receiptFor);
    if (m.body) this.#add(talk, { ...m, mine, at: m.at ?? new Date(), fate: 'sent' }, !mine);
    this.emit('changed', talk.address);
    return undefined;
  }

  // old takes one from the archive.
  #old(m) {
    this.#seen(m.archived);
    const mine = m.from === this.#stream.own && m.to !== m.from;
    const talk = this.of(mine ? m.to : m.from);
    if (m.receiptFor && !mine) this.#delivered(talk, m.receiptFor);
    if (m.body && m.type !== 'groupchat' && m.type !== 'error') this.#add(talk, { ...m, mine, fate: 'sent' }, !mine && m.at > this.#since);
  }

  #add(talk, m, counts) {
    const known = talk.messages.find((o) => same(o, m));
    if (known) {
      known.archived ||= m.archived;
      if (known.fate === 'sending') known.fate = 'sent';
      if (counts && !known.counted) this.#count(talk, known);
      return;
    }
    talk.messages.push(m);
    if (talk.messages.length > MOST) Object.assign(talk, { messages: talk.messages.slice(-MOST / 2), complete: false });
    if (counts) this.#count(talk, m);
  }

  // count counts a message as unread, if it is.
  #count(talk, m) {
    m.counted = true;
    if (m.at <= new Date(this.#read[talk.address] ?? 0)) return;
    if (this.open === talk.address && document.hasFocus()) this.#noteRead(talk, m.at);
    else talk.unread += 1;
    this.emit('heard', talk.address, m);
  }

  #hears(talk, m) {
    clearTimeout(talk.timer);
    if (m.state) talk.speaksStates = true;
    talk.typing = m.state === 'composing' && !m.late; // xep0085#5
    if (talk.typing) talk.timer = setTimeout(() => { talk.typing = false; this.emit('changed', talk.address); }, TYPING);
    // Who may not see us is not told that we are here (xep0184#5.1).
    if (m.wantsReceipt && m.id && m.body && !m.carbon && this.#roster.lets(m.from)) {
      this.#stream.send($msg({ to: m.sender, type: m.type }).c('received', { xmlns: NS.receipts, id: m.id }));
    }
  }

  #delivered(talk, id) {
    const m = talk.messages.findLast((o) => o.mine && o.id === id);
    if (m) m.fate = 'delivered';
  }

  #failed(talk, m) {
    const sent = talk.messages.findLast((o) => o.mine && o.id === m.id);
    if (!sent) return;
    Object.assign(sent, { fate: 'failed', why: failure(m) });
    this.emit('changed', talk.address);
  }

  #seen(archived) {
    this.#last = archived;
    remember('last', archived);
  }

  // read says that the person has seen a conversation.
  read(address) {
    const talk = this.of(address);
    const newest = talk.messages.findLast((m) => !m.mine);
    const had = talk.unread;
    talk.unread = 0;
    if (newest) this.#noteRead(talk, newest.at);
    if (had) this.emit('changed', address);
  }

  #noteRead(talk, at) {
    if (new Date(this.#read[talk.address] ?? 0) >= at) return;
    this.#read[talk.address] = at.toISOString();
    remember('read', this.#read);
  }

  write(address, body) {
    const talk = this.of(address);
    const m = { from: this.#stream.own, to: address, id: crypto.randomUUID(), body, at: new Date(), mine: true, fate: 'waits', archived: '' };
    talk.messages.push(m);
    talk.told = 'active';
    if (this.#stream.online) this.#transmit(m);
    this.emit('changed', address);
  }

  #transmit(m) {
    m.fate = 'sending';
    this.#stream.send($msg({ to: m.to, type: 'chat', id: m.id }).c('body').t(m.body).up()
      .c('active', { xmlns: NS.states }).up().c('request', { xmlns: NS.receipts }));
    this.#stream.requestAck();
  }

  // acked finds what the server has taken (xep0198#4).
  #acked() {
    for (const talk of this.all.values()) {
      let changed = false;
      for (const m of talk.messages) {
        if (m.fate !== 'sending' || this.#stream.awaitsAck(m.id)) continue;
        m.fate = 'sent';
        changed = true;
      }
      if (changed) this.emit('changed', talk.address);
    }
  }

  // typing tells the other that we type, or no more, if he tells us such things or is a contact (xep0085#5.1).
  typing(address, state) {
    const talk = this.of(address);
    if (talk.told === state || !(talk.speaksStates || this.#roster.lets(address))) return;
    talk.told = state;
    this.#stream.send($msg({ to: address, type: 'chat' }).c(state, { xmlns: NS.states }));
  }
}

// same says whether two are one message: by the archive's id, or by whose it is and how he named it.
const same = (a, b) => (a.archived !== '' && a.archived === b.archived) || (a.id !== '' && a.id === b.id && a.from === b.from);
