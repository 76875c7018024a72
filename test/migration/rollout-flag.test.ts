/** A rollout with a real flag file and its trail, and stored runs; only the broker's numbers are by hand. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Position, Stage } from '../../src/core/migration/stage.js';
import { readAudit, verifyAudit } from '../../src/migration/audit.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { moveFlag } from '../../src/migration/flip.js';
import type { Looking } from '../../src/migration/queue-look.js';
import { runRollout } from '../../src/migration/rollout.js';
import { DEFAULT_LIMITS } from '../../src/migration/rollout-decision.js';
import { rolloutDeps } from '../../src/migration/rollout-deps.js';
import { type RolloutEvent, type RolloutPlan, rolloutName } from '../../src/migration/rollout-plan.js';
import { watchSignals } from '../../src/migration/rollout-signals.js';
import { atma } from '../../src/presets/atma.js';
import { temporaryFolder } from '../commands/cli.js';
import { storedRun } from '../commands/shadow-stores.js';
import { SHADOW } from '../shadow/scene.js';
import { EASY_POLICY } from './gate-scene.js';

const at = (stage: Stage, percent = 100): Position => ({ stage, percent });
const PLAN: RolloutPlan = { to: 'live', steps: [5, 25, 100], everyMs: 0, limits: DEFAULT_LIMITS };

async function scene() {
  const flagFile = join(temporaryFolder(), 'flags.json');
  const move = async (to: Position, by = 'rina on worker-3') => {
    const { hash } = readFlagFile(flagFile);
    const request = { file: flagFile, to, expected: hash, by, reason: 'test', forced: false, evidence: null };
    return moveFlag({ ...request, now: Date.now });
  };
  await move(at('publish'));
  const { hash } = await move(at('shadow'));
  const counts = new Map<string, { ready: number; consumers: number }>();
  for (const name of ['analysis_events_notifications', 'analysis_events_assessments']) {
    counts.set(name, { ready: 0, consumers: 1 });
    counts.set(`${name}_dlq`, { ready: 0, consumers: 0 });
  }
  const transport: Looking = {
    survey: () => Promise.resolve({ state: 'unknown', reason: 'by hand' }),
    counts: (queue) => Promise.resolve(counts.get(queue)),
  };
  const { catalog, topology } = atma.build({});
  const input = {
    ...{ flagFile, reason: 'a month SAFE', by: 'rina on worker-3', policy: EASY_POLICY, transport },
    system: { catalog, topology, shadow: SHADOW },
    ...{ verdictMaxAgeMs: 3_600_000, secondPerson: false, now: Date.now },
  };
  const evidence = (how: 'goesOn' | 'ended' | 'killed', flags: readonly (string | null)[], faults = {}) =>
    ({
      kind: 'store',
      path: storedRun({ how, flags, traffic: { seed: 12, days: 0.1, jobs: 100, faults } }).path,
    }) as const;
  const events: RolloutEvent[] = [];
  /** `each` is called at every look, and may end the rollout. */
  const roll = async (
    from: ReturnType<typeof evidence>,
    each: (looks: number, stop: () => void) => void,
    plan = PLAN,
  ) => {
    const over = new AbortController();
    let looks = 0;
    return runRollout(plan, {
      ...(await rolloutDeps(plan, { ...input, evidence: from })),
      tell: (event) => void events.push(event),
      async wait() {
        each(++looks, () => over.abort());
      },
      signal: over.signal,
    });
  };
  return {
    ...{ flagFile, hash, input, evidence, events, roll, move },
    bury: (letters: number) =>
      counts.set('analysis_events_notifications_dlq', { ready: letters, consumers: 0 }),
    position: () => readFlagFile(flagFile).state,
    moves: () =>
      readAudit(flagFile)
        .filter(({ action }) => action === 'done')
        .map(({ to, rollout }) => [to.stage, to.percent, rollout]),
  };
}

describe('a rollout of a real flag', () => {
  it('takes its steps by one run, and the trail tells of all of it', async () => {
    const { roll, evidence, hash, moves, flagFile } = await scene();
    expect(await roll(evidence('goesOn', [hash]), () => {})).toEqual({ kind: 'done', at: at('live') });
    const name = rolloutName(PLAN);
    expect(moves().slice(2)).toEqual([
      ['live', 5, name],
      ['live', 25, name],
      ['live', 100, name],
    ]);
    expect(verifyAudit(flagFile).problems).toEqual([]);
    for (const { evidence: kept, reason } of readAudit(flagFile).slice(2)) {
      expect(reason).toBe('a month SAFE');
      expect(kept).toMatchObject({ verdict: { verdict: 'SAFE', flags: [hash] }, failed: [] });
    }
  });

  it('goes back to where it began when dead letters come', async () => {
    const { roll, evidence, hash, bury, position, flagFile } = await scene();
    const outcome = await roll(evidence('goesOn', [hash]), (looks) => void (looks === 2 && bury(1)));
    expect(outcome).toMatchObject({ kind: 'back', at: at('shadow') });
    expect(position()).toMatchObject({ ...at('shadow'), epoch: 5 });
    expect(readAudit(flagFile).at(-1)).toMatchObject({
      from: at('live', 25),
      to: at('shadow'),
      reason: expect.stringMatching(/^The rollout went back: 1 dead letters more/),
      evidence: { because: [expect.stringContaining('dead letters')] },
    });
  });

  it('goes back to where the first one began, when it was cut off and started again with other steps', async () => {
    const { roll, evidence, hash, bury, position } = await scene();
    const run = evidence('goesOn', [hash]);
    const first = await roll(run, (looks, stop) => void (looks === 2 && stop()));
    expect(first).toEqual({ kind: 'interrupted', at: at('live', 25), paused: false });
    expect(position()).toMatchObject(at('live', 25));
    const outcome = await roll(run, () => void bury(3), { ...PLAN, steps: [50, 100] });
    expect(outcome).toMatchObject({ kind: 'back', at: at('shadow') });
  });

  it('is refused its first step by a run of another state of the flag', async () => {
    const { roll, evidence, position } = await scene();
    const outcome = await roll(evidence('goesOn', ['another']), () => {});
    expect(outcome).toMatchObject({ kind: 'refused', at: at('shadow'), gate: { open: false } });
    expect(position()).toMatchObject(at('shadow'));
  });

  it('leaves the flag to somebody else who moves it', async () => {
    const { roll, evidence, hash, move, moves, position } = await scene();
    let rival: Promise<unknown> | undefined;
    const run = evidence('goesOn', [hash]);
    const outcome = roll(run, (looks) => {
      if (looks === 1) rival = move(at('off'), 'budi on laptop');
    });
    expect(await outcome).toEqual({ kind: 'moved', at: at('off'), by: 'budi on laptop' });
    await rival;
    expect(position()).toMatchObject(at('off'));
    expect(moves().at(-1)).toEqual(['off', 100, null]);
  });
});

describe('what a rollout watches', () => {
  it('knows a run that goes on, and of none that has ended or was cut off', async () => {
    const { input, evidence, hash } = await scene();
    const shadowOf = async (how: 'goesOn' | 'ended' | 'killed') =>
      (await (await watchSignals({ ...input, evidence: evidence(how, [hash]) })).look()).shadow;
    expect(await shadowOf('goesOn')).toEqual({ known: true, value: { verdict: 'SAFE', legs: 0, bad: 0 } });
    for (const how of ['ended', 'killed'] as const) {
      expect(await shadowOf(how)).toMatchObject({
        known: false,
        why: expect.stringContaining('does not go on'),
      });
    }
  });

  it('does not know how old a run is that another clock has saved', async () => {
    const { input, evidence, hash } = await scene();
    const run = evidence('goesOn', [hash]);
    const late = { ...input, evidence: run, now: () => Date.now() - 3_600_000 };
    const { shadow } = await (await watchSignals(late)).look();
    expect(shadow).toMatchObject({ known: false, why: expect.stringContaining('set the clocks right') });
  });

  it('believes UNSAFE also of a run that has ended, but not of one of another state of the flag', async () => {
    const { input, evidence, hash } = await scene();
    const shadowOf = async (flags: readonly (string | null)[]) => {
      const from = evidence('ended', flags, { 'no event': 90 });
      return (await (await watchSignals({ ...input, evidence: from })).look()).shadow;
    };
    expect(await shadowOf([hash])).toMatchObject({ known: true, value: { verdict: 'UNSAFE' } });
    expect(await shadowOf(['another'])).toMatchObject({ known: false });
  });

  it('counts the legs of a step from its beginning, and all of them once another run has taken over', async () => {
    const { input, evidence, hash } = await scene();
    const first = evidence('goesOn', [hash]);
    const source = { ...first };
    const watch = await watchSignals({ ...input, evidence: source });
    await watch.stepBegins();
    expect((await watch.look()).shadow).toMatchObject({ value: { legs: 0, bad: 0 } });
    Object.assign(source, { path: evidence('goesOn', [hash], { 'no event': 1 }).path });
    const { shadow } = await watch.look();
    expect(shadow.known && shadow.value.legs).toBeGreaterThan(300);
    expect(shadow.known && shadow.value.bad).toBeGreaterThan(0);
  });

  it('counts dead letters that come, whatever somebody takes out meanwhile', async () => {
    const { input, evidence, hash, bury } = await scene();
    bury(10);
    const watch = await watchSignals({ ...input, evidence: evidence('goesOn', [hash]) });
    const growth = async () => {
      const { queues } = await watch.look();
      return queues.known ? queues.value.deadLetterGrowth : undefined;
    };
    expect(await growth()).toBe(0);
    bury(11);
    expect(await growth()).toBe(1);
    bury(2);
    expect(await growth()).toBe(0);
    bury(4);
    expect(await growth()).toBe(2);
  });
});
