// The plain page in Chromium, used as a person does: by what it says and by what its buttons are called. It is told what
// to do by lines of JSON on standard input, {"do": "click", "name": "Answer"}, and tells by such lines what came of it.
//
//   node plain.mjs SPEECH.wav    what is said into the microphone
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const tell = (event, detail = '') => console.log(JSON.stringify({ event, detail }));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--ignore-certificate-errors', '--autoplay-policy=no-user-gesture-required', '--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream', `--use-file-for-fake-audio-capture=${process.argv[2]}%noloop`,
  ],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true, permissions: ['microphone', 'camera'] });
context.setDefaultTimeout(25000);
const scripts = ['ear.js', 'hear.js', 'audit.js'].map((name) => readFileSync(join(here, name), 'utf8'));
await context.addInitScript(scripts.join('\n'));
const page = await context.newPage();
page.on('console', (m) => {
  console.error('console', m.type(), m.text());
  if (m.type() === 'error' && /Content Security Policy|Permissions policy/i.test(m.text())) tell('forbidden', m.text());
});
page.on('pageerror', (e) => { console.error(e); tell('fault', String(e)); });

const find = ({ role = 'button', name, within }) => (within ? page.locator(within) : page).getByRole(role, { name, exact: true });

const person = {
  open: ({ url }) => page.goto(url),
  reload: () => page.reload(),
  go: ({ to }) => page.evaluate((to) => { location.hash = encodeURIComponent(to); }, to), // as the links do
  click: (what) => find(what).click(),
  fill: ({ label, text }) => page.getByLabel(label, { exact: true }).fill(text),
  type: ({ label, text }) => page.getByLabel(label, { exact: true }).pressSequentially(text),
  check: ({ label }) => page.getByLabel(label, { exact: true }).check(),
  keys: ({ text }) => page.keyboard.type(text),
  focus: (what) => find(what).focus(),
  key: ({ key }) => page.keyboard.press(key),
  see: ({ text, within = 'body' }) => page.locator(within).filter({ hasText: text, visible: true }).first().waitFor(),
  gone: ({ text, within = 'body' }) => page.locator(within).filter({ hasText: text, visible: true }).first().waitFor({ state: 'hidden' }),
  read: ({ within }) => page.locator(within).first().innerText(),
  title: () => page.title(),
  focused: () => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()),
  network: ({ state }) => context.setOffline(state === 'off'),
  kept: () => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }])),
  recording: () => page.evaluate(() => window.heard.recording()),
  close: ({ why }) => page.locator('#calls [data-state=ended]').filter({ hasText: why }).last().getByRole('button', { name: 'Close' }).click(),
  ready: () => page.locator('#app[data-phone=ready]').waitFor(),
  idle: () => page.locator('#calls [data-state]:not([data-state=ended])').waitFor({ state: 'detached' }),
  forget: () => page.evaluate(() => window.heard.begin()),
  pictures: () => page.evaluate(async () => {
    const seen = [...document.querySelectorAll('#calls video:not([hidden])')].filter((v) => v.videoWidth > 0);
    return String(seen.length);
  }),
  look: async ({ width, height, scheme = 'light' }) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width: Number(width), height: Number(height) });
  },
  servers: () => page.evaluate(() => JSON.stringify(window.heard.servers)),
  audit: () => page.evaluate(() => window.audit()),
  shot: ({ file }) => page.screenshot({ path: file }),
};

const stop = async () => {
  await browser.close();
  process.exit(0);
};
process.on('SIGTERM', stop);
tell('ready');

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...args } = JSON.parse(line);
  try {
    const result = await person[name](args);
    tell(`${name} done`, typeof result === 'string' ? result : '');
  } catch (e) {
    tell(`${name} refused`, String(e));
  }
}
await stop();
