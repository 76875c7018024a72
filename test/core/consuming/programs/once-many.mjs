// Waits for a line on stdin, then asks for the effects of COUNT keys, all at once and in random order; prints
// `ran KEY`, `done KEY` or `failed KEY CODE` each, then `end`. Arguments: store, file of effects, count.
import { note, openOnce, print } from './once-store.mjs';

const [path, effects, count] = process.argv.slice(2);
const { store, once } = openOnce(path, { waitMs: 60_000 });
await store.open();
print('ready');
await new Promise((resolve) => process.stdin.once('data', resolve));
const keys = Array.from({ length: Number(count) }, (_, index) => `k${index}`);
keys.sort(() => Math.random() - 0.5);
await Promise.all(
  keys.map((key) =>
    once(key, () => note(effects, key)).then(
      ({ ran }) => print(ran ? 'ran' : 'done', key),
      ({ code }) => print('failed', key, code),
    ),
  ),
);
await store.close();
print('end');
process.stdin.destroy();
