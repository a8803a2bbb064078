// Who is signed in on this device, and its token. The password is not kept.
import { domain } from './address.js';

const KEY = 'parley';
const OWN = /^parley[:.]/;

// Refused is what the server said to a sign-in.
export class Refused extends Error {}

const api = new URL('api/device', location.origin);

// post asks for a token, or shows one.
async function ask(method, headers, body) {
  const answer = await fetch(api, { method, headers, body, cache: 'no-store', credentials: 'omit' });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const told = await answer.json().catch(() => ({}));
  const wait = Number(answer.headers.get('Retry-After'));
  throw Object.assign(new Refused(told.text ?? `The server says ${answer.status}.`), { status: answer.status, wait });
}

// signIn gets a token. Where it is to stay, it is kept for all of this browser's windows, else for this one.
export async function signIn(address, password, stay) {
  const got = await ask('POST', { 'Content-Type': 'application/json' }, JSON.stringify({
    address, password, name: deviceName(), kind: 'browser',
  }));
  const account = { address: got.address, token: got.token, device: got.id, instance: crypto.randomUUID() };
  (stay ? localStorage : sessionStorage).setItem(KEY, JSON.stringify(account));
  return account;
}

// current is who is signed in, or null.
export function current() {
  for (const storage of [sessionStorage, localStorage]) {
    try {
      const account = JSON.parse(storage.getItem(KEY));
      if (account?.token && account.address) return account;
    } catch { /* it is as good as none */ }
  }
  return null;
}

// storage is where what belongs to the account is kept: as long as the account is.
const storage = () => (localStorage.getItem(KEY) && !sessionStorage.getItem(KEY) ? localStorage : sessionStorage);

export function remember(name, value) {
  try {
    storage().setItem(`parley.${name}`, JSON.stringify(value));
  } catch { /* there is no room: it is gone with the page */ }
}

export function recall(name, otherwise) {
  try {
    return JSON.parse(storage().getItem(`parley.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

// forget drops the token, and all that was kept with it.
export function forget() {
  for (const place of [sessionStorage, localStorage]) {
    place.removeItem(KEY);
    for (const key of Object.keys(place)) if (OWN.test(key)) place.removeItem(key);
  }
}

// signOut makes the token void. It says whether the server was reached.
export async function signOut(account) {
  try {
    await ask('DELETE', { Authorization: `Bearer ${account.token}` });
    return true;
  } catch (e) {
    return e instanceof Refused && e.status === 401; // it is void already
  } finally {
    forget();
  }
}

export const homeDomain = (account) => domain(account.address);

// socket is the address of a WebSocket beside this page.
export function socket(path) {
  const url = new URL(path, location.origin);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

// deviceName is what the list of devices calls this one: "Firefox on Linux".
function deviceName() {
  const agent = navigator.userAgent;
  const browser = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrom', 'Chromium'], ['Safari/', 'Safari']]
    .find(([mark]) => agent.includes(mark))?.[1] ?? 'Browser';
  const system = [['Android', 'Android'], ['iPhone', 'iOS'], ['iPad', 'iPadOS'], ['Mac OS', 'macOS'], ['Windows', 'Windows'], ['Linux', 'Linux']]
    .find(([mark]) => agent.includes(mark))?.[1];
  return system ? `${browser} on ${system}` : browser;
}
