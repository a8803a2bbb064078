// The calls that were, as lines of the conversations. They are kept on this device alone.
import { remember, recall } from './account.js';

const MOST = 300;

export class CallLog {
  #lines = recall('calls', []);

  add(call) {
    this.#lines.push({
      address: call.address, outgoing: call.outgoing, at: call.began.toISOString(), answered: Boolean(call.answered),
      seconds: call.seconds, words: call.why.words, detail: call.why.detail,
    });
    this.#lines = this.#lines.slice(-MOST);
    remember('calls', this.#lines);
  }

  of(address) { return this.#lines.filter((line) => line.address === address); }

  latest() { return new Map(this.#lines.map((line) => [line.address, line])); }
}

// missed says whether somebody called and nobody here said anything to it.
export const missed = (line) => !line.outgoing && !line.answered && !/^(You|Answered|Declined)/.test(line.words);

// describe is a line's text.
export function describe(line) {
  const what = line.outgoing ? 'You called' : missed(line) ? 'Missed call' : 'They called';
  const rest = line.answered ? [lasted(line.seconds)] : [line.words];
  if (line.detail && !line.answered) rest.push(line.detail);
  return [what, ...rest].join(' · ');
}

// lasted is a length of time: "1:05", "1:00:07".
export function lasted(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n) => String(n).padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
