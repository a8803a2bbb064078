// Addresses: alice@example.org is a SIP address and a JID at once.

export const bare = (jid) => (jid ?? '').split('/')[0].toLowerCase();
export const local = (address) => address.slice(0, Math.max(address.lastIndexOf('@'), 0)) || address;
export const domain = (address) => address.slice(address.lastIndexOf('@') + 1);

// complete makes an address of what a person has typed: a name alone is one of the own domain, if there is one, and a URI is one
// without its scheme. It is '' if that can't be an address.
export function complete(text, own) {
  const typed = text.trim().replace(/^(sips?|xmpp|im):/i, '').replace(/[;?].*$/s, '').toLowerCase();
  if (!typed || /[\s"'&/<>:]/.test(local(typed))) return '';
  const whole = typed.includes('@') ? typed : `${typed}@${own}`;
  return /^[^@]+@[^@\s/]+$/.test(whole) ? whole : '';
}

// sipURI is the address as SIP writes it (RFC 3261, 19.1.2).
export function sipURI(address) {
  const user = encodeURIComponent(local(address)).replace(/%(24|26|2B|2C|3B|3D|3F|2F)/g, (c) => decodeURIComponent(c));
  return `sip:${user}@${domain(address)}`;
}

// ofURI is the address that JsSIP's URI stands for.
export function ofURI(uri) {
  let user = uri.user ?? '';
  try {
    user = decodeURIComponent(user);
  } catch { /* it stays as it came */ }
  return user ? `${user}@${uri.host}`.toLowerCase() : uri.host;
}
