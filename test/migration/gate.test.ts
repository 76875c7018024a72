import { describe, expect, it, test } from 'vitest';
import { type Position, STAGES } from '../../src/core/migration/stage.js';
import { evidenceOf, type GateFacts, judgeMove } from '../../src/migration/gate.js';
import type { Proposals } from '../../src/migration/gate-second-person.js';
import { GOOD_QUEUES, goodFacts, NOW, PRESENT, verdictFacts } from './gate-scene.js';

const at = (stage: Position['stage'], percent = 100): Position => ({ stage, percent });

/** The checks that failed, with their texts. */
function failed(facts: GateFacts): Record<string, string> {
  const { checks } = judgeMove(facts);
  return Object.fromEntries(checks.filter(({ ok }) => !ok).map(({ check, text }) => [check, text]));
}

describe('what a move needs', () => {
  const bare = (from: Position, to: Position): GateFacts => ({ from, to, reason: '', forced: false });

  test('backward is open from everywhere to everywhere, without a reason and without anybody being asked', () => {
    for (const [rank, stage] of STAGES.entries()) {
      for (const before of STAGES.slice(0, rank)) {
        const gate = judgeMove(bare(at(stage), at(before)));
        expect(gate).toMatchObject({ open: true, checks: [{ check: 'step', ok: true }] });
      }
    }
    expect(judgeMove(bare(at('live', 50), at('live', 10))).open).toBe(true);
    expect(judgeMove(bare(at('live', 1), at('shadow'))).open).toBe(true);
  });

  test.each([
    ['off', 'publish'],
    ['publish', 'shadow'],
  ] as const)('%s to %s needs a reason and nothing else', (from, to) => {
    expect(Object.keys(failed(bare(at(from), at(to))))).toEqual(['reason']);
    expect(judgeMove({ ...bare(at(from), at(to)), reason: 'begin' }).open).toBe(true);
  });

  test.each([
    ['shadow', 'live'],
    ['live', 'rampdown'],
    ['rampdown', 'complete'],
  ] as const)('%s to %s needs all of it', (from, to) => {
    const gate = judgeMove(bare(at(from), at(to)));
    expect(gate.open).toBe(false);
    expect(gate.checks.map(({ check, ok }) => [check, ok])).toEqual([
      ['step', true],
      ['reason', false],
      ['verdict', false],
      ['dead-letters', false],
      ['consumers', false],
    ]);
    expect(judgeMove(goodFacts({ from: at(from), to: at(to, 5) })).open).toBe(true);
  });

  test.each([
    [at('rampdown'), at('rampdown')],
    [at('rampdown', 50), at('rampdown', 49)],
    [at('complete', 50), at('rampdown')],
  ])('from %o to %o with a smaller sample needs all of it: fewer callbacks are seen', (from, to) => {
    const thinner = { ...bare(from, to), sample: { from: 10, to: 9 } };
    expect(Object.keys(failed(thinner))).toEqual(['reason', 'verdict', 'dead-letters', 'consumers']);
    expect(judgeMove(goodFacts({ from, to, sample: { from: 10, to: 9 } })).open).toBe(true);
    for (const free of [
      { from: 10, to: 10 },
      { from: 10, to: 11 },
    ]) {
      expect(judgeMove({ ...bare(from, to), sample: free }).open).toBe(true);
    }
  });

  test.each([
    [at('rampdown'), at('live')],
    [at('complete'), at('rampdown', 1)],
    [at('live'), at('live')],
  ])('from %o to %o the sample decides nothing: no callback less is sent', (from, to) => {
    expect(judgeMove({ ...bare(from, to), sample: { from: 10, to: 0 } }).open).toBe(true);
  });

  test('a growing percentage needs all of it, too', () => {
    expect(Object.keys(failed(bare(at('live', 5), at('live', 25))))).toEqual([
      'reason',
      'verdict',
      'dead-letters',
      'consumers',
    ]);
  });

  test.each([
    [at('off'), at('publish', 1), true],
    [at('off'), at('publish'), true],
    [at('off'), at('shadow', 1), false],
    [at('shadow', 99), at('shadow'), true],
    [at('shadow', 99), at('live', 1), false],
    [at('shadow'), at('live'), true],
    [at('shadow'), at('rampdown', 1), false],
    [at('live', 29), at('live'), true],
    [at('live'), at('rampdown'), true],
    [at('live', 99), at('rampdown', 1), false],
    [at('rampdown'), at('complete'), true],
  ])('%o to %o is one step: %s', (from, to, isOne) => {
    expect('step' in failed(goodFacts({ from, to }))).toBe(!isOne);
  });

  it('asks a status for no reason, which has none', () => {
    const gate = judgeMove(goodFacts({ reason: undefined }));
    expect(gate.open).toBe(true);
    expect(gate.checks.map(({ check }) => check)).not.toContain('reason');
  });

  it('takes blanks for no reason', () => {
    expect(failed(goodFacts({ reason: ' \t' }))).toEqual({ reason: expect.stringContaining('--reason') });
  });

  it('opens for force with a reason, and still says what failed', () => {
    const facts = goodFacts({ from: at('off'), to: at('live'), forced: true, queues: unknownQueues });
    const gate = judgeMove(facts);
    expect(gate.open).toBe(true);
    expect(Object.keys(failed(facts))).toEqual(['step', 'dead-letters', 'consumers']);
    expect(judgeMove({ ...facts, reason: ' ' }).open).toBe(false);
    expect(judgeMove({ ...facts, reason: undefined }).open).toBe(false);
  });
});

const unknownQueues = {
  known: false as const,
  why: 'the broker did not answer',
  todo: 'See whether it is up.',
};

describe('the verdict', () => {
  const said = (...facts: Parameters<typeof verdictFacts>) =>
    failed(goodFacts({ verdict: verdictFacts(...facts) })).verdict;

  it('is in order when it is SAFE, fresh, of the mapping and of the flag', () => {
    expect(said()).toBeUndefined();
  });

  test.each(['UNSAFE', 'INCONCLUSIVE'] as const)('is not in order when it is %s', (verdict) => {
    expect(said({ verdict })).toMatch(
      `${verdict}: see why with atma-events shadow verdict --store /srv/shadow.db`,
    );
  });

  it('may be as old as the limit, and not older', () => {
    expect(said({ savedAt: '2026-03-01T11:00:00.000Z' })).toBeUndefined();
    expect(said({ savedAt: '2026-03-01T10:59:59.999Z' })).toMatch(/is 60 min old, and may be 60 min/);
    expect(said({}, { maxAgeMs: 1_000 })).toMatch(/old, and may be/);
  });

  it('is not believed from the future, but for clocks that differ by seconds', () => {
    expect(said({ savedAt: '2026-03-01T12:00:30.000Z' })).toBeUndefined();
    expect(said({ savedAt: '2026-03-01T12:05:00.000Z' })).toMatch(/set the clocks right/);
  });

  it('is not in order by another mapping', () => {
    expect(said({ mapping: 'another' })).toMatch(/another mapping .* --flag-file \/srv\/flags\.json/);
  });

  it('counts where the flag was only what it may have been', () => {
    const flags = ['before', 'at 1 %', PRESENT];
    expect(said({ flags: ['before'] }, { flags })).toBeUndefined();
    expect(said({ flags: ['before', 'at 1 %'] }, { flags })).toBeUndefined();
    expect(said({ flags }, { flags })).toBeUndefined();
    expect(said({ flags: ['before', 'elsewhere', PRESENT] }, { flags })).toMatch(
      /while the flag was elsewhere/,
    );
    expect(said({ flags: ['before', PRESENT] })).toMatch(/while the flag was elsewhere/);
  });

  it('counts without a flag file only where there is none', () => {
    expect(said({ flag: null, flags: [null] }, { flags: [null] })).toBeUndefined();
    expect(said({ flag: null, flags: [null] })).toMatch(/while the flag was elsewhere/);
  });

  it('does not count where nobody noted the flag', () => {
    expect(said({ flag: null, flags: [] }, { flags: [null] })).toMatch(/does not say what the flag file was/);
  });

  it('says what to do where there is none', () => {
    const evidence = { known: false, why: 'there is no run', todo: 'Start one.' } as const;
    expect(failed(goodFacts({ verdict: { ...verdictFacts(), evidence } })).verdict).toBe(
      'The verdict cannot be known: there is no run. Start one.',
    );
  });
});

describe('the queues', () => {
  const look = (more: Partial<typeof GOOD_QUEUES>): Partial<GateFacts> => ({
    queues: { known: true, value: { ...GOOD_QUEUES, ...more } },
  });
  const letters = look({ deadLetters: [{ queue: 'notifications_dlq', messages: 7 }] });

  it('must hold no dead letters', () => {
    expect(failed(goodFacts(letters))).toEqual({
      'dead-letters': expect.stringMatching(
        /7 in notifications_dlq.*dlq groups notifications_dlq.*--dlq-explained/,
      ),
    });
  });

  it('may hold dead letters that were explained', () => {
    const deadLettersExplained = 'of March, refunded by hand';
    const facts = goodFacts({ ...letters, deadLettersExplained });
    const gate = judgeMove(facts);
    expect(gate.open).toBe(true);
    expect(evidenceOf(facts, gate)).toMatchObject({
      deadLetters: [{ queue: 'notifications_dlq', messages: 7 }],
      deadLettersExplained,
    });
    expect(judgeMove(goodFacts({ ...letters, deadLettersExplained: '  ' })).open).toBe(false);
  });

  it('must be there, and have a consumer each', () => {
    const bound = [
      { queue: 'assessments', exists: false, consumers: 0, ready: 0 },
      { queue: 'notifications', exists: true, consumers: 0, ready: 14 },
    ];
    const { consumers } = failed(goodFacts(look({ bound })));
    expect(consumers).toMatch(/Not there: assessments\..*atma-events setup/);
    expect(consumers).toMatch(/Nobody consumes notifications \(14 waiting\)\. Start the service/);
    expect(failed(goodFacts(look({ bound: [] }))).consumers).toMatch(/atma-events setup/);
  });

  it('must be known', () => {
    const texts = failed(goodFacts({ queues: unknownQueues }));
    expect(Object.keys(texts)).toEqual(['dead-letters', 'consumers']);
    for (const text of Object.values(texts)) {
      expect(text).toMatch(/cannot be known: the broker did not answer\. See whether it is up\.$/);
    }
  });
});

describe('the second person', () => {
  const proposal = {
    by: 'budi on laptop',
    at: '2026-03-01T09:00:00.000Z',
    to: at('live', 5),
    fileBefore: PRESENT,
    rollout: null,
  };
  const said = (changed: Partial<typeof proposal>, more: Partial<Proposals> = {}) => {
    const secondPerson = {
      by: 'rina on worker-3',
      file: PRESENT,
      now: NOW,
      proposals: [{ ...proposal, ...changed }],
      ...more,
    };
    return failed(goodFacts({ secondPerson }))['second-person'];
  };

  it('has proposed the same move of the same file within a day', () => {
    expect(said({})).toBeUndefined();
    expect(said({ at: '2026-02-28T12:00:00.000Z' })).toBeUndefined();
  });

  test.each([
    ['a day ago and more', { at: '2026-02-28T11:59:59.000Z' }],
    ['to another percentage', { to: at('live', 25) }],
    ['to another stage', { to: at('rampdown', 5) }],
    ['when the flag was elsewhere', { fileBefore: 'another' }],
    ['when there was no flag file', { fileBefore: null as unknown as string }],
    ['of a rollout', { rollout: 'live 1,5 every 1800 s' as unknown as null }],
  ])('is still wanted after a proposal %s', (_, changed) => {
    expect(said(changed)).toMatch(/nobody else has proposed it.*flag set live --percent 5/);
  });

  test.each(['rina on worker-3', 'Rina on another-host'])('is not oneself, as %s', (by) => {
    expect(said({ by })).toMatch(/^Only you have proposed live at 5 % .*Somebody else must run/);
  });

  it('is wanted where nobody proposed anything', () => {
    expect(said({}, { proposals: [] })).toMatch(/nobody else has proposed it/);
  });

  it('is found behind a later proposal of one’s own', () => {
    const own = { ...proposal, by: 'rina on worker-3', at: '2026-03-01T10:00:00.000Z' };
    expect(said({}, { proposals: [proposal, own] })).toBeUndefined();
  });

  it('speaks for a whole rollout at its first step, and for no other', () => {
    const name = 'live 1,5,25 every 1800 s';
    const first = { rollout: name as unknown as null, to: at('live', 1), fileBefore: 'before' };
    const on = (beganWith: string | undefined) => ({ rollout: { name, beganWith } });
    expect(said(first, on('before'))).toBeUndefined();
    expect(said({ ...first, at: '2026-02-01T00:00:00.000Z' }, on('before'))).toBeUndefined();
    expect(said(first, on('another'))).toBeDefined();
    expect(said(first, on(undefined))).toBeDefined();
    expect(said({ rollout: first.rollout }, on(undefined))).toBeUndefined();
    expect(
      said({ ...first, rollout: 'live 1,100 every 1 s' as unknown as null }, on('before')),
    ).toBeDefined();
    expect(said({}, on(undefined))).toBeDefined();
  });
});

it('gives the audit trail what was known by value, and nothing where nothing was asked', () => {
  const facts = goodFacts({ queues: unknownQueues });
  const evidence = evidenceOf(facts, judgeMove(facts));
  expect(evidence).toMatchObject({
    verdict: { verdict: 'SAFE', legs: 20_000, flags: [PRESENT] },
    deadLetters: null,
    queues: null,
    failed: [{ check: 'dead-letters' }, { check: 'consumers' }],
  });
  expect(JSON.parse(JSON.stringify(evidence))).toEqual(evidence);
  const back: GateFacts = { from: at('live'), to: at('shadow'), reason: '', forced: false };
  expect(evidenceOf(back, judgeMove(back))).toBeNull();
});
