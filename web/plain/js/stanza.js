// Reading stanzas, and the namespaces that the page speaks.
import { bare } from './address.js';

export const NS = {
  carbons: 'urn:xmpp:carbons:2', forward: 'urn:xmpp:forward:0', delay: 'urn:xmpp:delay', states: 'http://jabber.org/protocol/chatstates',
  receipts: 'urn:xmpp:receipts', ids: 'urn:xmpp:sid:0', archive: 'urn:xmpp:mam:2', form: 'jabber:x:data', set: 'http://jabber.org/protocol/rsm',
  roster: 'jabber:iq:roster', ping: 'urn:xmpp:ping', info: 'http://jabber.org/protocol/disco#info', sm: 'urn:xmpp:sm:3', external: 'urn:xmpp:extdisco:2',
  errors: 'urn:ietf:params:xml:ns:xmpp-stanzas', client: 'jabber:client',
};

// child is the first child of that name and namespace.
export const child = (el, name, ns) => [...(el?.children ?? [])].find(
  (c) => c.localName === name && (!ns || c.namespaceURI === ns || c.getAttribute('xmlns') === ns));

export const text = (el, name, ns) => child(el, name, ns)?.textContent ?? '';

// condition is what went wrong: "item-not-found".
export const condition = (el) => [...(child(el, 'error')?.children ?? [])].find((c) => c.localName !== 'text')?.localName ?? '';

// stamp is when a stanza was said, if somebody kept it (xep0203#4).
export function stamp(el) {
  const at = Date.parse(child(el, 'delay', NS.delay)?.getAttribute('stamp') ?? '');
  return Number.isNaN(at) ? undefined : new Date(at);
}

const STATES = ['active', 'composing', 'paused', 'inactive', 'gone'];

// readMessage is a message as the page sees it; own is the own bare address, whose word on ids counts (xep0359#3).
export function readMessage(el, own) {
  return {
    from: bare(el.getAttribute('from')) || own,
    to: bare(el.getAttribute('to')) || own,
    sender: el.getAttribute('from') ?? own,
    type: el.getAttribute('type') ?? 'normal',
    id: el.getAttribute('id') ?? '',
    archived: [...el.children].find((c) => c.localName === 'stanza-id' && bare(c.getAttribute('by')) === own)?.getAttribute('id') ?? '',
    body: text(el, 'body', NS.client) || text(el, 'body'),
    at: stamp(el),
    late: Boolean(child(el, 'delay', NS.delay)),
    state: STATES.find((s) => child(el, s, NS.states)),
    wantsReceipt: Boolean(child(el, 'request', NS.receipts)),
    receiptFor: child(el, 'received', NS.receipts)?.getAttribute('id') ?? '',
    condition: el.getAttribute('type') === 'error' ? condition(el) : '',
    failure: el.getAttribute('type') === 'error' ? text(child(el, 'error'), 'text') : '',
  };
}

// forwarded is the message within a carbon or an archive's result, with its time (xep0297#3).
export function forwarded(el) {
  const envelope = child(el, 'forwarded', NS.forward);
  return { inner: child(envelope, 'message'), at: stamp(envelope) };
}

const FAILURES = {
  'service-unavailable': 'it can’t be delivered', 'item-not-found': 'there is no such address', 'not-acceptable': 'it was not wanted',
  'remote-server-not-found': 'that domain can’t be reached', 'forbidden': 'that is not allowed', 'resource-constraint': 'too much is waiting for them',
  'recipient-unavailable': 'they are not there', 'policy-violation': 'it was too much', 'blocked': 'you have blocked them',
};

export const failure = (m) => FAILURES[m.condition] ?? (m.failure || m.condition);
