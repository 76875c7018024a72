/** Events of every kind for a consumer, and where each of them must be in the end. For the tests of its faults. */
import { expect } from 'vitest';
import { readFailure } from '../../../src/core/consuming/failure-record.js';
import { bind, exchange, queue as queueSpec, type Topology } from '../../../src/core/topology/model.js';
import type { Transport } from '../../../src/core/transport.js';

const KINDS = ['ok', 'flaky', 'ok', 'poison', 'permanent', 'flaky', 'invalid', 'ok'] as const;

/** Reason of the dead letters of what cannot succeed. */
const FATE = { poison: 'exhausted', permanent: 'permanent', invalid: 'invalid' } as const;

/** Enough of them for a flaky event that also finds its key busy a few times. */
export const DELAYS_MS = [20, 40, 60, 80, 100, 120, 140, 160];

/** A queue, its dead-letter exchange and its dead-letter queue. */
export function topologyOf(name: string, queueArguments: Record<string, string | number> = {}): Topology {
  const dlx = `${name}_dlx`;
  const deadLetters = { 'x-dead-letter-exchange': dlx, 'x-dead-letter-routing-key': 'dead' };
  return {
    exchanges: [exchange(dlx, 'direct')],
    queues: [queueSpec(name, { ...queueArguments, ...deadLetters }), queueSpec(`${name}_dlq`)],
    bindings: bind(dlx, `${name}_dlq`, 'dead'),
  };
}

/** Publishes one event of each kind; returns how many there are then. */
export async function publishAll(transport: Transport, queue: string, published: number): Promise<number> {
  for (const [at, kind] of KINDS.entries()) {
    await transport.publish({
      exchange: '',
      routingKey: queue,
      body: Buffer.from(kind === 'invalid' ? 'not JSON' : JSON.stringify({ kind })),
      properties: { messageId: `${kind}-${published + at}`, type: 'thing.happened' },
    });
  }
  return published + KINDS.length;
}

/** Whether nothing waits in the queue or its delay queues. What is in hand shows in no count. */
export async function nothingWaits(transport: Transport, queue: string): Promise<boolean> {
  const queues = [queue, ...DELAYS_MS.map((delay) => `${queue}.retry.${delay}`)];
  const counts = await Promise.all(queues.map((name) => transport.counts(name)));
  return counts.every((count) => (count?.ready ?? 0) === 0);
}

/**
 * Every event is done or a dead letter, none is both; no effect happened twice; a second dead letter of an event is marked
 * as possible duplicate. Returns a line that says what was seen.
 */
export async function expectOnePlaceEach(
  transport: Transport,
  queue: string,
  effects: readonly string[],
  published: number,
): Promise<string> {
  const dead = await readDeadLetters(transport, `${queue}_dlq`);
  const done = new Set(effects);
  expect(done.size, 'no effect happened twice').toBe(effects.length);
  const unexplained: string[] = [];
  for (let n = 0; n < published; n++) {
    const kind = KINDS[n % KINDS.length] ?? 'ok';
    const id = `${kind}-${n}`;
    const letters = dead.get(id) ?? [];
    const reasons = [...new Set(letters.map(({ reason }) => reason))].join();
    // A death between effect and note is told as what it is; whether the effect happened is what nobody knows.
    const fine =
      kind === 'ok' || kind === 'flaky'
        ? (done.has(id) && letters.length === 0) || reasons === 'effect-unknown'
        : reasons === FATE[kind] && !done.has(id);
    if (!fine) unexplained.push(`${id}: effect ${done.has(id)}, dead letters ${JSON.stringify(letters)}`);
    if (letters.filter(({ marked }) => !marked).length > 1) unexplained.push(`${id}: twice, unmarked`);
  }
  expect(unexplained).toEqual([]);
  const letters = [...dead.values()];
  const unknown = letters.filter(([letter]) => letter?.reason === 'effect-unknown').length;
  const twins = letters.filter(({ length }) => length > 1).length;
  return (
    `${published} events: ${done.size} effects, ${dead.size} in the DLQ (${unknown} effect-unknown, ` +
    `${twins} marked as twice); 0 lost, 0 effects twice`
  );
}

async function readDeadLetters(transport: Transport, dlq: string) {
  const dead = new Map<string, { reason: string; marked: boolean }[]>();
  for await (const message of transport.browse(dlq)) {
    const failure = readFailure(message);
    const id = message.properties.messageId ?? '';
    const letter = { reason: failure?.reason ?? 'broker', marked: failure?.possibleDuplicate === true };
    dead.set(id, [...(dead.get(id) ?? []), letter]);
  }
  return dead;
}
