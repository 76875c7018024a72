/** The course of a rollout, with time, signals and flag by hand. With real ones: rollout-flag.test.ts. */
import { describe, expect, it, test } from 'vitest';
import { EventsError } from '../../src/core/errors.js';
import { type Position, progressOf } from '../../src/core/migration/stage.js';
import type { GateResult } from '../../src/migration/gate.js';
import { runRollout } from '../../src/migration/rollout.js';
import { DEFAULT_LIMITS, type RolloutSignals } from '../../src/migration/rollout-decision.js';
import {
  type RolloutDeps,
  type RolloutEvent,
  type RolloutPlan,
  rolloutName,
} from '../../src/migration/rollout-plan.js';

const MINUTE = 60_000;
const PLAN: RolloutPlan = { to: 'live', steps: [1, 50, 100], everyMs: 30 * MINUTE, limits: DEFAULT_LIMITS };
const SHADOW: Position = { stage: 'shadow', percent: 100 };
const live = (percent: number): Position => ({ stage: 'live', percent });

const signals = (
  verdict: 'SAFE' | 'UNSAFE' | 'INCONCLUSIVE' = 'SAFE',
  queues: { deadLetterGrowth?: number; ready?: number } = {},
): RolloutSignals => ({
  shadow: { known: true, value: { verdict, legs: 0, bad: 0 } },
  queues: {
    known: true,
    value: {
      deadLetterGrowth: queues.deadLetterGrowth ?? 0,
      fullest: { queue: 'notifications', ready: queues.ready ?? 0 },
    },
  },
});
const AWAY: RolloutSignals = {
  ...signals(),
  queues: { known: false, why: 'connection refused', todo: 'Start it.' },
};

/** A flag, a clock that moves when somebody waits, and what happens at which minute. */
function scene({ from = SHADOW, origin = SHADOW }: { from?: Position; origin?: Position } = {}) {
  let now = 0;
  let epoch = 1;
  let position = from;
  let by = 'rollout';
  let seen = signals();
  let gate: GateResult | undefined;
  let failing: EventsError | undefined;
  const plans = new Map<number, () => void>();
  const log: string[] = [];
  const events: RolloutEvent[] = [];
  const stop = new AbortController();
  const minute = () => Math.round(now / MINUTE);
  const put = (to: Position, who: string) => {
    [position, by] = [to, who];
    epoch++;
  };
  const deps: RolloutDeps = {
    read: () => ({ position, hash: `epoch ${epoch}`, changedBy: by }),
    origin,
    async judge(to) {
      const open: GateResult = { to, open: true, checks: [] };
      return { gate: gate ?? open, file: `epoch ${epoch}`, evidence: { seenAt: minute() } };
    },
    async move({ to, expected, because, evidence }) {
      if (failing) throw failing;
      if (expected !== `epoch ${epoch}`) throw new EventsError('flag-moved', 'moved');
      put(to, 'rollout');
      const why = because === undefined ? `gate of minute ${evidence?.seenAt}` : because.join();
      log.push(`minute ${minute()}: ${to.stage} ${to.percent}, ${why}`);
      return { hash: `epoch ${epoch}` };
    },
    signals: {
      stepBegins: async () => void log.push(`minute ${minute()}: counts`),
      look: async () => seen,
    },
    tell: (event) => void events.push(event),
    now: () => now,
    async wait(ms) {
      now += ms;
      plans.get(minute())?.();
    },
    signal: stop.signal,
    lookMs: MINUTE,
  };
  return {
    deps,
    log,
    events,
    stop,
    run: (plan = PLAN) => runRollout(plan, deps),
    at: (minutes: number, what: () => void) => void plans.set(minutes, what),
    see: (what: RolloutSignals) => {
      seen = what;
    },
    shut: (...texts: string[]) => {
      const checks = texts.map((text) => ({ check: 'dead-letters', ok: false, text }) as const);
      gate = texts.length === 0 ? undefined : { to: live(1), open: false, checks };
    },
    fail: (error: EventsError | undefined) => {
      failing = error;
    },
    jump: (ms: number) => {
      now += ms;
    },
    put,
    minute,
    position: () => position,
    moves: () => log.filter((line) => !line.endsWith('counts')),
    told: () => events.map(({ kind }) => kind),
  };
}

describe('a rollout', () => {
  it('takes each step when the one before was well for a whole time, and watches the last one as long', async () => {
    const { run, log, minute, told } = scene();
    expect(await run()).toEqual({ kind: 'done', at: live(100) });
    expect(log).toEqual([
      'minute 0: live 1, gate of minute 0',
      'minute 0: counts',
      'minute 30: live 50, gate of minute 30',
      'minute 30: counts',
      'minute 60: live 100, gate of minute 60',
      'minute 60: counts',
    ]);
    expect(minute()).toBe(90);
    expect(told()).toEqual(['moved', 'moved', 'moved']);
  });

  it('changes nothing where the gate refuses the first step', async () => {
    const { run, shut, log, position } = scene();
    shut('7 in notifications_dlq');
    expect(await run()).toMatchObject({ kind: 'refused', at: SHADOW, gate: { open: false } });
    expect({ log, at: position() }).toEqual({ log: [], at: SHADOW });
  });

  test.each([
    ['UNSAFE', signals('UNSAFE')],
    ['dead letters', signals('SAFE', { deadLetterGrowth: 1 })],
  ])('goes back by itself to where it began on %s', async (_, bad) => {
    const { run, at, see, moves, position, told } = scene();
    at(42, () => see(bad));
    const outcome = await run();
    expect(outcome).toMatchObject({ kind: 'back', at: SHADOW });
    expect(moves()).toHaveLength(3);
    expect(moves()[2]).toMatch(/^minute 42: shadow 100, /);
    expect(position()).toEqual(SHADOW);
    expect(told()).toEqual(['moved', 'moved', 'back']);
  });

  it('goes back after the last step, too', async () => {
    const { run, at, see } = scene();
    at(89, () => see(signals('UNSAFE')));
    expect(await run()).toMatchObject({ kind: 'back', at: SHADOW });
  });

  test.each([
    ['INCONCLUSIVE', signals('INCONCLUSIVE'), /INCONCLUSIVE/],
    ['lag', signals('SAFE', { ready: 1_001 }), /1001 messages wait in notifications/],
    ['a broker that is away', AWAY, /connection refused\. Start it\./],
  ])('pauses on %s, and takes the next step a whole time after it is well', async (_, spoilt, says) => {
    const { run, at, see, moves, events, minute } = scene();
    at(20, () => see(spoilt));
    at(25, () => see(signals()));
    expect(await run()).toMatchObject({ kind: 'done' });
    expect(moves()[1]).toBe('minute 55: live 50, gate of minute 55');
    expect(minute()).toBe(115);
    expect(events.slice(1, 3)).toEqual([
      { kind: 'paused', at: live(1), reasons: [expect.stringMatching(says)] },
      { kind: 'resumed', at: live(1), nextInMs: PLAN.everyMs },
    ]);
  });

  it('goes back from a pause, when what was not shown is shown to be wrong', async () => {
    const { run, at, see } = scene();
    at(10, () => see(signals('INCONCLUSIVE')));
    at(15, () => see(signals('UNSAFE')));
    expect(await run()).toMatchObject({ kind: 'back', at: SHADOW });
  });

  it('tells a pause once, however its numbers change, and again when its reason does', async () => {
    const { run, at, see, events } = scene();
    at(10, () => see(signals('SAFE', { ready: 2_000 })));
    at(11, () => see(signals('SAFE', { ready: 2_400 })));
    at(12, () => see(AWAY));
    at(13, () => see(signals()));
    await run();
    expect(events.filter(({ kind }) => kind === 'paused')).toHaveLength(2);
  });

  it('pauses where the gate refuses a later step, and waits a whole time once it opens', async () => {
    const { run, at, shut, moves, events } = scene();
    at(30, () => shut('1 in notifications_dlq'));
    at(40, () => shut());
    expect(await run()).toMatchObject({ kind: 'done' });
    expect(events[1]).toEqual({ kind: 'paused', at: live(1), reasons: ['1 in notifications_dlq'] });
    expect(moves()[1]).toBe('minute 70: live 50, gate of minute 70');
  });

  it('stops where somebody else moves the flag, and leaves it there', async () => {
    const { run, at, put, position, moves } = scene();
    at(10, () => put(live(5), 'budi on laptop'));
    expect(await run()).toEqual({ kind: 'moved', at: live(5), by: 'budi on laptop' });
    expect(position()).toEqual(live(5));
    expect(moves()).toHaveLength(1);
  });

  it('stops where somebody else moves the flag between the look and the step', async () => {
    const { run, deps, put } = scene();
    const { judge } = deps;
    const rivalled = {
      ...deps,
      judge: async (to: Position) => {
        const judged = await judge(to);
        put(live(7), 'budi on laptop');
        return judged;
      },
    };
    expect(await runRollout(PLAN, rivalled)).toEqual({ kind: 'moved', at: live(7), by: 'budi on laptop' });
    expect(run).toBeDefined();
  });

  it('does not go back over somebody who moved the flag meanwhile', async () => {
    const { run, at, see, put, position } = scene();
    at(10, () => {
      see(signals('UNSAFE'));
      put({ stage: 'publish', percent: 100 }, 'budi on laptop');
    });
    expect(await run()).toMatchObject({ kind: 'moved', by: 'budi on laptop' });
    expect(position().stage).toBe('publish');
  });

  it('tries to go back until it is done, though the reason has gone', async () => {
    const { run, at, see, fail, position, told } = scene();
    at(10, () => {
      see(signals('UNSAFE'));
      fail(new EventsError('storage', 'the disk is full'));
    });
    at(11, () => see(signals()));
    at(13, () => fail(undefined));
    expect(await run()).toMatchObject({ kind: 'back', at: SHADOW });
    expect(position()).toEqual(SHADOW);
    expect(told()).toEqual(['moved', 'trouble', 'trouble', 'trouble', 'back']);
  });

  it('pauses where a later step cannot be written, and takes it when it can', async () => {
    const { run, at, fail, events, moves } = scene();
    at(30, () => fail(new EventsError('storage', 'the disk is full', { hint: 'Make room.' })));
    at(32, () => fail(undefined));
    expect(await run()).toMatchObject({ kind: 'done' });
    expect(events[1]).toMatchObject({ kind: 'paused', reasons: ['the disk is full. Make room.'] });
    expect(moves()[1]).toBe('minute 61: live 50, gate of minute 61');
  });

  it('fails where the first step cannot be written', async () => {
    const { run, fail } = scene();
    fail(new EventsError('storage', 'the disk is full'));
    await expect(run()).rejects.toMatchObject({ code: 'storage' });
  });

  it('stays where it is when it is interrupted', async () => {
    const { run, at, stop, position } = scene();
    at(35, () => stop.abort());
    expect(await run()).toEqual({ kind: 'interrupted', at: live(50), paused: false });
    expect(position()).toEqual(live(50));
  });

  it('is not paused by a look that the interrupt has cut short', async () => {
    const { run, deps, stop, told } = scene();
    Object.assign(deps.signals, {
      async look() {
        stop.abort();
        return AWAY;
      },
    });
    expect(await run()).toEqual({ kind: 'interrupted', at: live(1), paused: false });
    expect(told()).toEqual(['moved']);
  });

  it('says that it was paused when it was interrupted', async () => {
    const { run, at, see, stop } = scene();
    at(5, () => see(AWAY));
    at(6, () => stop.abort());
    expect(await run()).toEqual({ kind: 'interrupted', at: live(1), paused: true });
  });

  it('takes no step once it was interrupted', async () => {
    const { run, stop, moves } = scene();
    stop.abort();
    expect(await run()).toMatchObject({ kind: 'interrupted', at: SHADOW });
    expect(moves()).toEqual([]);
  });

  it('goes on from the present percentage when it is started again, and back to where it first began', async () => {
    const again = scene({ from: live(50), origin: SHADOW });
    expect(await again.run()).toMatchObject({ kind: 'done' });
    expect(again.moves()).toEqual(['minute 30: live 100, gate of minute 30']);

    const worse = scene({ from: live(50), origin: SHADOW });
    worse.at(5, () => worse.see(signals('UNSAFE')));
    expect(await worse.run()).toMatchObject({ kind: 'back', at: SHADOW });
  });

  it('does not count time in which its process was stopped', async () => {
    const { run, at, jump, log } = scene();
    at(10, () => jump(25 * MINUTE));
    await run();
    // At minute 35, when it looked again, the time began anew.
    expect(log).toContain('minute 65: live 50, gate of minute 65');
  });

  it('has nothing to do beyond its last step', async () => {
    const { run, log } = scene({ from: { stage: 'rampdown', percent: 10 } });
    expect(await run()).toEqual({ kind: 'done', at: { stage: 'rampdown', percent: 10 } });
    expect(log).toEqual([]);
  });
});

test('the name of a rollout is the same when it is started again', () => {
  expect(rolloutName(PLAN)).toBe('live 1,50,100 every 1800 s');
  expect(progressOf(live(50))).toBe(2.5);
});
