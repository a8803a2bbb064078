// The tones of a phone, made here.

let context;

// Ring plays one pattern at a time: 'in' when somebody calls, 'out' while it rings there.
const PATTERNS = {
  in: { tones: [440, 554], on: 0.4, times: [0, 0.5], every: 3, level: 0.12 },
  out: { tones: [425], on: 1, times: [0], every: 5, level: 0.05 },
};

let playing;
let timer;

export function ring(pattern) {
  if (playing === pattern) return;
  clearInterval(timer);
  playing = pattern;
  if (!pattern) return;
  const { every } = PATTERNS[pattern];
  burst(PATTERNS[pattern]);
  timer = setInterval(() => burst(PATTERNS[pattern]), every * 1000);
}

function burst({ tones, on, times, level }) {
  context ??= new AudioContext();
  if (context.state === 'suspended') context.resume().catch(() => {}); // a page that nobody has touched yet may not
  for (const at of times) for (const tone of tones) beep(tone, context.currentTime + at, on, level);
}

function beep(frequency, at, length, level) {
  const tone = new OscillatorNode(context, { frequency });
  const volume = new GainNode(context, { gain: 0 });
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(level, at + 0.03);
  volume.gain.setValueAtTime(level, at + length - 0.05);
  volume.gain.linearRampToValueAtTime(0, at + length);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + length);
}

// key plays the tone of a key for the person who presses it (ITU-T Q.23).
const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477];
export function keyTone(key) {
  const at = '123456789*0#'.indexOf(key);
  context ??= new AudioContext();
  for (const f of [ROWS[Math.floor(at / 3)], COLUMNS[at % 3]]) beep(f, context.currentTime, 0.15, 0.05);
}
