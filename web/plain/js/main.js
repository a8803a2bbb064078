// Joins the parts: who is signed in, the connections, what is known and what is shown.
import { $, note, say } from './dom.js';
import { current, signOut, forget } from './account.js';
import { askWho } from './signin.js';
import { Stream } from './stream.js';
import { Roster } from './roster.js';
import { Talks } from './talks.js';
import { Phone } from './phone.js';
import { Relays } from './relays.js';
import { CallLog } from './calllog.js';
import { Me } from './me.js';
import { Contacts } from './contacts.js';
import { Chat } from './chat.js';
import { CallCard } from './callcard.js';
import { ring } from './ring.js';
import { notify } from './notify.js';
import { alone, takeOver } from './alone.js';

const NOTE = 'parley.note'; // what the next page says

async function begin() {
  const said = sessionStorage.getItem(NOTE) ?? '';
  sessionStorage.removeItem(NOTE);
  const account = current() ?? await askWho(said);
  await alone(account.device, stopped);
  run(account);
}

let running = null;

function run(account) {
  const stream = new Stream(account);
  const roster = new Roster(stream);
  const talks = new Talks(stream, roster);
  const phone = new Phone(account, new Relays(stream));
  const log = new CallLog();
  const act = { open: (address) => { location.hash = encodeURIComponent(address); }, call: (address, video) => call(phone, address, video) };
  const me = new Me(account, stream, roster, () => leave(account));
  const chat = new Chat({ roster, talks, log, act });
  const contacts = new Contacts({ own: account.address, roster, talks, log, act });
  running = { stream, phone };

  connection(stream, phone);
  calls({ phone, roster, talks, log, chat, contacts, me });
  talks.on('heard', (address, m) => { if (!me.quiet) notify(roster.name(address), m.body.slice(0, 200), address, () => act.open(address)); });
  roster.on('asked', (address) => notify('parley', `${address} wants to be your contact`, address, () => {}));
  for (const told of [roster, talks]) told.on('changed', () => title(talks));
  onhashchange = () => chosen(chat, contacts);
  $('app').hidden = false;
  chosen(chat, contacts);
  stream.connect();
  phone.start();
}

function chosen(chat, contacts) {
  let address = '';
  try {
    address = decodeURIComponent(location.hash.slice(1)).toLowerCase();
  } catch { /* it names nobody */ }
  chat.open(address.includes('@') ? address : null);
  contacts.show();
}

// connection tells of the two connections, and ends both when one is ended for good.
function connection(stream, phone) {
  stream.on('online', () => { $('trouble').hidden = true; phone.retry(); });
  stream.on('offline', (seconds) => {
    say($('trouble-text'), navigator.onLine ? `The connection is lost. It is tried again in ${seconds} s.` : 'There is no network.');
    $('trouble').hidden = false;
  });
  $('trouble-retry').onclick = () => { stream.retry(); phone.retry(); };
  stream.on('ended', (why) => (why === 'elsewhere' ? stopped() : gone('This device was signed out.')));
  phone.on('refused', () => gone('This device was signed out.'));
  let timer;
  phone.on('ready', (ready) => {
    $('app').dataset.phone = ready ? 'ready' : '';
    clearTimeout(timer);
    timer = setTimeout(() => { $('phone-state').hidden = ready; }, ready ? 0 : 5000);
  });
}

function call(phone, address, video) {
  if (!phone.ready) note('Calls are off: the phone is not connected yet.');
  else if (!phone.dial(address, video)) note('There are too many calls.');
}

function calls({ phone, roster, log, chat, contacts, me }) {
  const act = { answer: (c, video) => phone.answer(c, video), name: (address) => roster.name(address) };
  const tone = () => {
    const all = [...phone.calls];
    const talking = all.some((c) => c.state === 'talking');
    const rings = (outgoing) => all.some((c) => c.state === 'ringing' && c.outgoing === outgoing);
    ring(!talking && !me.quiet && rings(false) ? 'in' : !talking && rings(true) ? 'out' : null);
  };
  phone.on('call', (c) => {
    const card = new CallCard(c, act);
    c.on('changed', tone);
    if (!c.outgoing) notify(roster.name(c.address), 'calls you', 'call', () => card.controls.querySelector('button')?.focus());
    tone();
  });
  phone.on('over', (c) => {
    log.add(c);
    tone();
    chat.show();
    contacts.show();
  });
}

function title(talks) {
  const { unread } = talks;
  document.title = unread ? `(${unread}) parley` : 'parley';
}

function end() {
  running?.stream.close();
  running?.phone.stop();
  ring(null);
}

// again loads the page anew, which forgets whatever is in memory.
function again(words) {
  if (words) sessionStorage.setItem(NOTE, words);
  history.replaceState(null, '', location.pathname);
  location.reload();
}

async function leave(account) {
  end();
  const told = await signOut(account);
  again(told ? 'You are signed out.' : 'You are signed out here, but the server could not be told: this device stays in your list of devices.');
}

function gone(words) {
  end();
  forget();
  again(words);
}

// stopped is when another window uses the device.
function stopped() {
  end();
  $('app').hidden = true;
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  $('elsewhere').hidden = false;
  $('elsewhere-button').onclick = () => takeOver();
  $('elsewhere-button').focus();
}

begin();
