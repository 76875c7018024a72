/** A queue with its dead letters on one of the brokers, under names of its own, and a bus of which tests take consumers. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  type Arguments,
  type Bus,
  bind,
  type Consumer,
  type ConsumerOptions,
  connect,
  defineCatalog,
  defineEvent,
  exchange,
  type FailureRecord,
  type MessageProperties,
  openIdempotencyStore,
  queue,
  type ReceivedMessage,
  readFailure,
  type Topology,
  type Trouble,
} from '../../../src/index.js';
import { eventually } from '../../await.js';
import { rabbitInstalled, sharedRabbit } from '../../brokers/shared.js';

export type Kind = 'embedded' | 'amqp';

export interface StageOptions {
  /** Further arguments of the queue. Its dead-letter exchange is set unless `deadLetters` is `none`. */
  readonly arguments?: Arguments;
  /** `missing`: the queue names a dead-letter exchange that does not exist. Default `bound`. */
  readonly deadLetters?: 'bound' | 'missing' | 'none';
  /** Publishes with `x-max-priority` and such need it. */
  readonly key?: string;
}

/** The events of these tests: what is paid, and what nobody has a handler for. */
function catalogOn(exchangeName: string) {
  return defineCatalog(
    defineEvent({
      type: 'order.paid',
      version: 1,
      exchange: exchangeName,
      schema: z.object({ order: z.string(), n: z.number().optional() }),
    }),
    defineEvent({ type: 'order.sent', exchange: exchangeName, schema: z.object({ order: z.string() }) }),
  );
}

export type Shop = NonNullable<ReturnType<typeof catalogOn>['map']>;

export interface Stage {
  readonly kind: Kind;
  readonly url: string;
  /** Gone when the test ends. */
  readonly folder: string;
  readonly bus: Bus<Shop>;
  readonly names: { exchange: string; queue: string; other: string; dlx: string; dlq: string };
  readonly topology: Topology;
  /** What `onTrouble` and `onDeadLetter` of the consumers were told. */
  readonly troubles: Trouble[];
  readonly deadLettered: FailureRecord[];
  /** Consumer options that note what they are told. */
  options(more?: ConsumerOptions): ConsumerOptions;
  /** Publishes raw bytes with the key of `order.paid`. */
  send(body: string, properties?: MessageProperties, key?: string): Promise<void>;
  ready(name: string): Promise<number>;
  /** Closes the consumer, which hands back what it has not acked, and expects that nothing is there nor dead. */
  allAcked(consumer: Consumer): Promise<void>;
  /** The dead letters, once there are so many. */
  dead(count: number, name?: string): Promise<{ message: ReceivedMessage; record: FailureRecord }[]>;
  /** An idempotency store in a file of its own. */
  store(): ReturnType<typeof openIdempotencyStore>;
  /** Another bus on the same broker and topology. */
  another(): Promise<Bus<Shop>>;
  /** Runs at the end, last in first out. */
  defer(release: () => Promise<void> | void): void;
  /** Queues to be removed at the end. */
  alsoRemove(...queues: string[]): void;
}

/** Runs the suite on both brokers; `stage` sets one up for the test that calls it. */
export function onBothBrokers(
  name: string,
  suite: (test: typeof it, stage: (options?: StageOptions) => Promise<Stage>, kind: Kind) => void,
): void {
  for (const kind of ['embedded', 'amqp'] as const) {
    describe.skipIf(kind === 'amqp' && !rabbitInstalled)(`${name} on ${kind}`, () => {
      const releases: (() => Promise<void> | void)[] = [];
      afterEach(async () => {
        for (const release of releases.splice(0).reverse()) await release();
      });
      suite(it, (options) => setStage(kind, (release) => releases.push(release), options), kind);
    });
  }
}

async function setStage(
  kind: Kind,
  defer: (release: () => Promise<void> | void) => void,
  options: StageOptions = {},
): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'atma-consuming-'));
  defer(() => rmSync(folder, { recursive: true, force: true }));
  const url = kind === 'amqp' ? (await sharedRabbit()).url : `embedded:${join(folder, 'broker.db')}`;
  const suffix = randomBytes(4).toString('hex');
  const names = {
    exchange: `shop_${suffix}`,
    queue: `shipping_${suffix}`,
    other: `billing_${suffix}`,
    dlx: `shop_${suffix}_dlx`,
    dlq: `shipping_${suffix}_dlq`,
  };
  const topology = topologyOf(names, options);
  const catalog = catalogOn(names.exchange);
  const another = async () => {
    const bus = await connect({ url, catalog, topology, source: 'shop' });
    defer(() => bus.close({ deadlineMs: 0 }));
    return bus;
  };
  const removed = [names.queue, names.other, names.dlq];
  const bus = await connect({ url, catalog, topology, source: 'shop' });
  defer(async () => {
    await bus.close({ deadlineMs: 0 });
    const cleaner = await connect({ url, catalog, topology });
    const delays = [20, 40, 60, 80, 3_000, 60_000].map((ms) => `${names.queue}.retry.${ms}`);
    await cleaner.transport.remove({
      queues: [...removed, ...delays],
      exchanges: [names.exchange, names.dlx],
    });
    await cleaner.close();
  });
  await bus.setup();
  const troubles: Trouble[] = [];
  const deadLettered: FailureRecord[] = [];
  return {
    kind,
    url,
    folder,
    bus,
    names,
    topology,
    troubles,
    deadLettered,
    another,
    defer,
    options: (more = {}) => ({
      circuit: false,
      retry: { delaysMs: [20, 40], jitter: 0 },
      onTrouble: (trouble) => troubles.push(trouble),
      onDeadLetter: (record) => deadLettered.push(record),
      ...more,
    }),
    send: (body, properties = {}, key = 'order.paid') =>
      bus.transport.publish({
        exchange: names.exchange,
        routingKey: key,
        body: Buffer.from(body),
        properties: { type: 'order.paid', ...properties },
      }),
    ready: async (name) => (await bus.transport.counts(name))?.ready ?? 0,
    async allAcked(consumer) {
      await consumer.close();
      const { ready = -1 } = (await bus.transport.counts(names.queue)) ?? {};
      expect([ready, (await bus.transport.counts(names.dlq))?.ready]).toEqual([0, 0]);
    },
    async dead(count, name = names.dlq) {
      await eventually(
        `${count} dead letters`,
        async () => ((await bus.transport.counts(name))?.ready ?? 0) >= count,
      );
      const found = [];
      for await (const message of bus.transport.browse(name)) {
        const record = readFailure(message);
        expect(record, 'a failure record').toBeDefined();
        if (record !== undefined) found.push({ message, record });
      }
      expect(found).toHaveLength(count);
      return found;
    },
    store() {
      const store = openIdempotencyStore(join(folder, 'keys.db'));
      defer(() => store.close());
      return store;
    },
    alsoRemove: (...queues) => removed.push(...queues),
  };
}

function topologyOf(names: Stage['names'], options: StageOptions): Topology {
  const { deadLetters = 'bound' } = options;
  const deadLetterArguments = {
    'x-dead-letter-exchange': names.dlx,
    'x-dead-letter-routing-key': 'dead',
  };
  const keys = ['order.*'];
  return {
    exchanges: [
      exchange(names.exchange, 'topic'),
      ...(deadLetters === 'bound' ? [exchange(names.dlx, 'direct')] : []),
    ],
    queues: [
      queue(names.queue, {
        ...(deadLetters === 'none' ? {} : deadLetterArguments),
        ...options.arguments,
      }),
      queue(names.other),
      ...(deadLetters === 'none' ? [] : [queue(names.dlq)]),
    ],
    bindings: [
      ...bind(names.exchange, names.queue, ...keys),
      ...bind(names.exchange, names.other, ...keys),
      ...(deadLetters === 'bound' ? bind(names.dlx, names.dlq, 'dead') : []),
    ],
  };
}
