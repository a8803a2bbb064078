// Puts a CommonJS package and what it requires into one script for a page, as
// window[name]. No build step, no build tool: the test runs what npm has laid down.
import { readFileSync, existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

export function bundle(folder, pkg, name) {
  const modules = new Map(); // file -> { id, source }
  const instead = new Map(); // file -> the one that a browser gets in its place

  const visit = (file) => {
    if (modules.has(file)) return modules.get(file).id;
    const module = { id: modules.size, source: '' };
    modules.set(file, module);
    const text = readFileSync(file, 'utf8');
    if (file.endsWith('.json')) {
      module.source = `module.exports = ${text};`;
      return module.id;
    }
    module.source = text.replace(/require\(\s*(['"])([^'"]+)\1\s*\)/g,
      (_, __, wanted) => `require(${visit(resolve(wanted, dirname(file)))})`);
    return module.id;
  };

  const resolve = (wanted, from) => {
    const named = wanted.startsWith('.') ? join(from, wanted) : packageMain(wanted);
    const path = instead.get(named) ?? named;
    for (const tried of [path, `${path}.js`, `${path}.json`, join(path, 'index.js')]) {
      if (existsSync(tried) && statSync(tried).isFile()) return tried;
    }
    throw new Error(`${wanted}, required in ${from}, is not there`);
  };

  const packageMain = (wanted) => {
    const home = join(folder, 'node_modules', wanted);
    const about = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
    for (const [file, other] of Object.entries(about.browser instanceof Object ? about.browser : {})) {
      instead.set(join(home, file), join(home, other));
    }
    const main = typeof about.browser === 'string' ? about.browser : about.main ?? 'index.js';
    return join(home, main);
  };

  const entry = visit(packageMain(pkg));
  const list = [...modules.values()].map((m) => `function (module, exports, require) {${m.source}\n}`);
  return `window[${JSON.stringify(name)}] = (() => {
    const process = { env: {} }, global = window;
    const bodies = [${list.join(',\n')}], done = [];
    const require = (id) => {
      if (!done[id]) { done[id] = { exports: {} }; bodies[id](done[id], done[id].exports, require); }
      return done[id].exports;
    };
    return require(${entry});
  })();`;
}
