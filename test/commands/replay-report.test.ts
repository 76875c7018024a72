import { describe, expect, it } from 'vitest';
import {
  adviceOn,
  combinedExitCode,
  renderSummary,
  replayDocument,
  replayExitCode,
} from '../../src/commands/replay-report.js';
import { EventsError } from '../../src/core/errors.js';
import { type ReplayReport, SKIP_REASONS } from '../../src/dead-letters/replay-types.js';

const report = (changes: Partial<ReplayReport> = {}): ReplayReport => ({
  id: 'r1',
  queue: 'q',
  replayed: 3,
  skipped: {},
  boomeranged: 0,
  possibleDuplicates: 0,
  left: 0,
  watched: 'copies',
  ...changes,
});

const CONTEXT = { ledger: '/srv/replays.db', resumeOptions: '', missingIds: [], unfit: false };

describe('the exit code of a replay', () => {
  it.each<[number, Partial<ReplayReport>, string[]]>([
    [0, {}, []],
    [0, { replayed: 0 }, []],
    [0, { boomeranged: 1 }, []],
    [3, { skipped: { unroutable: 1 } }, []],
    [1, { skipped: { unroutable: 1 }, replayed: 0 }, []],
    [3, {}, ['m-9']],
    [1, { replayed: 0 }, ['m-9']],
    [3, { stopped: 'canary', boomeranged: 2 }, []],
    [3, { stopped: 'errors' }, []],
    [1, { stopped: 'errors', replayed: 0 }, []],
    [130, { stopped: 'interrupted' }, []],
    [5, { stopped: 'broker' }, []],
    [5, { stopped: 'broker', error: new EventsError('unreachable', 'gone') }, []],
    [1, { stopped: 'broker', error: new EventsError('storage', 'disk full') }, []],
  ])('is %i for %j, ids not found: %j', (exitCode, changes, missingIds) => {
    expect(replayExitCode(report(changes), missingIds)).toBe(exitCode);
  });

  it.each([
    [[], 0],
    [[0, 0], 0],
    [[1, 1], 1],
    [[0, 1], 3],
    [[3, 0], 3],
    [[0, 130], 130],
    [[3, 5], 5],
  ] as const)('of several queues with %j is %i', (codes, exitCode) => {
    expect(combinedExitCode(codes)).toBe(exitCode);
  });
});

describe('the report of a replay', () => {
  it('has the documented fields as JSON, and no others', () => {
    expect(replayDocument(report({ skipped: { unroutable: 2 }, stopped: 'canary' }), ['m-9'])).toEqual({
      id: 'r1',
      queue: 'q',
      replayed: 3,
      skipped: { unroutable: 2 },
      boomeranged: 0,
      possibleDuplicates: 0,
      left: 0,
      stopped: 'canary',
      unknownIds: ['m-9'],
    });
  });

  it('has what a canary counts as JSON where there is any', () => {
    const stopped = report({ stopped: 'canary', waiting: 2, untaken: 4 });
    expect(replayDocument(stopped, [])).toEqual({
      id: 'r1',
      queue: 'q',
      replayed: 3,
      skipped: {},
      boomeranged: 0,
      possibleDuplicates: 0,
      left: 0,
      stopped: 'canary',
      waiting: 2,
      untaken: 4,
    });
    expect(replayDocument(report({ waiting: 0, untaken: 0 }), [])).toEqual(replayDocument(report(), []));
  });

  it('tells people each number that is not zero', () => {
    const text = renderSummary(
      report({
        skipped: { 'queue-missing': 2 },
        boomeranged: 1,
        waiting: 2,
        possibleDuplicates: 1,
        left: 4,
        watched: 'depth',
      }),
      { elapsedMs: 1500 },
    );
    expect(text.split('\n')).toEqual([
      'q: 3 replayed in 1.50 s, 2/s (replay r1)',
      '  2 skipped: the queue that they came from does not exist',
      '  2 failed again and wait for a retry',
      '  1 died again, counted by the depth of the queue: other deaths are among them',
      '  1 possible duplicate: sent again, because no confirm of the first time is on record',
      '  4 left in q',
    ]);
  });

  it.each(SKIP_REASONS)('says what to do about what was skipped as %s', (reason) => {
    const [advice] = adviceOn(report({ skipped: { [reason]: 1 } }), CONTEXT);
    expect(advice).toMatch(new RegExp(`^${reason}: .+\\.$`));
  });

  it.each([
    ['interrupted', 'continue with: atma-events replay-dlq --resume r1'],
    ['broker', 'continue with: atma-events replay-dlq --resume r1'],
    ['errors', 'continue with: atma-events replay-dlq --resume r1'],
    ['canary', 'atma-events dlq groups q'],
  ] as const)('says how to go on after it stopped: %s', (stopped, text) => {
    expect(adviceOn(report({ stopped, boomeranged: 1 }), CONTEXT).join('\n')).toContain(text);
  });

  it('resumes with the same ledger and canary', () => {
    const advice = adviceOn(report({ stopped: 'canary', boomeranged: 1 }), {
      ...CONTEXT,
      resumeOptions: ' --ledger l.db --canary 5',
    });
    expect(advice.join('\n')).toContain('--resume r1 --ledger l.db --canary 5');
  });
});
