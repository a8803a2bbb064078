// A browser as a phone. It is told what to do by lines of JSON on standard input,
//   {"do": "start", "ws": "wss://...", "uri": "sip:...", "password": "..."}
// and tells what happens by lines of JSON on standard output, {"event": "registered"}.
//
//   node phone.mjs PORT SPEECH.wav    the page's port on 127.0.0.1, and what it says
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { bundle } from './bundle.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [port, speech] = process.argv.slice(2);
const tell = (event, detail = '') => console.log(JSON.stringify({ event, detail }));

const script = `${bundle(here, 'jssip', 'JsSIP')}\n${readFileSync(join(here, 'page.js'), 'utf8')}`;
const server = createServer((request, response) => {
  if (request.url === '/phone.js') {
    response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(script);
  } else if (request.url === '/') {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>phone</title><script src="/phone.js"></script>');
  } else {
    response.writeHead(404).end();
  }
});
await new Promise((ready, failed) => server.once('error', failed).listen(Number(port), '127.0.0.1', ready));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--ignore-certificate-errors', '--autoplay-policy=no-user-gesture-required',
    '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${speech}%noloop`,
  ],
});
const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
page.on('console', (m) => console.error(m.text()));
page.on('pageerror', (e) => console.error(e));
await page.exposeFunction('emit', tell);
await page.goto(`http://127.0.0.1:${port}/`);
await page.evaluate(() => window.JsSIP.debug.enable('JsSIP:Transport JsSIP:UA'));
tell('ready');

const stop = async () => {
  await browser.close();
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
