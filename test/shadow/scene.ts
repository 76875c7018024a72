/** A matcher of ATMA's mapping, fed by hand. */
import { onTestFinished } from 'vitest';
import { atma } from '../../src/presets/atma.js';
import type { Counts } from '../../src/shadow/counts.js';
import { compileMapping } from '../../src/shadow/mapping.js';
import { createMatcher, type LegChange, type MatcherOptions } from '../../src/shadow/matcher.js';
import type { Observation } from '../../src/shadow/observation.js';
import { observeCallback, readCallback } from '../../src/shadow/observe-callback.js';
import { observeEvent, readEvent } from '../../src/shadow/observe-event.js';
import { EVERY_PLANT, type PlantName } from './plants.js';
import { CONSUMERS, createBook, type Line, makeJob, mulberry32, START, type Traffic } from './traffic.js';

const { topology, shadow = { legs: [] } } = atma.build({});
export const SHADOW = shadow;
export const TOPOLOGY = topology;
export const MAPPING = compileMapping(shadow, topology);

export function observationsOf(path: 'callback' | 'event', { record }: Line): readonly Observation[] {
  return path === 'callback'
    ? observeCallback(MAPPING, readCallback(record), 'proxy', 0).observations
    : observeEvent(MAPPING, readEvent(record), 'taps', 0).observations;
}

export function createScene(options: Partial<MatcherOptions> = {}) {
  const changes: LegChange[] = [];
  const matcher = createMatcher({
    mapping: MAPPING,
    sources: { proxy: 'callback', taps: 'event' },
    windowMs: () => 60_000,
    budgetMs: 5_000,
    onLeg: (change) => void changes.push(change),
    ...options,
  });
  onTestFinished(() => matcher.close());
  return {
    matcher,
    changes,
    callbacks(lines: readonly Line[]): void {
      for (const line of lines) for (const one of observationsOf('callback', line)) matcher.add(one);
    },
    events(lines: readonly Line[]): void {
      for (const line of lines) for (const one of observationsOf('event', line)) matcher.add(one);
    },
    advance(to: number): void {
      matcher.advance('proxy', to);
      matcher.advance('taps', to);
    },
    found: () => foundIn(matcher.counts()),
  };
}

/** `<event type> <consumer> <outcome>` and how many legs, those that there are none of left out. */
export function foundIn({ strata }: Counts): Record<string, number> {
  const entries = strata.flatMap(({ eventType, consumer, outcomes }) =>
    Object.entries(outcomes).map(
      ([outcome, count]) => [`${eventType} ${consumer} ${outcome}`, count] as const,
    ),
  );
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

/** The consumer's own report of what it did with a fact, as a hook of the core makes it from an event. */
export function reportOf(
  event: Line,
  consumer: string,
  kind: 'consumed' | 'applied',
  via?: 'callback' | 'event',
): Observation {
  const own = observationsOf('event', event).find(({ leg }) => MAPPING.legs[leg]?.consumer === consumer);
  if (own === undefined) throw new Error(`the event does not reach ${consumer}`);
  return { ...own, source: 'reports', kind, via, at: event.at + 50 };
}

/** All lines of both paths in order of time. */
export function inOrder({ callbacks, events }: Traffic): { path: 'callback' | 'event'; line: Line }[] {
  return [
    ...callbacks.map((line) => ({ path: 'callback' as const, line })),
    ...events.map((line) => ({ path: 'event' as const, line })),
  ].toSorted((a, b) => a.line.at - b.line.at);
}

/** One completed job, as it should be; its started event is left out. */
export function oneJob(): Traffic {
  const job = makeJob(START, mulberry32(1));
  const book = createBook();
  for (const consumer of CONSUMERS) book.callback(job, consumer, 'completed');
  book.event(job, 'completed');
  return book.traffic();
}

/** What must be found: `<event type> <consumer> <outcome>` and how many legs. */
export const planted = ({ expected }: Traffic) => Object.fromEntries(expected.legs);
/** So many jobs with each fault. */
export const everyPlant = (count: number) =>
  Object.fromEntries(EVERY_PLANT.map((name) => [name, count])) as Record<PlantName, number>;
