// The conversation that is open.
import { $, avatar, button, note, place, say } from './dom.js';
import { bubble, callLine, dayLine } from './bubble.js';

const NEAR = 80; // pixels from the end, within which the newest is followed
const PAUSE = 4000; // without a key, after which one types no more

export class Chat {
  #roster;
  #talks;
  #log;
  #act;
  #nodes = new Map(); // what is shown, by its key
  #drafts = new Map(); // what was begun, by address
  #timer;

  constructor({ roster, talks, log, act }) {
    this.#roster = roster;
    this.#talks = talks;
    this.#log = log;
    this.#act = act;
    roster.on('changed', (address) => { if (!address || address === talks.open) this.#head(); });
    talks.on('changed', (address) => { if (!address || address === talks.open) this.show(); });
    $('write').onsubmit = (e) => { e.preventDefault(); this.#send(); };
    $('write-text').oninput = () => this.#typed();
    $('write-text').onkeydown = (e) => {
      if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); this.#send(); }
    };
    $('earlier').onclick = () => this.#earlier();
    $('scroller').onscroll = () => { if ($('scroller').scrollTop < NEAR && !$('earlier').hidden) this.#earlier(); };
    addEventListener('focus', () => this.#read());
    $('contact-dialog').onclose = () => this.#contactDone();
  }

  // open shows another conversation, or none.
  open(address) {
    this.#leave();
    this.#talks.open = address;
    this.#nodes.clear();
    for (const id of ['talk-head', 'scroller', 'write']) $(id).hidden = !address;
    $('welcome').hidden = Boolean(address);
    document.body.dataset.talk = address ? 'open' : '';
    if (!address) return;
    $('write-text').value = this.#drafts.get(address) ?? '';
    this.#grow();
    $('messages').replaceChildren();
    this.#actions(address);
    this.show();
    $('scroller').scrollTop = $('scroller').scrollHeight;
    this.#talks.load(address);
    this.#read();
    if (matchMedia('(min-width: 46rem)').matches) $('write-text').focus();
    else $('scroller').focus();
  }

  #leave() {
    const { open } = this.#talks;
    if (!open) return;
    const draft = $('write-text').value;
    if (draft) this.#drafts.set(open, draft);
    else this.#drafts.delete(open);
    this.#still();
  }

  #actions(address) {
    place($('talk-actions'), [
      button('Call', 'phone', () => this.#act.call(address, false)),
      button('Video call', 'video', () => this.#act.call(address, true)),
      button('Contact', 'more', () => this.#contact(address)),
    ]);
  }

  #head() {
    const { open } = this.#talks;
    if (!open) return;
    const { kind, words } = this.#roster.presence(open);
    const name = this.#roster.name(open);
    say($('talk-name'), name);
    const disc = avatar(open, name);
    if (kind !== 'unknown') disc.append(Object.assign(document.createElement('span'), { className: `dot ${kind}` }));
    place($('talk-avatar'), [disc]);
    say($('talk-presence'), [words, name === open ? '' : open].filter(Boolean).join(' · '));
  }

  show() {
    const { open } = this.#talks;
    if (!open) return;
    this.#head();
    const talk = this.#talks.of(open);
    const box = $('scroller');
    const follow = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
    const fromEnd = box.scrollHeight - box.scrollTop;
    $('earlier').hidden = !talk.loaded || talk.complete || !talk.messages.some((m) => m.archived);
    say($('earlier'), talk.busy ? 'Looking…' : 'Earlier messages');
    $('earlier').setAttribute('aria-disabled', String(talk.busy));
    place($('messages'), this.#lines(talk));
    say($('typing'), talk.typing ? `${this.#roster.name(open)} is typing…` : '');
    // What is read stays where it is when something comes above it.
    box.scrollTop = follow ? box.scrollHeight : box.scrollHeight - fromEnd;
    this.#read();
  }

  // lines are the messages and, where they belong in time, the calls and the days.
  #lines(talk) {
    const calls = this.#log.of(talk.address).map((line) => ({ call: line, at: new Date(line.at) }));
    const first = talk.complete || !talk.messages.length ? new Date(0) : talk.messages[0].at;
    const waiting = calls.filter((c) => c.at >= first);
    const items = [];
    for (const m of talk.messages) {
      while (waiting.length && waiting[0].at < m.at) items.push(waiting.shift());
      items.push(m);
    }
    items.push(...waiting);
    const nodes = [];
    let day = '';
    let before = null;
    for (const item of items) {
      const today = item.at.toDateString();
      if (today !== day) nodes.push(this.#node(`day ${today}`, '', () => dayLine(item.at)));
      const close = today === day && before && !before.call && before.mine === item.mine && item.at - before.at < 180000;
      day = today;
      before = item;
      nodes.push(item.call
        ? this.#node(`call ${item.call.at}`, '', () => callLine(item.call))
        : this.#node(item.id || item.archived, `${item.fate} ${close}`, () => bubble(item, close)));
    }
    return nodes;
  }

  // node gives what is shown already, if it is still as it was.
  #node(key, state, draw) {
    const known = this.#nodes.get(key);
    if (known?.state === state) return known.node;
    const node = draw();
    this.#nodes.set(key, { state, node });
    return node;
  }

  #earlier() {
    const { open } = this.#talks;
    if (open) this.#talks.earlier(open);
  }

  #read() {
    const { open } = this.#talks;
    if (open && document.hasFocus() && this.#talks.of(open).unread) this.#talks.read(open);
  }

  #send() {
    const { open } = this.#talks;
    const body = $('write-text').value.trim();
    if (!open || !body) return;
    $('write-text').value = '';
    this.#drafts.delete(open);
    this.#grow();
    clearTimeout(this.#timer);
    this.#talks.write(open, body);
    $('scroller').scrollTop = $('scroller').scrollHeight;
  }

  #typed() {
    this.#grow();
    const { open } = this.#talks;
    if (!open) return;
    clearTimeout(this.#timer);
    if (!$('write-text').value) return void this.#still();
    this.#talks.typing(open, 'composing');
    this.#timer = setTimeout(() => this.#talks.typing(open, 'paused'), PAUSE);
  }

  #still() {
    clearTimeout(this.#timer);
    const { open } = this.#talks;
    if (open && this.#talks.of(open).told === 'composing') this.#talks.typing(open, 'active');
  }

  // grow makes the field as high as what is in it, up to what the style sheet allows.
  #grow() {
    const field = $('write-text');
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
  }

  #contact(address) {
    const known = this.#roster.contacts.get(address);
    $('contact-dialog').dataset.address = address;
    say($('contact-title'), address);
    say($('contact-text'), relation(known, this.#roster, address));
    $('contact-name').value = known?.name ?? '';
    say($('contact-save'), known ? 'Save' : 'Add as a contact');
    $('contact-remove').hidden = !known;
    $('contact-dialog').returnValue = '';
    $('contact-dialog').showModal();
  }

  async #contactDone() {
    const { returnValue, dataset: { address } } = $('contact-dialog');
    const name = $('contact-name').value.trim();
    try {
      if (returnValue === 'remove') await this.#roster.remove(address);
      else if (returnValue === 'save' && this.#roster.contacts.has(address)) await this.#roster.rename(address, name);
      else if (returnValue === 'save') await this.#roster.add(address, name);
    } catch (e) {
      note(`That did not work: ${e.message}.`);
    }
  }
}

function relation(known, roster, address) {
  if (!known) return 'Not a contact: neither sees when the other is here.';
  const sees = roster.sees(address) ? 'You see when they are here' : known.waiting ? 'They have not said yet whether you may see them' : 'You don’t see when they are here';
  return `${sees}; ${roster.lets(address) ? 'they see you' : 'they don’t see you'}.`;
}
