/** Which jobs a percentage holds: flagd's arithmetic, done here once more from its definition. */
import { execFileSync } from 'node:child_process';
import { FlagdCore, MemoryStorage } from '@openfeature/flagd-core';
import { describe, expect, test } from 'vitest';
import { progressOf, STAGES, type Stage, stageBefore, usesEvents } from '../../src/core/migration/stage.js';
import { readFlag, writeFlag } from '../../src/migration/flag-document.js';
import { type FlagState, NO_FLAG } from '../../src/migration/flag-state.js';

const JOBS = Array.from({ length: 10_000 }, (_, n) => (n % 2 === 0 ? uuid(n) : `job-${n}`));
const PERCENTS = Array.from({ length: 100 }, (_, n) => n + 1);

const stateOf = (stage: Stage, percent: number, more?: Partial<FlagState>): FlagState => ({
  ...NO_FLAG,
  ...{ stage, percent, epoch: 7 },
  ...more,
});

const flagOf = (state: FlagState) => readFlag(writeFlag(undefined, state));

/** 0 to 99. */
const bucketOf = (key: string) => Math.floor((murmur3(key) * 100) / 2 ** 32);

describe('the jobs of a percentage', () => {
  test('murmur3 as it is checked against here gives the published values', () => {
    // https://github.com/aappleby/smhasher, and the values that implementations quote.
    expect(murmur3('')).toBe(0);
    expect(murmur3('a')).toBe(0x3c2569b2);
    expect(murmur3('abc')).toBe(0xb3dd93fa);
    expect(murmur3('Hello, world!')).toBe(0xc0363e43);
    expect(murmur3('The quick brown fox jumps over the lazy dog')).toBe(0x2e4ff723);
  });

  test('is for each of 10,000 jobs and every percent the one that flagd defines, and grows only by adding jobs', () => {
    const buckets = JOBS.map((job) => bucketOf(`atma-migration:${job}`));
    let before = 0;
    for (const percent of PERCENTS) {
      const flag = flagOf(stateOf('live', percent));
      const later = JOBS.map((job) => flag.decide(job).stage === 'live');
      // A job is in it when its bucket is among the first: so those of a smaller percentage are among those of a larger.
      expect(later.findIndex((isLater, n) => isLater !== (buckets[n] ?? 100) < percent)).toBe(-1);
      const count = later.filter(Boolean).length;
      expect(count).toBeGreaterThanOrEqual(before);
      before = count;
    }
    expect(before).toBe(JOBS.length);
  });

  test('holds about that share of the jobs', () => {
    for (const percent of [1, 10, 25, 50, 99]) {
      const flag = flagOf(stateOf('live', percent));
      const share = JOBS.filter((job) => flag.decide(job).stage === 'live').length / JOBS.length;
      expect(Math.abs(share - percent / 100)).toBeLessThan(0.015);
    }
  });

  test.each([0, 10, 100])(
    'is the same for whoever asks flagd itself, for each of the three flags (sample %i %)',
    (samplePercent) => {
      for (const stage of STAGES) {
        for (const percent of stage === 'off' ? [100] : [1, 37, 100]) {
          const state = stateOf(stage, percent, { samplePercent });
          const flagd = flagdOf(writeFlag(undefined, state));
          const flag = flagOf(state);
          for (const job of [undefined, '', ...JOBS.slice(0, 300)]) {
            const decided = flag.decide(job);
            const context = job === undefined ? {} : { targetingKey: job };
            expect(flagd.resolveStringEvaluation('migration-stage', 'none', context).value).toBe(
              decided.stage,
            );
            expect(
              flagd.resolveBooleanEvaluation('use-event-driven', !usesEvents(decided.stage), context).value,
            ).toBe(usesEvents(decided.stage));
            const sampled = flagd.resolveBooleanEvaluation('callback-sample', false, context).value;
            if (job) expect(sampled).toBe(bucketOf(`atma-callback-sample:${job}`) < samplePercent);
            expect(decided.inSample).toBe(sampled && decided.stage === 'rampdown');
          }
        }
      }
    },
  );

  test('use-event-driven agrees with the stage for every job at every percentage', () => {
    for (const percent of PERCENTS) {
      const flagd = flagdOf(writeFlag(undefined, stateOf('live', percent)));
      const wrong = JOBS.slice(0, 1_000).filter((job) => {
        const context = { targetingKey: job };
        const stage = flagd.resolveStringEvaluation('migration-stage', 'off', context).value as Stage;
        return flagd.resolveBooleanEvaluation('use-event-driven', false, context).value !== usesEvents(stage);
      });
      expect(wrong).toEqual([]);
    }
  });

  test('a job never goes back while positions go forward', () => {
    const positions = STAGES.slice(1).flatMap((stage) =>
      [1, 20, 50, 80, 100].map((percent) => ({ stage, percent })),
    );
    const flags = positions.map(({ stage, percent }) => flagOf(stateOf(stage, percent)));
    for (const job of JOBS.slice(0, 500)) {
      const ranks = flags.map((flag) => progressOf({ stage: flag.decide(job).stage, percent: 100 }));
      expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
    }
  });
});

describe('a decision', () => {
  test('is the same where code must not be made from strings', () => {
    const program = `
      import { readFlag, writeFlag } from ${JSON.stringify(new URL('../../dist/migration/flag-document.js', import.meta.url).href)};
      const flag = readFlag(writeFlag(undefined, ${JSON.stringify(stateOf('complete', 37))}));
      const jobs = ${JSON.stringify(JOBS.slice(0, 200))};
      console.log(JSON.stringify(jobs.map((job) => flag.decide(job))));`;
    const flags = ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', program];
    const flag = flagOf(stateOf('complete', 37));
    const output = execFileSync(process.execPath, flags, { encoding: 'utf8' });
    expect(JSON.parse(output)).toEqual(JOBS.slice(0, 200).map((job) => flag.decide(job)));
  });

  test('for all jobs is one and the same answer, whoever asks', () => {
    const flag = flagOf(stateOf('live', 100));
    expect(flag.decide('any')).toEqual({ stage: 'live', epoch: 7, inSample: false });
    expect(flag.decide('other')).toBe(flag.decide(undefined));
  });

  test.each(STAGES.slice(1))('without a job id is that of the jobs not yet in %s', (stage) => {
    const flag = flagOf(stateOf(stage, 99));
    const expected = { stage: stageBefore(stage), epoch: 7, inSample: false };
    expect(flag.decide(undefined)).toEqual(expected);
    expect(flag.decide('')).toEqual(expected);
  });

  test('is for the sample in rampdown alone, all of it or none where the share says so', () => {
    const sampled = (stage: Stage, percent: number, samplePercent: number) => {
      const flag = flagOf(stateOf(stage, percent, { samplePercent }));
      return JOBS.filter((job) => flag.decide(job).inSample).length;
    };
    expect(sampled('rampdown', 100, 0)).toBe(0);
    expect(sampled('rampdown', 100, 100)).toBe(JOBS.length);
    expect(sampled('rampdown', 100, 10)).toBe(
      JOBS.filter((job) => bucketOf(`atma-callback-sample:${job}`) < 10).length,
    );
    expect(sampled('live', 100, 50)).toBe(0);
    expect(sampled('complete', 100, 50)).toBe(0);
    // Half of the jobs are in rampdown still, and a half of these is in the sample: it is not made of the same jobs.
    expect(sampled('complete', 50, 50)).toBeGreaterThan(2_300);
    expect(sampled('complete', 50, 50)).toBeLessThan(2_700);
  });

  test('for whatever a job id may be called is given', () => {
    const flag = flagOf(stateOf('live', 50));
    for (const job of [
      '0',
      'false',
      'null',
      '__proto__',
      'constructor',
      'targetingKey',
      '{"var":"x"}',
      ' ',
      'é😀',
    ]) {
      const expected = /^[ -~]*$/.test(job)
        ? bucketOf(`atma-migration:${job}`) < 50
          ? 'live'
          : 'shadow'
        : undefined;
      const { stage } = flag.decide(job);
      if (expected === undefined) expect(['live', 'shadow']).toContain(stage);
      else expect([job, stage]).toEqual([job, expected]);
    }
  });
});

function flagdOf(text: string): FlagdCore {
  const silent = { error() {}, warn() {}, info() {}, debug() {} };
  const storage = new MemoryStorage(silent);
  storage.setConfigurations(text, true);
  return new FlagdCore(storage, silent);
}

function uuid(n: number): string {
  const hex = (murmur3(`a${n}`).toString(16) + murmur3(`b${n}`).toString(16)).padStart(16, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-9abc-${String(n).padStart(12, '0')}`;
}

/** MurmurHash3 x86 32, seed 0, from its definition. */
function murmur3(text: string): number {
  const bytes = Buffer.from(text);
  const mix = (k: number) => Math.imul(rotate(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593);
  let hash = 0;
  const whole = bytes.length - (bytes.length % 4);
  for (let offset = 0; offset < whole; offset += 4) {
    hash = (Math.imul(rotate(hash ^ mix(bytes.readUInt32LE(offset)), 13), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let offset = bytes.length - 1; offset >= whole; offset--) tail = (tail << 8) | (bytes[offset] ?? 0);
  if (whole < bytes.length) hash ^= mix(tail);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}
