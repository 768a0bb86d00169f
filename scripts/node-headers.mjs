// Prints the folder that holds node_api.h and uv.h: beside the running binary, or where node-gyp put them.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function* candidates() {
  yield join(dirname(process.execPath), '..', 'include', 'node');
  const config = new URL('../build/config.gypi', import.meta.url);
  if (existsSync(config)) {
    const nodedir = /"nodedir": "([^"]+)"/.exec(readFileSync(fileURLToPath(config), 'utf8'))?.[1];
    if (nodedir !== undefined) yield join(nodedir, 'include', 'node');
  }
  yield join(homedir(), '.cache', 'node-gyp', process.versions.node, 'include', 'node');
}

export function nodeHeaders() {
  const looked = [...candidates()];
  const found = looked.find((path) => existsSync(join(path, 'uv.h')));
  if (found === undefined) {
    throw new Error(`Expected the headers of Node in one of ${looked.join(', ')}. Run: npm run build:native`);
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(nodeHeaders());
