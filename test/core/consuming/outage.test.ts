/** A consumer whose line is cut at its worst moment, and whose broker is killed and started again under it. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { PermanentError } from '../../../src/core/consuming/permanent-error.js';
import { startConsumer } from '../../../src/core/consuming/start-consumer.js';
import { defineCatalog, defineEvent } from '../../../src/core/events/catalog.js';
import type { Topology } from '../../../src/core/topology/model.js';
import type { Transport } from '../../../src/core/transport.js';
import { openIdempotencyStore } from '../../../src/storage/idempotency-store.js';
import { createTransport } from '../../../src/transports/index.js';
import { eventually } from '../../await.js';
import { startRabbit } from '../../brokers/rabbitmq.js';
import { sharedRabbit } from '../../brokers/shared.js';
import { startTcpProxy } from '../../brokers/tcp-proxy.js';
import { temporaryFolder } from '../../commands/cli.js';
import { DELAYS_MS, expectOnePlaceEach, nothingWaits, publishAll, topologyOf } from './fates.js';

const ROUNDS = 8;

const catalog = defineCatalog(
  defineEvent({
    type: 'thing.happened',
    exchange: 'unused',
    schema: z.object({ kind: z.enum(['ok', 'flaky', 'poison', 'permanent']) }),
  }),
);

describe.each([{}, { 'x-queue-type': 'quorum', 'x-delivery-limit': 50 }])(
  'a consumer of a RabbitMQ queue with arguments %j',
  (queueArguments) => {
    test('whose line is cut between confirm and ack leaves every event in one place', {
      timeout: 120_000,
    }, async () => {
      const { url } = await sharedRabbit();
      const proxy = await startTcpProxy(Number(new URL(url).port));
      onTestFinished(() => proxy.close());
      let confirms = 0;
      // The line goes as soon as a copy is confirmed: every third time, so that some come through.
      const onConfirm = () => {
        if (++confirms % 3 === 0) proxy.cut();
      };
      const queue = `cut_${process.pid}_${Object.keys(queueArguments).length}`;
      const said = await survive(
        queue,
        { url, through: url.replace(/:\d+$/, `:${proxy.port}`), onConfirm },
        topologyOf(queue, queueArguments),
        async (publish) => {
          for (let round = 0; round < ROUNDS; round++) await publish();
        },
      );
      expect(confirms).toBeGreaterThan(ROUNDS);
      console.log(`${Math.floor(confirms / 3)} cuts, ${said}`);
    });
  },
);

describe('a consumer whose RabbitMQ is killed in the middle', () => {
  test.each([{}, { 'x-queue-type': 'quorum', 'x-delivery-limit': 50 }])(
    'leaves every event in one place (queue arguments %j)',
    { timeout: 180_000 },
    async (queueArguments) => {
      const rabbit = await startRabbit({
        // A quorum queue that dead-letters while its target is not up yet tries again after this long: 3 min by default.
        settings: { dead_letter_worker_publisher_confirm_timeout: '1000' },
      });
      onTestFinished(() => rabbit.stop());
      const { url } = rabbit;
      const said = await survive(
        'restarted',
        { url, through: url, onConfirm() {} },
        topologyOf('restarted', queueArguments),
        async (publish) => {
          // Killed less than a second after it declared a quorum queue, RabbitMQ forgets it: docs/rabbitmq.md.
          await rabbit.ctl('eval', 'dets:sync(ra_directory_reverse).');
          for (let round = 0; round < 3; round++) {
            await publish();
            await publish();
            await rabbit.restart();
          }
        },
      );
      console.log(`3 broker kills, ${said}`);
    },
  );
});

interface Line {
  readonly url: string;
  /** What the consumer connects to. */
  readonly through: string;
  readonly onConfirm: () => void;
}

/** Consumes while `disturb` publishes and does its harm; then waits for the end and checks where everything is. */
async function survive(
  queue: string,
  { url, through, onConfirm }: Line,
  topology: Topology,
  disturb: (publish: () => Promise<void>) => Promise<void>,
): Promise<string> {
  const folder = temporaryFolder();
  const effects = join(folder, 'effects');
  writeFileSync(effects, '');
  const direct = await createTransport(url);
  const cut = await createTransport(through);
  const store = openIdempotencyStore(join(folder, 'once.db'));
  const watched: Pick<Transport, 'scheme' | 'consume' | 'publish' | 'apply' | 'counts'> = {
    scheme: cut.scheme,
    apply: (wanted) => cut.apply(wanted),
    counts: (name) => cut.counts(name),
    consume: (...args) => cut.consume(...args),
    publish: (message) => cut.publish(message).then(onConfirm),
  };
  await direct.apply(topology);
  const consumer = await startConsumer(
    { transport: watched, catalog, topology },
    queue,
    {
      async 'thing.happened'({ id, data: { kind } }, { attempt, once }) {
        if (kind === 'poison') throw new Error('cannot digest');
        if (kind === 'permanent') throw new PermanentError('never will');
        if (kind === 'flaky' && attempt < 2) throw new Error('not yet');
        await once(() => appendFileSync(effects, `${id}\n`), { leaseMs: 1_000 });
      },
    },
    { idempotency: store, retry: { delaysMs: DELAYS_MS }, circuit: false, prefetch: 20 },
  );
  let published = 0;
  await disturb(async () => {
    published = await publishAll(direct, queue, published);
  });
  // What a quorum queue dead-letters at this moment shows in no count: the fates themselves are waited for.
  const inPlace = async () => {
    const { running, waiting, held } = consumer.state();
    if (running + waiting + held > 0 || !(await nothingWaits(direct, queue))) return false;
    return expectOnePlaceEach(direct, queue, readFileSync(effects, 'utf8').trimEnd().split('\n'), published);
  };
  await eventually('every event is in its place', inPlace, { withinMs: 60_000, everyMs: 250 });
  await consumer.close();
  // And nothing of it changes when the consumer hands back what it holds.
  const said = await inPlace();
  await direct.remove({
    queues: [queue, `${queue}_dlq`, ...DELAYS_MS.map((delay) => `${queue}.retry.${delay}`)],
    exchanges: [`${queue}_dlx`],
  });
  await Promise.all([direct.close(), cut.close(), store.close()]);
  return String(said);
}
