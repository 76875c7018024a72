// Asks for the effects of ROUND:0, ROUND:1 and so on, ten at a time, until it is killed. Prints `ready` before, and
// `ran KEY` once an effect is on record; each effect notes `begun KEY`, and some milliseconds later `happened KEY`.
// Arguments: store, file of effects, round.
import { setTimeout as delay } from 'node:timers/promises';
import { note, openOnce, print } from './once-store.mjs';

const [path, effects, round] = process.argv.slice(2);
const { store, once } = openOnce(path, { leaseMs: 300, waitMs: 0 });
await store.open();
print('ready');
let next = 0;
async function lane() {
  for (;;) {
    const key = `${round}:${next++}`;
    try {
      const { ran } = await once(key, async () => {
        note(effects, 'begun', key);
        await delay(Math.random() * 4);
        note(effects, 'happened', key);
      });
      if (ran) print('ran', key);
    } catch ({ code }) {
      print(code, key);
    }
  }
}
await Promise.all(Array.from({ length: 10 }, lane));
