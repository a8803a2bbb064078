// A browser as a phone. It is told what to do by lines of JSON on standard input,
//   {"do": "start", "ws": "wss://...", "uri": "sip:...", "password": "..."}    or "token"
// and tells what happens by lines of JSON on standard output, {"event": "registered"}.
//
//   node phone.mjs PORT SPEECH.wav    the page's port on 127.0.0.1, and what it says
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';
import { open, speaking } from './page.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [port, speech] = process.argv.slice(2);
const tell = (event, detail = '') => console.log(JSON.stringify({ event, detail }));

const { page, close } = await open({
  port, emit: tell,
  script: [bundle(here, 'jssip', 'JsSIP'), ...['ear.js', 'page.js'].map((name) => readFileSync(join(here, name), 'utf8'))].join('\n'),
  args: speaking(speech),
});
await page.evaluate(() => window.JsSIP.debug.enable('JsSIP:Transport JsSIP:UA'));
tell('ready');

const stop = async () => {
  await close();
  process.exit(0);
};
process.on('SIGTERM', stop);

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...args } = JSON.parse(line);
  try {
    const result = await page.evaluate(([name, args]) => window.phone[name](args), [name, args]);
    tell(`${name} done`, result ?? '');
  } catch (e) {
    tell(`${name} refused`, String(e));
  }
}
await stop();
