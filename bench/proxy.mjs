/** What the recording proxy adds to a callback: through it and past it in turn, each side a process of its own. */
import { join } from 'node:path';
import { startChild } from './child.mjs';
import { quantile } from './stats.mjs';

const WARM_UP = 500;

/** How the worker calls: axios keeps connections alive since Node 19, and opened one for each callback before. */
const KINDS = [
  { name: 'on a kept connection', keepAlive: true, lanes: 1 },
  { name: 'on a new connection', keepAlive: false, lanes: 1 },
];

export async function measureProxy({ quick, folder, defer, log }) {
  const rounds = quick ? 5 : 20;
  const perRound = quick ? 100 : 200;
  const start = (args) => startChild('./proxy-side.mjs', args, defer);
  const upstream = await start({ role: 'upstream' });
  const direct = await upstream.call('port');
  const file = join(folder, 'callbacks.jsonl');
  const proxy = await start({ role: 'proxy', upstream: `http://127.0.0.1:${direct}`, file });
  const through = await proxy.call('port');
  const caller = await start({ role: 'caller' });

  const rows = [];
  for (const { name, keepAlive, lanes } of KINDS) {
    const times = { direct: [], through: [] };
    const ports = { direct, through };
    for (const port of Object.values(ports)) await caller.call('send', port, WARM_UP, keepAlive, lanes);
    for (let round = 1; round <= rounds; round++) {
      for (const [side, port] of Object.entries(ports)) {
        times[side].push(...(await caller.call('send', port, perRound, keepAlive, lanes)));
      }
    }
    log(`proxy: ${name}, ${rounds} rounds`);
    for (const [share, percentile, limit] of [
      [0.5, 'p50', 2],
      [0.99, 'p99', undefined],
    ]) {
      const [past, via] = [quantile(times.direct, share), quantile(times.through, share)];
      rows.push({
        bench: 'proxy',
        what: `added to a callback ${name}, ${percentile} of ${times.through.length}`,
        unit: ' ms',
        ours: via - past,
        rival: past,
        rivalName: 'without the proxy, in all',
        ...(limit !== undefined && { goal: { on: 'ours', is: 'under', value: limit } }),
      });
    }
  }
  const { lost } = await proxy.call('counts');
  if (lost > 0) throw new Error(`${lost} callbacks were not recorded`);
  for (const side of [caller, proxy, upstream]) await side.stop();
  return rows;
}
