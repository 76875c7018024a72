import { expect, test } from 'vitest';
import { bind, exchange, queue } from '../../../src/core/topology/model.js';
import { eventually } from '../../await.js';
import { type Child, runProgram } from './child.js';
import { brokenInvariants, stored } from './invariants.js';
import { useScene } from './scene.js';

/** How often processes are killed. `npm test` takes few; the long run takes 200. */
const RUNS = Number(process.env.KILL_RUNS ?? 20);
/** Two processes are killed at random points within this time of being ready. */
const LIFE_MS = 120;

const scene = useScene();

/** One round: a publisher and two consumers, killed one after the other at random points. */
async function killRound(path: string, round: number): Promise<string[]> {
  const children = [
    runProgram('publish-forever.mjs', path, `r${round}`),
    runProgram('consume-forever.mjs', path, 'work'),
    runProgram('consume-forever.mjs', path, 'work'),
  ];
  await Promise.all(children.map((child) => child.printed('ready')));
  await Promise.all(children.map((child) => killWithin(child, Math.random() * LIFE_MS)));
  return children.flatMap(({ lines }) => [...lines]);
}

/** A kill has to come at a random time, so here a time is waited for on purpose. */
function killWithin(child: Child, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(() => child.kill().then(resolve, reject), ms);
  });
}

function wordsAfter(lines: readonly string[], start: string): string[][] {
  return lines.map((line) => line.split(' ')).filter(([first]) => first === start);
}

test(`after ${RUNS} rounds of kill -9, every confirmed event is there and none comes again after its ack`, {
  timeout: 60_000 + RUNS * 5_000,
}, async () => {
  const setup = scene.open();
  await setup.apply({
    exchanges: [exchange('kill', 'topic')],
    queues: [queue('work'), queue('copies')],
    bindings: [...bind('kill', 'work', 'k'), ...bind('kill', 'copies', '#')],
  });
  await setup.close();

  const lines: string[] = [];
  for (let round = 0; round < RUNS; round++) lines.push(...(await killRound(scene.path, round)));
  // Nobody has looked at the file since: this is what the last kills left, dead owners included.
  expect(brokenInvariants(scene.path)).toEqual([]);

  const left = await drain('work');
  const copies = await drain('copies');
  expect(brokenInvariants(scene.path)).toEqual([]);
  expect(stored(scene.path)).toEqual({ messages: 0, entries: 0 });
  const confirmed = wordsAfter(lines, 'confirmed').map(([, id = '']) => id);
  const ackedAt = new Map(wordsAfter(lines, 'acked').map(([, id = '', at = '0']) => [id, BigInt(at)]));
  const delivered = wordsAfter(lines, 'delivered');

  expect(confirmed.length).toBeGreaterThan(RUNS);
  expect(ackedAt.size).toBeGreaterThan(RUNS);
  const deliveredIds = new Set(delivered.map(([, id = '']) => id));
  // Killed between the ack and its line: such an id was delivered, and is neither left nor on the list.
  const lost = confirmed.filter((id) => !left.has(id) && !ackedAt.has(id) && !deliveredIds.has(id));
  expect(lost).toEqual([]);
  expect(confirmed.filter((id) => !copies.has(id))).toEqual([]);
  const again = delivered.filter(([, id = '', at = '0']) => BigInt(at) > (ackedAt.get(id) ?? BigInt(at)));
  expect(again).toEqual([]);
  expect([...left].filter((id) => ackedAt.has(id))).toEqual([]);
  console.log(
    `${RUNS} rounds, ${3 * RUNS} kills: ${confirmed.length} confirmed, ${ackedAt.size} acked, ${left.size} left, ` +
      `${copies.size} copies; 0 lost, 0 delivered after their ack`,
  );
});

/** Everything in a queue, by consuming it; and the count must have told the truth. */
async function drain(name: string): Promise<Set<string>> {
  const transport = scene.open();
  const ids = new Set<string>();
  const ready = (await transport.counts(name))?.ready ?? 0;
  const subscription = await transport.consume(name, { prefetch: 1_000 }, (delivery) => {
    const id = delivery.message.properties.messageId ?? '';
    expect(ids.has(id)).toBe(false);
    ids.add(id);
    void delivery.ack();
  });
  await eventually(`${ready} messages drained`, () => ids.size >= ready || undefined, {
    withinMs: 60_000,
  }).catch(() => undefined);
  await subscription.close();
  expect(ids.size).toBe(ready);
  expect((await transport.counts(name))?.ready).toBe(0);
  await transport.close();
  return ids;
}
