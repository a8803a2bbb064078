// How a test steers an app: lines of JSON on standard input, {"do": "write", "to": ...}, each of which ends
// with a line {"event": "write done"} or {"event": "write refused", "why": ...} on standard output; there also
// comes what happens meanwhile, {"event": "message", "from": ...}. All values are texts.
import { createInterface } from 'node:readline';

export function tell(event, what = {}) {
  const kept = Object.entries(what).filter(([, v]) => v !== undefined && v !== null && v !== '');
  console.log(JSON.stringify({ event, ...Object.fromEntries(kept.map(([k, v]) => [k, String(v)])) }));
}

// obey does what the lines say by the functions of app. One command need not wait for another.
export async function obey(app) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...args } = JSON.parse(line);
    app[name](args).then(
      (result) => tell(`${name} done`, result),
      (e) => tell(`${name} refused`, { why: e.condition ?? e.message ?? String(e) }),
    );
  }
}

// obeyIn has a page do whatever the lines say, by the functions of its window.app, but what own has functions for.
export function obeyIn(page, own = {}) {
  return obey(new Proxy(own, {
    get: (_, name) => own[name] ?? (async (args) => {
      const { refused, ...result } = await page.evaluate(([name, args]) => window.app[name](args).then(
        (done) => done ?? {}, (e) => ({ refused: e.error?.condition ?? e.message ?? String(e) })), [name, args]);
      if (refused) throw new Error(refused);
      return result;
    }),
  }));
}
