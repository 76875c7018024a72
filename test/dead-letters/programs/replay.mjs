// Replays a dead-letter queue, or resumes the replay that the ledger has of it. Kills itself (SIGKILL) at the n-th time
// that it comes to a step, or stands still there (`hang`); step `none`: comes to its end and prints the report.
// Arguments: URL, ledger, dead-letter queue, step, n, `die` or `hang`.
import { openLedger } from '../../../dist/dead-letters/ledger.js';
import { resumeReplay, startReplay } from '../../../dist/dead-letters/replay.js';
import { createTransport } from '../../../dist/transports/index.js';

const [url, path, queue, fatalStep, n, how] = process.argv.slice(2);
const transport = await createTransport(url);
const ledger = openLedger(path);
let times = 0;
const deps = {
  onStep(step) {
    console.log(step);
    if (step !== fatalStep || ++times !== Number(n)) return;
    if (how === 'die') process.kill(process.pid, 'SIGKILL');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
};
const unfinished = ledger.unfinished(await transport.identity(), queue);
const report =
  unfinished === undefined
    ? await startReplay(transport, ledger, { queue, target: { kind: 'queue' } }, deps)
    : await resumeReplay(transport, ledger, unfinished.id, {}, deps);
console.log(`report ${JSON.stringify(report)}`);
ledger.close();
await transport.close();
