// The person's own presence, and what is set for this device.
import { $, avatar, make, place, say } from './dom.js';
import { local } from './address.js';
import { remember, recall } from './account.js';
import * as notices from './notify.js';

const SHOWS = { '': ['online', 'Available'], away: ['away', 'Away'], dnd: ['dnd', 'Do not disturb'] };

export class Me {
  #account;
  #stream;
  #mine = recall('presence', { show: '', status: '' });

  constructor(account, stream, roster, signOut) {
    this.#account = account;
    this.#stream = stream;
    roster.on('loaded', () => this.#tell());
    stream.on('online', () => this.#show());
    stream.on('offline', () => this.#show());
    $('me').onclick = () => this.#open();
    $('me-dialog').onclose = () => this.#done();
    $('me-signout').onclick = () => { $('me-dialog').close(); signOut(); };
    $('me-notices').onclick = async () => { await notices.ask(); this.#notices(); };
    this.#show();
  }

  // quiet says that the person does not want to be disturbed.
  get quiet() { return this.#mine.show === 'dnd'; }

  #open() {
    say($('me-title'), this.#account.address);
    document.querySelector(`input[name="show"][value="${this.#mine.show}"]`).checked = true;
    $('me-status').value = this.#mine.status;
    this.#notices();
    $('me-dialog').showModal();
  }

  #notices() {
    $('me-notices').hidden = !notices.possible() || notices.allowed() || notices.refused();
    say($('me-notices-text'), notices.allowed() ? 'Notices are on.' : notices.refused() ? 'The browser was told to show no notices of this page.' : '');
  }

  #done() {
    const now = { show: document.querySelector('input[name="show"]:checked').value, status: $('me-status').value.trim() };
    if (now.show === this.#mine.show && now.status === this.#mine.status) return;
    this.#mine = now;
    remember('presence', now);
    this.#tell();
    this.#show();
  }

  #tell() {
    const p = this.#stream.presence();
    for (const [name, value] of Object.entries(this.#mine)) if (value) p.c(name).t(value).up();
    this.#stream.send(p);
  }

  #show() {
    const { address } = this.#account;
    const [kind, words] = this.#stream.online ? SHOWS[this.#mine.show] : ['unknown', 'Not connected'];
    const disc = avatar(address, '');
    disc.append(make('span', { class: `dot ${kind}` }));
    place($('me'), [disc, make('span', { class: 'who' },
      make('strong', {}, local(address)), make('span', { class: 'quiet' }, this.#mine.status || words))]);
    $('me').setAttribute('aria-label', `${local(address)}, ${words}: your presence and settings`);
  }
}
