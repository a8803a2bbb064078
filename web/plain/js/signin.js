// The form to sign in by.
import { $, say } from './dom.js';
import { complete } from './address.js';
import { Refused, signIn } from './account.js';

// show asks who it is until somebody has signed in, and gives the account. note says why it is asked.
export function askWho(note = '') {
  const home = /^[\d.]+$|:/.test(location.hostname) ? '' : location.hostname; // an address of a machine is no domain
  $('signin').hidden = false;
  $('signin-note').hidden = !note;
  say($('signin-note'), note);
  $('address').placeholder = `alice@${home || 'example.org'}`;
  ($('address').value ? $('password') : $('address')).focus();
  return new Promise((done) => {
    $('signin-form').onsubmit = async (e) => {
      e.preventDefault();
      const account = await attempt(home);
      if (!account) return;
      $('signin').hidden = true;
      $('password').value = '';
      done(account);
    };
  });
}

async function attempt(home) {
  const address = complete($('address').value, home);
  if (!address) return refuse('That is not an address. It looks like alice@example.org.', $('address'));
  busy(true);
  try {
    return await signIn(address, $('password').value, $('stay').checked);
  } catch (e) {
    return refuse(words(e), $('password'));
  } finally {
    busy(false);
  }
}

function words(e) {
  if (!(e instanceof Refused)) return 'The server can’t be reached.';
  if (e.status === 401) return 'Wrong address or password.';
  if (e.wait) return `Too many tries. Wait ${e.wait === 1 ? 'a second' : `${e.wait} seconds`}.`;
  return e.message;
}

function refuse(text, at) {
  $('signin-error').textContent = text;
  at.focus();
  at.select();
  return null;
}

function busy(is) {
  if (is) $('signin-error').textContent = '';
  $('signin-button').disabled = is;
  say($('signin-button'), is ? 'Signing in…' : 'Sign in');
}
