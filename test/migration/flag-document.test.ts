import { readFileSync } from 'node:fs';
import { FlagdCore, MemoryStorage } from '@openfeature/flagd-core';
import { describe, expect, test } from 'vitest';
import { STAGES } from '../../src/core/migration/stage.js';
import { fileHash, readFlag, writeFlag } from '../../src/migration/flag-document.js';
import { type FlagState, NO_FLAG } from '../../src/migration/flag-state.js';
import { byHand } from './flag-scene.js';

const fixture = (name: string) =>
  readFileSync(new URL(`../../fixtures/flags/${name}.json`, import.meta.url), 'utf8');

const QUARTER: FlagState = {
  stage: 'live',
  percent: 25,
  samplePercent: 10,
  epoch: 4,
  changedAt: '2026-03-01T02:00:00.000Z',
  changedBy: 'rina on laptop',
  reason: 'the verdict is SAFE since Monday',
  audit: 'a3'.repeat(32),
};

/** The flags of a document, to be changed. */
// biome-ignore lint/suspicious/noExplicitAny: what is built here is meant to fit no type
type Loose = any;

function edited(change: (flags: Loose, document: Loose) => void, state = QUARTER): string {
  const document = JSON.parse(writeFlag(undefined, state));
  change(document.flags, document);
  return JSON.stringify(document);
}

function refusal(text: string): { code: string; message: string; hint: string } {
  try {
    readFlag(text, 'flags.json');
  } catch (error) {
    return error as { code: string; message: string; hint: string };
  }
  throw new Error('it was accepted');
}

describe('a flag file', () => {
  test('is written as the one in the fixtures, to the byte', () => {
    expect(writeFlag(undefined, QUARTER)).toBe(fixture('live-for-a-quarter'));
  });

  test('says what was written, for every stage, percentage and sample', () => {
    for (const stage of STAGES) {
      for (const percent of stage === 'off' ? [100] : [1, 50, 99, 100]) {
        for (const samplePercent of [0, 1, 99, 100]) {
          const state = { ...QUARTER, stage, percent, samplePercent };
          expect(readFlag(writeFlag(undefined, state)).state).toEqual(state);
        }
      }
    }
    expect(readFlag(writeFlag(undefined, NO_FLAG)).state).toEqual(NO_FLAG);
  });

  test('passes the strict schema check of flagd, and names its schema', () => {
    for (const percent of [1, 100]) {
      const text = writeFlag(undefined, { ...QUARTER, percent });
      const storage = new MemoryStorage(SILENT);
      expect(storage.setConfigurations(text, true)).toEqual([
        'migration-stage',
        'use-event-driven',
        'callback-sample',
      ]);
      expect(JSON.parse(text).$schema).toBe('https://flagd.dev/schema/v0/flags.json');
    }
  });

  test('tells its metadata to whoever asks flagd', () => {
    const storage = new MemoryStorage(SILENT);
    storage.setConfigurations(writeFlag(undefined, QUARTER), true);
    const { flagMetadata } = new FlagdCore(storage, SILENT).resolveStringEvaluation(
      'migration-stage',
      'off',
      {},
    );
    expect(flagMetadata).toEqual({
      epoch: 4,
      percent: 25,
      samplePercent: 10,
      changedAt: '2026-03-01T02:00:00.000Z',
      changedBy: 'rina on laptop',
      reason: 'the verdict is SAFE since Monday',
      audit: 'a3'.repeat(32),
    });
  });

  test('keeps the other flags in it, their order and their values', () => {
    const before = JSON.parse(fixture('beside-other-flags'));
    const after = JSON.parse(writeFlag(fixture('beside-other-flags'), QUARTER));
    expect(Object.keys(after.flags)).toEqual([
      ...['new-report', 'migration-stage', 'limit', 'use-event-driven', 'callback-sample'],
    ]);
    for (const name of ['new-report', 'limit']) expect(after.flags[name]).toEqual(before.flags[name]);
    expect([after.$evaluators, after.metadata]).toEqual([before.$evaluators, before.metadata]);
    expect(readFlag(JSON.stringify(after)).state).toEqual(QUARTER);
  });

  test('has a hash of all its bytes', () => {
    expect(fileHash(Buffer.from('abc'))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });
});

describe('a flag file written by hand', () => {
  test.each(STAGES)('may hold no more than a stage for all jobs: %s', (stage) => {
    expect(readFlag(byHand(stage)).state).toEqual({ ...NO_FLAG, stage });
    expect(readFlag(byHand(stage)).decide('any')).toEqual({ stage, epoch: 0, inSample: false });
  });

  test('in rampdown still has a sample, of 10 percent', () => {
    const flag = readFlag(byHand('rampdown'));
    const sampled = Array.from({ length: 1_000 }, (_, n) => flag.decide(`job-${n}`).inSample).filter(Boolean);
    expect(sampled.length).toBeGreaterThan(60);
    expect(sampled.length).toBeLessThan(140);
  });

  test('may hold other flags, call a variant as it likes, and set use-event-driven if it agrees', () => {
    expect(readFlag(fixture('beside-other-flags')).state).toMatchObject({
      stage: 'shadow',
      percent: 100,
      epoch: 0,
    });
    const text = JSON.stringify({
      flags: {
        'migration-stage': {
          state: 'ENABLED',
          variants: { now: 'live', before: 'shadow' },
          defaultVariant: 'now',
        },
        'use-event-driven': {
          state: 'ENABLED',
          variants: { yes: true, no: false },
          defaultVariant: 'yes',
          targeting: {},
        },
      },
    });
    expect(readFlag(text).state).toMatchObject({ stage: 'live', percent: 100 });
    expect(refusal(text.replace('"defaultVariant":"yes"', '"defaultVariant":"no"')).message).toContain(
      'disagrees',
    );
  });

  test('may be one of ours in which both flags were set back', () => {
    const text = edited(
      (flags) => {
        flags['migration-stage'].defaultVariant = 'shadow';
        flags['use-event-driven'].defaultVariant = 'off';
      },
      { ...QUARTER, percent: 100 },
    );
    expect(readFlag(text).state).toMatchObject({ stage: 'shadow', percent: 100, epoch: 4 });
  });

  test('has its texts cut and freed of what could drive a terminal', () => {
    const { state } = readFlag(
      edited((flags) => {
        flags['migration-stage'].metadata.reason = `a\u001b[31mb\nc\u202e${'x'.repeat(5_000)}`;
        flags['migration-stage'].metadata.changedBy = '😀'.repeat(500);
      }),
    );
    expect(state.reason).toMatch(/^a \[31mb c x+…$/);
    expect(Array.from(state.reason ?? '')).toHaveLength(1_000);
    expect(Array.from(state.changedBy ?? '')).toHaveLength(200);
  });
});

describe('a flag file that is refused', () => {
  test.each([
    ['other-flags-only', 'flags.json holds no flag "migration-stage"', '"defaultVariant": "off"'],
    ['events-disagree', 'flags.json: "use-event-driven" disagrees with "migration-stage"', 'flag off'],
    ['metadata-disagree', '"migration-stage" is for 25 % of the jobs, and its metadata say 50 %', 'flag off'],
    ['disabled', 'flags.migration-stage.state: must be ENABLED', 'flag off'],
    ['two-stages-at-once', 'a share of jobs that no move of the flag writes', 'flag off'],
    ['a-rule-of-ones-own', 'a share of jobs that no move of the flag writes', 'flag off'],
    ['stages-swapped', 'a share of jobs that no move of the flag writes', 'flag off'],
    ['epoch-of-text', 'flags.migration-stage.metadata.epoch', 'flag off'],
  ])('%s: says why, and what to do', (name, message, hint) => {
    const error = refusal(fixture(name));
    expect(error.code).toBe('flag-invalid');
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  test.each<readonly [string, (flags: Loose, document: Loose) => void, string]>([
    ['another key for the jobs', (flags) => setKey(flags, 'mine:'), 'no move of the flag writes'],
    ['shares that are not 100 in all', (flags) => setShare(flags, 2, 80), 'no move of the flag writes'],
    ['a share of 0', (flags) => setShare(flags, 1, 0), 'no move of the flag writes'],
    [
      'a variant that means another stage',
      (flags) => setVariant(flags, 'live', 'rampdown'),
      'no move of the flag writes',
    ],
    ['an unknown stage', (flags) => setStage(flags, 'canary'), '"migration-stage" is no stage'],
    ['a default that is no variant', (flags) => setDefault(flags, 'x'), 'Default variant x'],
    [
      'another share in the sample than in the metadata',
      (flags) => setSample(flags, 20),
      'the metadata say 20 %',
    ],
    [
      'a rule of its own in the sample',
      (flags) => (flags['callback-sample'].targeting.if[2] = 'in'),
      '"callback-sample"',
    ],
    ['a disabled sample', (flags) => (flags['callback-sample'].state = 'DISABLED'), 'must be ENABLED'],
    [
      'a disabled use-event-driven',
      (flags) => (flags['use-event-driven'].state = 'DISABLED'),
      'must be ENABLED',
    ],
    ['an epoch below 0', (flags) => (flags['migration-stage'].metadata.epoch = -1), 'epoch'],
    ['a time that is none', (flags) => (flags['migration-stage'].metadata.changedAt = 'monday'), 'changedAt'],
    ['an audit that is no hash', (flags) => (flags['migration-stage'].metadata.audit = 'x'), 'SHA-256'],
    [
      'metadata that flagd has no type for',
      (flags) => (flags['migration-stage'].metadata.x = null),
      '/flags/migration-stage',
    ],
    ['another flag without variants', (flags) => (flags.other = { state: 'ENABLED' }), '/flags/other'],
    [
      'another flag whose default is none of its variants',
      (flags) => (flags.other = { state: 'ENABLED', variants: { a: true }, defaultVariant: 'b' }),
      'Default variant b',
    ],
    ['flags in a list', (_, document) => (document.flags = []), 'flags'],
  ])('%s', (_, change, message) => {
    const error = refusal(edited(change));
    expect(error.code).toBe('flag-invalid');
    expect(error.message).toContain(message);
    expect(error.message.length).toBeLessThan(700);
  });

  test.each([
    ['nothing', '', 'flags.json is empty'],
    ['blanks', ' \n', 'flags.json is empty'],
    ['half of one', fixture('live-for-a-quarter').slice(0, 900), 'not JSON, or only a part of it'],
    ['YAML', 'flags:\n  migration-stage: off\n', 'not JSON'],
    ['a list', '[]', 'flags.json'],
    ['null', 'null', 'flags.json'],
    ['text behind it', `${fixture('by-hand')}}`, 'not JSON'],
  ])('%s', (_, text, message) => {
    expect(refusal(text)).toMatchObject({ code: 'flag-invalid', message: expect.stringContaining(message) });
  });

  test('every beginning of a file is refused: a half-written one is no other state', () => {
    const text = fixture('live-for-a-quarter').trimEnd();
    for (let length = 0; length < text.length; length++) {
      expect(refusal(text.slice(0, length)).code).toBe('flag-invalid');
    }
  });

  test('shows nothing of what it holds that could drive a terminal', () => {
    const error = refusal(edited((flags) => (flags['a\u001b[2J'] = { state: 'ENABLED' })));
    expect(error.message).toContain('a\\x1b[2J');
  });
});

const SILENT = { error() {}, warn() {}, info() {}, debug() {} };

function setKey(flags: Loose, salt: string): void {
  for (const name of ['migration-stage', 'use-event-driven']) {
    flags[name].targeting.if[1].fractional[0].cat[0] = salt;
  }
}

function setShare(flags: Loose, bucket: number, share: number): void {
  flags['migration-stage'].targeting.if[1].fractional[bucket][1] = share;
}

function setVariant(flags: Loose, name: string, value: string): void {
  flags['migration-stage'].variants[name] = value;
}

function setStage(flags: Loose, stage: string): void {
  flags['migration-stage'] = { state: 'ENABLED', variants: { [stage]: stage }, defaultVariant: stage };
}

function setDefault(flags: Loose, variant: string): void {
  flags['migration-stage'] = { state: 'ENABLED', variants: { live: 'live' }, defaultVariant: variant };
}

function setSample(flags: Loose, percent: number): void {
  flags['migration-stage'].metadata.samplePercent = percent;
}
