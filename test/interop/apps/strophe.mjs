// An XMPP app made of strophe.js in a page of Chromium; lines.mjs says how it is steered.
//
//   node strophe.mjs PORT    the page's port on 127.0.0.1
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from '../browser/page.mjs';
import { tell, obeyIn } from './lines.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const strophe = readFileSync(join(here, 'node_modules/strophe.js/dist/strophe.umd.cjs'), 'utf8');
const { page, close } = await open({
  port: process.argv[2], emit: tell, script: `${strophe}\n${readFileSync(join(here, 'strophe-page.js'), 'utf8')}`,
});
tell('ready');

const stop = async () => {
  await close();
  process.exit(0);
};
process.on('SIGTERM', stop);
await obeyIn(page);
await stop();
