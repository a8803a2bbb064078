// What was said, from the account's archive (XEP-0313), page by page (XEP-0059).
import { $build } from '../libraries/strophe.js';
import { Emitter } from './emitter.js';
import { bare } from './address.js';
import { NS, child, forwarded, readMessage } from './stanza.js';

export class Archive extends Emitter {
  #stream;
  #asked = new Map(); // query id -> messages so far
  #count = 0;

  constructor(stream) {
    super();
    this.#stream = stream;
  }

  // page gives { messages, complete }: the last that come before an id of the archive, or the first after one.
  async page({ with: other, before, after, max = 100 }) {
    const id = `page-${this.#count += 1}`;
    const list = [];
    this.#asked.set(id, list);
    try {
      const answer = await this.#stream.ask('set', query(id, { other, before, after, max }));
      return { messages: list, complete: child(answer, 'fin', NS.archive)?.getAttribute('complete') === 'true' };
    } finally {
      this.#asked.delete(id);
    }
  }

  // takes says whether a message is a result of a page that was asked for, and keeps it (xep0313#4.2).
  takes(el) {
    const result = child(el, 'result', NS.archive);
    if (!result) return false;
    const from = el.getAttribute('from');
    const list = this.#asked.get(result.getAttribute('queryid'));
    const { inner, at } = forwarded(result);
    if (list && inner && (!from || bare(from) === this.#stream.own)) {
      list.push({ ...readMessage(inner, this.#stream.own), archived: result.getAttribute('id'), at, late: true });
    }
    return true;
  }
}

function query(id, { other, before, after, max }) {
  const q = $build('query', { xmlns: NS.archive, queryid: id });
  q.c('x', { xmlns: NS.form, type: 'submit' });
  field(q, 'FORM_TYPE', NS.archive);
  if (other) field(q, 'with', other);
  q.up().c('set', { xmlns: NS.set }).c('max').t(String(max)).up();
  if (after) q.c('after').t(after).up();
  else q.c('before').t(before ?? '').up();
  return q;
}

function field(q, name, value) {
  q.c('field', { var: name }).c('value').t(value).up().up();
}

