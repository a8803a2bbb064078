// Small words for the document. Whatever a person wrote comes in as text and never as markup.

export const $ = (id) => document.getElementById(id);

// make makes an element: make('p', { class: 'note', hidden: true, onclick: f }, 'text', another).
export function make(name, about = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(about)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...inside.filter((x) => x !== undefined && x !== null && x !== false));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

// icon is one of those that index.html defines, which says nothing to who can't see it.
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

// button has an icon and a label; where there is little room, the label is only heard and shown as a tip.
export function button(label, symbol, act, { quiet = true, kind = '' } = {}) {
  const text = make('span', { class: quiet ? 'only-heard' : '' }, label);
  return make('button', { type: 'button', class: `${quiet ? 'round' : ''} ${kind}`.trim(), title: quiet ? label : null, onclick: act },
    symbol && icon(symbol), text);
}

// place makes these nodes all that an element has, in this order, and leaves alone those that are in place: what
// is read aloud, selected or focused stays so.
export function place(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, i) => {
    if (parent.childNodes[i] !== node) parent.insertBefore(node, parent.childNodes[i] ?? null);
  });
}

// say sets a text if it is another.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// avatar is a disc with a person's initial, in a colour of the address's own.
export function avatar(address, name) {
  const disc = make('span', { class: 'avatar', 'aria-hidden': 'true' }, [...(name || address)][0]?.toUpperCase() ?? '?');
  let hue = 0;
  for (const c of address) hue = (hue * 31 + c.codePointAt(0)) % 360;
  disc.style.setProperty('--hue', hue);
  return disc;
}

// note shows a line for a moment.
export function note(text) {
  const line = make('p', {}, text);
  $('notes').append(line);
  setTimeout(() => line.remove(), 6000);
}
