/**
 * The flag is moved while facts are on their way. Whatever stage each of them was decided in, both services have its effect
 * exactly once: nothing is lost in a flip, and nothing happens twice.
 */
import { describe, expect, it } from 'vitest';
import { STAGES, type Stage, stageBefore } from '../../src/core/migration/stage.js';
import type { AtmaEvents, Dispatched, OpenDispatcher } from '../../src/index.js';
import { eventually, gate } from '../await.js';
import { rabbitInstalled } from '../brokers/shared.js';
import {
  expectExactlyOnce,
  expectRightPath,
  factOf,
  flagOf,
  jobOfFact,
  type Kind,
  setScene,
  summary,
  tell,
} from './flip-scene.js';
import type { Mishap } from './services.js';

/** Jobs on their way across each flip. `npm test` takes few; the long run takes 10,000. */
const JOBS = Number(process.env.FLIP_JOBS ?? 500);
const TIMEOUT_MS = 60_000 + JOBS * 60;

/** Every seventh job is delivered to the worker again after the flip, as by a job queue that saw no ack. */
const comesAgain = (job: number) => job % 7 === 0;
/** A few are through before the flip; then come those that are on their way until it is over, on whichever path; then others. */
const EARLY = Math.ceil(JOBS / 10);
const isHeld = (job: number) => job >= EARLY && job < EARLY + JOBS;
/** Some answers are lost after the effect has happened, so that the callback is sent again. */
const mishap = (fact: string): Mishap => {
  const job = jobOfFact(fact);
  return job % 11 === 0 ? 'answered 500' : job % 13 === 0 ? 'connection cut' : 'none';
};

const MOVES = STAGES.flatMap((stage) => {
  const before = stageBefore(stage);
  return before === undefined ? [] : [[before, stage] as const, [stage, before] as const];
});

/** Tells jobs in small portions, so that a flip falls between them; nobody waits for what was told. */
class Traffic {
  readonly told: Promise<Dispatched>[] = [];
  readonly decided = new Map<string, Set<Stage>>();
  readonly #dispatcher: OpenDispatcher<AtmaEvents>;

  constructor(dispatcher: OpenDispatcher<AtmaEvents>) {
    this.#dispatcher = dispatcher;
  }

  tell(job: number): void {
    const told = tell(this.#dispatcher, job).then((result) => {
      const stages = this.decided.get(result.fact) ?? new Set();
      this.decided.set(result.fact, stages.add(result.stage));
      return result;
    });
    told.catch(() => undefined); // looked at when all are awaited
    this.told.push(told);
  }

  async tellAll(jobs: readonly number[]): Promise<void> {
    for (let at = 0; at < jobs.length; at += 10) {
      for (const job of jobs.slice(at, at + 10)) this.tell(job);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

for (const kind of ['embedded', 'amqp'] as const) {
  describe.skipIf(kind === 'amqp' && !rabbitInstalled)(`on ${kind}`, () => {
    it.each(STAGES)(
      'in %s each path gets what its stage says, and each effect happens once',
      async (stage) => {
        await oneStage(kind, stage);
      },
    );

    it.each(MOVES)(
      `from %s to %s with ${JOBS} jobs on their way, each effect happens once`,
      { timeout: TIMEOUT_MS },
      async (from, to) => {
        await oneFlip(kind, from, to);
      },
    );

    it('through the percentages of live and back, each effect happens once', {
      timeout: TIMEOUT_MS,
    }, async () => {
      await percentages(kind);
    });
  });
}

/** What the paths of a stage carry, and which of it is in dry run: numbers of callbacks and events per service and job. */
const EXPECTED: {
  readonly [S in Stage]: { callbacks: number; dryCallbacks: number; handled: number; dryEvents: number };
} = {
  off: { callbacks: 1, dryCallbacks: 0, handled: 0, dryEvents: 0 },
  publish: { callbacks: 1, dryCallbacks: 0, handled: 0, dryEvents: 0 },
  shadow: { callbacks: 1, dryCallbacks: 0, handled: 1, dryEvents: 1 },
  live: { callbacks: 1, dryCallbacks: 1, handled: 1, dryEvents: 0 },
  rampdown: { callbacks: 0.2, dryCallbacks: 0.2, handled: 1, dryEvents: 0 },
  complete: { callbacks: 0, dryCallbacks: 0, handled: 1, dryEvents: 0 },
};

async function oneStage(kind: Kind, stage: Stage): Promise<void> {
  const scene = await setScene(kind);
  if (stage !== 'off') await scene.move({ stage, percent: 100 });
  const dispatcher = await scene.worker();
  const jobs = range(0, 100);
  const results = await Promise.all(jobs.map((job) => tell(dispatcher, job)));
  await scene.settled(dispatcher);

  const logs = expectExactlyOnce(scene, jobs);
  const decided = new Map(results.map((result) => [result.fact, new Set([result.stage])]));
  for (const log of logs) expectRightPath(log, decided);
  expect(new Set(results.map((result) => result.stage))).toEqual(new Set([stage]));
  const { callbacks, dryCallbacks, handled, dryEvents } = EXPECTED[stage];
  // The sample is chosen by the job, so its size is that of the jobs that said so.
  const sampled = results.filter((result) => result.callbacks[0]?.outcome === 'queued').length;
  const sent = stage === 'rampdown' ? sampled : 100 * callbacks;
  if (stage === 'rampdown') expect(sampled).toBeGreaterThan(0);
  for (const service of scene.services) {
    expect(service.callbacks).toEqual({ all: sent, dryRuns: dryCallbacks === 0 ? 0 : sent });
    expect(service.events).toEqual({ all: 100 * handled, dryRuns: 100 * dryEvents });
  }
  expect(scene.troubles.filter(({ about }) => about !== 'flag')).toEqual([]);
}

async function oneFlip(kind: Kind, from: Stage, to: Stage): Promise<void> {
  const flipped = gate();
  const hold = (fact: string) => (isHeld(jobOfFact(fact)) ? flipped.opened : undefined);
  const scene = await setScene(kind, { mishap, hold });
  if (from !== 'off') await scene.move({ stage: from, percent: 100 });
  const dispatcher = await scene.worker();
  const traffic = new Traffic(dispatcher);
  const [held, later, all] = [EARLY, EARLY + JOBS, 2 * EARLY + JOBS];
  const had = () => scene.services.map((service) => new Set(service.effects().map(({ fact }) => fact)));

  await traffic.tellAll(range(0, held));
  await eventually('the early ones are through', () => had().every((facts) => facts.size === held), {
    withinMs: TIMEOUT_MS,
    everyMs: 50,
  });
  await traffic.tellAll(range(held, later));
  const moved = scene.move({ stage: to, percent: 100 });
  await traffic.tellAll(range(later, all));
  await moved;
  await eventually(`the worker sees ${to}`, () => flagOf(dispatcher).stage === to);
  const atTheFlip = had();
  const underWay = range(held, later).filter((job) => !atTheFlip.some((facts) => facts.has(factOf(job))));
  await traffic.tellAll(range(all, all + EARLY));
  await traffic.tellAll(range(0, later).filter(comesAgain));
  flipped.open();
  await Promise.all(traffic.told);
  await scene.settled(dispatcher);

  expect(underWay).toHaveLength(JOBS);
  const jobs = range(0, all + EARLY);
  const logs = expectExactlyOnce(scene, jobs);
  for (const log of logs) expectRightPath(log, traffic.decided);
  const { decisions } = dispatcher.state();
  expect(decisions[from]).toBeGreaterThanOrEqual(later);
  expect(decisions[to]).toBeGreaterThanOrEqual(EARLY);
  const across = `${from} to ${to} with ${underWay.length} on their way`;
  console.log(`${kind}, ${summary(across, jobs.length, logs, decisions)}`);
}

async function percentages(kind: Kind): Promise<void> {
  const steps = [
    { stage: 'live', percent: 1 },
    { stage: 'live', percent: 25 },
    { stage: 'live', percent: 50 },
    { stage: 'live', percent: 100 },
    { stage: 'live', percent: 30 },
    { stage: 'shadow', percent: 100 },
  ] as const;
  const scene = await setScene(kind, { mishap });
  await scene.move({ stage: 'shadow', percent: 100 });
  const dispatcher = await scene.worker();
  const traffic = new Traffic(dispatcher);
  const share = Math.ceil(JOBS / (steps.length + 1));
  await traffic.tellAll(range(0, share));
  for (const [index, step] of steps.entries()) {
    const { epoch } = flagOf(dispatcher);
    const moved = scene.move(step);
    await traffic.tellAll(range((index + 1) * share, (index + 1) * share + 5)); // in the middle of the move
    await moved;
    await eventually('the worker sees it', () => flagOf(dispatcher).epoch > epoch);
    expect(flagOf(dispatcher)).toMatchObject(step);
    await traffic.tellAll(range((index + 1) * share + 5, (index + 2) * share));
    // And some of those told before, whose stage may be another one by now.
    await traffic.tellAll(range(0, (index + 1) * share).filter(comesAgain));
  }
  await Promise.all(traffic.told);
  await scene.settled(dispatcher);

  const jobs = range(0, (steps.length + 1) * share);
  const logs = expectExactlyOnce(scene, jobs);
  for (const log of logs) expectRightPath(log, traffic.decided);
  const { decisions } = dispatcher.state();
  expect(Object.keys(decisions).toSorted()).toEqual(['live', 'shadow']);
  console.log(`${kind}, ${summary('shadow to live in steps, and back', jobs.length, logs, decisions)}`);
}
