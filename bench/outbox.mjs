/** What a publisher's outbox costs: publishing through it and past it in turn, on both brokers; then on disk alone. */
import { join } from 'node:path';
import { startChild } from './child.mjs';
import { comparePairs, median } from './stats.mjs';

const WINDOW = 1_000;
const COUNT = 20_000;

export async function measureOutbox({ quick, folder, broker, defer, log }) {
  const rounds = quick ? 3 : 11;
  const { url } = await broker();
  const rows = [];
  const brokers = { RabbitMQ: url, embedded: `embedded:${join(folder, 'outbox-broker.db')}` };
  for (const [name, address] of Object.entries(brokers)) {
    const path = join(folder, `outbox-${name}.db`);
    const side = await startChild('./outbox-side.mjs', { url: address, path, window: WINDOW }, defer);
    const times = { direct: [], through: [], appended: [], sent: [] };
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      const direct = await side.call('direct', COUNT);
      const through = await side.call('through', COUNT);
      const { appended, sent } = await side.call('append', COUNT);
      if (round === 0) continue;
      for (const [what, ms] of Object.entries({ direct, through, appended, sent })) {
        times[what].push((COUNT / ms) * 1_000);
      }
    }
    await side.stop();
    log(`outbox: ${name}, ${rounds} rounds`);
    const row = (what, more) => ({ bench: 'outbox', what: `${what}, ${name}`, unit: '/s', ...more });
    rows.push(
      row('publish through an outbox until all is confirmed', {
        rivalName: 'past it, confirmed',
        ...comparePairs(times.through, times.direct),
      }),
      row('into the outbox, on disk, broker down', { ours: median(times.appended) }),
      row('sending what has waited', { ours: median(times.sent) }),
    );
  }
  return rows;
}
