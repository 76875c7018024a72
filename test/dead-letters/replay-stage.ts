/** A dead-letter queue with its failed queue on one of the brokers, under names of its own, and a ledger. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { Headers, MessageProperties, ReceivedMessage } from '../../src/core/message.js';
import { type Arguments, bind, exchange, queue } from '../../src/core/topology/model.js';
import type { Delivery, Transport } from '../../src/core/transport.js';
import { type Ledger, openLedger } from '../../src/dead-letters/ledger.js';
import { eventually } from '../await.js';
import { describeOnBothBrokers } from '../commands/brokers.js';
import { death } from './letters.js';

export interface Stage {
  readonly kind: 'embedded' | 'amqp';
  readonly url: string;
  /** `work` dies into `dlx`, whose dead letters `dlq` has; `events` feeds `work` and `healthy`. */
  readonly names: Names;
  readonly transport: Transport;
  readonly ledger: Ledger;
  /** One more transport on the same broker, or through the proxy at this URL. */
  open(url?: string): Promise<Transport>;
  /** Publishes to `events`, and rejects what comes to `work`: real dead letters, `m-1` and so on. */
  die(count: number, properties?: MessageProperties): Promise<void>;
  /** Many dead letters at once, as the broker would have made them. Returns their ids. */
  fill(count: number, prefix?: string, more?: MessageProperties): Promise<string[]>;
  ids(queueName: string): Promise<string[]>;
  contents(queueName: string): Promise<ReceivedMessage[]>;
  ready(queueName: string): Promise<number>;
  /** Takes it away before the test ends: hundreds of stages would fill the broker's memory. */
  close(): Promise<void>;
}

export interface Names {
  readonly events: string;
  readonly work: string;
  readonly healthy: string;
  readonly dlx: string;
  readonly dlq: string;
}

export interface StageOptions {
  /** Of `work` and `dlq`. */
  readonly arguments?: Arguments;
}

export const DEAD_KEY = 'work.dead';

/** `withStage` sets one up; it is gone when the test ends. */
export function describeReplay(
  name: string,
  suite: (withStage: (options?: StageOptions) => Promise<Stage>, kind: Stage['kind']) => void,
): void {
  describeOnBothBrokers(name, (broker) => {
    const stages: (() => unknown)[][] = [];
    afterEach(async () => {
      for (const releases of stages.splice(0).toReversed()) await releaseAll(releases);
    });
    suite((options) => {
      const releases: (() => unknown)[] = [];
      stages.push(releases);
      return openStage(broker.name, broker.url(), releases, options);
    }, broker.name);
  });
}

/** The last first; each once. */
async function releaseAll(releases: (() => unknown)[]): Promise<void> {
  for (const release of releases.splice(0).toReversed()) await release();
}

/** The same for suites with a broker of their own. */
export async function openStage(
  kind: Stage['kind'],
  url: string,
  releases: (() => unknown)[],
  { arguments: args = {} }: StageOptions = {},
): Promise<Stage> {
  const { createTransport } = await import('../../src/transports/index.js');
  const folder = mkdtempSync(join(tmpdir(), 'atma-replay-'));
  releases.push(() => rmSync(folder, { recursive: true, force: true }));
  const open = async (at = url) => {
    const transport = await createTransport(at);
    releases.push(() => transport.close());
    return transport;
  };
  const suffix = randomBytes(4).toString('hex');
  const names = {
    events: `events_${suffix}`,
    work: `work_${suffix}`,
    healthy: `healthy_${suffix}`,
    dlx: `dlx_${suffix}`,
    dlq: `work_dlq_${suffix}`,
  };
  releases.push(async () => {
    const cleaner = await createTransport(url);
    await cleaner.remove({ queues: Object.values(names), exchanges: Object.values(names) });
    await cleaner.close();
  });
  const transport = await open();
  await transport.apply({
    exchanges: [exchange(names.events, 'topic'), exchange(names.dlx, 'direct')],
    queues: [
      queue(names.work, {
        'x-dead-letter-exchange': names.dlx,
        'x-dead-letter-routing-key': DEAD_KEY,
        ...args,
      }),
      queue(names.healthy),
      queue(names.dlq, args),
    ],
    bindings: [
      ...bind(names.events, names.work, '#'),
      ...bind(names.events, names.healthy, '#'),
      ...bind(names.dlx, names.dlq, DEAD_KEY),
    ],
  });
  const ledger = openLedger(join(folder, 'ledger', 'replays.db'));
  releases.push(() => ledger.close());
  const contents = (name: string) => collect(transport, name);
  const ready = async (name: string) => (await transport.counts(name))?.ready ?? 0;
  return {
    ...{ kind, url, names, transport, ledger, open, contents, ready },
    close: () => releaseAll(releases),
    ids: async (name) => (await contents(name)).map(({ properties }) => properties.messageId ?? ''),
    async die(count, properties = {}) {
      const before = await ready(names.dlq);
      for (let n = 1; n <= count; n++) {
        await transport.publish({
          exchange: names.events,
          routingKey: 'order.paid',
          body: Buffer.from(`{"n":${n}}`),
          properties: { messageId: `m-${n}`, ...properties },
        });
      }
      await takeAll(transport, names.work, count, (delivery) => delivery.reject());
      await eventually('all are dead letters', async () => (await ready(names.dlq)) === before + count);
    },
    async fill(count, prefix = 'm', more = {}) {
      const ids = Array.from({ length: count }, (_, at) => `${prefix}-${at + 1}`);
      await fillQueue(transport, names, ids, more);
      return ids;
    },
  };
}

/** Dead letters with these ids. */
export async function fillQueue(
  transport: Transport,
  names: Names,
  ids: readonly string[],
  more: MessageProperties = {},
): Promise<void> {
  await Promise.all(ids.map((messageId) => publishDead(transport, names, messageId, { messageId, ...more })));
}

/** The same without message ids: only their bodies differ. */
export async function fillNameless(
  transport: Transport,
  names: Names,
  ids: readonly string[],
): Promise<void> {
  await Promise.all(ids.map((id) => publishDead(transport, names, id, {})));
}

function publishDead(
  transport: Transport,
  { dlx, work, events }: Names,
  id: string,
  properties: MessageProperties,
): Promise<void> {
  const headers: Headers = {
    'x-death': [death(work, 'rejected', 1_769_900_400, { exchange: events, 'routing-keys': ['order.paid'] })],
    'x-first-death-exchange': events,
    'x-first-death-queue': work,
    'x-first-death-reason': 'rejected',
    ...properties.headers,
  };
  return transport.publish({
    exchange: dlx,
    routingKey: DEAD_KEY,
    body: Buffer.from(`{"id":"${id}"}`),
    properties: { ...properties, headers },
  });
}

export async function takeAll(
  transport: Transport,
  name: string,
  count: number,
  settle: (delivery: Delivery) => Promise<unknown>,
): Promise<void> {
  const settling: Promise<unknown>[] = [];
  const subscription = await transport.consume(name, {}, (delivery) => settling.push(settle(delivery)));
  await eventually(`${count} messages came from ${name}`, () => settling.length >= count);
  await Promise.all(settling);
  await subscription.synchronise();
  await subscription.close();
}

export async function collect(transport: Transport, name: string): Promise<ReceivedMessage[]> {
  const messages: ReceivedMessage[] = [];
  for await (const message of transport.browse(name)) messages.push(message);
  return messages;
}
