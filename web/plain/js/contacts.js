// The list of people: contacts and who else was talked to, and what can be done with an address that is entered.
import { $, avatar, button, make, note, place, say } from './dom.js';
import { complete, local } from './address.js';
import { describe } from './calllog.js';

export class Contacts {
  #own;
  #roster;
  #talks;
  #log;
  #act;
  #rows = new Map(); // address -> li

  // act has open(address), call(address, video).
  constructor({ own, roster, talks, log, act }) {
    this.#own = own;
    this.#roster = roster;
    this.#talks = talks;
    this.#log = log;
    this.#act = act;
    roster.on('changed', () => this.show());
    talks.on('changed', () => this.show());
    $('find-text').oninput = () => this.show();
    $('find-text').onkeydown = (e) => { if (e.key === 'Escape') this.#clear(); };
    $('find').onsubmit = (e) => { e.preventDefault(); this.#enter(); };
  }

  show() {
    const typed = $('find-text').value.trim().toLowerCase();
    const everybody = this.#everybody();
    const wanted = everybody.filter((a) => a.includes(typed) || this.#roster.name(a).toLowerCase().includes(typed));
    place($('contacts'), wanted.map((address) => this.#row(address)));
    this.#showFound(typed, everybody);
    this.#showRequests();
    const words = typed ? 'Nobody of that name.' : `Nobody here yet. Enter an address above: echo@${this.#own.split('@')[1]} plays back what you say.`;
    say($('nobody'), words);
    $('nobody').hidden = wanted.length > 0 || !$('found').hidden;
    for (const address of this.#rows.keys()) if (!everybody.includes(address)) this.#rows.delete(address);
  }

  // everybody is in the order of who was heard of last, then by name.
  #everybody() {
    const latest = this.#log.latest();
    const when = (a) => {
      const said = this.#talks.all.get(a)?.messages.at(-1)?.at ?? 0;
      return Math.max(new Date(said), new Date(latest.get(a)?.at ?? 0));
    };
    const talked = [...this.#talks.all.values()].filter((t) => t.messages.length).map((t) => t.address);
    const all = new Set([...this.#roster.contacts.keys(), ...talked, ...latest.keys()]);
    return [...all].map((a) => [a, when(a)]).sort(([a, x], [b, y]) => y - x || this.#roster.name(a).localeCompare(this.#roster.name(b))).map(([a]) => a);
  }

  #row(address) {
    const row = this.#rows.get(address) ?? make('li');
    this.#rows.set(address, row);
    const { kind, words } = this.#roster.presence(address);
    const talk = this.#talks.all.get(address);
    const open = this.#talks.open === address;
    const preview = this.#preview(address, talk, words);
    const state = JSON.stringify([kind, words, talk?.unread, open, preview, this.#roster.name(address)]);
    if (row.dataset.state === state) return row;
    row.dataset.state = state;
    const disc = avatar(address, this.#roster.name(address));
    if (kind !== 'unknown') disc.append(make('span', { class: `dot ${kind}` }));
    const unread = talk?.unread;
    row.replaceChildren(make('a', { href: `#${encodeURIComponent(address)}`, 'aria-current': open ? 'page' : null },
      disc, make('span', { class: 'who' }, make('strong', {}, this.#roster.name(address)), make('span', { class: 'quiet' }, preview)),
      make('span', { class: 'only-heard' }, words && preview !== words ? `, ${words}` : ''),
      unread > 0 && make('span', { class: 'count' }, String(unread), make('span', { class: 'only-heard' }, ' unread'))));
    return row;
  }

  // preview is the line under a name: what is going on, or was said last.
  #preview(address, talk, words) {
    if (talk?.typing) return 'typing…';
    const said = talk?.messages.at(-1);
    const called = this.#log.latest().get(address);
    if (called && (!said || new Date(called.at) > said.at)) return describe(called);
    if (said) return `${said.mine ? 'You: ' : ''}${said.body.slice(0, 80)}`;
    return words || address;
  }

  #showFound(typed, everybody) {
    const address = typed && complete(typed, this.#own.split('@')[1]);
    const known = everybody.some((a) => a !== address && (a.includes(typed) || this.#roster.name(a).toLowerCase().includes(typed)));
    const entered = address && (typed.includes('@') || !known);
    $('found').hidden = !entered;
    if (!entered || $('found').dataset.address === address) return;
    $('found').dataset.address = address;
    const act = (f) => () => { this.#clear(); f(); };
    place($('found'), [
      make('p', {}, avatar(address, ''), make('strong', {}, address)),
      make('div', { class: 'actions' },
        button('Call', 'phone', act(() => this.#act.call(address, false)), { quiet: false }),
        button('Write', 'write', act(() => this.#act.open(address)), { quiet: false }),
        !this.#roster.contacts.has(address) && address !== this.#own &&
          button('Add', 'add', act(() => this.add(address)), { quiet: false })),
    ]);
  }

  #clear() {
    $('find-text').value = '';
    $('found').dataset.address = '';
    this.show();
  }

  // enter is what the Enter key does: the first that is shown is opened.
  #enter() {
    const address = $('found').hidden ? this.#everybody().find((a) => this.#rows.get(a)?.isConnected) : $('found').dataset.address;
    if (!address || !$('find-text').value.trim()) return;
    this.#clear();
    this.#act.open(address);
  }

  async add(address) {
    try {
      await this.#roster.add(address);
      this.#act.open(address);
    } catch (e) {
      note(`${address} can’t be added: ${e.message}.`);
    }
  }

  #showRequests() {
    const list = [...this.#roster.requests];
    $('requests').hidden = list.length === 0;
    const shown = new Map([...$('requests-list').children].map((li) => [li.dataset.address, li]));
    place($('requests-list'), list.map((address) => shown.get(address) ?? make('li', { 'data-address': address, class: 'request' },
      avatar(address, ''), make('span', { class: 'who' }, make('strong', {}, local(address)), make('span', { class: 'quiet' }, address)),
      button(`Accept ${address}`, 'yes', () => this.add(address), { kind: 'yes' }),
      button(`Decline ${address}`, 'no', () => this.#roster.deny(address), { kind: 'no' }))));
  }
}
