/**
 * Routing, differentially: random binding sets and keys go through a real RabbitMQ, by plain amqplib, and
 * through the embedded broker; both must reach the same queues. `ROUTING_SEED` repeats a run and
 * `ROUTING_SETS` sets its length (300 by default, each with 40 keys).
 */
import { randomInt, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConfirmChannel, connect } from 'amqplib';
import { describe, expect, test } from 'vitest';
import { isEventsError } from '../../src/core/errors.js';
import { EMPTY_TOPOLOGY, exchange, queue } from '../../src/core/topology/model.js';
import { createEmbeddedTransport } from '../../src/transports/embedded/index.js';
import { eventually } from '../await.js';
import { rabbitInstalled, sharedRabbit } from '../brokers/shared.js';
import { type RoutingCase, routingCase, seeded } from './routing-cases.js';

const SEED = Number(process.env.ROUTING_SEED ?? randomInt(2 ** 31));
const SETS = Number(process.env.ROUTING_SETS ?? 300);
const KEYS = 40;
const QUEUES = 6;

/** For each case and key, the queues reached, by their index. */
type Reached = readonly string[];

describe.skipIf(!rabbitInstalled)('routing on the embedded broker', () => {
  test(
    `agrees with RabbitMQ on ${SETS} random binding sets (ROUTING_SEED=${SEED})`,
    async () => {
      console.log(`routing: ROUTING_SEED=${SEED} ROUTING_SETS=${SETS}`);
      const random = seeded(SEED);
      const cases = Array.from({ length: SETS }, () => routingCase(random, QUEUES, KEYS));
      const expected = await byRabbit(cases);
      const actual = await byEmbedded(cases);
      const differences = expected.flatMap((reached, index) => {
        if (reached === actual[index]) return [];
        const at = cases[Math.floor(index / KEYS)];
        return [
          { key: at?.keys[index % KEYS], rabbit: reached, embedded: actual[index], ...at, keys: undefined },
        ];
      });
      expect(differences.slice(0, 3)).toEqual([]);
      // A generator that hits nothing, or everything, would prove little.
      const routed = expected.filter((reached) => reached !== '').length / expected.length;
      expect(routed).toBeGreaterThan(0.3);
      expect(routed).toBeLessThan(0.98);
      expect(new Set(expected).size).toBeGreaterThan(Math.min(30, SETS));
    },
    60_000 + SETS * 200,
  );
});

function idOf(set: number, key: number): string {
  return String(set * KEYS + key);
}

/** Message ids by queue, turned into queues by message. A copy too many shows up as well. */
function reachedBy(arrivals: readonly (readonly number[])[], total: number): Reached {
  const reached: string[] = Array.from({ length: total }, () => '');
  for (const [queueIndex, ids] of arrivals.entries()) {
    for (const id of ids) reached[id] += `${queueIndex} `;
  }
  return reached;
}

async function byRabbit(cases: readonly RoutingCase[]): Promise<Reached> {
  const { url } = await sharedRabbit();
  const connection = await connect(url);
  const prefix = `differential.${randomUUID()}`;
  const arrivals: number[][] = Array.from({ length: QUEUES }, () => []);
  const returned = new Set<number>();
  try {
    const consuming = await connection.createChannel();
    for (let index = 0; index < QUEUES; index += 1) {
      const name = `${prefix}.${index}`;
      await consuming.assertQueue(name, { exclusive: true, durable: false });
      await consuming.consume(
        name,
        (message) => arrivals[index]?.push(Number(message?.properties.messageId)),
        {
          noAck: true,
        },
      );
    }
    const publishing = await connection.createConfirmChannel();
    publishing.on('return', (message) => returned.add(Number(message.properties.messageId)));
    const declaring = await Promise.all(Array.from({ length: 8 }, () => connection.createChannel()));
    await Promise.all(
      declaring.map(async (channel, lane) => {
        for (let set = lane; set < cases.length; set += declaring.length) {
          const { type, bindings, keys } = cases[set] as RoutingCase;
          const name = `${prefix}.${set}`;
          await channel.assertExchange(name, type, { durable: false });
          await Promise.all(
            bindings.flatMap((patterns, index) =>
              patterns.map((pattern) => channel.bindQueue(`${prefix}.${index}`, name, pattern)),
            ),
          );
          await Promise.all(keys.map((key, index) => confirmed(publishing, name, key, idOf(set, index))));
          await channel.deleteExchange(name);
        }
      }),
    );
    // Confirmed means queued; a marker through each queue means delivered.
    const marker = cases.length * KEYS;
    for (let index = 0; index < QUEUES; index += 1) {
      await confirmed(publishing, '', `${prefix}.${index}`, String(marker));
    }
    await eventually('the markers', () => arrivals.every((ids) => ids.at(-1) === marker));
    const reached = reachedBy(
      arrivals.map((ids) => ids.slice(0, -1)),
      marker,
    );
    for (const [id, queues] of reached.entries()) expect(returned.has(id)).toBe(queues === '');
    return reached;
  } finally {
    await connection.close();
  }
}

function confirmed(channel: ConfirmChannel, name: string, key: string, messageId: string): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.publish(name, key, Buffer.alloc(0), { messageId, mandatory: true }, (error: unknown) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

async function byEmbedded(cases: readonly RoutingCase[]): Promise<Reached> {
  const folder = mkdtempSync(join(tmpdir(), 'atma-routing-'));
  const transport = createEmbeddedTransport(join(folder, 'broker.db'), {});
  const names = Array.from({ length: QUEUES }, (_, index) => `q${index}`);
  const arrivals: number[][] = Array.from({ length: QUEUES }, () => []);
  const unroutable = new Set<number>();
  try {
    await transport.apply({ ...EMPTY_TOPOLOGY, queues: names.map((name) => queue(name)) });
    for (const [index, name] of names.entries()) {
      await transport.consume(name, { prefetch: 1_000 }, (delivery) => {
        arrivals[index]?.push(Number(delivery.message.properties.messageId));
        void delivery.ack();
      });
    }
    for (const [set, { type, bindings, keys }] of cases.entries()) {
      const name = `x${set}`;
      await transport.apply({
        exchanges: [exchange(name, type)],
        queues: [],
        bindings: bindings.flatMap((patterns, index) =>
          patterns.map((key) => ({ exchange: name, queue: `q${index}`, key })),
        ),
      });
      await Promise.all(
        keys.map(async (routingKey, index) => {
          const messageId = idOf(set, index);
          try {
            await transport.publish({
              exchange: name,
              routingKey,
              body: Buffer.alloc(0),
              properties: { messageId },
            });
          } catch (error) {
            if (!isEventsError(error, 'unroutable')) throw error;
            unroutable.add(Number(messageId));
          }
        }),
      );
      await transport.remove({ exchanges: [name] });
    }
    const marker = cases.length * KEYS;
    for (const name of names) {
      const properties = { messageId: String(marker) };
      await transport.publish({ exchange: '', routingKey: name, body: Buffer.alloc(0), properties });
    }
    await eventually('the markers', () => arrivals.every((ids) => ids.at(-1) === marker));
    const reached = reachedBy(
      arrivals.map((ids) => ids.slice(0, -1)),
      marker,
    );
    for (const [id, queues] of reached.entries()) expect(unroutable.has(id)).toBe(queues === '');
    return reached;
  } finally {
    await transport.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
