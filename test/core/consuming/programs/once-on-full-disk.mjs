// Does what lines on stdin say:
//   once KEY          `effect KEY` when it runs, which it does until told; then `ran KEY` or `failed KEY CODE MESSAGE`
//   go KEY, throw KEY ends the effect
//   abort             aborts what waits
//   end               closes the store and ends
// What could not be noted is printed as `trouble KEY CODE`. Arguments: store.
import { createInterface } from 'node:readline';
import { openOnce, print } from './once-store.mjs';

const [path] = process.argv.slice(2);
const aborting = new AbortController();
const { store, once } = openOnce(path, {
  signal: aborting.signal,
  onTrouble: ({ code }, key) => print('trouble', key, code),
});
const effects = new Map();

function run(key) {
  const effect = () =>
    new Promise((resolve, reject) => {
      effects.set(key, { go: resolve, throw: () => reject(new Error('thrown')) });
      print('effect', key);
    });
  once(key, effect).then(
    () => print('ran', key),
    ({ name, code = name, message }) => print('failed', key, code, message),
  );
}

await store.open();
createInterface({ input: process.stdin }).on('line', (line) => {
  const [verb, key] = line.split(' ');
  if (verb === 'once') run(key);
  else if (verb === 'abort') aborting.abort();
  else if (verb === 'end') void store.close().then(() => process.stdin.destroy());
  else effects.get(key)[verb]();
});
print('ready');
