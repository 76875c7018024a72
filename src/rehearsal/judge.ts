/**
 * Whether every fact had its effects exactly once, on the path that counted. Pure. For each fact and effect:
 *
 * | noted | on | is |
 * |---|---|---|
 * | once | the path that counted in the stage in which the job was driven, or any while the flag was moved | right |
 * | once | the other path | wrong path |
 * | never | | missing |
 * | twice or more | | doubled |
 */
import { countingPath, expectedEffects, type Job, type Leg, type NotedEffect } from './facts.js';

export interface EffectCounts {
  readonly expected: number;
  readonly right: number;
  readonly missing: number;
  readonly doubled: number;
  readonly wrongPath: number;
  /** How often effects were noted, by path. */
  readonly byCallback: number;
  readonly byEvent: number;
}

export interface LegCounts extends EffectCounts {
  readonly leg: Leg;
  readonly facts: number;
}

export interface Judgement {
  readonly facts: number;
  readonly effects: EffectCounts & { readonly stray: number };
  readonly exactlyOnce: boolean;
  readonly legs: readonly LegCounts[];
  /** What is wrong, in words, with an example each. */
  readonly problems: readonly string[];
}

export type EffectFate = 'right' | 'missing' | 'doubled' | 'wrongPath';

export function fateOf(job: Job, effect: string): EffectFate {
  const paths = job.noted.get(effect) ?? [];
  if (paths.length === 0) return 'missing';
  if (paths.length > 1) return 'doubled';
  return job.inFlight || paths[0] === countingPath(job.leg) ? 'right' : 'wrongPath';
}

export function judgeEffects(jobs: Iterable<Job>, strays: readonly NotedEffect[]): Judgement {
  const byLeg = new Map<Leg, Tally>();
  const examples = new Map<EffectFate, { readonly job: Job; readonly effect: string }>();
  for (const job of jobs) {
    const tally = byLeg.get(job.leg) ?? emptyTally();
    byLeg.set(job.leg, tally);
    tally.facts++;
    for (const effect of expectedEffects(job)) {
      const fate = fateOf(job, effect);
      tally.expected++;
      tally[fate]++;
      for (const path of job.noted.get(effect) ?? []) tally[path === 'event' ? 'byEvent' : 'byCallback']++;
      if (!examples.has(fate)) examples.set(fate, { job, effect });
    }
  }
  const legs = [...byLeg].map(([leg, tally]) => ({ leg, ...tally }));
  const total = legs.reduce(plus, emptyTally());
  const { facts, ...effects } = total;
  const wrong = (['missing', 'doubled', 'wrongPath'] as const).filter((fate) => effects[fate] > 0);
  const [stray] = strays;
  return {
    facts,
    effects: { ...effects, stray: strays.length },
    exactlyOnce: wrong.length === 0 && strays.length === 0,
    legs,
    problems: [
      ...wrong.map((fate) => describeFate(fate, effects[fate], examples.get(fate))),
      ...(stray === undefined
        ? []
        : [
            `${strays.length} ${strays.length === 1 ? 'effect' : 'effects'} of no fact: ${stray.service} ${stray.effect} of ${stray.fact}`,
          ]),
    ],
  };
}

const WORDS: { readonly [F in Exclude<EffectFate, 'right'>]: string } = {
  missing: 'did not happen',
  doubled: 'happened more than once',
  wrongPath: 'happened on the path that did not count',
};

function describeFate(
  fate: Exclude<EffectFate, 'right'>,
  count: number,
  example: { readonly job: Job; readonly effect: string } | undefined,
): string {
  const what = `${count} ${count === 1 ? 'effect' : 'effects'} ${WORDS[fate]}`;
  if (example === undefined) return what;
  const { job, effect } = example;
  const paths = job.noted.get(effect) ?? [];
  const noted = paths.length === 0 ? '' : ` (${paths.join(', ')})`;
  return `${what}: ${effect} of job ${job.id}, driven in ${job.leg}${noted}`;
}

type Tally = { -readonly [K in keyof Omit<LegCounts, 'leg'>]: number };

const emptyTally = (): Tally => ({
  ...{ facts: 0, expected: 0, right: 0, missing: 0, doubled: 0, wrongPath: 0, byCallback: 0, byEvent: 0 },
});

function plus(a: Tally, b: Tally): Tally {
  return {
    facts: a.facts + b.facts,
    expected: a.expected + b.expected,
    right: a.right + b.right,
    missing: a.missing + b.missing,
    doubled: a.doubled + b.doubled,
    wrongPath: a.wrongPath + b.wrongPath,
    byCallback: a.byCallback + b.byCallback,
    byEvent: a.byEvent + b.byEvent,
  };
}
