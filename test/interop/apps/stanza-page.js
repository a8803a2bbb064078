// The app inside the page: stanza, told what to do by the functions of window.app, telling what happens by
// window.emit.
const bare = (jid) => jid?.split('/')[0];

let client;
let calls;
const subscribers = new Set(); // bare addresses that see whether this app is there

const contact = ({ jid, subscription, pending, name }, push) => {
  subscribers[['from', 'both'].includes(subscription) ? 'add' : 'delete'](jid);
  emit('contact', { jid, subscription, ask: pending, name, push });
};

const listen = () => {
  client.on('message', (m) => {
    if (m.intent || m.carbon) return;
    emit('message', {
      from: m.from, bare: bare(m.from), to: m.to, id: m.id, type: m.type ?? 'normal', body: m.body, condition: m.error?.condition,
    });
  });
  client.on('presence', (p) => emit('presence', {
    from: p.from, bare: bare(p.from), type: p.type ?? 'available', show: p.show, status: p.status, priority: p.priority,
    condition: p.error?.condition, caps: p.legacyCapabilities?.[0].value,
  }));
  client.on('roster:update', (iq) => iq.roster.items.forEach((item) => contact(item, 'yes')));
  client.on('disconnected', () => emit('disconnected'));
  client.on('raw:*', (direction, text) => console.log(direction, text));
};

// started settles once the session is there, or refused.
const started = () => new Promise((yes, no) => {
  let mechanism;
  client.on('raw:outgoing', (text) => { mechanism ??= /<auth [^>]*mechanism="([^"]+)"/.exec(text)?.[1]; });
  client.on('session:started', () => yes({ jid: client.jid, mechanism }));
  client.on('raw:incoming', (text) => { const failure = /<failure[^>]*><([a-z-]+)/.exec(text); if (failure) no(new Error(failure[1])); });
  client.on('disconnected', () => no(new Error('disconnected')));
  client.connect();
});

const available = (more) => client.sendPresence({ legacyCapabilities: client.disco.getCaps(), ...more });

window.app = {
  async connect({ service, jid, resource, password, candidates }) {
    const batched = candidates === 'batched';
    client = stanza.createClient({
      jid, resource, password, transports: { websocket: service, bosh: false }, autoReconnect: false,
      jingle: { iceServers: [], trickleIce: !batched, advertiseVideo: false, advertiseFileTransfer: false },
    });
    calls = new Calls(client, { batched, sharesPresence: (who) => subscribers.has(bare(who)) });
    listen();
    client.updateCaps();
    const done = await started();
    await client.enableCarbons();
    return done;
  },
  async disconnect() { client.disconnect(); },
  async write({ to, body, id }) { client.sendMessage({ to, body, id, type: 'chat' }); },
  async presence({ to, type, show, status, priority }) {
    const said = { ...(to && { to }), ...(show && { show }), ...(status && { status }), ...(priority && { priority: Number(priority) }) };
    if (type) client.sendPresence({ type, ...said });
    else available(said);
  },
  async roster() { (await client.getRoster()).items.forEach((item) => contact(item, 'no')); },
  async contact({ jid, name, subscription }) { await client.updateRosterItem({ jid, name, subscription }); },
  async ping({ to }) { await client.ping(to); },
  async features({ to }) { return { features: (await client.getDiscoInfo(to)).features.join(' ') }; },

  async propose(args) { return calls.propose(args); },
  async initiate(args) { return calls.initiate(args); },
  async ring() { await calls.ring(); },
  async answer() { await calls.answer(); },
  async hangup(args) { await calls.hangup(args); },
  async hold() { await calls.hold(); },
  async resume() { await calls.resume(); },
  async mute() { await calls.mute(); },
  async unmute() { await calls.unmute(); },
  async state() { return calls.state(); },
};
