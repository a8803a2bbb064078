// A call on the page: who it is, how it stands, what can be done.
import { $, avatar, button, make, place, say } from './dom.js';
import { lasted } from './calllog.js';
import { keyTone } from './ring.js';

const LINGERS = 6000; // how long it is told why a call ended

// CallCard shows one call until it is over; act has answer(call, video), name(address).
export class CallCard {
  #call;
  #act;
  #clock;
  #keys;
  #shown = '';

  constructor(call, act) {
    this.#call = call;
    this.#act = act;
    this.#build();
    call.on('changed', () => this.#show());
    call.on('ended', () => this.#end());
    this.#clock = setInterval(() => this.#tick(), 500);
    this.#show();
  }

  #build() {
    const { address, outgoing, name } = this.#call;
    const known = this.#act.name(address);
    this.title = make('h2', {}, known);
    this.words = make('p', { class: 'words', role: 'status' });
    this.time = make('span', { class: 'clock', 'aria-hidden': 'true' });
    this.detail = make('p', { class: 'quiet detail' });
    this.controls = make('div', { class: 'controls' });
    // It plays what is heard, whether there is something to see or not.
    this.video = make('video', { autoplay: true, playsinline: true, 'aria-label': `${known}’s picture`, hidden: true });
    this.preview = make('video', { autoplay: true, playsinline: true, muted: true, class: 'preview', 'aria-label': 'Your picture', hidden: true });
    this.preview.muted = true;
    this.video.srcObject = this.#call.remote;
    this.#keys = keypad((key) => { keyTone(key); this.#call.press(key); });
    this.element = make('section', { class: 'call', tabindex: -1, 'aria-label': `${outgoing ? 'Call to' : 'Call from'} ${address}` },
      make('div', { class: 'pictures' }, this.video, this.preview),
      make('div', { class: 'row' }, avatar(address, known),
        make('div', { class: 'who' }, this.title, make('p', { class: 'quiet' }, [name, address].filter((x) => x && x !== known).join(' · ')),
          make('div', { class: 'state' }, this.words, this.time), this.detail),
        this.controls),
      this.#keys);
    $('calls').append(this.element);
    $('calls').hidden = false;
  }

  #show() {
    const c = this.#call;
    this.element.dataset.state = c.state;
    this.element.dataset.incoming = String(!c.outgoing);
    say(this.words, stateWords(c));
    say(this.detail, c.why.detail);
    this.#tick();
    this.video.hidden = !c.shows;
    if (c.mine && this.preview.srcObject !== c.mine) this.preview.srcObject = c.mine;
    this.preview.hidden = !c.sendsVideo || c.state !== 'talking';
    this.element.classList.toggle('seen', c.shows);
    this.#buttons();
  }

  #tick() { say(this.time, this.#call.state === 'talking' ? lasted(this.#call.seconds) : ''); }

  // buttons draws those of the state, once.
  #buttons() {
    const c = this.#call;
    const state = [c.state, c.muted, c.held].join(' ');
    if (state === this.#shown) return;
    const focused = this.controls.contains(document.activeElement) ? document.activeElement.dataset.does : null;
    this.#shown = state;
    place(this.controls, this.#wanted().map(([does, label, symbol, act, kind, pressed]) => {
      const b = button(label, symbol, act, { kind });
      b.dataset.does = does;
      if (pressed !== undefined) b.setAttribute('aria-pressed', String(pressed));
      return b;
    }));
    // Where its button is gone the focus is on the call, so that a key pressed twice does not hang up.
    if (focused) (this.controls.querySelector(`[data-does="${focused}"]`) ?? this.element).focus();
  }

  #wanted() {
    const c = this.#call;
    if (c.state === 'ended') return [['close', 'Close', 'no', () => this.close(), '']];
    if (c.state === 'ringing' && !c.outgoing) {
      return [
        ['decline', 'Decline', 'hangup', () => c.end(), 'danger'],
        ...(c.video ? [['video', 'Answer with video', 'video', () => this.#act.answer(c, true), 'go']] : []),
        ['answer', 'Answer', 'phone', () => this.#act.answer(c, false), 'go'],
      ];
    }
    const end = ['end', c.state === 'talking' ? 'Hang up' : 'Cancel', 'hangup', () => c.end(), 'danger'];
    if (c.state !== 'talking') return [end];
    return [
      ['mute', 'Mute', c.muted ? 'muted' : 'mic', () => c.mute(!c.muted), '', c.muted],
      ['hold', 'Hold', c.held ? 'play' : 'pause', () => c.hold(!c.held), '', c.held],
      ['keys', 'Keypad', 'keys', (e) => this.#toggleKeys(e.currentTarget), '', !this.#keys.hidden],
      end,
    ];
  }

  #toggleKeys(b) {
    this.#keys.hidden = !this.#keys.hidden;
    b.setAttribute('aria-pressed', String(!this.#keys.hidden));
  }

  #end() {
    clearInterval(this.#clock);
    this.#keys.hidden = true;
    this.video.srcObject = null;
    this.preview.srcObject = null;
    this.video.hidden = true;
    this.preview.hidden = true;
    this.element.classList.remove('seen');
    this.#show();
    setTimeout(() => this.close(), LINGERS);
  }

  close() {
    this.element.remove();
    $('calls').hidden = !$('calls').children.length;
  }
}

function stateWords(c) {
  switch (c.state) {
    case 'ended': return c.why.words;
    case 'talking': return c.held ? 'On hold' : c.waits ? 'They put you on hold' : c.muted ? 'Muted' : 'Talking';
    case 'ringing': return c.outgoing ? 'Ringing…' : c.video ? 'Video call' : 'Calls you';
    default: return c.outgoing ? 'Calling…' : 'Connecting…';
  }
}

// keypad has the keys of a phone, which can be typed too while it has the focus.
function keypad(press) {
  const said = make('output', { class: 'pressed', 'aria-label': 'Pressed' });
  const hit = (key) => {
    said.textContent = (said.textContent + key).slice(-16);
    press(key);
  };
  const keys = [...'123456789*0#'].map((key) => make('button', { type: 'button', onclick: () => hit(key) }, key));
  const pad = make('div', { class: 'keypad', role: 'group', 'aria-label': 'Keypad', hidden: true }, said, ...keys);
  pad.addEventListener('keydown', (e) => { if (e.key.length === 1 && '0123456789*#'.includes(e.key)) hit(e.key); });
  return pad;
}
