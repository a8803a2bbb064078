// An XMPP app that calls, made of stanza in a page of Chromium; lines.mjs says how it is steered.
//
//   node stanza.mjs PORT SPEECH.wav    the page's port on 127.0.0.1, and what it says
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../browser/bundle.mjs';
import { open, speaking } from '../browser/page.mjs';
import { tell, obeyIn } from './lines.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [port, speech] = process.argv.slice(2);
const parts = ['../browser/ear.js', 'stanza-call.js', 'stanza-page.js'].map((name) => readFileSync(join(here, name), 'utf8'));
const { page, close } = await open({
  port, emit: tell, script: [bundle(here, 'stanza', 'stanza'), ...parts].join('\n'), args: speaking(speech),
});
tell('ready');

const stop = async () => {
  await close();
  process.exit(0);
};
process.on('SIGTERM', stop);
await obeyIn(page, {
  // A recording is too long for a line, which other output might get between.
  async recording({ file }) { writeFileSync(file, Buffer.from(await page.evaluate(() => ear.recording()), 'base64')); },
});
await stop();
