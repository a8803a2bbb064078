// A page of Chromium with a script in it, whose window.emit is told to the test.
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

// open serves the page on a port of 127.0.0.1, which makes its origin, and opens it.
export async function open({ port, script, args = [], emit }) {
  const server = createServer((request, response) => {
    if (request.url === '/script.js') {
      response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(script);
    } else if (request.url === '/') {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>test</title><script src="/script.js"></script>');
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise((ready, failed) => server.once('error', failed).listen(Number(port), '127.0.0.1', ready));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--ignore-certificate-errors', ...args],
  });
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  page.on('console', (m) => console.error(m.text()));
  page.on('pageerror', (e) => console.error(e));
  await page.exposeFunction('emit', emit);
  await page.goto(`http://127.0.0.1:${port}/`);
  return { page, close: () => browser.close() };
}

// speaking gives a browser a microphone that says what is in a file, from when it is opened.
export const speaking = (speech) => [
  '--autoplay-policy=no-user-gesture-required', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
  `--use-file-for-fake-audio-capture=${speech}%noloop`,
];
