// One message, one call or one day of a conversation, as it is shown.
import { icon, make } from './dom.js';
import { describe, missed } from './calllog.js';

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const OLD = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });

const FATES = { waits: 'Waiting for the connection', sending: 'Sending…', sent: 'Sent', delivered: 'Delivered', failed: 'Not delivered' };
const LINK = /\bhttps?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]']/g;

export function bubble(m, close) {
  const fate = m.mine && make('span', { class: `fate ${m.fate}` }, m.fate === 'failed' && m.why ? `${FATES.failed}: ${m.why}` : FATES[m.fate]);
  return make('li', { class: `bubble ${m.mine ? 'mine' : 'theirs'} ${close ? 'close' : ''}` },
    make('span', { class: 'only-heard' }, m.mine ? 'You: ' : 'They: '),
    make('div', { class: 'said', dir: 'auto' }, ...linked(m.body)),
    make('p', { class: 'when' }, make('time', { datetime: m.at.toISOString() }, TIME.format(m.at)), fate));
}

// linked makes links of web addresses, and leaves the rest the text that it is.
function linked(body) {
  const parts = [];
  let at = 0;
  for (const { 0: url, index } of body.matchAll(LINK)) {
    parts.push(body.slice(at, index), make('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, url));
    at = index + url.length;
  }
  return [...parts, body.slice(at)];
}

export function callLine(line) {
  const at = new Date(line.at);
  return make('li', { class: `line ${missed(line) ? 'missed' : ''}` },
    icon(line.answered ? 'phone' : 'hangup'), make('span', {}, describe(line)),
    make('time', { datetime: line.at }, TIME.format(at)));
}

export function dayLine(at) {
  const now = new Date();
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  const words = at.toDateString() === now.toDateString() ? 'Today'
    : at.toDateString() === yesterday.toDateString() ? 'Yesterday'
      : (now - at < 300 * 86400000 ? DAY : OLD).format(at);
  return make('li', { class: 'day' }, words);
}
