import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Chalk } from 'chalk';
import { describe, expect, it } from 'vitest';
import { renderLetter } from '../../src/commands/dlq-letter.js';
import { seeLetter } from '../../src/commands/dlq-reading.js';
import type { IdempotencyStore } from '../../src/core/consuming/idempotency.js';
import { atma } from '../../src/presets/atma.js';
import { openIdempotencyStore } from '../../src/storage/idempotency-store.js';
import { failed } from '../dead-letters/letters.js';
import { runCli, temporaryFolder } from './cli.js';
import { KEYS, startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

const KEY = 'refund:3f8a2c1e';

/** A store in a folder of its own, with `KEY` as `prepare` leaves it. */
async function stored(prepare: (store: IdempotencyStore) => Promise<unknown>): Promise<string> {
  const cwd = temporaryFolder();
  await inStore(cwd, prepare);
  return cwd;
}

async function inStore<T>(cwd: string, work: (store: IdempotencyStore) => Promise<T>): Promise<T> {
  const store = openIdempotencyStore(join(cwd, 'once.db'));
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Whoever claimed it died. */
const unknown = (store: IdempotencyStore) =>
  store.claim(KEY, { token: 't', leaseMs: 0, note: 'assessment-service' });

const settle = (cwd: string, ...args: string[]) =>
  runCli(['dlq', 'settle', KEY, '--store', 'once.db', ...args], { cwd });

describe('dlq settle', () => {
  it('without an answer shows what is known, and changes nothing', async () => {
    const cwd = await stored(unknown);
    const { exitCode, stdout, stderr } = await settle(cwd);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^refund:3f8a2c1e: unknown\. Begun \d{4}-\S+Z, \d+ s ago \(assessment-service\); whoever/,
    );
    expect(stderr).toContain('--happened or --did-not-happen');
    expect(JSON.parse((await settle(cwd, '--json')).stdout)).toEqual({
      key: KEY,
      state: 'unknown',
      since: expect.stringMatching(/^\d{4}-.*Z$/),
      note: 'assessment-service',
    });
    expect(await inStore(cwd, (store) => store.find(KEY))).toMatchObject({ state: 'unknown' });
  });

  it.each([
    ['--happened', 'done'],
    ['--did-not-happen', 'free'],
  ])('%s makes it %s', async (answer, state) => {
    const cwd = await stored(unknown);
    const { exitCode, stdout } = await settle(cwd, answer, '--yes', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ key: KEY, state, settled: true });
    expect(await inStore(cwd, (store) => store.find(KEY))).toMatchObject({ state });
  });

  it('leaves a key alone that a living process works on, that is done, or that nobody has', async () => {
    const claimed = await stored((store) => store.claim(KEY, { token: 't', leaseMs: 600_000 }));
    expect(await settle(claimed, '--happened', '--yes')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('A process works on'),
    });
    const done = await stored(async (store) => {
      await store.claim(KEY, { token: 't', leaseMs: 1_000 });
      await store.complete(KEY, 't', 600_000);
    });
    expect(await settle(done, '--did-not-happen', '--yes')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('noted as done'),
    });
    const free = await stored((store) => store.find(KEY));
    expect(await settle(free, '--happened', '--yes')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('there is nothing to settle'),
    });
    expect(await inStore(free, (store) => store.find(KEY))).toEqual({ state: 'free' });
  });

  it('does not touch the records of consumers: a message would be lost for it', async () => {
    const key = 'settle:orders:m-1:0123456789abcdef:0';
    const cwd = await stored((store) => store.claim(key, { token: 't', leaseMs: 0 }));
    const { exitCode, stderr } = await runCli(
      ['dlq', 'settle', key, '--store', 'once.db', '--happened', '--yes'],
      { cwd },
    );
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("a consumer's own record")]);
    expect(await inStore(cwd, (store) => store.find(key))).toMatchObject({ state: 'unknown' });
  });

  it.each([
    [['--happened', '--did-not-happen', '--yes'], 'either --happened or --did-not-happen'],
    [['--happened'], '--yes'],
    [['--happened', '--yes'], 'There is no idempotency store'],
  ])('answers %j with exit 2, and makes no store', async (args, text) => {
    const cwd = temporaryFolder();
    const { exitCode, stderr } = await settle(cwd, ...args);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(text)]);
    expect(existsSync(join(cwd, 'once.db'))).toBe(false);
  });

  it.runIf(terminalsToBeHad)('asks, and takes Enter for no', async () => {
    const cwd = await stored(unknown);
    const args = ['dlq', 'settle', KEY, '--store', 'once.db', '--happened'];
    const declined = startOnTerminal(args, { cwd });
    await declined.shows('You have seen that it happened');
    declined.types(KEYS.enter);
    expect(await declined.ended).toBe(130);
    const agreed = startOnTerminal(args, { cwd });
    await agreed.shows('You have seen that it happened');
    agreed.types('y', KEYS.enter);
    await agreed.shows('noted as done');
    expect(await agreed.ended).toBe(0);
  });
});

describe('a dead letter whose effect nobody can tell about', () => {
  const shown = (message: string) => {
    const headers = failed({ reason: 'effect-unknown', message });
    const properties = { messageId: 'm-1', headers };
    const letter = { exchange: '', routingKey: 'q', body: Buffer.from('{}'), properties, redelivered: false };
    const { catalog } = atma.build({});
    return renderLetter(seeLetter(catalog, letter, 'q_dlq', 0), 1, { style: new Chalk({ level: 0 }) }, 0);
  };

  it('is shown with the next step, and the key that its message names', () => {
    const text = shown('nobody can tell whether the effect of "refund:it\'s \\"one\\"" happened: whoever …');
    expect(text).toContain(`atma-events dlq settle 'refund:it'\\''s "one"' --store FILE --happened`);
    expect(shown('something else')).toContain('atma-events dlq settle KEY --store FILE --happened');
  });
});

it('is as the guide shows it', async () => {
  const guide = readFileSync(new URL('../../docs/guides/when-messages-die.md', import.meta.url), 'utf8');
  const cwd = await stored(unknown);
  const shown = (await settle(cwd)).stdout.replace(/\d{4}-\S+Z, \d+ \w+ ago/, 'TIME').trim();
  const freed = (await settle(cwd, '--did-not-happen', '--yes')).stdout.trim();
  const text = guide.replace(/Begun \S+Z, 2 min ago/, 'Begun TIME');
  for (const line of [shown, freed]) expect(text.split('\n')).toContain(line);
});
