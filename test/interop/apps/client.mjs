// An XMPP app made of @xmpp/client in Node; lines.mjs says how it is steered.
import { client, xml } from '@xmpp/client';
import { tell, obey } from './lines.mjs';

let xmpp;
let used; // the mechanism

const bare = (jid) => jid?.split('/')[0];
const conditionOf = (el) => el.getChild('error')?.getChildElements().find((c) => c.name !== 'text')?.name;

function heard(el) {
  if (el.name === 'message') {
    const elsewhere = ['sent', 'received'].find((name) => el.getChild(name, 'urn:xmpp:carbons:2'));
    if (elsewhere) {
      const inner = el.getChild(elsewhere).getChild('forwarded', 'urn:xmpp:forward:0').getChild('message');
      tell(`${elsewhere} elsewhere`, describe(inner));
    } else {
      tell('message', describe(el));
    }
  } else if (el.name === 'presence') {
    tell('presence', {
      from: el.attrs.from, bare: bare(el.attrs.from), type: el.attrs.type ?? 'available', condition: conditionOf(el),
      show: el.getChildText('show'), status: el.getChildText('status'), priority: el.getChildText('priority'),
    });
  }
}

const describe = (el) => ({
  from: el.attrs.from, bare: bare(el.attrs.from), to: el.attrs.to, type: el.attrs.type ?? 'normal', id: el.attrs.id,
  body: el.getChildText('body'), delay: el.getChild('delay', 'urn:xmpp:delay')?.attrs.stamp, condition: conditionOf(el),
});

const contacts = (query, push) => query.getChildren('item').map((item) => tell('contact', {
  jid: item.attrs.jid, subscription: item.attrs.subscription, ask: item.attrs.ask, name: item.attrs.name, push,
}));

const app = {
  async connect({ service, domain, resource, username, password, mechanism }) {
    const credentials = async (authenticate, mechanisms) => {
      used = mechanism || mechanisms[0];
      if (!mechanisms.includes(used)) throw new Error(`no mechanism: ${mechanisms}`);
      await authenticate({ username, password }, used);
    };
    xmpp = client({ service, domain, resource, credentials, timeout: 20000 });
    xmpp.reconnect.stop(); // a test says when
    xmpp.on('error', (e) => console.error(e));
    xmpp.on('stanza', heard);
    xmpp.on('element', (el) => console.error('RECV', el.toString()));
    xmpp.on('send', (el) => console.error('SENT', el.toString()));
    xmpp.on('disconnect', () => tell('disconnected'));
    xmpp.on('nonza', (el) => { if (el.is('enabled', 'urn:xmpp:sm:3') && el.attrs.resume) tell('resumable'); });
    xmpp.streamManagement.on('ack', (stanza) => tell('acknowledged', { id: stanza.attrs.id }));
    xmpp.iqCallee.set('jabber:iq:roster', 'query', ({ element }) => { contacts(element, 'yes'); return true; });
    const failed = new Promise((_, no) => { xmpp.once('error', no); });
    const jid = await Promise.race([xmpp.start(), failed]);
    return { jid, mechanism: used };
  },
  async reconnect() {
    const resumed = new Promise((yes) => { xmpp.streamManagement.once('resumed', () => yes('yes')); });
    const anew = new Promise((yes) => { xmpp.once('online', () => yes('')); });
    await xmpp.reconnect.reconnect();
    return { resumed: await Promise.race([resumed, anew]), jid: xmpp.jid };
  },
  async disconnect() { await xmpp.stop(); },
  async write({ to, body, id }) { await xmpp.send(xml('message', { to, id, type: 'chat' }, xml('body', {}, body))); },
  async presence({ to, type, show, status, priority }) {
    const said = Object.entries({ show, status, priority }).filter(([, v]) => v).map(([k, v]) => xml(k, {}, v));
    await xmpp.send(xml('presence', { to, type }, ...said));
  },
  async roster() { contacts(await xmpp.iqCaller.get(xml('query', { xmlns: 'jabber:iq:roster' })), 'no'); },
  async contact({ jid, name, subscription }) {
    await xmpp.iqCaller.set(xml('query', { xmlns: 'jabber:iq:roster' }, xml('item', { jid, name, subscription })));
  },
  async ping({ to }) { await xmpp.iqCaller.get(xml('ping', { xmlns: 'urn:xmpp:ping' }), to); },
  async carbons() { await xmpp.iqCaller.set(xml('enable', { xmlns: 'urn:xmpp:carbons:2' })); },
};

await obey(app);
process.exit(0);
