/**
 * What a mapping might ignore, from a path compared with itself: where one fact was told twice on the same path (tried
 * again, published again, in two recordings), whatever differs between the two differs though nothing is wrong. It only
 * proposes; nothing here changes a mapping that is in use.
 */
import { type ParsedShadowMapping, parseShadowMapping, type ShadowMapping } from '../core/shadow-mapping.js';
import type { Leg, Mapping, Side } from './mapping.js';
import { isUnnamedJob, type Observation } from './observation.js';
import { hashOf, shortText } from './values.js';

export interface Suggestion {
  /**
   * - `ignore`: not mapped, and it differs by itself
   * - `decide`: not mapped, and nothing is known against comparing it
   * - `tolerate`: compared today, and it differs by itself: it will be a mismatch now and then
   */
  readonly kind: 'ignore' | 'decide' | 'tolerate';
  readonly eventType: string;
  readonly consumer: string;
  readonly side: Side;
  readonly path: string;
  /** Bodies that have it. */
  readonly seen: number;
  /** How often a fact was told again, and in how many of these it was another value, or not there. */
  readonly repeated: number;
  readonly differs: number;
  /** How far numbers or times (in milliseconds) were apart at most; null where it is not only these. */
  readonly apart: number | null;
  readonly isTime: boolean;
  /** Lines of the first two that differ; 0 for none. */
  readonly lines: readonly [number, number];
}

export interface SuggestedSide {
  /** One for each consumer that the fact goes to. */
  readonly bodies: number;
  /** Of them, those of a fact that had been told before. */
  readonly repeated: number;
  /** Of them, those that were not looked at as there was no room for their facts. */
  readonly skipped: number;
}

/** Facts whose first telling is remembered, on each side. */
const MOST_FACTS = 50_000;
/** Names come from bodies, hence from anybody. */
const MOST_PATHS = 300;
const DEEPEST = 8;

interface Stat {
  readonly leg: Leg;
  readonly side: Side;
  readonly path: string;
  readonly mapped: boolean;
  seen: number;
  repeated: number;
  differs: number;
  /** NaN once something else than a number or a time differed. */
  apart: number;
  isTime: boolean;
  lines: readonly [number, number];
}

interface Value {
  readonly token: number;
  /** Numbers and times may be near each other. */
  readonly measure: 'number' | 'time' | undefined;
}

interface Told {
  readonly line: number;
  readonly values: ReadonlyMap<string, Value>;
}

export interface Suggester {
  /** The body of an observation. */
  take(side: Side, observation: Observation, body: unknown): void;
  side(side: Side): SuggestedSide;
  /** The most frequent first. */
  suggestions(): Suggestion[];
}

export function createSuggester(mapping: Mapping, mostFacts: number = MOST_FACTS): Suggester {
  const stats = new Map<string, Stat>();
  const told = { callback: new Map<string, Told>(), event: new Map<string, Told>() };
  const counts = {
    callback: { bodies: 0, repeated: 0, skipped: 0 },
    event: { bodies: 0, repeated: 0, skipped: 0 },
  };
  const statOf = (leg: Leg, side: Side, path: string, mapped: boolean): Stat | undefined => {
    const key = `${leg.index} ${side} ${path}`;
    const known = stats.get(key);
    if (known !== undefined || stats.size >= MOST_PATHS) return known;
    const own = { leg, side, path, mapped, seen: 0, repeated: 0, differs: 0, apart: 0, isTime: false };
    const stat: Stat = { ...own, lines: [0, 0] };
    stats.set(key, stat);
    return stat;
  };
  const compare = (leg: Leg, side: Side, before: Told, now: Told) => {
    for (const path of new Set([...before.values.keys(), ...now.values.keys()])) {
      const stat = stats.get(`${leg.index} ${side} ${path}`);
      if (stat === undefined) continue;
      stat.repeated++;
      const [a, b] = [before.values.get(path), now.values.get(path)];
      if (a?.token === b?.token) continue;
      if (stat.differs++ === 0) stat.lines = [before.line, now.line];
      const near = a?.measure !== undefined && a.measure === b?.measure;
      stat.apart = near ? Math.max(stat.apart, Math.abs(a.token - b.token)) : Number.NaN;
      stat.isTime = near && a.measure === 'time';
    }
  };

  return {
    take(side, observation, body) {
      const leg = mapping.legs[observation.leg];
      if (leg === undefined || isUnnamedJob(observation.job)) return;
      const count = counts[side];
      count.bodies++;
      const values = new Map<string, Value>();
      eachField(leg, side, body, (path, value, mapped) => {
        const stat = statOf(leg, side, path, mapped);
        if (stat === undefined) return;
        stat.seen++;
        values.set(path, value);
      });
      // Of another attempt nothing need be the same.
      const key = `${leg.index} ${observation.identity} ${observation.job}`;
      const now = { line: observation.line, values };
      const before = told[side].get(key);
      if (before !== undefined) {
        count.repeated++;
        compare(leg, side, before, now);
      } else if (told[side].size < mostFacts) told[side].set(key, now);
      else count.skipped++;
    },
    side: (side) => ({ ...counts[side] }),
    suggestions: () =>
      [...stats.values()].flatMap(suggestionOf).sort((a, b) => b.differs - a.differs || b.seen - a.seen),
  };
}

function suggestionOf(stat: Stat): Suggestion[] {
  const { leg, side, path, mapped, seen, repeated, differs, apart, isTime, lines } = stat;
  if (mapped && differs === 0) return [];
  const kind = mapped ? 'tolerate' : differs > 0 ? 'ignore' : 'decide';
  const { eventType, consumer } = leg;
  const distance = differs === 0 || Number.isNaN(apart) ? null : apart;
  return [{ kind, eventType, consumer, side, path, seen, repeated, differs, apart: distance, isTime, lines }];
}

/** Every value that is compared, or neither compared nor ignored; what identifies an attempt is neither here nor there. */
function eachField(
  leg: Leg,
  side: Side,
  body: unknown,
  found: (path: string, value: Value, mapped: boolean) => void,
): void {
  const compared = new Map(
    leg.fields.flatMap((field, index) =>
      field[side].paths.map(
        (path) => [path.join('.'), index === leg.identity ? 'identity' : 'field'] as const,
      ),
    ),
  );
  const { whole } = leg[side].known;
  const walk = (value: unknown, prefix: string, depth: number) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    for (const [key, each] of Object.entries(value)) {
      const path = shortText(prefix === '' ? key : `${prefix}.${key}`);
      const known = compared.get(path);
      if (known === 'identity' || (known === undefined && whole.has(path))) continue;
      const isBranch = typeof each === 'object' && each !== null && !Array.isArray(each);
      if (known === undefined && isBranch && depth < DEEPEST) walk(each, path, depth + 1);
      else found(path, measured(each), known === 'field');
    }
  };
  walk(body, '', 1);
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

function measured(value: unknown): Value {
  if (typeof value === 'number') return { token: value, measure: 'number' };
  const time = typeof value === 'string' && TIME.test(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(time)) return { token: time, measure: 'time' };
  return { token: hashOf(JSON.stringify(value) ?? ''), measure: undefined };
}

/** The mapping as it would be with the proposed ignores. Throws `config-invalid` for one that is none. */
export function withIgnores(mapping: ShadowMapping, suggestions: readonly Suggestion[]): ParsedShadowMapping {
  const parsed = parseShadowMapping(mapping);
  return {
    ...parsed,
    legs: parsed.legs.map((leg) => {
      const own = (side: Side) => [
        ...leg.ignore[side],
        ...suggestions
          .filter((each) => each.kind === 'ignore' && each.side === side)
          .filter(({ eventType, consumer }) => eventType === leg.eventType && consumer === leg.consumer)
          .map(({ path }) => path),
      ];
      return { ...leg, ignore: { callback: own('callback'), event: own('event') } };
    }),
  };
}
