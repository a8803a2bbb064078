// The contact list and who of it is here (RFC 6121).
import { $build } from '../libraries/strophe.js';
import { Emitter } from './emitter.js';
import { bare, local } from './address.js';
import { NS, text } from './stanza.js';

const SHOWS = { '': 'Available', chat: 'Available', away: 'Away', xa: 'Away for long', dnd: 'Do not disturb' };
const DEVICES = 64; // of one address
const MANY = 5000; // contacts, and strangers that ask

// Roster tells: changed(address), or changed() of all; asked(address) when somebody wants to be let see.
export class Roster extends Emitter {
  #stream;

  contacts = new Map(); // address -> { name, subscription, waiting }
  requests = new Set(); // addresses
  #here = new Map(); // address -> Map of resource -> { show, status, priority }

  constructor(stream) {
    super();
    this.#stream = stream;
    stream.on('online', (resumed) => { if (!resumed) this.#load(); });
    stream.on('offline', () => this.emit('changed'));
    stream.on('push', (items) => items.forEach((item) => this.#take(item)));
    stream.on('presence', (el) => this.#presence(el));
  }

  async #load() {
    this.#here.clear();
    this.requests.clear();
    const answer = await this.#stream.ask('get', query()).catch(() => null);
    if (!answer) return;
    this.contacts.clear();
    for (const item of answer.querySelectorAll('query > item')) this.#note(item);
    this.emit('changed');
    this.emit('loaded'); // presence comes after it (rfc6121#2.2)
  }

  #note(item) {
    const address = bare(item.getAttribute('jid'));
    const subscription = item.getAttribute('subscription') ?? 'none';
    if (subscription === 'remove') {
      this.contacts.delete(address);
      this.#here.delete(address);
    } else if (this.contacts.size < MANY) {
      this.contacts.set(address, {
        name: item.getAttribute('name') ?? '', subscription, waiting: item.getAttribute('ask') === 'subscribe',
      });
    }
    return address;
  }

  #take(item) {
    const address = this.#note(item);
    if (this.lets(address)) this.requests.delete(address);
    this.emit('changed', address);
  }

  #presence(el) {
    const [address, resource = ''] = split(el.getAttribute('from') ?? this.#stream.own);
    const type = el.getAttribute('type') ?? '';
    const known = this.contacts.get(address);
    if (type === 'subscribe' && (known?.waiting || this.sees(address))) {
      this.#say(address, 'subscribed'); // whom we have asked may see us
    } else if (type === 'subscribe') {
      if (this.requests.size < MANY) this.requests.add(address);
      this.emit('asked', address);
    } else if (type === '' || type === 'unavailable' || type === 'error') {
      this.#seen(address, resource, type, el);
    }
    this.emit('changed', address);
  }

  #seen(address, resource, type, el) {
    const all = this.#here.get(address) ?? new Map();
    all.delete(resource); // so that the newest is the last
    if (type === '' && all.size < DEVICES) {
      all.set(resource, { show: text(el, 'show'), status: text(el, 'status'), priority: Number(text(el, 'priority')) || 0 });
    } else if (!resource) {
      all.clear();
    }
    if (all.size && this.#here.size < MANY) this.#here.set(address, all);
    else this.#here.delete(address);
  }

  name(address) { return this.contacts.get(address)?.name || local(address); }

  // lets says whether a contact sees our presence, sees whether we see theirs.
  lets(address) { return ['from', 'both'].includes(this.contacts.get(address)?.subscription); }
  sees(address) { return ['to', 'both'].includes(this.contacts.get(address)?.subscription); }

  // presence is how a contact is now: { kind: 'online', 'away', 'dnd', 'offline' or 'unknown', words }.
  presence(address) {
    const best = [...this.#here.get(address)?.values() ?? []].reverse().sort((a, b) => b.priority - a.priority)[0];
    if (!this.#stream.online && this.contacts.has(address)) return { kind: 'unknown', words: '' };
    if (best) return { kind: kind(best.show), words: best.status || SHOWS[best.show] || 'Available' };
    if (this.sees(address)) return { kind: 'offline', words: 'Offline' };
    return { kind: 'unknown', words: this.contacts.get(address)?.waiting ? 'Waiting for approval' : '' };
  }

  // add wants somebody as a contact: he is asked, and may see us.
  async add(address, name = '') {
    await this.#set({ jid: address, ...(name && { name }) });
    if (this.requests.has(address)) this.#say(address, 'subscribed');
    this.requests.delete(address);
    this.#say(address, 'subscribe');
    this.emit('changed', address);
  }

  async rename(address, name) { await this.#set({ jid: address, ...(name && { name }) }); }

  async remove(address) { await this.#set({ jid: address, subscription: 'remove' }); }

  deny(address) {
    this.requests.delete(address);
    this.#say(address, 'unsubscribed');
    this.emit('changed', address);
  }

  #say(to, type) { this.#stream.send(this.#stream.presence({ to, type })); }

  #set(item) { return this.#stream.ask('set', query().c('item', item)); }
}

const query = () => $build('query', { xmlns: NS.roster });

const kind = (show) => ({ away: 'away', xa: 'away', dnd: 'dnd' }[show] ?? 'online');

function split(jid) {
  const at = jid.indexOf('/');
  return at < 0 ? [jid.toLowerCase()] : [jid.slice(0, at).toLowerCase(), jid.slice(at + 1)];
}
