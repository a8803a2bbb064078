// The app inside the page: strophe.js, told what to do by the functions of window.app, telling what happens by
// window.emit.
const bare = (jid) => jid?.split('/')[0];
const text = (el, name) => [...el.children].find((c) => c.localName === name)?.textContent;
const attribute = (el, name) => el.getAttribute(name) ?? undefined;
const conditionOf = (el) => [...el.children].find((c) => c.localName === 'error')?.firstElementChild?.localName;

const describe = (el) => ({
  from: attribute(el, 'from'), bare: bare(attribute(el, 'from')), to: attribute(el, 'to'), id: attribute(el, 'id'),
  type: attribute(el, 'type') ?? 'normal', body: text(el, 'body'), condition: conditionOf(el),
  delay: [...el.children].find((c) => c.localName === 'delay')?.getAttribute('stamp'),
});

const contacts = (stanza, push) => [...stanza.querySelectorAll('query > item')].forEach((item) => emit('contact', {
  jid: attribute(item, 'jid'), subscription: attribute(item, 'subscription'), ask: attribute(item, 'ask'),
  name: attribute(item, 'name'), push,
}));

const heard = {
  message(el) {
    const elsewhere = ['sent', 'received'].find((name) => el.firstElementChild?.localName === name);
    if (elsewhere) emit(`${elsewhere} elsewhere`, describe(el.querySelector('forwarded > message')));
    else emit('message', describe(el));
    return true;
  },
  presence(el) {
    emit('presence', {
      from: attribute(el, 'from'), bare: bare(attribute(el, 'from')), type: attribute(el, 'type') ?? 'available',
      show: text(el, 'show'), status: text(el, 'status'), priority: text(el, 'priority'), condition: conditionOf(el),
    });
    return true;
  },
  push(el) {
    contacts(el, 'yes');
    connection.send($iq({ type: 'result', id: attribute(el, 'id') }));
    return true;
  },
};

let connection;
let login;
let last;

// established settles once the connection is there, or refused.
const established = (begin) => new Promise((yes, no) => {
  begin((status, why) => {
    console.log('status', status, why);
    if (status === Strophe.Status.CONNECTED) {
      for (const kind of ['message', 'presence']) connection.addHandler(heard[kind], null, kind);
      connection.addHandler(heard.push, 'jabber:iq:roster', 'iq', 'set');
      yes({ jid: connection.jid, resumed: connection.hasResumed() ? 'yes' : '' });
    }
    // It has no word for why a sign-in failed: that is in what the server sent last.
    if (status === Strophe.Status.AUTHFAIL) no(new Error(/<failure[^>]*><([a-z-]+)/.exec(last)?.[1] ?? why));
    if (status === Strophe.Status.CONNFAIL) no(new Error(why));
    if (status === Strophe.Status.DISCONNECTED) emit('disconnected');
  });
});

const ask = (iq) => new Promise((yes, no) => {
  connection.sendIQ(iq, yes, (el) => no(new Error(el ? conditionOf(el) : 'no answer')), 20000);
});

window.app = {
  async connect({ service, jid, password, mechanism }) {
    const names = { PLAIN: 'SASLPlain', 'SCRAM-SHA-1': 'SASLSHA1', 'SCRAM-SHA-256': 'SASLSHA256', OAUTHBEARER: 'SASLOAuthBearer' };
    connection = new Strophe.Connection(service, {
      enableStreamManagement: true, mechanisms: mechanism ? [Strophe[names[mechanism]]] : undefined,
    });
    connection.rawInput = (data) => console.log('RECV', last = data);
    connection.rawOutput = (data) => console.log('SENT', data);
    connection.sm.onEnabled = () => emit('resumable');
    login = [jid, password];
    const done = await established((told) => connection.connect(...login, told));
    return { ...done, mechanism: connection._sasl_mechanism?.mechname };
  },
  async reconnect() { return established((told) => connection.connect(...login, told)); },
  async disconnect() { connection.disconnect(); },
  async write({ to, body, id }) { connection.send($msg({ to, id, type: 'chat' }).c('body').t(body)); },
  async presence({ to, type, show, status, priority }) {
    const p = $pres({ ...(to && { to }), ...(type && { type }) });
    for (const [name, value] of Object.entries({ show, status, priority })) if (value) p.c(name).t(value).up();
    connection.send(p);
  },
  async roster() { contacts(await ask($iq({ type: 'get' }).c('query', { xmlns: 'jabber:iq:roster' })), 'no'); },
  async contact({ jid, name, subscription }) {
    await ask($iq({ type: 'set' }).c('query', { xmlns: 'jabber:iq:roster' })
      .c('item', { jid, ...(name && { name }), ...(subscription && { subscription }) }));
  },
  async ping({ to }) { await ask($iq({ type: 'get', ...(to && { to }) }).c('ping', { xmlns: 'urn:xmpp:ping' })); },
  async carbons() { await ask($iq({ type: 'set' }).c('enable', { xmlns: 'urn:xmpp:carbons:2' })); },
};
