/**
 * Moves of the flag killed with SIGKILL at every step of docs/migration.md, and at random. Afterwards the flag file is the old one
 * or the new one to the byte, the trail holds together and tells which, and the next move works.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { readAudit, verifyAudit } from '../../src/migration/audit.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { FLIP_STEPS, type FlipStep } from '../../src/migration/flip.js';
import { within } from '../await.js';
import { killLeftovers, runProgram } from '../transports/embedded/child.js';
import { at, type FlagScene, flagScene } from './flag-scene.js';

/** How often a process that moves the flag back and forth is killed at random. The long run takes 200. */
const RUNS = Number(process.env.KILL_RUNS ?? 8);
/** Random kills come within this time of the first move: some twenty moves. */
const LIFE_MS = 400;

const PROGRAM = new URL('./programs/die-in-a-flip.mjs', import.meta.url).href;

afterEach(killLeftovers);

const isPast = (step: FlipStep, other: FlipStep) => FLIP_STEPS.indexOf(step) >= FLIP_STEPS.indexOf(other);

const bytesOf = ({ file }: FlagScene) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);

async function dieAt(step: FlipStep, flag: FlagScene): Promise<void> {
  const argument = { file: flag.file, by: 'killed', to: [at('shadow')], step };
  const child = runProgram(PROGRAM, JSON.stringify(argument));
  expect(await within(`it dies at ${step}`, child.exited(), 20_000)).toBeNull();
  expect(child.process.signalCode).toBe('SIGKILL');
}

describe.each(['no flag file', 'a flag file'])('a move on %s', (situation) => {
  test.each(FLIP_STEPS)('killed at %s', async (step) => {
    const flag = flagScene();
    if (situation === 'a flag file') await flag.move(at('publish'));
    const [before, epoch] = [bytesOf(flag), readFlagFile(flag.file).state.epoch];

    await dieAt(step, flag);
    const happened = isPast(step, 'renamed');
    const after = bytesOf(flag);
    if (!happened) expect(after).toBe(before);
    const { state } = readFlagFile(flag.file);
    expect(state.epoch).toBe(happened ? epoch + 1 : epoch);

    // What is told before anybody has settled it is what is told after.
    const last = () => readAudit(flag.file).findLast(({ by }) => by === 'killed');
    const expected = happened ? 'done' : isPast(step, 'committed') ? 'abandoned' : undefined;
    expect(last()?.action).toBe(expected);
    if (expected !== undefined) expect(last()?.settled).toBe(step === 'finished');
    expect(verifyAudit(flag.file).problems).toEqual([]);
    expect(bytesOf(flag)).toBe(after);

    const next = await flag.move(at('live'));
    expect(next.before).toEqual(state);
    expect(next.after.epoch).toBe(state.epoch + 1);
    expect(last()?.action).toBe(expected);
    if (expected !== undefined) expect(last()?.settled).toBe(true);
    expect(verifyAudit(flag.file)).toMatchObject({ problems: [], notes: [] });
    expect(readdirSync(flag.folder).toSorted()).toEqual(['flags.json', 'flags.json.audit.db']);
  });
});

test(`killed ${RUNS} times at random, the flag is always one that a move wrote`, {
  timeout: 60_000 + RUNS * 5_000,
}, async () => {
  const flag = flagScene();
  await flag.move(at('publish'));
  let moved = 0;
  let cutOff = 0;
  for (let run = 0; run < RUNS; run++) {
    const argument = {
      file: flag.file,
      by: `run ${run}`,
      to: [at('shadow', 7), at('shadow', 8), at('publish')],
    };
    const child = runProgram(PROGRAM, JSON.stringify(argument));
    await child.printed('moved');
    await pause(Math.random() * LIFE_MS);
    await child.kill();
    const told = child.lines.filter((line) => line.startsWith('moved')).length;
    expect(child.lines.length).toBe(told);
    moved += told;

    const hash = createHash('sha256').update(readFileSync(flag.file)).digest('hex');
    const entries = readAudit(flag.file);
    const done = entries.filter(({ action }) => action === 'done');
    // The last move that happened wrote this very file; what was told as moved did happen.
    expect(done.at(-1)).toMatchObject({ fileAfter: hash, epoch: readFlagFile(flag.file).state.epoch });
    const own = done.filter(({ by }) => by === `run ${run}`).length;
    expect([told, told + 1]).toContain(own);
    if (entries.at(-1)?.settled === false) cutOff++;
    expect(verifyAudit(flag.file)).toMatchObject({ problems: [], notes: [] });
  }
  await flag.move(at('live'));
  expect(verifyAudit(flag.file)).toMatchObject({ problems: [], notes: [] });
  console.log(`${RUNS} kills in ${moved} moves; ${cutOff} of them between an entry and its end`);
});
