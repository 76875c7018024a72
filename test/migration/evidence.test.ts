import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import type { Position } from '../../src/core/migration/stage.js';
import { type Evidence, evidenceDocument, readEvidence } from '../../src/migration/evidence.js';
import {
  acceptedFlags,
  type DoneMove,
  growthOf,
  madeByRollout,
  rolloutOrigin,
} from '../../src/migration/present-move.js';
import { compileMapping } from '../../src/shadow/mapping.js';
import { temporaryFolder } from '../commands/cli.js';
import { storedRun } from '../commands/shadow-stores.js';
import { SHADOW, TOPOLOGY } from '../shadow/scene.js';
import { EASY_POLICY } from './gate-scene.js';

const MAPPING = compileMapping(SHADOW, TOPOLOGY).digest;

describe('the evidence of a run', () => {
  const of = (path: string) => readEvidence({ kind: 'store', path }, EASY_POLICY, Date.now());

  it('is its verdict, its mapping, its legs, and what the flag file was', () => {
    const { path } = storedRun({ how: 'goesOn', flags: ['a', 'b', 'b', 'a'] });
    expect(of(path)).toMatchObject({
      verdict: 'SAFE',
      mapping: MAPPING,
      flag: 'a',
      flags: ['a', 'b', 'a'],
      state: 'running',
      source: path,
      kind: 'store',
      legs: 400,
      bad: 0,
    });
  });

  it('has the time at which it was saved, by whatever clock: the gate is to see when that is ahead', () => {
    const { path } = storedRun({ how: 'goesOn', flags: ['a'] });
    const anHourAgo = Date.now() - 3_600_000;
    const found = readEvidence({ kind: 'store', path }, EASY_POLICY, anHourAgo);
    expect(Date.parse(found.savedAt)).toBeGreaterThan(anHourAgo + 60_000);
  });

  it('says that there was no flag file, or that nobody looked', () => {
    expect(of(storedRun({ how: 'goesOn', flags: [null] }).path)).toMatchObject({ flag: null, flags: [null] });
    expect(of(storedRun({ how: 'goesOn' }).path)).toMatchObject({ flag: null, flags: [] });
  });

  it('counts what is bad', () => {
    const traffic = { seed: 3, days: 0.1, jobs: 50, faults: { 'no event': 20 } };
    const found = of(storedRun({ how: 'ended', traffic }).path);
    expect(found).toMatchObject({ verdict: 'UNSAFE', state: 'ended' });
    expect(found.bad).toBeGreaterThanOrEqual(20);
  });
});

describe('the evidence in a file', () => {
  const written = (document: unknown): string => {
    const path = join(temporaryFolder(), 'verdict.json');
    writeFileSync(path, typeof document === 'string' ? document : JSON.stringify(document));
    return path;
  };
  const read = (path: string) => readEvidence({ kind: 'file', path }, EASY_POLICY, Date.now());
  const run = { store: '/srv/shadow.db', state: 'running', startedAt: '2026-02-01T00:00:00.000Z' };

  it('is what shadow verdict --json prints', () => {
    const { path } = storedRun({ how: 'goesOn', flags: ['a', null] });
    const stored = readEvidence({ kind: 'store', path }, EASY_POLICY, Date.now());
    const evidence = evidenceDocument(stored);
    expect(Object.keys(evidence)).toEqual(['mapping', 'flag', 'flags', 'savedAt', 'legs', 'bad']);
    const file = written({ verdict: 'SAFE', evidence, run: { ...run, startedAt: stored.startedAt } });
    expect(read(file)).toEqual({ ...stored, source: file, kind: 'file' } satisfies Evidence);
  });

  test.each([
    ['nothing', ''],
    ['no JSON', 'SAFE'],
    ['another document', { verdict: 'SAFE' }],
    ['a verdict of an older version', { verdict: 'SAFE', run, reasons: [] }],
    [
      'a verdict that there is none of',
      {
        verdict: 'FINE',
        evidence: { mapping: '', flag: null, flags: [], savedAt: run.startedAt, legs: 1, bad: 0 },
        run,
      },
    ],
  ])('is refused where it holds %s', (_, document) => {
    const path = written(document);
    expect(() => read(path)).toThrow(expect.objectContaining({ code: 'input-invalid' }));
  });

  it('is refused where there is none, or a folder', () => {
    const folder = temporaryFolder();
    expect(() => read(join(folder, 'none.json'))).toThrow(/Cannot read .*none\.json/);
    expect(() => read(folder)).toThrow(/Cannot read/);
  });
});

describe('the present move', () => {
  const at = (stage: Position['stage'], percent = 100): Position => ({ stage, percent });
  const SHADOW_FULL = at('shadow');

  /** Moves through these positions; the file after each is named by its number, from `1`. */
  function trail(...steps: readonly (Position & { readonly rollout?: string })[]) {
    let from: Position = at('off');
    return steps.map(({ stage, percent, rollout = null }, index): DoneMove & { action: 'done' } => {
      const move = {
        action: 'done' as const,
        from,
        to: { stage, percent },
        fileBefore: index === 0 ? null : String(index),
        fileAfter: String(index + 1),
        rollout,
      };
      from = move.to;
      return move;
    });
  }
  const flags = (moves: ReturnType<typeof trail>, to: Position) => {
    const last = moves.at(-1);
    const file = last?.fileAfter ?? null;
    return acceptedFlags({ file, position: last?.to ?? at('off') }, to, growthOf(moves, file));
  };

  it('carries a run from before its stage through its percentages', () => {
    const moves = trail(at('publish'), SHADOW_FULL, at('live', 1), at('live', 5));
    expect(flags(moves, at('live', 25))).toEqual(['2', '3', '4']);
  });

  it('carries no run into the next stage', () => {
    const moves = trail(SHADOW_FULL, at('live', 1), at('live'));
    expect(flags(moves, at('rampdown', 1))).toEqual(['3']);
    expect(flags(trail(SHADOW_FULL), at('live', 1))).toEqual(['1']);
  });

  it('begins anew after the flag went back', () => {
    const within = trail(SHADOW_FULL, at('live', 50), at('live', 5), at('live', 25));
    expect(flags(within, at('live', 50))).toEqual(['3', '4']);
    const out = trail(SHADOW_FULL, at('live', 50), SHADOW_FULL, at('live', 1));
    expect(flags(out, at('live', 50))).toEqual(['3', '4']);
    const back = trail(SHADOW_FULL, at('live', 50), at('live', 5));
    expect(flags(back, at('live', 50))).toEqual(['3']);
  });

  it('is unknown where the trail does not lead to the present file', () => {
    const moves = trail(SHADOW_FULL, at('live', 1));
    expect(growthOf(moves, 'written by hand')).toEqual([]);
    const present = { file: 'written by hand', position: at('live', 1) };
    expect(acceptedFlags(present, at('live', 5), [])).toEqual(['written by hand']);
    // Edited between two moves: what a run saw in that time is not known.
    const edited = moves.map((move, index) => (index === 1 ? { ...move, fileBefore: 'edited' } : move));
    expect(
      acceptedFlags({ file: '2', position: at('live', 1) }, at('live', 5), growthOf(edited, '2')),
    ).toEqual(['edited', '2']);
  });

  it('may have begun without a flag file', () => {
    expect(flags(trail(at('publish', 10)), at('publish', 50))).toEqual([null, '1']);
    expect(acceptedFlags({ file: null, position: at('off') }, at('publish'), growthOf([], null))).toEqual([
      null,
    ]);
  });

  it('passes over moves that did not happen, and proposals', () => {
    const moves = trail(SHADOW_FULL, at('live', 1));
    const proposal = { ...moves[1], action: 'proposal', fileAfter: null } as const;
    const abandoned = { ...moves[1], action: 'abandoned', fileAfter: '9' } as const;
    const audit = [...moves, proposal, abandoned] as Parameters<typeof growthOf>[0];
    expect(growthOf(audit, '2')).toHaveLength(1);
  });

  it('tells where a rollout began, also when it was cut off', () => {
    const name = 'live 1,5 every 1800 s';
    const moves = trail(
      SHADOW_FULL,
      at('live', 1),
      { ...at('live', 5), rollout: name },
      {
        ...at('live', 25),
        rollout: name,
      },
    );
    const growth = growthOf(moves, '4');
    expect(madeByRollout(growth, name).map(({ fileAfter }) => fileAfter)).toEqual(['3', '4']);
    expect(madeByRollout(growth, 'another')).toEqual([]);
    const present = { file: '4', position: at('live', 25) };
    expect(rolloutOrigin(present, 'live', moves)).toEqual(at('live', 1));
    // The next stage begins where the last one has ended, whoever brought it there.
    expect(rolloutOrigin(present, 'rampdown', moves)).toEqual(at('live', 25));
    expect(rolloutOrigin({ file: '2', position: at('live', 1) }, 'live', moves.slice(0, 2))).toEqual(
      at('live', 1),
    );
  });
});
