// The server's STUN and TURN, for calls that can't go directly (XEP-0215).
import { $build } from '../libraries/strophe.js';
import { domain } from './address.js';
import { NS } from './stanza.js';

const AGAIN = 3600000; // they are asked for once in this time: names and passwords end
const TYPES = ['stun', 'stuns', 'turn', 'turns'];

export class Relays {
  #stream;
  #list = [];

  constructor(stream) {
    this.#stream = stream;
    stream.on('online', () => this.#ask());
    stream.on('services', () => this.#ask()); // other passwords (xep0215#3.3)
    setInterval(() => this.#ask(), AGAIN);
  }

  // servers are those of now, as a browser wants them.
  get servers() { return this.#list; }

  async #ask() {
    if (!this.#stream.online) return;
    try {
      const answer = await this.#stream.ask('get', $build('services', { xmlns: NS.external }), domain(this.#stream.own));
      this.#list = [...answer.querySelectorAll('services > service')].map(server).filter(Boolean);
    } catch { /* what is known already may still be good */ }
  }
}

// server makes one of a service (rfc7065#3.1).
function server(service) {
  const said = (name) => service.getAttribute(name) ?? '';
  if (!TYPES.includes(said('type')) || !said('host')) return null;
  const host = said('host').includes(':') ? `[${said('host')}]` : said('host');
  const turn = said('type').startsWith('turn');
  const urls = `${said('type')}:${host}${said('port') && `:${said('port')}`}${turn && said('transport') ? `?transport=${said('transport')}` : ''}`;
  return said('username') ? { urls, username: said('username'), credential: said('password') } : { urls };
}
