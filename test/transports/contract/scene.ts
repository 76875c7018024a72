/** What one contract test works with: open transports, names nobody else has, and a clean end. */
import { randomUUID } from 'node:crypto';
import { test as base, type TestAPI } from 'vitest';
import type { MessageProperties, ReceivedMessage } from '../../../src/core/message.js';
import {
  type Arguments,
  bind,
  EMPTY_TOPOLOGY,
  type ExchangeType,
  exchange,
  type QueueSpec,
  queue,
  type Topology,
} from '../../../src/core/topology/model.js';
import type { Delivery, Transport, TransportOptions } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import type { Harness } from './harness.js';
import { killPrograms, type Program, startProgram } from './program.js';

export interface Scene {
  readonly harness: Harness;
  readonly transport: Transport;
  /** One more transport, closed when the test ends. */
  open(options?: TransportOptions): Promise<Transport>;
  /** A name nobody else has. Whatever a test declares under it is removed when the test ends. */
  name(label: string): string;
  declare(topology: Partial<Topology>): Promise<void>;
  queue(args?: Arguments, rest?: Partial<QueueSpec>): Promise<string>;
  exchange(type?: ExchangeType): Promise<string>;
  bind(exchange: string, queue: string, ...keys: string[]): Promise<void>;
  /** Publishes text; the body doubles as the name of the message in assertions. */
  send(exchange: string, key: string, body: string, properties?: MessageProperties): Promise<void>;
  /** The same through the default exchange. */
  put(queue: string, body: string, properties?: MessageProperties): Promise<void>;
  /** Consumes and acks exactly `count` messages. */
  take(queue: string, count: number): Promise<ReceivedMessage[]>;
  ready(queue: string): Promise<number>;
  /** Runs `programs/<name>` as a process of its own, which does not survive the test. */
  program(name: string, ...args: string[]): Program;
}

export type ContractTest = TestAPI<{ scene: Scene }>;

export function contractTest(harness: Harness): ContractTest {
  return base.extend<{ scene: Scene }>({
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads the parameter's pattern
    scene: async ({}, use) => {
      const opened: Transport[] = [];
      const programs: Program[] = [];
      const names: string[] = [];
      const open = async (options?: TransportOptions) => {
        const transport = await harness.open(options);
        opened.push(transport);
        return transport;
      };
      try {
        await use(makeScene(harness, await open(), open, names, programs));
      } finally {
        await killPrograms(programs);
        await Promise.all(opened.map((transport) => transport.close()));
        await removeAll(harness, names);
      }
    },
  });
}

async function removeAll(harness: Harness, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const transport = await harness.open();
  try {
    await transport.remove({ queues: names, exchanges: names });
  } finally {
    await transport.close();
  }
}

function makeScene(
  harness: Harness,
  transport: Transport,
  open: Scene['open'],
  names: string[],
  programs: Program[],
): Scene {
  const name = (label: string) => {
    const made = `contract.${label}.${randomUUID()}`;
    names.push(made);
    return made;
  };
  const declare = (topology: Partial<Topology>) => transport.apply({ ...EMPTY_TOPOLOGY, ...topology });
  const send: Scene['send'] = (exchangeName, routingKey, body, properties = {}) =>
    transport.publish({ exchange: exchangeName, routingKey, body: Buffer.from(body), properties });
  return {
    harness,
    transport,
    open,
    name,
    declare,
    send,
    put: (queueName, body, properties) => send('', queueName, body, properties),
    take: (queueName, count) => take(transport, queueName, count),
    async queue(args, rest) {
      const made = name('queue');
      await declare({ queues: [queue(made, args, rest)] });
      return made;
    },
    async exchange(type = 'topic') {
      const made = name('exchange');
      await declare({ exchanges: [exchange(made, type)] });
      return made;
    },
    bind: (exchangeName, queueName, ...keys) => declare({ bindings: bind(exchangeName, queueName, ...keys) }),
    async ready(queueName) {
      const counts = await transport.counts(queueName);
      if (counts === undefined) throw new Error(`no queue ${queueName}`);
      return counts.ready;
    },
    program(file, ...args) {
      const program = startProgram(file, [harness.url(), ...args]);
      programs.push(program);
      return program;
    },
  };
}

/** Consumes and acks exactly `count` messages; prefetch keeps it from touching one more. */
export async function take(
  transport: Transport,
  queueName: string,
  count: number,
): Promise<ReceivedMessage[]> {
  const taken = await collect(transport, queueName, count);
  await Promise.all(taken.deliveries.map((delivery) => delivery.ack()));
  await taken.close();
  return taken.deliveries.map((delivery) => delivery.message);
}

export interface Collected {
  /** Grows while the consumer runs. */
  readonly deliveries: Delivery[];
  close(): Promise<void>;
}

/** Consumes without settling, until `count` deliveries are in hand. Prefetch is `count` unless given. */
export async function collect(
  transport: Transport,
  queueName: string,
  count: number,
  prefetch = Math.max(count, 1),
): Promise<Collected> {
  const deliveries: Delivery[] = [];
  const subscription = await transport.consume(queueName, { prefetch }, (delivery) => {
    deliveries.push(delivery);
  });
  await eventually(`${count} deliveries from ${queueName}`, () => deliveries.length >= count);
  return { deliveries, close: () => subscription.close() };
}

export function text(message: ReceivedMessage): string {
  return message.body.toString('utf8');
}

export function texts(messages: readonly ReceivedMessage[]): string[] {
  return messages.map(text);
}

/** The element at `index`, which the test knows is there. */
export function at<T>(items: readonly T[], index: number): T {
  const item = items.at(index);
  if (item === undefined) throw new Error(`nothing at ${index} of ${items.length}`);
  return item;
}
