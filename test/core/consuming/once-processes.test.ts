/** `once` in processes of their own, which share a store and die. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createOnce } from '../../../src/core/consuming/once.js';
import { within } from '../../await.js';
import { useStores } from '../../storage/stores.js';
import { type Child, killLeftovers, runProgram } from '../../transports/embedded/child.js';

/** How often processes are killed. `npm test` takes few; the long run takes 200. */
const RUNS = Number(process.env.KILL_RUNS ?? 10);
/** Processes are killed at random points within this time of being ready. */
const LIFE_MS = 150;

const scene = useStores();
afterEach(killLeftovers);

const effectsFile = () => join(scene.folder, 'effects');

function start(name: string, ...args: string[]): Child {
  const program = new URL(`./programs/${name}`, import.meta.url).href;
  return runProgram(program, scene.path, effectsFile(), ...args);
}

function effects(): string[] {
  return existsSync(effectsFile()) ? readFileSync(effectsFile(), 'utf8').trimEnd().split('\n') : [];
}

function keysAfter(word: string, lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
}

test('of four processes that want the same 300 effects at once, each effect is run by one', async () => {
  const children = Array.from({ length: 4 }, () => start('once-many.mjs', '300'));
  await Promise.all(children.map((child) => child.printed('ready')));
  for (const child of children) child.say('go');
  for (const child of children) expect(await within('it ends', child.exited(), 60_000)).toBe(0);
  const lines = children.flatMap((child) => child.lines);
  expect(effects()).toHaveLength(300);
  expect(new Set(effects()).size).toBe(300);
  expect(keysAfter('ran', lines).toSorted()).toEqual(effects().toSorted());
  expect(keysAfter('done', lines)).toHaveLength(900);
});

test('a process killed between effect and note leaves it unknown to the next, once its lease has passed', async () => {
  const child = start('once-die.mjs', 'refund');
  expect(await within('it dies', child.exited())).toBeNull();
  expect(effects()).toEqual(['refund']);
  const once = createOnce(scene.open(), { waitMs: 0 });
  const never = () => expect.fail('it ran twice');
  await expect(once('refund', never)).rejects.toMatchObject({ code: 'busy' });
  scene.pass(61_000);
  await expect(once('refund', never)).rejects.toMatchObject({
    code: 'effect-unknown',
    message: expect.stringContaining(`(pid ${child.process.pid}) died before its end was noted`),
  });
  expect(await once('refund', () => 'again', { ifUnknown: 'run' })).toMatchObject({ ran: true });
});

/** One round: two processes that want the same effects, killed at random points. */
async function killRound(round: number): Promise<string[]> {
  const children = [start('once-forever.mjs', `r${round}`), start('once-forever.mjs', `r${round}`)];
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

test(`after ${RUNS} rounds of kill -9 no effect happened twice, and each is done, unknown, or did not begin`, {
  timeout: 60_000 + RUNS * 5_000,
}, async () => {
  const lines: string[] = [];
  for (let round = 0; round < RUNS; round++) lines.push(...(await killRound(round)));
  scene.pass(3_600_000);
  const store = scene.open();
  const begun = keysAfter('begun', effects());
  const happened = keysAfter('happened', effects());
  const found = new Map<string, string>();
  for (const key of begun) found.set(key, (await store.find(key)).state);
  const withState = (state: string) => [...found].filter(([, is]) => is === state).map(([key]) => key);

  expect(begun.length).toBeGreaterThan(RUNS);
  expect(new Set(begun).size).toBe(begun.length);
  expect(new Set(happened).size).toBe(happened.length);
  expect(withState('free')).toEqual([]);
  expect(withState('claimed')).toEqual([]);
  expect(withState('done').filter((key) => !happened.includes(key))).toEqual([]);
  expect(keysAfter('ran', lines).filter((key) => found.get(key) !== 'done')).toEqual([]);
  // Killed with ten effects under way, at least one of the processes left one in between.
  expect(withState('unknown').length).toBeGreaterThan(0);
  const once = createOnce(store);
  for (const key of withState('unknown')) {
    await expect(once(key, () => expect.fail('it ran twice'))).rejects.toMatchObject({
      code: 'effect-unknown',
    });
  }
  console.log(
    `${RUNS} rounds, ${2 * RUNS} kills: ${begun.length} effects begun, ${happened.length} happened, ` +
      `${withState('done').length} done, ${withState('unknown').length} unknown; 0 twice`,
  );
});
